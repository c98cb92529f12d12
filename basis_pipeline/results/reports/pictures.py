"""A small inline SVG picture of an equity curve: for Dagster's metadata, the overview and the README."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from basis_pipeline.domain.records import Category
from basis_pipeline.results.columns import FloatArray
from basis_pipeline.results.reports.chart import thin
from basis_pipeline.results.reports.palette import CATEGORIES, SERIES, TEXTS

WIDTH, HEIGHT, PAD = 600.0, 180.0, 4.0
BUCKETS = 150
SPARK_WIDTH, SPARK_HEIGHT, SPARK_BUCKETS = 420.0, 80.0, 28
_LINE, _FALL, _INK = SERIES[0].light, CATEGORIES[Category.TRANSACTION_COSTS].light, TEXTS["muted"].light


def equity_svg(timestamps: Sequence[int] | FloatArray, equity: Sequence[float] | FloatArray) -> str:
    """Equity over time with the gap to its running peak shaded.

    Args:
        timestamps: microseconds UTC, increasing, one per value; at least one.
        equity: any one currency.
    """
    stamps, values = np.asarray(timestamps, np.float64), np.asarray(equity, np.float64)
    keep = thin([values], BUCKETS)
    peaks = np.maximum.accumulate(values)[keep]
    stamps, values = stamps[keep], values[keep]
    x = PAD + (WIDTH - 2 * PAD) * (stamps - stamps[0]) / max(stamps[-1] - stamps[0], 1.0)
    low, high = float(values.min()), float(peaks.max())
    span = high - low or 1.0

    def line(heights: FloatArray) -> list[str]:
        y = HEIGHT - PAD - (HEIGHT - 2 * PAD) * (heights - low) / span
        return [f"{left:.1f},{top:.1f}" for left, top in zip(x, y, strict=True)]

    curve = line(values)
    gap = " ".join(curve + line(peaks)[::-1])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" class="spark" role="img"'
        f' aria-label="Equity from {low:,.2f} to {high:,.2f}, drawdowns shaded" preserveAspectRatio="none">'
        f'<polygon points="{gap}" fill="{_FALL}" fill-opacity="0.25"/>'
        f'<polyline points="{" ".join(curve)}" fill="none" stroke="{_LINE}" stroke-width="1.6"'
        f' vector-effect="non-scaling-stroke"/></svg>'
    )


def spark_svg(equity: Sequence[float] | FloatArray) -> str:
    """The same curve in less than 750 bytes, for places that show only short texts inline; lowest and highest named."""
    values = np.asarray(equity, np.float64)
    keep = thin([values], SPARK_BUCKETS)
    x = SPARK_WIDTH * keep / max(len(values) - 1, 1)
    values = values[keep]
    low, high = float(values.min()), float(values.max())
    y = SPARK_HEIGHT - 2.0 - (SPARK_HEIGHT - 4.0) * (values - low) / (high - low or 1.0)
    points = " ".join(f"{left:.0f},{top:.0f}" for left, top in zip(x, y, strict=True))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{SPARK_WIDTH:.0f}" height="{SPARK_HEIGHT:.0f}"'
        f' font-family="sans-serif" font-size="10" fill="{_INK}">'
        f'<polyline points="{points}" fill="none" stroke="{_LINE}"/>'
        f'<text y="10">{high:,.2f}</text>'
        f'<text y="{SPARK_HEIGHT - 2:.0f}" x="100%" text-anchor="end">{low:,.2f}</text></svg>'
    )
