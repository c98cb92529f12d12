"""What a run leaves behind, in memory: lists the engine appends to and `results` turns into tables."""

from __future__ import annotations

from basis_pipeline.domain.events import AnyEvent, SequencedDelta, SequencedResult
from basis_pipeline.domain.records import ChainSnapshot
from basis_pipeline.domain.timings import Moments


class RunLog:
    """Append-only record of a range of timesteps.

    Attributes:
        commits: every committed chain, in order.
        closings: for each timestep, the index into `commits` of its last one.
        deltas, orders, events: in the order they happened.
        moments: wall-clock times by phase (R99-R101); they go to the manifest, never to a table.
    """

    def __init__(self) -> None:
        self.commits: list[ChainSnapshot] = []
        self.closings: list[int] = []
        self.deltas: list[SequencedDelta] = []
        self.orders: list[SequencedResult] = []
        self.events: list[AnyEvent] = []
        self.moments = Moments()

    @property
    def closing_commits(self) -> list[ChainSnapshot]:
        """One record per timestep: the state it closed with."""
        return [self.commits[index] for index in self.closings]
