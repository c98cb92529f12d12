"""A heat map of a sweep as a small inline SVG, for Dagster's metadata."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from basis_pipeline.results.reports.text import html
from basis_pipeline.results.sweeps.axes import Axis, axes_of, short, value_on
from basis_pipeline.results.sweeps.parts import Outcome, SweepPoint

_CELL_WIDTH, _CELL_HEIGHT, _LEFT, _TOP = 76, 30, 190, 44
_PALE, _FULL = (0xEE, 0xF3, 0xF7), (0x1F, 0x5F, 0x8B)


def heat_svg(points: Sequence[SweepPoint], outcomes: Sequence[Outcome], metric: str, best: SweepPoint | None) -> str:
    """The first two axes against each other, all others where `best` stands; dark is large, a cross is not done."""
    across, down, fixed = _chosen(axes_of(points), best)
    shown = {
        (value_on(point, across.key), value_on(point, down.key) if down else ""): result
        for point, result in outcomes
        if all(value_on(point, key) == value for key, value in fixed.items())
    }
    values = {place: result.metrics.get(metric) for place, result in shown.items()}
    known = [value for value in values.values() if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    rows = down.values if down else ("",)
    width, height = _LEFT + _CELL_WIDTH * len(across.values) + 8, _TOP + _CELL_HEIGHT * len(rows) + 8
    parts = list(_labels(across, down, fixed, metric))
    for row, name in enumerate(rows):
        for column, value in enumerate(across.values):
            place = (value, name)
            if place in values:
                parts.extend(_cell(column, row, values[place], low, high))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="11" role="img" aria-label="{html(metric)} by '
        f'{html(short(across.key))}">{"".join(parts)}</svg>'
    )


def _chosen(axes: list[Axis], best: SweepPoint | None) -> tuple[Axis, Axis | None, dict[str, str]]:
    across, down, others = axes[-1], axes[-2] if len(axes) > 1 else None, axes[:-2]
    return across, down, {axis.key: value_on(best, axis.key) if best else axis.values[0] for axis in others}


def _labels(across: Axis, down: Axis | None, fixed: dict[str, str], metric: str) -> Iterator[str]:
    at = "".join(f", {short(key)} {value}" for key, value in fixed.items())
    yield f'<text x="4" y="14" font-weight="bold">{html(metric + at)}</text>'
    yield f'<text x="{_LEFT}" y="14" fill="#777">{html(short(across.key))} →</text>'
    for column, value in enumerate(across.values):
        centre = _LEFT + _CELL_WIDTH * (column + 0.5)
        yield f'<text x="{centre:.0f}" y="{_TOP - 8}" text-anchor="middle" font-size="9">{html(_fit(value, 15))}</text>'
    if down:
        yield f'<text x="4" y="{_TOP - 8}" fill="#777">{html(short(down.key))} ↓</text>'
        for row, value in enumerate(down.values):
            yield f'<text x="4" y="{_TOP + _CELL_HEIGHT * row + 19}">{html(_fit(value, 30))}</text>'


def _cell(column: int, row: int, value: float | None, low: float, high: float) -> Iterator[str]:
    left, top = _LEFT + _CELL_WIDTH * column, _TOP + _CELL_HEIGHT * row
    share = (value - low) / (high - low) if value is not None and high > low else 0.0
    fill = "#f3dcdc" if value is None else _mixed(share)
    text = "✕" if value is None else f"{value:.4g}"
    ink = "#fff" if value is not None and share > 0.55 else "#222"
    yield f'<rect x="{left}" y="{top}" width="{_CELL_WIDTH - 2}" height="{_CELL_HEIGHT - 2}" fill="{fill}"/>'
    centre = left + _CELL_WIDTH / 2 - 1
    yield f'<text x="{centre:.0f}" y="{top + 18}" text-anchor="middle" fill="{ink}">{text}</text>'


def _mixed(share: float) -> str:
    return "#" + "".join(f"{round(pale + (full - pale) * share):02x}" for pale, full in zip(_PALE, _FULL, strict=True))


def _fit(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
