"""Small builders: a market written down by hand, a mode wired from the shipped files, an engine around both.

Everything built here is the real thing; only the market data are invented.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from basis_pipeline.config.loading import ConfigFolder
from basis_pipeline.config.wiring import WiredMode, wire_mode
from basis_pipeline.domain.errors import DataGapError
from basis_pipeline.domain.market import Direction, Distribution, MarketSnapshot, Signal
from basis_pipeline.domain.orders import Order
from basis_pipeline.domain.position_keys import PositionType
from basis_pipeline.domain.protocols import Clock, Venue
from basis_pipeline.domain.records import CATEGORIES, Category, PnL
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.state import EngineState
from basis_pipeline.domain.timeline import HOUR, iso, month_start
from basis_pipeline.engine.event_driven_strategy_engine import EngineConfig, EventDrivenStrategyEngine

CONFIGS = Path(__file__).parents[1] / "configs"
START = month_start("2024-01")
"""2024-01-01T00:00Z, a funding stamp: the first step of every hand-made market unless it says otherwise."""

ByKey = Mapping[str, float]
"""A value by position key."""

_CEXES = ("binance", "bybit", "okx")
_POOLS = (("curve", "weETH"), ("uniswap", "wstETH"))


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """The world at one step, as a person writes it down. Whatever is not said is the simplest thing it can be.

    Attributes:
        prices: USDT by asset.
        last, mark, high, low: by position key; each defaults to the one before it, `last` to the asset's price.
        opened: by position key, first mark of the bar that ended; defaults to `mark`.
        signal: what a model says, e.g. ("long", 0.7, 0.01) for confidence and standard deviation; its drift may follow.
        index: by position key of an Aave slot, default 1.
        ratio: by token, ETH per staked token at the protocol, default 1; `last` defaults to it times the price.
        rewards: distributions known from this step on: (position key, start, end, rate).
        funding: rate by venue where this step settles funding; None between settlements.
        usd: USD per USDT.
        gas: gwei.
    """

    prices: ByKey
    last: ByKey = {}
    mark: ByKey = {}
    high: ByKey = {}
    low: ByKey = {}
    opened: ByKey = {}
    signal: tuple[str, float, float] | tuple[str, float, float, float | None] | None = None
    index: ByKey = {}
    ratio: ByKey = {}
    rewards: tuple[tuple[str, int, int, float], ...] = ()
    funding: ByKey | None = None
    usd: float = 1.0
    gas: float | None = None


def snapshot(settings: EngineSettings, timestamp: int, moment: Moment) -> MarketSnapshot:
    """What the engine gets to see of a moment."""
    universe = settings.universe
    prices = {"USDT": 1.0, "EIGEN": 0.0, "ETHFI": 0.0, **moment.prices}
    ratio = tuple(moment.ratio.get(instrument.token, 1.0) for instrument in universe)
    price = tuple(prices[instrument.asset] for instrument in universe)
    worth = zip(universe.keys, price, ratio, strict=True)
    last = tuple(moment.last.get(key, p * r) for key, p, r in worth)
    perps = frozenset(universe.slots_of(PositionType.PERP))
    mark = tuple(
        moment.mark.get(key, last[slot]) if slot in perps else price[slot] for slot, key in enumerate(universe.keys)
    )
    index = tuple(moment.index.get(key, 1.0) for key in universe.keys)
    signs = [instrument.sign for instrument in universe]
    underlying = tuple(1.0 if s in perps else signs[s] * index[s] * ratio[s] for s in range(len(universe)))
    value = tuple(mark[s] if s in perps else underlying[s] * price[s] for s in range(len(universe)))
    if inverse := [s for s in perps if universe.instruments[s].inverse]:
        underlying = tuple(1.0 / mark[s] if s in inverse else u for s, u in enumerate(underlying))
        value = tuple(price[s] / mark[s] if s in inverse else v for s, v in enumerate(value))
    funding = None
    if moment.funding is not None:
        funding = tuple(
            moment.funding.get(instrument.key.venue, 0.0) if slot in perps else 0.0
            for slot, instrument in enumerate(universe)
        )
    return MarketSnapshot(
        timestamp=timestamp,
        price=price,
        index=index,
        ratio=ratio,
        mark=mark,
        last=last,
        value=value,
        underlying=underlying,
        low=tuple(moment.low.get(key, m) for key, m in zip(universe.keys, mark, strict=True)),
        high=tuple(moment.high.get(key, m) for key, m in zip(universe.keys, mark, strict=True)),
        funding=funding,
        usd=moment.usd,
        share_price=prices[settings.share_asset],
        gas_price=moment.gas,
        gas_token_price=prices.get("ETH"),
        rewards=tuple(Distribution(universe.slot(key), *period) for key, *period in moment.rewards),
        opened=tuple(moment.opened.get(key, m) for key, m in zip(universe.keys, mark, strict=True)),
        signal=Signal(Direction(moment.signal[0]), *moment.signal[1:]) if moment.signal else None,
    )


class HandMadeFeed:
    """A data provider over moments, one per step; a step that was not written down is a gap."""

    def __init__(
        self, settings: EngineSettings, moments: Sequence[Moment], *, start: int = START, step: int = HOUR
    ) -> None:
        self.timestamps = [start + number * step for number in range(len(moments))]
        self._snapshots = {
            timestamp: snapshot(settings, timestamp, moment)
            for timestamp, moment in zip(self.timestamps, moments, strict=True)
        }

    def at(self, timestamp: int) -> MarketSnapshot:
        if timestamp not in self._snapshots:
            raise DataGapError(f"no market data at {iso(timestamp)}.")
        return self._snapshots[timestamp]


def wired(mode: str, overrides: Mapping[str, Any] | None = None, *, configs: Path = CONFIGS) -> WiredMode:
    """A mode of the shipped configuration with dotted keys on top."""
    return wire_mode(ConfigFolder(configs), mode, overrides or {})


def frictionless(mode: str, overrides: Mapping[str, Any] | None = None) -> WiredMode:
    """A mode whose venues take no fee, have no slippage and move funds for nothing; lots and margin rules stay."""
    names = set(wired(mode, overrides).settings.venues)
    free: dict[str, Any] = {f"venues.{name}.transfer_fee_usdt": 0.0 for name in names & {"wallet", *_CEXES}}
    free |= {f"venues.{name}.gas_units": {} for name in names - set(_CEXES)}
    free |= {f"venues.{name}.swaps.{token}.slippage_bp": {10_000: 0.0} for name, token in _POOLS if name in names}
    for name in names & set(_CEXES):
        for kind in ("spot", "perp"):
            free |= {f"venues.{name}.{kind}.taker_fee_bp": 0.0, f"venues.{name}.{kind}.slippage_bp": {10_000: 0.0}}
    return wired(mode, free | dict(overrides or {}))


class Run:
    """An engine over a hand-made market, and what a test wants to ask of it by position key."""

    def __init__(
        self,
        mode: WiredMode,
        moments: Sequence[Moment],
        *,
        start: int = START,
        state: EngineState | None = None,
        venues: Sequence[Venue] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.mode = mode
        self.settings = mode.settings
        self.feed = HandMadeFeed(mode.settings, moments, start=start, step=mode.settings.step)
        config = mode.engine_config()
        if venues is not None:
            config = EngineConfig(config.settings, config.strategy, tuple(venues))
        self.engine = EventDrivenStrategyEngine(
            config, "backtest", self.feed, self.settings.initial_capital, self.settings.share_class,
            state=state, clock=clock,
        )  # fmt: skip

    def go(self, steps: int | None = None) -> Run:
        """Process all steps that were written down, or the next `steps` of them."""
        done = self.engine.current_timestamp
        ahead = [t for t in self.feed.timestamps if done is None or t > done]
        self.engine.run(ahead if steps is None else ahead[:steps])
        return self

    def slot(self, key: str) -> int:
        return self.settings.universe.slot(key)

    def quantity(self, key: str) -> float:
        return self.engine.position_monitor.get_current_positions().quantities[self.slot(key)]

    def entry(self, key: str) -> float:
        return self.engine.position_monitor.get_current_positions().entry_prices[self.slot(key)]

    @property
    def equity(self) -> float:
        """USDT at the last commit."""
        return self.engine.log.commits[-1].exposure.equity

    @property
    def pnl(self) -> PnL:
        return self.engine.log.commits[-1].pnl

    def step_pnl(self, category: Category) -> float:
        return self.pnl.attribution[CATEGORIES.index(category)]

    @property
    def cumulative(self) -> dict[Category, float]:
        """Attribution since the opening, share class."""
        return dict(zip(CATEGORIES, self.engine.pnl_monitor.state().attribution, strict=True))

    def ratio(self, venue: str) -> float | None:
        """Margin ratio at the last commit."""
        names = [account.venue for account in self.settings.margin_accounts]
        return self.engine.log.commits[-1].risk.margin_ratios[names.index(venue)]

    @property
    def orders(self) -> list[Order]:
        return [entry.result.order for entry in self.engine.log.orders]

    def orders_at(self, step: int) -> list[str]:
        """`operation quantity key [side] [tag]` of the orders of one step, for reading."""
        timestamp = self.feed.timestamps[step]
        return [
            describe(entry.result.order, self.settings)
            for entry in self.engine.log.orders
            if entry.timestamp == timestamp
        ]

    @property
    def reasons(self) -> list[str]:
        """What was decided, in order, declined plans included."""
        return [event.message for event in self.engine.log.events if type(event).__name__ == "DecisionEvent"]


def describe(order: Order, settings: EngineSettings) -> str:
    keys = settings.universe.keys
    side = f" {order.side}" if order.side else f" -> {keys[order.counter_slot]}"
    return f"{order.operation} {order.quantity:.10g} {keys[order.slot]}{side}{' ' + order.tag if order.tag else ''}"


def steady(moment: Moment, steps: int) -> list[Moment]:
    return [moment] * steps


def path(asset: str, prices: Iterable[float], **rest: Any) -> Iterator[Moment]:
    """Moments that differ in one price only."""
    for price in prices:
        yield Moment(prices={asset: price}, **rest)


def at(moment: Moment, **changes: Any) -> Moment:
    """The same moment but for what is named."""
    return replace(moment, **changes)
