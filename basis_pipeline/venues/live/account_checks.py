"""Settings of an account under which its answers would not mean what the booking takes them for.

Asked once, at the start: hedge mode gives a perp two positions, a discount token pays fees that no book holds, and a
wallet of several collaterals has margin in tokens that are not cash.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ccxt

UNIFIED = 3
"""Bybit's `unifiedMarginStatus` from here on is a unified trading account."""


def unsuitable(name: str, client: ccxt.Exchange, perps: Sequence[str]) -> tuple[str, ...]:
    """What has to be changed at the exchange `name` before a session can book its answers; `perps` are symbols."""
    check: Callable[[ccxt.Exchange, Sequence[str]], tuple[str, ...]] = {
        "binance": _binance,
        "bybit": _bybit,
        "okx": _okx,
    }[name]
    return check(client, perps)


def _binance(client: ccxt.Exchange, _: Sequence[str]) -> tuple[str, ...]:
    found = {
        "futures are in hedge mode: choose one-way mode": client.fapiPrivateGetPositionSideDual()["dualSidePosition"],
        "futures are in multi-assets mode: choose single-asset mode": (
            client.fapiPrivateGetMultiAssetsMargin()["multiAssetsMargin"]
        ),
        "futures pay fees in BNB: switch it off": client.fapiPrivateGetFeeBurn()["feeBurn"],
    }
    if "sapi" in client.urls["api"]:  # the demo has none
        found["spot pays fees in BNB: switch it off"] = client.sapiGetBnbBurn()["spotBNBBurn"]
    return tuple(text for text, wrong in found.items() if wrong)


def _bybit(client: ccxt.Exchange, perps: Sequence[str]) -> tuple[str, ...]:
    found = []
    if int(client.privateGetV5AccountInfo()["result"]["unifiedMarginStatus"]) < UNIFIED:
        found.append("this is a classic account: upgrade it to a unified trading account")
    for symbol in perps:
        query = {"category": "linear", "symbol": client.market(symbol)["id"]}
        held = client.privateGetV5PositionList(query)["result"]["list"]
        if any(int(position["positionIdx"]) for position in held):
            found.append(f"{symbol} is in hedge mode: choose one-way mode")
    return tuple(found)


def _okx(client: ccxt.Exchange, _: Sequence[str]) -> tuple[str, ...]:
    settings, found = client.privateGetAccountConfig()["data"][0], []
    if settings["posMode"] != "net_mode":
        found.append("positions are in long/short mode: choose net mode")
    if settings["acctLv"] == "1":
        found.append("the account mode is spot only: choose one with futures")
    return tuple(found)
