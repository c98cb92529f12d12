"""Every phase is timed as often as it runs, by the clock that was given (R99-R101)."""

from __future__ import annotations

import pytest

from basis_pipeline.domain.timings import BUDGETS, Phase, Timing
from basis_pipeline_tests.builders import Moment, Run, frictionless, steady

CALM = Moment(prices={"BTC": 50_000.0})


class TickingClock:
    """A second passes whenever somebody looks."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        self.time += 1.0
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def test_phases_and_orders_are_timed_one_by_one() -> None:
    """Three steps; the first has 6 orders, so 3 + 6 chains."""
    run = Run(frictionless("btc_basis"), steady(CALM, 3), clock=TickingClock()).go()
    timings = run.engine.log.moments.timings()
    assert timings.keys() == set(Phase) == set(BUDGETS)
    counts = {phase: timing.count for phase, timing in timings.items()}
    chains = dict.fromkeys((Phase.EXPOSURE, Phase.RISK, Phase.PNL, Phase.LOGGING), 3 + 6)
    orders = dict.fromkeys((Phase.ROUTE, Phase.VENUE, Phase.RECONCILE, Phase.ORDER), 6)
    assert counts == {Phase.REFRESH: 3, Phase.STRATEGY: 3, Phase.EXECUTION: 1, **chains, **orders}
    for phase in (*chains, Phase.ROUTE, Phase.VENUE, Phase.STRATEGY):
        assert timings[phase].mean == timings[phase].worst == 1.0, "nobody looks at the clock in between"
    for phase, looks in ((Phase.REFRESH, 5), (Phase.RECONCILE, 5)):
        assert timings[phase].mean == looks + 1.0, "the looks of a chain lie in between"
    assert timings[Phase.ORDER].seconds == pytest.approx(6 * (1.0 + 1.0 + 6.0))
    assert timings[Phase.EXECUTION].seconds == pytest.approx(6 * (1.0 + 1.0 + 6.0 + 1.0) + 1.0)


def test_what_never_ran_has_no_time() -> None:
    assert (
        not {Phase.EXECUTION, Phase.ORDER}
        & Run(frictionless("btc_basis"), steady(CALM, 3), clock=TickingClock()).engine.log.moments.timings().keys()
    )


def test_a_phase_is_within_its_budget_on_average() -> None:
    timing = Timing(count=3, seconds=0.4 + 0.5 + 0.7, worst=0.7)
    assert timing.mean == pytest.approx(1.6 / 3)
    assert not timing.within(Phase.REFRESH)
    assert timing.within(Phase.STRATEGY)
