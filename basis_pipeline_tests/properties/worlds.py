"""Random worlds: a shipped mode with variations, and a market that jumps, tears venues apart and pays funding."""

from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import strategies as st

from basis_pipeline.config.wiring import WiredMode
from basis_pipeline.domain.state import EngineState
from basis_pipeline.domain.timeline import HOUR, MINUTE, iso
from basis_pipeline_tests.builders import START, Moment, Run, frictionless, steady, wired

DIRECTIONAL = ("ml_btc_directional_usdt_margin", "ml_btc_directional_btc_margin")
MODES = ("btc_basis", "eth_basis", "pure_lending_usdt", "pure_lending_eth", *DIRECTIONAL)
CAPITAL = {"pure_lending_eth": 40.0, "ml_btc_directional_btc_margin": 2.0}
PRICES = {"BTC": 50_000.0, "ETH": 2_500.0}

_SPLITS: tuple[dict[str, Any], ...] = (
    {},
    {"strategy.hedge_allocation": {"binance": 0.4, "bybit": 0.3, "okx": 0.3}},
    {"strategy.spot_venue": "bybit"},
    {"strategy.spot_venue": "okx"},
    {"strategy.hedge_allocation": {"bybit": 1.0}},
    {"strategy.spot_fraction": 0.5},
)
_HABITS: tuple[dict[str, Any], ...] = (
    {},
    {},
    {"venues.wallet.transfer_latency_bars": 2, "margin_ratio.derisk": 0.24},
    {"venues.binance.transfer_latency_bars": 1, "margin_ratio.derisk": 0.22},
    {"venues.binance.spot_fee_in": "base"},
)
_HOLDINGS: tuple[dict[str, Any], ...] = (
    {},
    {"strategy.target_sd": None},
    {"strategy.target_sd": None, "strategy.max_position_size": 3.0},
    {"strategy.target_sd": None, "strategy.max_hold_bars": 2},
)


class World(NamedTuple):
    """A wired mode and its market; shows itself as what a person would type to get it again."""

    mode: WiredMode
    moments: list[Moment]
    typed: dict[str, Any]

    def __repr__(self) -> str:
        return f"{self.mode.name} {self.typed} in {self.moments}"

    def run(self, state: EngineState | None = None) -> Run:
        return Run(self.mode, self.moments, state=state)


def flows(capital: float, steps: int, minutes: int) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Deposits and withdrawals between steps of so many minutes, dust and more than everything included."""
    share = st.one_of(st.floats(-0.95, 0.6), st.sampled_from([-2.0, -1.0, -1e-4, 1e-4]))
    minute = st.integers(-minutes, minutes * steps)
    flow = st.tuples(minute, share).filter(lambda pair: pair[1] != 0.0)
    as_file = flow.map(lambda pair: {"at": iso(START + pair[0] * MINUTE), "amount": capital * pair[1]})
    return st.lists(as_file, max_size=3)


@st.composite
def overrides(draw: st.DrawFn, name: str, steps: int) -> dict[str, Any]:
    """Flows, a split of venues, a habit of one venue, the worth of a USDT."""
    typed: dict[str, Any] = {"flows": draw(flows(CAPITAL.get(name, 1e5), steps, 5 if name in DIRECTIONAL else 60))}
    if name in DIRECTIONAL:
        typed |= draw(st.sampled_from(_HOLDINGS))
    if name.endswith("basis"):
        typed |= draw(st.sampled_from(_SPLITS))
        used = set(wired(name, typed).settings.venues)
        habit = draw(st.sampled_from(_HABITS))
        if all(key.split(".")[1] in used for key in habit if key.startswith("venues.")):
            typed |= habit
    if draw(st.booleans()):
        typed["component_config.exposure_monitor.conversion_methods"] = {"USDT": "oracle"}
    return typed


def signals() -> st.SearchStrategy[tuple[str, float, float, float | None] | None]:
    """What a model may say: nothing, or any direction, sure or not, its forecast and drift perhaps too wide."""
    direction = st.sampled_from(["long", "short", "neutral", "hold"])
    drift = st.one_of(st.none(), st.floats(0.0, 0.4))
    return st.one_of(st.none(), st.tuples(direction, st.floats(0.5, 1.0), st.floats(0.0, 0.2), drift))


@st.composite
def markets(draw: st.DrawFn, mode: WiredMode, steps: int, *, torn: bool = True) -> list[Moment]:
    """`steps` moments; with `torn` the venues' prices, marks and wicks leave the reference, and funding is paid."""
    asset, keys = mode.file.asset, mode.settings.universe.keys
    traded = [
        key
        for key in keys
        if key.endswith((f":{asset}", f"{asset}USDT", f"{asset}USD")) and not key.startswith("wallet")
    ]
    perps = [key for key in traded if ":Perp:" in key]
    small, gap = st.floats(-0.02, 0.02), st.floats(-0.004, 0.004)
    move = st.one_of(small, small, small, st.floats(-0.2, 0.2))
    price, index, moments, before = PRICES.get(asset, 1.0), 1.03, [], {}
    for step in range(steps):
        price *= 1.0 + draw(move)
        index *= 1.0 + draw(st.floats(-1e-6, 1e-4))
        world: dict[str, Any] = {}
        if torn and perps:
            last = {key: price * (1.0 + draw(gap)) for key in traded}
            mark = {key: last[key] * (1.0 + draw(gap)) for key in perps}
            wick = draw(st.one_of(st.just(0.0), st.floats(0.0, 0.1)))
            high = {key: max(mark[key], before.get(key, 0.0)) * (1.0 + wick) for key in perps}
            low = {key: min(mark[key], before.get(key, mark[key])) * (1.0 - wick) for key in perps}
            opened = {key: before.get(key, mark[key]) for key in perps}
            world, before = {"last": last, "mark": mark, "high": high, "low": low, "opened": opened}, mark
        if mode.name in DIRECTIONAL:
            world["signal"] = draw(signals())
        if torn and (START // HOUR + step) % 8 == 0:
            world["funding"] = {v: draw(st.floats(-0.01, 0.01)) for v in ("binance", "bybit", "okx")}
        prices = PRICES | ({asset: price} if asset in PRICES else {})
        usd = 1.0 + draw(gap) if torn else 1.0
        moments.append(
            Moment(prices=prices, index={key: index for key in keys if ":aToken:" in key}, usd=usd,
                   gas=draw(st.floats(1.0, 60.0)), **world)
        )  # fmt: skip
    return moments


@st.composite
def worlds(
    draw: st.DrawFn, steps: int = 12, names: tuple[str, ...] = MODES, *, free: bool = False, torn: bool = True
) -> World:
    name = draw(st.sampled_from(names))
    typed = draw(overrides(name, steps))
    mode = (frictionless if free else wired)(name, typed)
    return World(mode, draw(markets(mode, steps, torn=torn)), typed)


@st.composite
def calm_worlds(draw: st.DrawFn, steps: int = 10) -> World:
    """No fees, and nothing moves."""
    name = draw(st.sampled_from(MODES))
    typed = draw(overrides(name, steps))
    mode = frictionless(name, typed)
    prices = {mode.file.asset: draw(st.floats(1_000.0, 90_000.0)), "USDT": 1.0}
    prices = {"ETH": 2_500.0} | prices
    return World(mode, steady(Moment(prices=prices, gas=20.0), steps), typed)
