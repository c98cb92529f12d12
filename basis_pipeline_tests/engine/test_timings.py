"""Every phase is timed as often as it runs, by the clock that was given (R99-R101)."""

from __future__ import annotations

import pytest

from basis_pipeline.domain.timings import (
    BACKTEST_BUDGETS,
    CHAIN_BUDGETS,
    EXCHANGE_BUDGETS,
    Durations,
    Moments,
    Phase,
    Timing,
    nearest_rank,
    timing,
)
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
    timings = run.engine.log.moments.timings(BACKTEST_BUDGETS)
    assert timings.keys() == set(Phase) == {Phase.STEP, *BACKTEST_BUDGETS}
    counts = {phase: timing.count for phase, timing in timings.items()}
    chains = dict.fromkeys((Phase.EXPOSURE, Phase.RISK, Phase.PNL, Phase.LOGGING), 3 + 6)
    orders = dict.fromkeys((Phase.ROUTE, Phase.VENUE, Phase.RECONCILE, Phase.ORDER), 6)
    assert counts == {Phase.STEP: 3, Phase.REFRESH: 3, Phase.STRATEGY: 3, Phase.EXECUTION: 1, **chains, **orders}
    for phase in (*chains, Phase.ROUTE, Phase.VENUE, Phase.STRATEGY):
        assert timings[phase].mean == timings[phase].worst == 1.0, "nobody looks at the clock in between"
    for phase, looks in ((Phase.REFRESH, 5), (Phase.RECONCILE, 5)):
        assert timings[phase].mean == looks + 1.0, "the looks of a chain lie in between"
    assert timings[Phase.ORDER].seconds == pytest.approx(6 * (1.0 + 1.0 + 6.0))
    assert timings[Phase.EXECUTION].seconds == pytest.approx(6 * (1.0 + 1.0 + 6.0 + 1.0) + 1.0)


def test_what_never_ran_has_no_time() -> None:
    assert (
        not {Phase.EXECUTION, Phase.ORDER}
        & Run(frictionless("btc_basis"), steady(CALM, 3), clock=TickingClock())
        .engine.log.moments.timings(BACKTEST_BUDGETS)
        .keys()
    )


def test_a_step_is_the_sum_of_its_phases() -> None:
    timings = Run(frictionless("btc_basis"), steady(CALM, 3), clock=TickingClock()).go().engine.log.moments.timings({})
    parts = (Phase.REFRESH, Phase.STRATEGY, Phase.EXECUTION)
    assert timings[Phase.STEP].seconds == sum(timings[part].seconds for part in parts)
    assert timings[Phase.STEP].worst == sum(timings[part].worst for part in parts), (
        "the first step is the only long one"
    )


def test_the_distribution_of_a_phase_is_of_times_that_occurred() -> None:
    """1 to 100 seconds in another order: 50 of them take at most 50 s, 95 at most 95 s, 7 more than 93.5 s."""
    found = timing([float(1 + 37 * number % 100) for number in range(100)], 93.5)
    assert found == Timing(100, 5050.0, 100.0, median=50.0, p95=95.0, budget=93.5, over=7)
    assert found.mean == 50.5
    assert timing([0.25], None) == Timing(1, 0.25, 0.25, median=0.25, p95=0.25, budget=None, over=None)
    assert timing([0.25, 0.5], 0.5).over == 0, "a budget may be used up"


@pytest.mark.parametrize(("share", "value"), [(0.01, 1.0), (0.5, 2.0), (0.51, 3.0), (0.95, 4.0), (1.0, 4.0)])
def test_a_percentile_is_the_lowest_that_so_many_do_not_exceed(share: float, value: float) -> None:
    assert nearest_rank([1.0, 2.0, 3.0, 4.0], share) == value


def test_a_run_in_parts_has_the_distribution_of_the_whole() -> None:
    whole = Run(frictionless("btc_basis"), steady(CALM, 3), clock=TickingClock()).go().engine.log.moments
    durations = Durations()
    for number in range(3):
        part = Moments()
        part.steps, part.chains, part.orders = (rows[number::3] for rows in (whole.steps, whole.chains, whole.orders))
        durations.add(part)
    assert durations.timings(BACKTEST_BUDGETS) == whole.timings(BACKTEST_BUDGETS)


def test_budgets_are_those_of_the_documents() -> None:
    """R99: routing 1 ms, execution 1 ms / 500 ms, reconcile 10 ms / 200 ms, total 20 ms / 800 ms; R101 for phases."""
    phases = {
        Phase.REFRESH: 0.5, Phase.EXPOSURE: 0.2, Phase.RISK: 0.15, Phase.STRATEGY: 1.0, Phase.EXECUTION: 10.0,
        Phase.PNL: 0.2, Phase.LOGGING: 0.05, Phase.ROUTE: 0.001,
    }  # fmt: skip
    assert phases | {Phase.VENUE: 0.001, Phase.RECONCILE: 0.01, Phase.ORDER: 0.02} == BACKTEST_BUDGETS
    assert phases | {Phase.VENUE: 0.5, Phase.RECONCILE: 0.2, Phase.ORDER: 0.8} == EXCHANGE_BUDGETS
    assert {phase: seconds for phase, seconds in phases.items() if phase is not Phase.EXECUTION} == CHAIN_BUDGETS
