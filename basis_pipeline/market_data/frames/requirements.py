"""What market data a mode is computed from: which series prices, marks, funds and accrues each slot.

The configuration layer derives a `FrameSpec` from venue and mode files; `frame.build_frame` turns it into snapshots.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.position_keys import Instrument, PositionType, Universe
from basis_pipeline.market_data.frames.lookups import cadence_of

ACCOUNTING_ASSET = "USDT"
"""The asset that all snapshot prices are in; its own price is 1.0."""


class SeriesRef(msgspec.Struct, frozen=True, order=True):
    """One validated series."""

    dataset: str
    venue: str
    symbol: str

    def __str__(self) -> str:
        return f"{self.dataset} of {self.venue} {self.symbol}"


class ReserveSide(StrEnum):
    SUPPLY = "supply"
    BORROW = "borrow"


class ReserveRef(msgspec.Struct, frozen=True):
    """Where the index of an Aave position comes from.

    Attributes:
        daily: index and rate snapshots (`aave_reserves_1d`).
        side: liquidity index or variable borrow index.
        hourly: rates between the snapshots (`aave_rates_1h`); without them the snapshot's own rate serves.
    """

    daily: SeriesRef
    side: ReserveSide
    hourly: SeriesRef | None = None


class SlotSources(msgspec.Struct, frozen=True):
    """Series behind one slot, beyond the reference price of its asset.

    Attributes:
        last: the venue's own candles, which fills refer to. None: a perp uses its mark, any other slot its price.
        mark: mark candles of a perp. None, unpublished or coarser than the step: `last` stands in.
        funding: settled funding rates of a perp.
        reserve: index of an aToken or debtToken.
        ratio: underlying per token at the protocol (`oracle_prices`, e.g. weETH_ETH); None is 1.0.
        market: underlying per token on a pool (`lst_market_rates_1h`): what a fill of a staked token refers to.
    """

    last: SeriesRef | None = None
    mark: SeriesRef | None = None
    funding: SeriesRef | None = None
    reserve: ReserveRef | None = None
    ratio: SeriesRef | None = None
    market: SeriesRef | None = None


NO_SOURCES = SlotSources()


class FrameSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides what the engine gets to see. Raises ConfigError or PositionError if it cannot work.

    Attributes:
        universe: the slots, in order.
        step: microseconds between timesteps.
        reference: by asset, the candles whose open prices it. The accounting asset needs none.
        quoted_in: by asset, the asset its reference is quoted in where that is not USDT (EIGEN in ETH on a pool).
        sources: by position key; a slot without an entry needs nothing but its asset's reference.
        share_asset: the currency of the share class.
        gas: gas prices, or None where the mode has no on-chain operation.
        gas_token: the asset that pays for gas; needs a reference only where `gas` is given.
        usd: USD per USDT (`oracle_prices`), or None for par.
        signals: what a model said (`ml_signals`), or None where no model is asked.
        rewards: by position key of a reward token, the distributions that pay it. Its price may begin later than the
            frame: what is not traded yet has price 0.0 and must not be held.
    """

    universe: Universe
    step: int
    reference: Mapping[str, SeriesRef]
    share_asset: str
    sources: Mapping[str, SlotSources] = msgspec.field(default_factory=dict)
    quoted_in: Mapping[str, str] = msgspec.field(default_factory=dict)
    gas: SeriesRef | None = None
    gas_token: str = "ETH"
    usd: SeriesRef | None = None
    signals: SeriesRef | None = None
    rewards: Mapping[str, SeriesRef] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        for key in (*self.sources, *self.rewards):
            self.universe.slot(key)
        for asset in self.priced_assets:
            self.reference_of(asset)
        for instrument in self.universe:
            _check_sources(self, instrument)

    @property
    def priced_assets(self) -> tuple[str, ...]:
        """Assets that need a reference price, each after the asset it is quoted in."""
        wanted = [*self.universe.assets, self.share_asset, *((self.gas_token,) if self.gas else ())]
        quotes = [self.quoted_in[asset] for asset in wanted if asset in self.quoted_in]
        return tuple(asset for asset in dict.fromkeys([*quotes, *wanted]) if asset != ACCOUNTING_ASSET)

    @property
    def late_assets(self) -> frozenset[str]:
        """Assets whose reference may begin inside or after the frame: reward tokens before their launch."""
        return frozenset(self.universe.instruments[self.universe.slot(key)].asset for key in self.rewards)

    def sources_of(self, instrument: Instrument) -> SlotSources:
        return self.sources.get(str(instrument.key), NO_SOURCES)

    def usable(self, series: SeriesRef) -> bool:
        """Whether the series is as fine as the step; an hourly price is no price at five minutes."""
        return cadence_of(series.dataset) <= self.step

    def reference_of(self, asset: str) -> SeriesRef:
        """The candles that price `asset`: those declared, or a perp's own where the declared are coarser than the step.

        Raises:
            ConfigError: no reference is declared, or none that is fine enough.
        """
        declared = self.reference.get(asset)
        if declared is None:
            raise ConfigError(
                f"asset {asset} has no reference price.", remedy=f"declare reference_price.{asset} in the mode."
            )
        if self.usable(declared):
            return declared
        for instrument in self.universe:
            last = self.sources_of(instrument).last
            if instrument.position_type is PositionType.PERP and instrument.asset == asset and last:
                return last
        raise ConfigError(
            f"reference {declared} is coarser than the step of {self.step // 1_000_000} s and no perp of {asset} can "
            "stand in for it.",
            remedy="use a reference of the step's own frequency, or a longer step.",
        )


class Requirement(NamedTuple):
    """A series that a frame reads; without an optional one another stands in, and the usage says so."""

    series: SeriesRef
    optional: bool


def requirements(spec: FrameSpec) -> tuple[Requirement, ...]:
    """Exactly the series a frame of `spec` reads, each once, in a fixed order.

    Optional are marks whose perp has candles of its own, hourly Aave rates, distributions of rewards (there are months
    without one) and the prices of reward tokens, until they begin. A series that one slot needs and
    another could do without is needed.
    """
    needed = dict.fromkeys(_needed(spec))
    optional = dict.fromkeys(series for series in _optional(spec) if series not in needed)
    return tuple(Requirement(series, False) for series in needed) + tuple(Requirement(s, True) for s in optional)


def limits(spec: FrameSpec, series: SeriesRef) -> bool:
    """Whether a frame ends where `series` ends. Hourly Aave rates do not limit it: the daily rate serves the rest."""
    marks = (spec.sources_of(instrument).mark for instrument in spec.universe)
    return series in _needed(spec) or series in marks or series in late_references(spec)


def late_references(spec: FrameSpec) -> frozenset[SeriesRef]:
    """References of assets that may begin inside or after a frame."""
    return frozenset(spec.reference_of(asset) for asset in spec.late_assets)


def _needed(spec: FrameSpec) -> Iterator[SeriesRef]:
    for asset in spec.priced_assets:
        if asset not in spec.late_assets:
            yield spec.reference_of(asset)
    for sources in map(spec.sources_of, spec.universe):
        price = sources.last or sources.mark
        reserve = sources.reserve.daily if sources.reserve else None
        yield from (series for series in (price, sources.funding, reserve, sources.ratio, sources.market) if series)
    yield from (series for series in (spec.gas, spec.usd, spec.signals) if series)


def _optional(spec: FrameSpec) -> Iterator[SeriesRef]:
    for sources in map(spec.sources_of, spec.universe):
        if sources.mark and spec.usable(sources.mark):
            yield sources.mark
        if sources.reserve and sources.reserve.hourly:
            yield sources.reserve.hourly
    for asset in spec.priced_assets:
        if asset in spec.late_assets:
            yield spec.reference_of(asset)
    yield from spec.rewards.values()


def _check_sources(spec: FrameSpec, instrument: Instrument) -> None:
    sources, kind = spec.sources_of(instrument), instrument.position_type
    price = sources.last or sources.mark
    if kind is PositionType.PERP and not (price and sources.funding):
        raise ConfigError(f"{instrument.key} needs funding rates, and candles or marks of its venue.")
    if kind in (PositionType.A_TOKEN, PositionType.DEBT_TOKEN) and not sources.reserve:
        raise ConfigError(f"{instrument.key} needs the reserve snapshots its index comes from.")
    if price and not spec.usable(price):
        raise ConfigError(
            f"{instrument.key} is traded on {price}, which is coarser than the step of {spec.step // 1_000_000} s.",
            remedy="use candles of the step's own frequency, or a longer step.",
        )
