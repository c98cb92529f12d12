"""A series at work: its rows, and a ledger of everything that rules did to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from basis_pipeline.domain.timeline import iso
from basis_pipeline.market_data.dataset_types import Dataset, SeriesKey
from basis_pipeline.market_data.datasets import dataset
from basis_pipeline.market_data.findings import Finding

Action = Literal["dropped", "quarantined", "filled", "proxied", "changed"]
Stamps = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

OBSERVED, FILLED, PROXIED = "observed", "filled", "proxied"
REASON = "reason"


@dataclass(frozen=True)
class LedgerEntry:
    """One rule did one thing to the rows at `stamps` (with repetition: two rows of one stamp count twice)."""

    rule: str
    action: Action
    stamps: Stamps


@dataclass(frozen=True)
class Series:
    """Rows of one series. `frame` has `timestamp` (int64, microseconds UTC), the dataset's columns and provenance."""

    key: SeriesKey
    frame: pd.DataFrame
    quarantine: pd.DataFrame = field(default_factory=pd.DataFrame)
    ledger: tuple[LedgerEntry, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def dataset(self) -> Dataset:
        return dataset(self.key.dataset)

    @property
    def stamps(self) -> Stamps:
        return self.frame["timestamp"].to_numpy(dtype=np.int64)

    @property
    def observed(self) -> pd.DataFrame:
        return self.frame[self.frame["quality"] == OBSERVED]

    def values(self, column: str) -> npt.NDArray[np.float64]:
        return self.frame[column].to_numpy(dtype=np.float64)

    def drop(self, rule: str, rows: Mask) -> Series:
        """Without `rows`; they were redundant."""
        return self._remove(rule, "dropped", rows)

    def set_aside(self, rule: str, rows: Mask) -> Series:
        """Without `rows`, which are kept in the quarantine with `rule` as the reason."""
        if not rows.any():
            return self
        suspects = self.frame[rows].assign(**{REASON: rule})
        kept = pd.concat([self.quarantine, suspects], ignore_index=True) if len(self.quarantine) else suspects
        return replace(self._remove(rule, "quarantined", rows), quarantine=kept)

    def add(self, rule: str, action: Action, rows: pd.DataFrame) -> Series:
        """With `rows` in time order; they have all columns of the frame, provenance included."""
        if not len(rows):
            return self
        frame = pd.concat([self.frame, rows[self.frame.columns]], ignore_index=True)
        frame = frame.sort_values("timestamp", kind="stable", ignore_index=True)
        entry = LedgerEntry(rule, action, rows["timestamp"].to_numpy(dtype=np.int64))
        return replace(self, frame=frame, ledger=(*self.ledger, entry))

    def change(self, rule: str, rows: Mask, **columns: npt.NDArray[Any]) -> Series:
        """With whole `columns` replaced; `rows` says which of their values the rule really altered."""
        changed = replace(self, frame=self.frame.assign(**columns))
        if not rows.any():
            return changed
        # A rule that moves stamps is entered under where the rows went.
        return replace(changed, ledger=(*self.ledger, LedgerEntry(rule, "changed", changed.stamps[rows])))

    def part(self, rows: Mask) -> Series:
        """Only `rows`, nothing done to them yet."""
        return Series(self.key, self.frame[rows].reset_index(drop=True))

    def joined(self, other: Series) -> Series:
        """These rows and those of `other`, and what was done to both."""
        parts = [part for part in (self.quarantine, other.quarantine) if len(part)]
        return Series(
            self.key,
            pd.concat([self.frame, other.frame], ignore_index=True),
            pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(),
            (*self.ledger, *other.ledger),
            (*self.findings, *other.findings),
        )

    def place(self, rows: Mask) -> tuple[str, int]:
        """File and line of the first of `rows`."""
        first = self.frame.iloc[int(np.argmax(rows))]
        return str(first["source_file"]), int(first["source_row"])

    def note(self, *findings: Finding) -> Series:
        return replace(self, findings=(*self.findings, *findings))

    def count(self, action: Action, rule: str | None = None) -> int:
        """Rows that `action` was done to, by `rule` or by any."""
        return sum(len(entry.stamps) for entry in self.ledger if entry.action == action and rule in (None, entry.rule))

    def _remove(self, rule: str, action: Action, rows: Mask) -> Series:
        if not rows.any():
            return self
        entry = LedgerEntry(rule, action, self.stamps[rows])
        return replace(self, frame=self.frame[~rows].reset_index(drop=True), ledger=(*self.ledger, entry))


def months_of(stamps: Stamps) -> npt.NDArray[np.str_]:
    """`YYYY-MM` of each stamp."""
    return stamps.astype("M8[us]").astype("M8[M]").astype(np.str_)


def by_month(stamps: Stamps) -> Iterator[tuple[str, Stamps]]:
    """Each month that `stamps` lie in, with those of them that do."""
    months = months_of(stamps)
    return ((str(month), stamps[months == month]) for month in np.unique(months))


def first_places(stamps: Iterable[int], limit: int = 3) -> str:
    """`2024-01-01T00:00:00Z, ... (17 more)`: the first few stamps for a message."""
    found = [int(stamp) for stamp in stamps]
    text = ", ".join(iso(stamp) for stamp in found[:limit])
    return text if len(found) <= limit else f"{text}, ... ({len(found) - limit} more)"
