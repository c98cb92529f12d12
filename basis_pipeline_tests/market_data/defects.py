"""Every known defect of the vendor files as one function and two sets of figures.

Those of the replica follow from how it is built, those of the real files from the vendor data's own list of defects.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from basis_pipeline_tests.market_data.world import World

Figures = dict[str, Any]


@dataclass(frozen=True)
class Defect:
    holds: Callable[[World, Figures], None]
    replica: Figures
    real: Figures


DEFECTS: dict[str, Defect] = {}


def defect(name: str, *, replica: Figures, real: Figures) -> Callable[[Callable[[World, Figures], None]], None]:
    """Register the function as what must hold of a world with these figures."""

    def register(holds: Callable[[World, Figures], None]) -> None:
        DEFECTS[name] = Defect(holds, replica, real)

    return register
