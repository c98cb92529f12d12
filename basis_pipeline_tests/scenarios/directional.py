"""A directional book for tests by hand: a market of single steps, each with its signal."""

from __future__ import annotations

from typing import Any

from basis_pipeline.config.wiring import WiredMode
from basis_pipeline.domain.deltas import DeltaSource
from basis_pipeline_tests.builders import Moment, Run, at, frictionless

CASH, PERP = "binance:BaseToken:USDT", "binance:Perp:BTCUSDT"
COINS, INVERSE = "binance:BaseToken:BTC", "binance:Perp:BTCUSD"
LINEAR_MODE, INVERSE_MODE = "ml_btc_directional_usdt_margin", "ml_btc_directional_btc_margin"
FULL = {"strategy.target_sd": None, "strategy.minimum_edge": 0.0, "max_drawdown": 1.0}
"""Full size whatever the standard deviation, entries whatever their edge, no stop of the whole book."""
LONG, SHORT, FLAT, HOLD = ("long", 0.9, 0.01), ("short", 0.9, 0.01), ("neutral", 0.9, 0.01), ("hold", 0.0, 0.0)
ENTRY = Moment(prices={"BTC": 50_000.0}, signal=LONG)
"""2 sd of 1%: a long entered at 50,000 stops at 49,000 and takes profit at 51,000."""


def free(mode: str = LINEAR_MODE, **overrides: Any) -> WiredMode:
    return frictionless(mode, FULL | {f"strategy.{name}": value for name, value in overrides.items()})


def bar(opened: float, low: float, high: float, now: float, key: str = PERP, **rest: Any) -> Moment:
    """The step after a bar from `opened` through `low` and `high`; the next one opens at `now`."""
    return Moment(prices={"BTC": now}, opened={key: opened}, low={key: low}, high={key: high}, **rest)


def sources(run: Run) -> list[str]:
    return [entry.delta.source for entry in run.engine.log.deltas if entry.delta.source is not DeltaSource.FUNDING]


def closes(run: Run) -> list[tuple[str, float]]:
    """(source, reference price) of the stops that were hit."""
    hit = {DeltaSource.STOP_LOSS, DeltaSource.TAKE_PROFIT}
    deltas = [entry.delta for entry in run.engine.log.deltas]
    return [(d.source, d.reference_price) for d in deltas if d.source in hit and d.reference_price is not None]


def follow(*signals: tuple[str, float, float] | None, **overrides: Any) -> Run:
    """A calm market and one signal per step."""
    return Run(free(**overrides), [at(ENTRY, signal=signal) for signal in signals]).go()


def flowing(amount: float) -> list[dict[str, Any]]:
    return [{"at": "2024-01-01T00:05:00Z", "amount": amount}]
