"""Bybit and OKX: one wallet for spot and perps, and another one that deposits reach and withdrawals leave."""

from __future__ import annotations

from abc import ABC, abstractmethod
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from basis_pipeline.domain.errors import VenueRefusal
from basis_pipeline.venues.live.dialects import MILLISECOND, PAGE, SMALLEST, STABLE, income_line, written
from basis_pipeline.venues.live.exchange import IncomeLine, Listing, MarketOrder, PriceLine

if TYPE_CHECKING:
    import ccxt

STRETCH = 4 * 86_400_000
"""Milliseconds that one question for funding is about: 96 settlements where they are hourly, which fit on a page."""


class _Unified(ABC):
    """What both have in common.

    Amounts moved between their wallets are written out here: the client library rounds to the precision of prices,
    which can be more than there is. Balances have more decimals than a transfer may have.
    """

    positions_parameters: ClassVar[dict[str, Any]] = {}

    def use_test_network(self, client: ccxt.Exchange) -> None:
        client.set_sandbox_mode(True)

    def complete(self, client: ccxt.Exchange) -> None:
        return

    def make_room(self, client: ccxt.Exchange, listing: Listing, order: MarketOrder, price: float) -> None:
        """What a deposit or a withdrawal that was refused has left in the other wallet."""
        self.collect(client, listing.quote)

    def gather(self, client: ccxt.Exchange) -> None:
        """Likewise: deposits, and withdrawals that were refused."""
        self.collect(client, STABLE)

    def collect(self, client: ccxt.Exchange, token: str) -> None:
        """Everything of `token` to where it trades and serves as margin."""
        if (amount := self.idle(client).get(token, 0.0)) >= SMALLEST:
            self.move(client, token, amount, to_trading=True)

    @staticmethod
    @abstractmethod
    def move(client: ccxt.Exchange, token: str, amount: float, *, to_trading: bool) -> None:
        """Between the wallet of deposits and the one that trades: all but a crumb to there, enough from there."""

    @staticmethod
    @abstractmethod
    def idle(client: ccxt.Exchange) -> dict[str, float]:
        """Tokens in the wallet of deposits, without those that are being withdrawn."""


class Bybit(_Unified):
    """Unified trading account, API v5."""

    name = "bybit"
    client_id_key = "orderLinkId"
    client_options: ClassVar[dict[str, Any]] = {
        "fetchMarkets": {"types": ["spot", "linear"]},
        "enableUnifiedMargin": False,
        "enableUnifiedAccount": True,
        "unifiedMarginStatus": 6,
        "recvWindow": 10_000,
    }
    receive_window = 10.0

    def marked_as_test(self, client: ccxt.Exchange) -> bool:
        return False

    def amount(self, client: ccxt.Exchange, order: MarketOrder) -> float:
        return order.quantity

    def find(self, client: ccxt.Exchange, symbol: str, client_id: str) -> dict[str, Any] | None:
        """Open and recently done orders first; after a restart of theirs only the history has the done ones."""
        market = client.market(symbol)
        query = {"category": _category(market), "symbol": market["id"], "orderLinkId": client_id}
        for ask in (client.privateGetV5OrderRealtime, client.privateGetV5OrderHistory):
            if found := ask(query)["result"]["list"]:
                order: dict[str, Any] = client.parse_order(found[0], market)
                return order
        return None

    def trades(self, client: ccxt.Exchange, symbol: str, reference: str) -> list[dict[str, Any]]:
        """Its own word on what a fee was paid in: the client takes it for a traded token, whatever it was."""
        market, found = client.market(symbol), []
        query = {"category": _category(market), "symbol": market["id"], "orderId": reference, "execType": "Trade"}
        cursor = {"limit": PAGE}
        while True:
            page = client.privateGetV5ExecutionList(query | cursor)["result"]
            for trade in client.parse_trades(page["list"], market):
                if paid_in := trade["info"].get("feeCurrency"):
                    trade["fee"]["currency"] = paid_in
                found.append(trade)
            if len(page["list"]) < PAGE or not page.get("nextPageCursor"):
                return found
            cursor = {"limit": PAGE, "cursor": page["nextPageCursor"]}

    def realised(self, trade: dict[str, Any]) -> float:
        return float(trade.get("execPnl") or 0.0)

    def balances(self, client: ccxt.Exchange) -> dict[str, float]:
        """`walletBalance` leaves unrealised P&L out."""
        total: dict[str, float] = client.fetch_balance()["total"]
        return _together({token: amount for token, amount in total.items() if amount}, self.idle(client))

    @staticmethod
    def move(client: ccxt.Exchange, token: str, amount: float, *, to_trading: bool) -> None:
        source, target = ("FUND", "UNIFIED") if to_trading else ("UNIFIED", "FUND")
        client.privatePostV5AssetTransferInterTransfer(
            {
                "transferId": client.uuid(),
                "coin": token,
                "amount": written(amount, ROUND_DOWN if to_trading else ROUND_UP),
                "fromAccountType": source,
                "toAccountType": target,
            }
        )

    @staticmethod
    def idle(client: ccxt.Exchange) -> dict[str, float]:
        answer = client.privateGetV5AssetTransferQueryAccountCoinsBalance({"accountType": "FUND"})
        return {line["coin"]: float(line["transferBalance"] or 0.0) for line in answer["result"]["balance"]}

    def funding(self, client: ccxt.Exchange, symbol: str, since: int) -> list[IncomeLine]:
        """Stretch by stretch, none longer than a week; a fee paid is positive there, here it is money that left."""
        lines: list[IncomeLine] = []
        now = int(client.fetch_time())
        for start in range(since, now + 1, STRETCH):
            query = {"limit": PAGE, "endTime": min(start + STRETCH - 1, now)}
            page = client.fetch_funding_history(symbol, start, PAGE, query)
            lines += [income_line(line, sign=-1.0) for line in page]
        return lines

    def prices(self, client: ccxt.Exchange, symbol: str, *, perp: bool) -> PriceLine:
        market = client.market(symbol)
        answer = client.publicGetV5MarketTickers({"category": _category(market), "symbol": market["id"]})
        at, ticker = int(answer["time"]) * MILLISECOND, answer["result"]["list"][0]
        if not perp:
            return PriceLine(float(ticker["lastPrice"]), at)
        return PriceLine(float(ticker["lastPrice"]), at, float(ticker["markPrice"]), float(ticker["fundingRate"]))


class Okx(_Unified):
    """Trading account in net mode; perps are counted in contracts of a fraction of a coin."""

    name = "okx"
    client_id_key = "clOrdId"
    client_options: ClassVar[dict[str, Any]] = {
        "fetchMarkets": {"types": ["spot", "swap"]},
        "createOrder": "privatePostTradeOrder",
    }
    receive_window = 30.0  # of its own: requests cannot ask for a shorter one

    def marked_as_test(self, client: ccxt.Exchange) -> bool:
        """Its demo is on the production host; a header says which one is meant."""
        return str((client.headers or {}).get("x-simulated-trading")) == "1"

    def amount(self, client: ccxt.Exchange, order: MarketOrder) -> float:
        """In decimals: what binary division leaves a hair below a lot, the client would cut down to the lot before.

        What a contract is worth is asked for with every order: by an old word it would be as many times too large.
        """
        market = client.market(order.symbol)
        size = float(market["contractSize"] or 1.0)
        if market["swap"]:
            (listed,) = client.publicGetPublicInstruments({"instType": "SWAP", "instId": market["id"]})["data"]
            if float(listed["ctVal"]) != size:
                raise VenueRefusal(
                    f"a contract of {order.symbol} at {self.name} is {float(listed['ctVal']):g} {market['base']} now, "
                    f"it was {size:g}: the order was not sent.",
                    code="VEN-012",
                    remedy="compare the position at the exchange with the book, then start the session again.",
                )
        return float(Decimal(repr(order.quantity)) / Decimal(repr(size)))

    def find(self, client: ccxt.Exchange, symbol: str, client_id: str) -> dict[str, Any] | None:
        import ccxt  # noqa: PLC0415

        try:
            found: dict[str, Any] = client.fetch_order(None, symbol, {"clOrdId": client_id})
        except ccxt.OrderNotFound:
            return None
        return found

    def trades(self, client: ccxt.Exchange, symbol: str, reference: str) -> list[dict[str, Any]]:
        """Newest first, page by page; trades of more than three days ago are in the history alone."""
        market, found = client.market(symbol), []
        begin = {"instType": "SWAP" if market["swap"] else "SPOT", "instId": market["id"], "ordId": reference}
        for ask in (client.privateGetTradeFills, client.privateGetTradeFillsHistory):
            query = dict(begin)
            while page := ask(query)["data"]:
                found += client.parse_trades(page, market)
                if len(page) < PAGE:
                    break
                query["after"] = min(page, key=lambda fill: int(fill["billId"]))["billId"]
            if found:
                break
        return found

    def realised(self, trade: dict[str, Any]) -> float:
        return float(trade.get("fillPnl") or 0.0)

    def balances(self, client: ccxt.Exchange) -> dict[str, float]:
        """`cashBal`, because `eq` contains unrealised P&L."""
        details = client.privateGetAccountBalance()["data"][0]["details"]
        return _together({line["ccy"]: float(line["cashBal"]) for line in details}, self.idle(client))

    @staticmethod
    def move(client: ccxt.Exchange, token: str, amount: float, *, to_trading: bool) -> None:
        source, target = ("6", "18") if to_trading else ("18", "6")
        text = written(amount, ROUND_DOWN if to_trading else ROUND_UP)
        client.privatePostAssetTransfer({"ccy": token, "amt": text, "from": source, "to": target, "type": "0"})

    @staticmethod
    def idle(client: ccxt.Exchange) -> dict[str, float]:
        return {line["ccy"]: float(line["availBal"]) for line in client.privateGetAssetBalances()["data"]}

    def funding(self, client: ccxt.Exchange, symbol: str, since: int) -> list[IncomeLine]:
        """Newest first, page by page back to `since`; bills are kept for three months.

        The client drops lines of other instruments from a page, which then looks like the last one: none are asked for.
        """
        lines: list[IncomeLine] = []
        query: dict[str, Any] = {"begin": str(since), "instId": client.market(symbol)["id"]}
        while True:
            page = client.fetch_funding_history(symbol, None, PAGE, query)
            lines += [income_line(line) for line in page]
            if len(page) < PAGE:
                return lines
            query = {**query, "after": min(page, key=lambda line: int(line["id"]))["id"]}

    def prices(self, client: ccxt.Exchange, symbol: str, *, perp: bool) -> PriceLine:
        ticker = client.fetch_ticker(symbol)
        last, at = float(ticker["last"]), int(ticker["timestamp"]) * MILLISECOND
        if not perp:
            return PriceLine(last, at)
        query = {"instType": "SWAP", "instId": client.market(symbol)["id"]}
        mark = client.publicGetPublicMarkPrice(query)["data"][0]
        at = min(at, int(mark["ts"]) * MILLISECOND)
        rate = client.fetch_funding_rate(symbol)["fundingRate"]
        return PriceLine(last, at, float(mark["markPx"]), float(rate))


def _together(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    return {token: one.get(token, 0.0) + other.get(token, 0.0) for token in one.keys() | other.keys()}


def _category(market: dict[str, Any]) -> str:
    return "linear" if market["swap"] else "spot"
