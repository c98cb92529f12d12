"""What the exhibits of the gallery are made from: clean months, their rows, and states with something changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import NamedTuple

import msgspec

from basis_pipeline.domain.records import CATEGORIES, Category
from basis_pipeline.domain.state import PositionState
from basis_pipeline.domain.timeline import HOUR, from_micros, month_start
from basis_pipeline.gates.evidence import MonthEvidence
from basis_pipeline_tests.gates.bookkeeping import BASIS
from basis_pipeline_tests.gates.defects import Defect, Edit, Row, in_part
from basis_pipeline_tests.gates.months import basis_months, directional_month, lending_month, staking_month


class Exhibit(NamedTuple):
    """A defect planted in a clean month: `opening` or `following` of the basis book, or of another one (`clean`).

    Attributes:
        gate: the gate that has to find it.
        says: part of the message it has to give.
    """

    gate: str
    label: str
    month: str
    defect: Defect
    says: str = ""


@cache
def clean(month: str) -> MonthEvidence:
    if month == "lending":
        return lending_month()
    if month == "staking":
        return staking_month()
    if month == "directional":
        return directional_month()
    opening, following = basis_months()
    return {"opening": opening, "following": following}[month]


def moment(hour: int) -> datetime:
    """The naive UTC stamp, as the tables have it, of an hour of January."""
    return from_micros(month_start("2024-01") + hour * HOUR).replace(tzinfo=None)


def position_row(hour: int, key: str) -> int:
    return hour * len(BASIS) + BASIS.slot(key)


def category_row(hour: int, category: Category) -> int:
    return hour * len(CATEGORIES) + CATEGORIES.index(category)


def is_(column: str, value: object) -> Callable[[Row], bool]:
    return lambda row: row[column] == value


def dropped(column: str, value: object) -> Edit:
    return lambda rows: [row for row in rows if row[column] != value]


def repeated(number: int) -> Edit:
    return lambda rows: [*rows[: number + 1], *rows[number:]]


def previous_position(key: str, quantity: float, entry_price: float = 0.0) -> Defect:
    held = clean("following").previous.positions
    return in_part("previous", positions=held | {key: PositionState(quantity, entry_price)})


def previous_pnl(**changes: float | tuple[float, ...]) -> Defect:
    return in_part("previous", pnl=msgspec.structs.replace(clean("following").previous.pnl, **changes))


def state_pnl(**changes: float) -> Defect:
    return in_part("state", pnl=msgspec.structs.replace(clean("opening").state.pnl, **changes))
