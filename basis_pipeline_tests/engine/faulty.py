"""Venues and clocks that misbehave in time: what `venues/faults.py` distorts by answer, these do by the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import ExecutionHandshake, Order
from basis_pipeline.domain.protocols import Venue
from basis_pipeline.domain.records import Positions
from basis_pipeline.venues.faults import FaultyVenue
from basis_pipeline_tests.builders import Moment, Run, steady, wired

CALM = Moment(prices={"BTC": 50_000.0})


class RecordingClock:
    """Time passes only by sleeping, and by what a slow venue adds; every sleep is written down.

    Attributes:
        later: what happens, and the time it happens at.
    """

    def __init__(self) -> None:
        self.time = 1_000.0
        self.sleeps: list[float] = []
        self.later: list[tuple[float, Callable[[], object]]] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.time += seconds
        due = [what for at, what in self.later if at <= self.time]
        self.later = [(at, what) for at, what in self.later if at > self.time]
        for happens in due:
            happens()


class SlowVenue(FaultyVenue):
    """Each execution takes `seconds` of the clock."""

    def __init__(self, venue: Venue, clock: RecordingClock, seconds: float, *, drift: Mapping[int, float]) -> None:
        super().__init__(venue, drift=drift)
        self._clock = clock
        self._seconds = seconds

    def execute(self, order: Order, positions: Positions, market: MarketSnapshot) -> ExecutionHandshake:
        self._clock.time += self._seconds
        return super().execute(order, positions, market)


class DriftsAfterwards(FaultyVenue):
    """Reports true balances until it has executed `executions` orders, wrong ones from then on."""

    def __init__(self, venue: Venue, *, executions: int, drift: Mapping[int, float]) -> None:
        super().__init__(venue, drift=drift)
        self._executions = executions

    def positions(self, expected: Positions) -> Mapping[int, float]:
        if self.execute_calls < self._executions:
            return self._venue.positions(expected)
        return super().positions(expected)


def run_with(
    venue_name: str, wrap: type[FaultyVenue] | None = None, policy: str = "fail_fast", **options: object
) -> Run:
    """A basis run whose venue of that name is wrapped; `run.faulty` is the wrapper, `run.clock` the recording clock."""
    mode = wired("btc_basis", {"error_policy": policy})
    clock = options.pop("clock", None) or RecordingClock()
    venues: list[Venue] = list(mode.engine_config().venues)
    position = [venue.name for venue in venues].index(venue_name)
    faulty = (wrap or FaultyVenue)(venues[position], **options)  # type: ignore[arg-type]
    venues[position] = faulty
    run = Run(mode, steady(CALM, 4), venues=venues, clock=clock)  # type: ignore[arg-type]
    run.faulty, run.clock = faulty, clock  # type: ignore[attr-defined]
    return run
