"""Files that only look like data."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.sources.layout import Recognition

_SHORTEST = 12
_EVEN = 1e-9


def is_straight_ramp(prices: npt.NDArray[np.float64]) -> bool:
    """Whether every step of at least 12 prices is the same, flat lines included: no market does that."""
    if len(prices) < _SHORTEST or not np.isfinite(prices).all():
        return False
    steps = np.diff(prices)
    return bool(np.ptp(steps) <= _EVEN * np.abs(prices).max())


def ramp_finding(found: Recognition, prices: npt.NDArray[np.float64]) -> Finding:
    """What to say about a file whose prices are a straight ramp."""
    message = f"{len(prices)} prices in even steps of {prices[1] - prices[0]:.6g}: a placeholder, not used."
    return Finding("WARN", "straight_ramp", message, file=found.file.name, column=found.layout.price, count=len(prices))


def copy_findings(files: Sequence[Recognition]) -> dict[str, Finding]:
    """By file name: files with the same bytes that claim to be different series. None of them is used."""
    same: dict[str, list[Recognition]] = defaultdict(list)
    for found in files:
        same[found.file.sha256].append(found)
    findings: dict[str, Finding] = {}
    for group in same.values():
        if len({found.key for found in group}) > 1:
            names = ", ".join(sorted(found.file.name for found in group))
            message = f"byte for byte the same file under other names: {names}; a placeholder, not used."
            findings |= {
                found.file.name: Finding("WARN", "copied_file", message, file=found.file.name) for found in group
            }
    return findings
