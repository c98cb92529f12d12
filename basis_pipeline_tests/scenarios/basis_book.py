"""The basis book of the scenarios: shipped configuration without fees, so that equity is conserved.

At 50,000: deployable 99,500, spot 1.326 = shorts 0.796 (binance) + 0.530 (bybit), margin 33,166.67, ratio .5.
"""

from __future__ import annotations

from typing import Any

from basis_pipeline_tests.builders import Moment, Run, frictionless

CALM = Moment(prices={"BTC": 50_000.0})
WALLET, BINANCE, BYBIT = (f"{venue}:BaseToken:USDT" for venue in ("wallet", "binance", "bybit"))
SPOT, SHORT_BINANCE, SHORT_BYBIT = "binance:BaseToken:BTC", "binance:Perp:BTCUSDT", "bybit:Perp:BTCUSDT"


def jump(price: float, overrides: dict[str, Any] | None = None, **rest: Any) -> Run:
    """Enter at 50,000, then the price jumps and stays."""
    far = Moment(prices={"BTC": price}, **rest)
    return Run(frictionless("btc_basis", overrides), [CALM, far, far]).go()


def held(run: Run) -> list[float]:
    return [run.quantity(key) for key in (SPOT, SHORT_BINANCE, SHORT_BYBIT)]


def flows(*pairs: tuple[str, float]) -> dict[str, Any]:
    return {"flows": [{"at": f"2024-01-01T{time}Z", "amount": amount} for time, amount in pairs]}
