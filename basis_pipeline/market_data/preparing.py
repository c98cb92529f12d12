"""From recognised files to series: read, clean, complete, validate. Every step once, in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from basis_pipeline.market_data.checks import examine
from basis_pipeline.market_data.checks.context import Context
from basis_pipeline.market_data.corrections import Corrections
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.datasets import dataset
from basis_pipeline.market_data.findings import Finding, RawFileError, reject
from basis_pipeline.market_data.rules import clean, complete, donated, donors_consulted
from basis_pipeline.market_data.rules.placeholders import is_straight_ramp, ramp_finding
from basis_pipeline.market_data.rules.proxies import OVER_BUDGET
from basis_pipeline.market_data.series import OBSERVED, Series, by_month
from basis_pipeline.market_data.sources.layout import Reading, Recognition
from basis_pipeline.market_data.sources.raw_files import cut_in_last_line, require_unchanged
from basis_pipeline.market_data.sources.tables import numbers, read_columns


@dataclass(frozen=True)
class FileOutcome:
    """What became of one file: its rows, or the finding that stopped it."""

    rows: int
    findings: tuple[Finding, ...] = ()
    stopped: Finding | None = None


class Preparation:
    """Series of one ingestion, read and cleaned on demand and kept for those that look at them later.

    `barred` are series with a file that could not even be recognised; "" as the venue stands for any.
    """

    def __init__(
        self,
        files: Mapping[SeriesKey, Sequence[Recognition]],
        corrections: Corrections,
        barred: AbstractSet[SeriesKey],
    ) -> None:
        self._files = files
        self._corrections = corrections
        self._barred = barred
        self._cleaned: dict[SeriesKey, Series | None] = {}
        self._judged: dict[SeriesKey, dict[str, str]] = {}
        self.outcomes: dict[str, FileOutcome] = {}
        self.problems: dict[SeriesKey, tuple[Finding, ...]] = {}

    def cleaned(self, key: SeriesKey) -> Series | None:
        """The series after the rules that look at nothing else; None if there is none or it is broken."""
        if key not in self._cleaned:
            self._cleaned[key] = self._clean(key) if key in self._files else None
        return self._cleaned[key]

    def finished(self, key: SeriesKey) -> Series | None:
        """The series ready to publish, its findings included; None if it is broken (see `problems`)."""
        series = self.cleaned(key)
        if series is None or self.is_barred(key):
            return None
        siblings = self._siblings(key)
        series = complete(series, self._corrections, self.cleaned, siblings)
        if not len(series.frame):
            self.problems[key] = (_nothing_left(series),)
            return None
        if waiting := self._waits_for(series, siblings):
            self.problems[key] = (waiting,)
            return None
        return series.note(*self._examined(series), *self._unreliable_donors(series, siblings))

    def _examined(self, series: Series) -> tuple[Finding, ...]:
        family = tuple(k for k in self._files if k.dataset and dataset(k.dataset).family == series.dataset.family)
        return examine(series, Context(family, self.cleaned, self._corrections.general))

    def _unreliable_donors(self, series: Series, siblings: Sequence[SeriesKey]) -> Iterator[Finding]:
        """Months with rows from a series that must not be used there: what is wrong with it is wrong with them."""
        for donor, rows in donated(series, siblings):
            condemned = self._condemned(donor)
            for month, stamps in by_month(rows):
                if reason := condemned.get(month) or condemned.get(""):
                    message = f"{len(stamps)} rows come from {donor}, which must not be used: {reason}."
                    remedy = "mend that series first."
                    yield Finding("ERROR", "donor_unreliable", message, remedy, month=month, count=len(stamps))

    def _condemned(self, key: SeriesKey) -> dict[str, str]:
        """By month ("" for all) the rule that says that the series must not be used, holes apart."""
        if key not in self._judged:
            series = self.cleaned(key)
            found = (*series.findings, *self._examined(series)) if series is not None and len(series.frame) else ()
            self._judged[key] = {f.month: f.rule for f in found if f.severity == "ERROR" and f.rule != OVER_BUDGET}
        return self._judged[key]

    def _siblings(self, key: SeriesKey) -> list[SeriesKey]:
        """The same dataset and symbol at other venues, broken ones included."""
        known = sorted({*self._files, *self._barred})
        return [
            k for k in known if (k.dataset, k.symbol) == (key.dataset, key.symbol) and k.venue not in ("", key.venue)
        ]

    def is_barred(self, key: SeriesKey) -> bool:
        """Whether a file of the series could not be recognised."""
        return key in self._barred or SeriesKey(key.dataset, "", key.symbol) in self._barred

    def _waits_for(self, series: Series, siblings: Sequence[SeriesKey]) -> Finding | None:
        """Better the earlier publication than one that a broken donor would have made another."""
        donors = donors_consulted(series, self._corrections, siblings)
        broken = sorted(str(donor) for donor in donors if self.is_barred(donor) or self.problems.get(donor))
        if not broken:
            return None
        message = f"has holes, and a source that has a say in filling them is broken: {', '.join(broken)}."
        return Finding("ERROR", "donor_broken", message, "repair that source first.")

    def _clean(self, key: SeriesKey) -> Series | None:
        frames = [frame for found in self._files[key] if (frame := self._read(found)) is not None]
        if self.problems.get(key) or not frames:
            return None
        try:
            series = clean(Series(key, pd.concat(frames, ignore_index=True)), self._corrections)
        except RawFileError as error:
            self.problems[key] = (error.finding,)
            return None
        from basis_pipeline.market_data.violations import violations  # noqa: PLC0415 - half a second, only to ingest

        if broken := violations(series):
            self.problems[key] = tuple(broken)
            return None
        return series

    def _read(self, found: Recognition) -> pd.DataFrame | None:
        try:
            reading = _read_file(found, self._corrections)
        except RawFileError as error:
            self.outcomes[found.file.name] = FileOutcome(0, stopped=error.finding)
            if error.finding.severity == "ERROR":
                self.problems[found.key] = (*self.problems.get(found.key, ()), error.finding)
            return None
        self.outcomes[found.file.name] = FileOutcome(len(reading.frame), reading.findings)
        return reading.frame


def examine_unused(found: Recognition) -> Finding:
    """Why a file of a layout that no dataset takes is not read: a placeholder, or no use for it."""
    table = read_columns(found, {found.layout.price: "number"})
    prices = numbers(table, found.layout.price)
    if is_straight_ramp(prices):
        return ramp_finding(found, prices)
    remedy = "bring candles instead."
    return Finding("WARN", "unused_layout", f"not read: {found.layout.unused}.", remedy, file=found.file.name)


def _read_file(found: Recognition, corrections: Corrections) -> Reading:
    if found.layout.read is None:
        raise RawFileError(examine_unused(found))
    reading = found.layout.read(found, corrections)
    require_unchanged(found.file)
    frame = reading.frame
    if found.layout.price and is_straight_ramp(frame[found.layout.price].to_numpy(dtype=np.float64)):
        raise RawFileError(ramp_finding(found, frame[found.layout.price].to_numpy(dtype=np.float64)))
    if dataset(found.key.dataset).ordered:
        _require_order(found, frame)
    findings = (*reading.findings, *_cut_off(found))
    return replace(reading, frame=frame.assign(quality=OBSERVED, source_file=found.file.name), findings=findings)


def _cut_off(found: Recognition) -> tuple[Finding, ...]:
    if not cut_in_last_line(found.file):
        return ()
    message = "the last line has no line end: its last value may be cut off."
    # Some exports end so; INFO, since it proves nothing.
    return (Finding("INFO", "no_final_newline", message, "compare it with its source.", file=found.file.name),)


def _nothing_left(series: Series) -> Finding:
    rules = sorted({entry.rule for entry in series.ledger if entry.action == "quarantined"})
    last = series.quarantine.iloc[0] if len(series.quarantine) else None
    file, row = (str(last["source_file"]), int(last["source_row"])) if last is not None else ("", None)
    count = len(series.quarantine)
    message = f"none of its {count} rows can be used; set aside by {', '.join(rules)}."
    remedy = "correct the file, or take it out of the raw folder."
    return Finding("ERROR", "nothing_left", message, remedy, file, row, count=count)


def _require_order(found: Recognition, frame: pd.DataFrame) -> None:
    """Refuse a file without an order; one that runs from the newest row to the oldest is as good as its reverse."""
    steps = np.diff(frame["timestamp"].to_numpy(dtype=np.int64))
    back = np.flatnonzero(steps < 0)
    if len(back) and (steps > 0).any():
        raise reject(
            "time_order",
            f"time runs backwards in {len(back)} rows.",
            remedy="sort the file by time, or download it again.",
            file=found.file.name,
            row=int(frame["source_row"].iloc[int(back[0]) + 1]),
            column="timestamp",
            count=len(back),
        )
