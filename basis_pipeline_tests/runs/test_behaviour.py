"""Figures of a small run are pinned: who changes them raises the behaviour version, so that old months turn stale."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from basis_pipeline.domain.behaviour import BEHAVIOUR
from basis_pipeline.runs.backtest import plan_backtest
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.digests import text_digest

PINNED_BEHAVIOUR = "2"
PINNED = {
    ("btc_basis", "2024-03"): "c168dd94f10ce11d",
    ("pure_lending_eth", "2024-03"): "3b1457ecebc5ab99",
    ("eth_leveraged", "2024-06"): "3c7f29124dc18f36",
    ("usdt_eth_staking_hedged_simple", "2024-06"): "d3800613abde93af",
}
REMEDY = """
If market data became others (the synthetic sample, a rule of ingestion), put the new digest here.
If the same data now give other figures, raise BEHAVIOUR in basis_pipeline/domain/behaviour.py as well.
"""


FIGURES = {
    "timesteps": "equity_share_class",
    "positions": "underlying_quantity",
    "deltas": "delta_amount",
    "pnl_attribution": "pnl",
}
"""What every decision, fill, settlement and valuation ends in; further columns of the tables change nothing here."""


def rounded(values: pa.ChunkedArray) -> str:
    """Seven digits, dust as zero: neither another machine nor another order of additions is a change."""
    return " ".join(f"{value:.6e}" if abs(value) > 1e-6 else "0" for value in values.to_pylist())


@pytest.mark.parametrize(("mode", "month"), PINNED)
def test_a_run_gives_the_figures_of_its_behaviour_version(
    mode: str, month: str, sample_validated: Path, open_workspace: Callable[..., Workspace]
) -> None:
    workspace = open_workspace(sample_validated)
    for _ in plan_backtest(workspace, mode, first=month, last=month, experiment="pinned").run():
        pass
    results = workspace.results
    figures = [results.read_month(mode, month, table, "pinned")[column] for table, column in FIGURES.items()]
    digest = text_digest(*map(rounded, figures))[:16]
    assert (BEHAVIOUR, digest) == (PINNED_BEHAVIOUR, PINNED[mode, month]), REMEDY
