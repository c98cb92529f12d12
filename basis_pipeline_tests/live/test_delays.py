"""How long ticks and orders of a session take, held against what they may take (R99-R101)."""

from __future__ import annotations

from pathlib import Path

import pytest

from basis_pipeline.domain.timings import Timing
from basis_pipeline.runs.live.delays import distributions, live_budgets
from basis_pipeline.runs.live.status import live_status
from basis_pipeline_tests.builders import START
from basis_pipeline_tests.live.stage import MINUTE, stage


def test_every_phase_of_a_tick_is_held_against_its_budget(tmp_path: Path) -> None:
    with stage(tmp_path) as there:
        there.session().run(until=START + 2 * MINUTE)
        phases = live_status(there.path).phases
    budgets = {name: timing.budget for name, timing in phases.items()}
    assert budgets == {
        "observe": 0.5, "compare": None, "decide": 1.0, "execute": 10.0, "persist": 0.05, "exposure_monitor": 0.2,
        "risk_monitor": 0.15, "pnl_monitor": 0.2, "event_logger": None,
    }  # fmt: skip
    assert {timing.count for timing in phases.values()} == {2}


@pytest.mark.parametrize("key", ["etherfi:LST:weETH", "aave_v3:aToken:aUSDT", "aave_v3:debtToken:debtWETH"])
def test_transactions_have_no_budget(key: str) -> None:
    """A block takes 12 seconds, whatever the session does."""
    waited = [{"sent to settled": 12.0, "observe": 0.1}]
    exchange, chain = (live_budgets(["binance:BaseToken:USDT", *more]) for more in ((), (key,)))
    assert distributions(waited, chain)["sent to settled"].over is None
    assert distributions(waited, chain)["observe"].over == 0
    assert distributions(waited, exchange)["sent to settled"].over == 1


def test_parts_are_told_apart_by_name() -> None:
    found = distributions([{"a": 1.0}, {"a": 3.0, "persist": 0.06}], live_budgets(()))
    assert found == {
        "a": Timing(2, 4.0, 3.0, median=1.0, p95=3.0),
        "persist": Timing(1, 0.06, 0.06, median=0.06, p95=0.06, budget=0.05, over=1),
    }
    assert distributions([], live_budgets(())) == {}
