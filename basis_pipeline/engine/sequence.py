"""Counters that make a record replayable: no clock, no random ids."""

from __future__ import annotations


class Counter:
    """Counts up from where the checkpoint left off."""

    def __init__(self, last: int) -> None:
        self.last = last

    def next(self) -> int:
        self.last += 1
        return self.last
