"""How each exchange names an account and shows what rests on it and what was executed on it, whoever ordered it.

From the exchanges' documentation. Conditional orders are in a list of their own at Binance (futures) and OKX, in one
with the others at Bybit. Histories of trades answer for a day (Binance spot) or a week at a time (Binance futures,
Bybit), newest first at Bybit and OKX; OKX shows those of more than three days ago in its archive alone. Bots and
algorithms that place orders of their own are seen by those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol

from basis_pipeline.venues.live.dialects import MILLISECOND, PAGE, TRADES_PAGE
from basis_pipeline.venues.live.exchange import Execution, OpenOrder

if TYPE_CHECKING:
    import ccxt

_DAY = 86_400_000
_WEEK = 7 * _DAY


class AccountDialect(Protocol):
    """One exchange's ways. Times are milliseconds UTC."""

    def identities(self, client: ccxt.Exchange) -> tuple[str, ...]:
        """The exchange's own names of the accounts behind the keys, the same whichever keys ask."""

    def open_orders(self, client: ccxt.Exchange) -> Iterator[OpenOrder]:
        """Of all instruments that share cash or margin with a session's."""

    def executions(self, client: ccxt.Exchange, symbol: str, since: int, until: int) -> Iterable[Execution]:
        """Every trade of the account from `since` to `until`, liquidations included; in any order."""

    def ends(self, listed: dict[str, Any]) -> int | None:
        """When a perpetual will be taken from the list, of the exchange's own entry; None while nobody says so."""


class BinanceAccount:
    """Spot and futures have a key each, which somebody may have made on two accounts."""

    _NEVER = 4_133_404_800_000

    def identities(self, client: ccxt.Exchange) -> tuple[str, ...]:
        spot = client.privateGetAccount({"omitZeroBalances": "true"})["uid"]
        # Or a wrong key for futures would count as a ban of the one for spot, which has just been taken.
        client.options["hasAlreadyAuthenticatedSuccessfully"] = False
        futures = {line["accountAlias"] for line in client.fapiPrivateV2GetBalance()}
        return (f"spot {spot}", *(f"futures {alias}" for alias in sorted(futures)))

    def open_orders(self, client: ccxt.Exchange) -> Iterator[OpenOrder]:
        for market, orders in (("spot", client.privateGetOpenOrders()), ("perp", client.fapiPrivateGetOpenOrders())):
            for line in orders:
                symbol = f"{line['symbol']} {market}"
                yield _open(line["orderId"], line["clientOrderId"], symbol, line["side"], line["origQty"])
        for line in client.fapiPrivateGetOpenAlgoOrders():
            symbol = f"{line['symbol']} perp, conditional"
            yield _open(line["algoId"], line["clientAlgoId"], symbol, line["side"], line["quantity"])

    def executions(self, client: ccxt.Exchange, symbol: str, since: int, until: int) -> Iterable[Execution]:
        """A full page is followed by one from its last moment on; trades that come twice are told apart by id."""
        market = client.market(symbol)
        ask, longest = (client.fapiPrivateGetUserTrades, _WEEK) if market["swap"] else (client.privateGetMyTrades, _DAY)
        found: dict[str, Execution] = {}
        for begin, end in _stretches(since, until, longest):
            start = begin
            while True:
                stretch = {"startTime": start, "endTime": end, "limit": TRADES_PAGE}
                page = ask({"symbol": market["id"], **stretch})
                fresh = [line for line in page if str(line["id"]) not in found]
                for line in fresh:
                    side = line.get("side") or ("BUY" if line["isBuyer"] in (True, "true") else "SELL")
                    named = (line["id"], line["orderId"], "", symbol, side)
                    found[str(line["id"])] = _executed(*named, line["qty"], line["price"], line["time"])
                if len(page) < TRADES_PAGE or not fresh:
                    break
                start = max(int(line["time"]) for line in page)
        return found.values()

    def ends(self, listed: dict[str, Any]) -> int | None:
        told = int(listed.get("deliveryDate") or self._NEVER)
        return told if told < self._NEVER else None


class BybitAccount:
    """One account, one list per category and coin of settlement."""

    _PAGE = 50
    _LISTS = (
        {"category": "spot"},
        {"category": "linear", "settleCoin": "USDT"},
        {"category": "linear", "settleCoin": "USDC"},
        {"category": "inverse"},
    )

    def identities(self, client: ccxt.Exchange) -> tuple[str, ...]:
        return (str(client.privateGetV5UserQueryApi()["result"]["userID"]),)

    def open_orders(self, client: ccxt.Exchange) -> Iterator[OpenOrder]:
        for kind in self._LISTS:
            for line in _bybit_pages(client.privateGetV5OrderRealtime, {**kind, "limit": self._PAGE}):
                waits = ", conditional" if line.get("stopOrderType") else ""
                symbol = f"{line['symbol']} {kind['category']}{waits}"
                yield _open(line["orderId"], line["orderLinkId"], symbol, line["side"], line["qty"])

    def executions(self, client: ccxt.Exchange, symbol: str, since: int, until: int) -> Iterable[Execution]:
        market = client.market(symbol)
        asked = {"category": "linear" if market["swap"] else "spot", "symbol": market["id"], "limit": PAGE}
        for begin, end in _stretches(since, until, _WEEK):
            stretch = {**asked, "startTime": begin, "endTime": end}
            for line in _bybit_pages(client.privateGetV5ExecutionList, stretch):
                if line["execType"] != "Funding":
                    named = (line["execId"], line["orderId"], line["orderLinkId"], symbol, line["side"])
                    yield _executed(*named, line["execQty"], line["execPrice"], line["execTime"])

    def ends(self, listed: dict[str, Any]) -> int | None:
        return int(listed.get("deliveryTime") or 0) or None


class OkxAccount:
    """Sizes of perps are contracts; a conditional order is asked for by its kind."""

    _CONDITIONAL = ("conditional,oco", "trigger", "move_order_stop", "iceberg", "twap")
    _RECENT = 3 * _DAY

    def identities(self, client: ccxt.Exchange) -> tuple[str, ...]:
        return (str(client.privateGetAccountConfig()["data"][0]["uid"]),)

    def open_orders(self, client: ccxt.Exchange) -> Iterator[OpenOrder]:
        for line in _okx_pages(client.privateGetTradeOrdersPending, {}, "ordId"):
            yield _open(line["ordId"], line["clOrdId"], line["instId"], line["side"], line["sz"])
        for kind in self._CONDITIONAL:
            for line in _okx_pages(client.privateGetTradeOrdersAlgoPending, {"ordType": kind}, "algoId"):
                symbol = f"{line['instId']}, conditional"
                yield _open(line["algoId"], line["algoClOrdId"], symbol, line["side"], line["sz"])

    def executions(self, client: ccxt.Exchange, symbol: str, since: int, until: int) -> Iterable[Execution]:
        market = client.market(symbol)
        recent = until - since < self._RECENT
        ask = client.privateGetTradeFills if recent else client.privateGetTradeFillsHistory
        stretch = {"begin": since, "end": until}
        query = {"instType": "SWAP" if market["swap"] else "SPOT", "instId": market["id"], **stretch}
        for line in _okx_pages(ask, query, "billId"):
            quantity = float(line["fillSz"]) * float(market["contractSize"] or 1.0)
            named = (line["billId"], line["ordId"], line["clOrdId"], symbol, line["side"])
            yield _executed(*named, quantity, line["fillPx"], line["ts"])

    def ends(self, listed: dict[str, Any]) -> int | None:
        return int(listed.get("expTime") or 0) or None


ACCOUNT_DIALECTS: dict[str, type[AccountDialect]] = {
    "binance": BinanceAccount,
    "bybit": BybitAccount,
    "okx": OkxAccount,
}


def _stretches(since: int, until: int, longest: int) -> Iterator[tuple[int, int]]:
    """From and to, both included, none as long as `longest`."""
    for begin in range(since, until + 1, longest - 1):
        yield begin, min(begin + longest - 2, until)


def _bybit_pages(ask: Any, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
    cursor: dict[str, Any] = {}
    while True:
        page = ask(query | cursor)["result"]
        yield from page["list"]
        if len(page["list"]) < query["limit"] or not page.get("nextPageCursor"):
            return
        cursor = {"cursor": page["nextPageCursor"]}


def _okx_pages(ask: Any, query: dict[str, Any], key: str) -> Iterator[dict[str, Any]]:
    """Newest first; the next page is what is older than the oldest seen."""
    query = {**query, "limit": PAGE}
    while page := ask(query)["data"]:
        yield from page
        if len(page) < PAGE:
            return
        query = {**query, "after": min(page, key=lambda line: int(line[key]))[key]}


def _open(reference: Any, client_id: Any, symbol: str, side: str, quantity: Any) -> OpenOrder:
    return OpenOrder(str(reference), str(client_id or ""), symbol, side.lower(), float(quantity or 0.0))


def _executed(  # noqa: PLR0917 - a line of a history, column by column
    trade_id: Any, reference: Any, client_id: Any, symbol: str, side: str, quantity: Any, price: Any, milliseconds: Any
) -> Execution:
    order = (str(reference), str(client_id or ""), symbol, side.lower())
    return Execution(str(trade_id), *order, float(quantity), float(price), int(milliseconds) * MILLISECOND)
