"""A live record and its replay in words: the table of the terminal and of Dagster, and one line that sums it up."""

from __future__ import annotations

from collections.abc import Iterator

from basis_pipeline.results.live_differences.differences import BP, LiveDifferences
from basis_pipeline.results.reports.text import money

COLUMNS = ("source", "live", "replay", "difference", "bp")
"""Amounts in the share class; `bp` of the replay's equity at the end."""


def rows(found: LiveDifferences) -> Iterator[tuple[str, ...]]:
    """Every source of profit that either life had, then equity; their differences sum to its difference."""
    theirs = float(found.backtest[-1])
    for item in found.items:
        if item.live or item.backtest:
            yield _row(found, str(item.name), item.live, item.backtest, item.difference / theirs * BP)
    yield _row(found, "equity", float(found.live[-1]), theirs, float(found.gaps_bp[-1]))


def summary(found: LiveDifferences) -> str:
    orders, again = found.counts()
    alone = sum(pair.live is None or pair.backtest is None for pair in found.pairs)
    return (
        f"{len(found.stamps):,} ticks; {orders} orders live, {again} in the replay, {alone} without a counterpart; "
        f"never further apart than {found.widest_bp:.2f} bp; {found.unnamed:+.1e} {found.currency} not named"
    )


def _row(found: LiveDifferences, name: str, ours: float, theirs: float, share: float) -> tuple[str, ...]:
    return (name, *(money(amount, found.currency) for amount in (ours, theirs, ours - theirs)), f"{share:+.3f}")
