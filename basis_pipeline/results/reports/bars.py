"""Bars of monthly profit by source: what earned goes up from zero, what cost goes down."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from basis_pipeline.results.reports.text import Html, category_label, html, plain

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 1000.0, 260.0, 64.0, 10.0, 24.0


class _Scale(NamedTuple):
    """Values from `low` to `high` in steps of `step`, on the height between the margins."""

    low: float
    high: float
    step: float

    def y(self, value: float) -> float:
        return TOP + (self.high - value) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)

    @property
    def ticks(self) -> list[float]:
        return [self.low + index * self.step for index in range(round((self.high - self.low) / self.step) + 1)]


def profit_bars(months: Sequence[str], sums: Mapping[str, Sequence[float]]) -> Html:
    """SVG of stacked bars.

    Args:
        months: at least one.
        sums: profit of each month by category, in the order in which the bars are stacked.
    """
    totals = [[values[index] for values in sums.values()] for index in range(len(months))]
    scale = _scale(
        min(sum(min(part, 0.0) for part in parts) for parts in totals),
        max(sum(max(part, 0.0) for part in parts) for parts in totals),
    )
    slot = (WIDTH - LEFT) / len(months)
    parts = list(_rules(scale))
    for index, month in enumerate(months):
        centre = LEFT + slot * (index + 0.5)
        parts.extend(_stack(month, zip(sums, totals[index], strict=True), centre, min(slot * 0.62, 46.0), scale))
        if slot > 48.0 or index % 2 == 0:
            parts.append(f'<text x="{centre:.1f}" y="{HEIGHT - 6}" text-anchor="middle">{html(month)}</text>')
    box = f'viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" aria-label="Profit by source and month"'
    return Html(f'<svg class="bars" {box}>{"".join(parts)}</svg>')


def _scale(lowest: float, highest: float) -> _Scale:
    """Round numbers around both ends, zero among them: steps of 1, 2 or 5 times a power of ten."""
    rough = max(highest - lowest, 1e-9) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= rough)
    return _Scale(math.floor(lowest / step) * step, max(math.ceil(highest / step), 1) * step, step)


def _rules(scale: _Scale) -> Iterator[str]:
    digits = max(0, -math.floor(math.log10(scale.step)))
    for tick in scale.ticks:
        kind = "axis" if abs(tick) < scale.step / 2 else "rule"
        y = scale.y(tick)
        yield f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{plain(tick + 0.0, digits)}</text>'


def _stack(month: str, parts: Iterator[tuple[str, float]], centre: float, width: float, scale: _Scale) -> Iterator[str]:
    up = down = 0.0
    for name, value in parts:
        start = up if value > 0.0 else down
        top, bottom = scale.y(max(start, start + value)), scale.y(min(start, start + value))
        if value > 0.0:
            up += value
        else:
            down += value
        yield (
            f'<rect x="{centre - width / 2:.1f}" y="{top:.1f}" width="{width:.1f}" height="{bottom - top:.2f}"'
            f' style="fill:var(--{name})"><title>{html(month)} {category_label(name)}: {plain(value)}</title></rect>'
        )
