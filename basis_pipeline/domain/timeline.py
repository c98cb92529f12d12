"""Time: int64 microseconds UTC inside, aware datetimes at boundaries, months as `YYYY-MM`.

A month M is the timestamps in [M-01 00:00, next month 00:00) UTC.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from basis_pipeline.domain.errors import ConfigError

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
YEAR = 365 * DAY
"""Aave and every annualised figure here use a year of 365 days."""

STEPS = {"1h": HOUR, "5min": 5 * MINUTE}

_MONTH = re.compile(r"^\d{4}-(0[1-9]|1[0-2])$")


def parse_month(text: str, *, name: str = "month") -> str:
    """Return `text` if it is `YYYY-MM`; raise ConfigError naming the argument otherwise."""
    if not _MONTH.match(text):
        raise ConfigError(f"{name} {text!r} is not a month.", remedy="write it as YYYY-MM, for example 2024-01.")
    return text


def to_micros(moment: datetime) -> int:
    """Microseconds since the epoch of an aware datetime; a naive one raises ValueError."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment!r} has no time zone; this project speaks UTC only")
    delta = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * SECOND + delta.microseconds


def parse_moment(text: str, *, name: str) -> int:
    """Microseconds of an ISO moment with a zone; ConfigError naming the argument otherwise."""
    try:
        return to_micros(datetime.fromisoformat(text))
    except ValueError as error:
        raise ConfigError(
            f"{name} {text!r} is not a moment with a zone.", remedy="write it as 2026-01-31T12:00:00Z."
        ) from error


def from_micros(micros: int) -> datetime:
    """Aware UTC datetime of microseconds since the epoch."""
    return datetime.fromtimestamp(micros // SECOND, tz=UTC).replace(microsecond=micros % SECOND)


def iso(micros: int) -> str:
    """`2024-01-01T00:00:00Z`: how timestamps are written in messages and manifests."""
    return from_micros(micros).isoformat().replace("+00:00", "Z")


def month_of(micros: int) -> str:
    return from_micros(micros).strftime("%Y-%m")


def month_start(month: str) -> int:
    return to_micros(datetime(int(month[:4]), int(month[5:]), 1, tzinfo=UTC))


def shift_month(month: str, by: int) -> str:
    """The month `by` months after `month` (negative: before)."""
    number = int(month[:4]) * 12 + int(month[5:]) - 1 + by
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


def month_end(month: str) -> int:
    """Exclusive end: the first microsecond of the next month."""
    return month_start(shift_month(month, 1))


def months_between(first: str, last: str) -> list[str]:
    """All months from `first` to `last`, both included; empty if `last` is earlier."""
    months = []
    while first <= last:
        months.append(first)
        first = shift_month(first, 1)
    return months
