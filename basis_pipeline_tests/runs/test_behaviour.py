"""Figures of a small run are pinned: who changes them raises the behaviour version, so that old months turn stale."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from basis_pipeline.domain.behaviour import BEHAVIOUR
from basis_pipeline.runs.backtest import plan_backtest
from basis_pipeline.runs.ingest import ingest
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.digests import text_digest
from basis_pipeline_tests.runs.conftest import CONFIGS

PINNED_BEHAVIOUR = "4"
PINNED = {
    ("btc_basis", "2024-03"): "c168dd94f10ce11d",
    ("pure_lending_eth", "2024-03"): "3b1457ecebc5ab99",
    ("eth_leveraged", "2024-06"): "3c7f29124dc18f36",
    ("usdt_eth_staking_hedged_simple", "2024-06"): "d3800613abde93af",
}
PINNED_SIGNALS = {
    "ml_btc_directional_usdt_margin": "cb69d3f70dc1e444",
    "ml_btc_directional_btc_margin": "ef9120606e31a88c",
}
"""January 2024, after signals from a file: both sides, flips, stops and takes of profit."""
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
    assert (BEHAVIOUR, digest(workspace, mode, month)) == (PINNED_BEHAVIOUR, PINNED[mode, month]), REMEDY


@pytest.fixture(scope="module")
def following_a_file(sample_raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """5-minute candles of the sample, and a side that is entered every eight hours and dropped two hours later."""
    folder = tmp_path_factory.mktemp("pinned")
    (folder / "raw").mkdir()
    for pattern in ("binance_BTCUSDT_perp_5m*", "binance_BTCUSDT_funding_8h*"):
        for file in sample_raw.rglob(pattern):
            shutil.copy(file, folder / "raw" / file.name)
    stamps = pd.date_range("2024-01-01", "2024-02-01", freq="5min", inclusive="left", tz="UTC")
    bar = np.arange(len(stamps))
    entered, dropped = bar % 96 == 12, bar % 96 == 36
    side = np.where(bar // 96 % 2 == 0, "long", "short")
    frame = pd.DataFrame(
        {
            "timestamp": stamps.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "signal": np.select([entered, dropped & (bar // 96 % 3 == 0)], [side, "neutral"], "hold"),
            "confidence": np.where(entered, 0.9, 0.0),
            "sd": np.where(entered, 0.004, 0.0),
        }
    )
    frame.to_csv(folder / "raw" / "mine_BTCUSDT_signals_5m.csv", index=False)
    workspace = Workspace(folder / "root", CONFIGS)
    assert not ingest(workspace.root, folder / "raw", config_dir=CONFIGS).errors
    return workspace


@pytest.mark.parametrize("mode", PINNED_SIGNALS)
def test_a_directional_run_gives_the_figures_of_its_behaviour_version(mode: str, following_a_file: Workspace) -> None:
    chosen = {"strategy.model": "mine"}
    (outcome,) = plan_backtest(
        following_a_file, mode, first="2024-01", last="2024-01", overrides=chosen, experiment="pinned"
    ).run()
    sources = set(outcome.tables["deltas"]["source"].to_pylist())
    assert {"trade", "stop_loss", "take_profit", "funding"} <= sources, "the month has what is to be pinned"
    found = digest(following_a_file, mode, "2024-01")
    assert (BEHAVIOUR, found) == (PINNED_BEHAVIOUR, PINNED_SIGNALS[mode]), REMEDY


def digest(workspace: Workspace, mode: str, month: str) -> str:
    """Of the figures of an experiment called pinned."""
    read = workspace.results.read_month
    return text_digest(*(rounded(read(mode, month, table, "pinned")[column]) for table, column in FIGURES.items()))[:16]
