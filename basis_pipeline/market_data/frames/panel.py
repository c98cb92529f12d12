"""All columns of a frame: per slot what `MarketSnapshot` documents, and the few that belong to no slot."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from basis_pipeline.domain.market import Direction, Signal
from basis_pipeline.domain.position_keys import Instrument, PositionType
from basis_pipeline.domain.timeline import iso
from basis_pipeline.market_data.frames import columns
from basis_pipeline.market_data.frames.lookups import Stamps, Values
from basis_pipeline.market_data.frames.requirements import ACCOUNTING_ASSET, FrameSpec, ReserveRef, SeriesRef
from basis_pipeline.market_data.frames.series import LoadedSeries

Loaded = Mapping[SeriesRef, LoadedSeries]


class SlotColumns(msgspec.Struct, frozen=True):
    """Columns of one slot, named and defined as in MarketSnapshot, and in its order but for `opened`, the last."""

    price: Values
    index: Values
    ratio: Values
    mark: Values
    last: Values
    value: Values
    underlying: Values
    low: Values
    high: Values
    opened: Values


class Panel(NamedTuple):
    """Columns by timestep, defined as in MarketSnapshot.

    Attributes:
        steps: the timesteps.
        slots: columns of each slot, in slot order.
        funding: by slot, the rate settled at each step.
        settles: by step, whether any slot settles.
    """

    steps: Stamps
    slots: tuple[SlotColumns, ...]
    funding: tuple[Values, ...]
    settles: columns.Mask
    usd: Values
    share_price: Values
    gas_price: Values | None
    gas_token_price: Values | None
    signals: list[Signal | None] | None


def build_panel(spec: FrameSpec, loaded: Loaded, steps: Stamps) -> Panel:
    """Look up and derive every column at `steps`; `loaded` has all required series.

    Raises:
        DataGapError, DataError: as `frame.build_frame`.
    """
    prices = _reference_prices(spec, loaded, steps)
    rates, settles = _funding(spec, loaded, steps)
    return Panel(
        steps,
        tuple(_slot_columns(spec, instrument, loaded, steps, prices[instrument.asset]) for instrument in spec.universe),
        rates,
        settles,
        loaded[spec.usd].as_of(steps) if spec.usd else np.ones(len(steps)),
        prices[spec.share_asset],
        loaded[spec.gas].as_of(steps) if spec.gas else None,
        prices[spec.gas_token] if spec.gas else None,
        _signals(loaded[spec.signals], steps) if spec.signals else None,
    )


def stand_ins(spec: FrameSpec, loaded: Loaded, last_step: int) -> tuple[str, ...]:
    """In words, where a series of another kind serves because the proper one is missing, too coarse or too short."""
    references = (
        f"{spec.reference_of(asset)} stands in for the reference of {asset}: {spec.reference[asset]} is too coarse."
        for asset in spec.priced_assets
        if spec.reference_of(asset) != spec.reference[asset]
    )
    perps = (words for instrument in spec.universe for words in _perp_stand_ins(spec, instrument, loaded))
    rates = (words for instrument in spec.universe for words in _rate_stand_ins(spec, instrument, loaded, last_step))
    return (*references, *perps, *rates)


def _perp_stand_ins(spec: FrameSpec, instrument: Instrument, loaded: Loaded) -> Iterator[str]:
    sources = spec.sources_of(instrument)
    if instrument.position_type is not PositionType.PERP:
        return
    if (served := sources.last or sources.mark) and served.symbol != instrument.key.symbol:
        yield f"{served} and its funding stand in for {instrument.key}, which has no series of its own."
    if sources.last is None:
        yield f"{sources.mark} stands in for the last price of {instrument.key}: none is declared."
    elif sources.mark not in loaded:
        yield f"{sources.last} stands in for the mark of {instrument.key}: {_why_no_mark(spec, sources.mark)}."


def _rate_stand_ins(spec: FrameSpec, instrument: Instrument, loaded: Loaded, last_step: int) -> Iterator[str]:
    reserve = spec.sources_of(instrument).reserve
    if reserve is None or reserve.hourly is None:
        return
    hourly = loaded.get(reserve.hourly)
    if hourly is None:
        yield f"{reserve.daily} stands in for the hourly rates of {instrument.key}: none are published."
    elif hourly.reach <= last_step:
        yield f"{reserve.daily} stands in for the hourly rates of {instrument.key} from {iso(hourly.reach)} on."


def _why_no_mark(spec: FrameSpec, mark: SeriesRef | None) -> str:
    if mark is None:
        return "none is declared"
    return "none is published" if spec.usable(mark) else f"{mark} is too coarse"


def _reference_prices(spec: FrameSpec, loaded: Loaded, steps: Stamps) -> dict[str, Values]:
    """USDT per unit of each asset."""
    prices = {ACCOUNTING_ASSET: np.ones(len(steps))}
    for asset in spec.priced_assets:
        quote = prices[spec.quoted_in.get(asset, ACCOUNTING_ASSET)]
        prices[asset] = _reference_price(spec, asset, loaded, steps) * quote
    return prices


def _reference_price(spec: FrameSpec, asset: str, loaded: Loaded, steps: Stamps) -> Values:
    series = spec.reference_of(asset)
    if asset not in spec.late_assets:
        return loaded[series].as_of(steps)
    return loaded[series].as_of_since_begin(steps) if series in loaded else np.zeros(len(steps))


def _slot_columns(spec: FrameSpec, instrument: Instrument, loaded: Loaded, steps: Stamps, price: Values) -> SlotColumns:
    if instrument.position_type is PositionType.PERP:
        return _perp_columns(spec, instrument, loaded, steps, price)
    sources, ones = spec.sources_of(instrument), np.ones(len(steps))
    index = _index(sources.reserve, loaded, steps) if sources.reserve else ones
    ratio = loaded[sources.ratio].as_of(steps) if sources.ratio else ones
    last = loaded[sources.last].as_of(steps) if sources.last else price
    if sources.market:
        last = loaded[sources.market].as_of(steps) * price
    underlying = instrument.sign * index * ratio
    return SlotColumns(price, index, ratio, price, last, underlying * price, underlying, price, price, price)


def _perp_columns(spec: FrameSpec, instrument: Instrument, loaded: Loaded, steps: Stamps, price: Values) -> SlotColumns:
    sources, ones = spec.sources_of(instrument), np.ones(len(steps))
    there = [loaded[series] for series in (sources.last, sources.mark) if series and series in loaded]
    traded, marked = there[0], there[-1]
    mark = marked.as_of(steps)
    bars = columns.ended_bars(marked, steps, spec.step, mark)
    value, underlying = (price / mark, ones / mark) if instrument.inverse else (mark, ones)
    return SlotColumns(
        price, ones, ones, mark, traded.as_of(steps), value, underlying, bars.low, bars.high, bars.opened
    )


def _signals(series: LoadedSeries, steps: Stamps) -> list[Signal | None]:
    """The signal stamped at each step, None where there is none; DataGapError if the last one is too long ago."""
    series.as_of(steps)
    at = np.searchsorted(series.stamps, steps, side="right") - 1
    directions = tuple(Direction)
    rows = zip(*(series.columns[name][at].tolist() for name in ("signal", "confidence", "sd", "drift")), strict=True)
    fresh = (series.stamps[at] == steps).tolist()
    return [
        Signal(directions[int(code)], confidence, sd, None if math.isnan(drift) else drift) if now else None
        for now, (code, confidence, sd, drift) in zip(fresh, rows, strict=True)
    ]


def _index(reserve: ReserveRef, loaded: Loaded, steps: Stamps) -> Values:
    hourly = loaded.get(reserve.hourly) if reserve.hourly else None
    return columns.index(loaded[reserve.daily], hourly, reserve.side, steps)


def _funding(spec: FrameSpec, loaded: Loaded, steps: Stamps) -> tuple[tuple[Values, ...], columns.Mask]:
    rates, settles = [], np.zeros(len(steps), dtype=bool)
    for sources in map(spec.sources_of, spec.universe):
        settled = columns.funding(loaded[sources.funding], steps) if sources.funding else None
        rates.append(settled.rates if settled else np.zeros(len(steps)))
        settles |= settled.settles if settled else False
    return tuple(rates), settles
