"""The same market at several venues: differences, and large moves that one of them alone shows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from basis_pipeline.market_data.checks.context import Context, split_symbol
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.series import Series, Stamps, by_month, first_places

_PRICES = ("spot_candles_1h", "perp_candles_1h", "mark_candles_1h", "dex_candles_1h")
_HALF = 0.5
_CORRECT = "correct the bars at their source."
_REAL = "correct the bars at their source; if they are real, raise absurd_move in configs/data/general.yaml."


def venue_differences(series: Series, context: Context) -> Iterator[Finding]:
    """Closes further from the median of all venues than from the declared difference: this venue stands apart."""
    others = context.same_base(series.key, ("spot_candles_1h", "perp_candles_1h"))
    others = [other for other in others if split_symbol(other.key.symbol)[1] == split_symbol(series.key.symbol)[1]]
    if not others:
        return
    own = _column(series, "close")
    everyone = pd.concat([own, *(_column(other, "close") for other in others)], axis=1, join="outer")
    median = everyone.median(axis=1).reindex(own.index)
    off = (own / median - 1.0).abs()
    apart = off[(off > context.general.venue_difference) & (everyone.count(axis=1).reindex(own.index) > 1)]
    if len(apart):
        places = first_places(apart.sort_values(ascending=False).index)
        message = f"{len(apart)} closes are off the other venues by up to {apart.max():.2%}: {places}; kept."
        yield Finding("WARN", "venue_difference", message, column="close", count=len(apart))


def large_moves(series: Series, context: Context) -> Iterator[Finding]:
    """Moves and ranges beyond the declared size. Kept in any case; shared ones are real, lone ones deserve a look.

    A lone move or range of absurd size while other series of the coin have a bar is an ERROR: a bad tick.
    """
    peers = context.same_base(series.key, _PRICES)
    move, span = large_bars(series, context)
    large = np.union1d(move.index.to_numpy(), span.index.to_numpy())
    if not len(large):
        return
    shared = np.zeros(0, dtype=np.int64)
    for peer in peers:
        moved = _shared(move, _returns(peer), context.general.large_move)
        swung = _shared(span, _ranges(peer), context.general.large_range)
        shared = np.union1d(shared, np.union1d(moved, swung))
    lone = np.setdiff1d(large, shared)
    if len(shared):
        message = f"{len(shared)} large bars are shared by other series: {first_places(shared)}. They are real."
        yield Finding("INFO", "large_move", message, count=len(shared))
    size = context.general.absurd_move
    absurd = np.union1d(_contradicted(move.reindex(lone), peers, size), _contradicted(span.reindex(lone), peers, size))
    for month, stamps in by_month(absurd):
        message = (
            f"{len(stamps)} moves or ranges that no other series of the coin has: {first_places(stamps)}; "
            "kept, not to be used."
        )
        yield Finding("ERROR", "contradicted_move", message, _REAL, column="close", month=month, count=len(stamps))
    lone = np.setdiff1d(lone, absurd)
    if len(lone):
        message = f"{len(lone)} large bars are seen here alone: {first_places(lone)}; kept."
        yield Finding("WARN", "unconfirmed_move", message, count=len(lone))


def contradicted_opens(series: Series, context: Context) -> Iterator[Finding]:
    """Opens far from the close before them, which the bar itself or every other series of the coin takes back.

    A market opens where it closed a moment ago, and an open is what everything is valued and filled at.
    """
    gaps = _gaps(series)
    wide = gaps[gaps.abs() > context.general.open_gap]
    if not len(wide):
        return
    back = _returns(series).reindex(wide.index).abs() < _HALF * wide.abs()
    seen, shared = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    for peer in context.same_base(series.key, (*_PRICES, "perp_candles_5m")):
        theirs = _gaps(peer)
        seen = np.union1d(seen, np.intersect1d(wide.index.to_numpy(), theirs.index.to_numpy()))
        shared = np.union1d(shared, _shared(wide, theirs, context.general.open_gap))
    alone = (back.to_numpy() | np.isin(wide.index, seen)) & ~np.isin(wide.index, shared)
    for month, stamps in by_month(wide.index.to_numpy(dtype=np.int64)[alone]):
        message = (
            f"{len(stamps)} opens are off the close before by up to {wide[stamps].abs().max():.1%}, alone: "
            f"{first_places(stamps)}; kept, not to be used."
        )
        yield Finding("ERROR", "contradicted_open", message, _CORRECT, column="open", month=month, count=len(stamps))


def _gaps(series: Series) -> pd.Series[float]:
    """Open over the close of the bar that ended there, less 1, by stamp."""
    opened, close = _column(series, "open"), _column(series, "close")
    follows = np.diff(close.index.to_numpy()) == series.dataset.step
    gaps: pd.Series[float] = (opened.iloc[1:] / close.to_numpy()[:-1] - 1.0)[follows]
    return gaps


def large_bars(series: Series, context: Context) -> tuple[pd.Series[float], pd.Series[float]]:
    """Close-to-close returns and high/low ranges beyond the declared size, by stamp."""
    move, span = _returns(series), _ranges(series)
    return move[move.abs() > context.general.large_move], span[span > context.general.large_range]


def _shared(own: pd.Series[float], theirs: pd.Series[float], size: float) -> Stamps:
    common = np.intersect1d(own.index.to_numpy(), theirs.index.to_numpy())
    ours, other = own.reindex(common).to_numpy(), theirs.reindex(common).to_numpy()
    alike = (np.sign(ours) == np.sign(other)) & (np.abs(other) > _HALF * size)
    return np.asarray(common[alike], dtype=np.int64)


def _contradicted(move: pd.Series[float], peers: list[Series], size: float) -> Stamps:
    """Stamps of absurd moves at which another series of the coin has a bar (it is known not to share the move)."""
    absurd = move[move.abs() > size].index.to_numpy(dtype=np.int64)
    seen = [stamps[np.isin(stamps, absurd)] for stamps in (peer.stamps for peer in peers)]
    return np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *seen]))


def _returns(series: Series) -> pd.Series[float]:
    close = _column(series, "close")
    follows = np.diff(close.index.to_numpy()) == series.dataset.step
    moves: pd.Series[float] = close.pct_change().iloc[1:][follows]
    return moves


def _ranges(series: Series) -> pd.Series[float]:
    return _column(series, "high") / _column(series, "low") - 1.0


def _column(series: Series, name: str) -> pd.Series[float]:
    frame = series.observed
    return pd.Series(frame[name].to_numpy(dtype=np.float64), index=frame["timestamp"].to_numpy(), name=str(series.key))
