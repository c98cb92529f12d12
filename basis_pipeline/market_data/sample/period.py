"""The span of a sample: whole months, UTC, as int64 microseconds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from basis_pipeline.domain.timeline import DAY, HOUR, MINUTE, SECOND, month_start, shift_month

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BAR = 5 * MINUTE
BARS_PER_HOUR = HOUR // BAR
BARS_PER_DAY = DAY // BAR
HOURS_PER_DAY = DAY // HOUR
SETTLEMENT = 8 * HOUR


@dataclass(frozen=True)
class Period:
    """[start, end) in microseconds; both are midnights."""

    start: int
    end: int

    @classmethod
    def of(cls, first_month: str, months: int) -> Period:
        return cls(month_start(first_month), month_start(shift_month(first_month, months)))

    @property
    def hours(self) -> int:
        return (self.end - self.start) // HOUR

    @property
    def days(self) -> int:
        return (self.end - self.start) // DAY

    def stamps(self, step: int) -> Ints:
        """Every `step` microseconds from start, end excluded."""
        return np.arange(self.start, self.end, step, dtype=np.int64)


def iso_seconds(stamps: Ints) -> list[str]:
    """`2024-01-01T00:00:00Z`."""
    return [f"{text}Z" for text in np.datetime_as_string(stamps.astype("M8[us]"), unit="s").tolist()]


def iso_blank(stamps: Ints) -> list[str]:
    """`2024-01-01 00:00:00+00:00`."""
    return [text.replace("T", " ").replace("Z", "+00:00") for text in iso_seconds(stamps)]


def dates(stamps: Ints) -> list[str]:
    """`2024-01-01`."""
    texts: list[str] = np.datetime_as_string(stamps.astype("M8[us]"), unit="D").tolist()
    return texts


def epoch_seconds(stamps: Ints) -> Ints:
    return stamps // SECOND
