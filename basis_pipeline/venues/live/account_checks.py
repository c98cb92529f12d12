"""Settings of an account under which its answers would not mean what the booking takes them for.

Asked once, at the start: hedge mode gives a perp two positions, a discount token pays fees that no book holds, and a
wallet of several collaterals has margin in tokens that are not cash. Isolated margin liquidates a perp while the book
sees cash enough, and too little leverage lets spot be bought whose short is refused for want of margin.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ccxt

UNIFIED = 3
"""Bybit's `unifiedMarginStatus` from here on is a unified trading account."""


def unsuitable(name: str, client: ccxt.Exchange, perps: Sequence[str], leverage: float) -> tuple[str, ...]:
    """What has to be changed at the exchange `name` before a session can book its answers.

    `perps` are symbols, `leverage` is what they have to be set to at least: plans count on the margin that it asks for.
    """
    check: Callable[[ccxt.Exchange, Sequence[str], float], tuple[str, ...]] = {
        "binance": _binance,
        "bybit": _bybit,
        "okx": _okx,
    }[name]
    return check(client, perps, leverage)


def _binance(client: ccxt.Exchange, perps: Sequence[str], leverage: float) -> tuple[str, ...]:
    found = {
        "futures are in hedge mode: choose one-way mode": client.fapiPrivateGetPositionSideDual()["dualSidePosition"],
        "futures are in multi-assets mode: choose single-asset mode": (
            client.fapiPrivateGetMultiAssetsMargin()["multiAssetsMargin"]
        ),
        "futures pay fees in BNB: switch it off": client.fapiPrivateGetFeeBurn()["feeBurn"],
    }
    if "sapi" in client.urls["api"]:  # the demo has none
        found["spot pays fees in BNB: switch it off"] = client.sapiGetBnbBurn()["spotBNBBurn"]
    for symbol in perps:
        (settings,) = client.fapiPrivateGetSymbolConfig({"symbol": client.market(symbol)["id"]})
        found[f"{symbol} is on isolated margin: choose cross"] = settings["marginType"] != "CROSSED"
        found |= _leverage(symbol, settings["leverage"], leverage)
    return tuple(text for text, wrong in found.items() if wrong)


def _bybit(client: ccxt.Exchange, perps: Sequence[str], leverage: float) -> tuple[str, ...]:
    found, account = [], client.privateGetV5AccountInfo()["result"]
    if int(account["unifiedMarginStatus"]) < UNIFIED:
        found.append("this is a classic account: upgrade it to a unified trading account")
    if account["marginMode"] == "ISOLATED_MARGIN":
        found.append("the account is on isolated margin: choose cross")
    for other in ({"category": "linear", "settleCoin": "USDC"}, {"category": "inverse"}):
        held = client.privateGetV5PositionList(other)["result"]["list"]
        found += [f"{position['symbol']} is open and shares the margin: close it" for position in held]
    for symbol in perps:
        query = {"category": "linear", "symbol": client.market(symbol)["id"]}
        held = client.privateGetV5PositionList(query)["result"]["list"]
        if any(int(position["positionIdx"]) for position in held):
            found.append(f"{symbol} is in hedge mode: choose one-way mode")
        for position in held:
            found += [text for text, wrong in _leverage(symbol, position["leverage"], leverage).items() if wrong]
    return tuple(found)


def _okx(client: ccxt.Exchange, perps: Sequence[str], leverage: float) -> tuple[str, ...]:
    """Every order says that its margin is cross."""
    settings, found = client.privateGetAccountConfig()["data"][0], []
    if settings["posMode"] != "net_mode":
        found.append("positions are in long/short mode: choose net mode")
    if settings["acctLv"] == "1":
        found.append("the account mode is spot only: choose one with futures")
    for symbol in perps:
        query = {"instId": client.market(symbol)["id"], "mgnMode": "cross"}
        for line in client.privateGetAccountLeverageInfo(query)["data"]:
            found += [text for text, wrong in _leverage(symbol, line["lever"], leverage).items() if wrong]
    return tuple(found)


def _leverage(symbol: str, told: Any, least: float) -> dict[str, bool]:
    """A portfolio-margin account tells none: it asks for less margin than any leverage."""
    return {f"{symbol} has leverage {told}: choose {least:g} or more": bool(told) and float(told) < least}
