"""What exchanges do differently behind the same client library: wallets, client ids, where realised P&L is told."""

from __future__ import annotations

from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from basis_pipeline.domain.orders import Side
from basis_pipeline.venues.live.exchange import IncomeLine, Listing, MarketOrder, PriceLine

if TYPE_CHECKING:
    import ccxt

MILLISECOND = 1_000
PAGE = 100
TRADES_PAGE = 1_000
"""Of Binance; the others answer with `PAGE` at most."""
STABLE = "USDT"
SMALLEST = 1e-8
"""Tokens: what a transfer between wallets is a multiple of."""
ROOM = 1.01
"""Of the cost of an order, moved beforehand: the price may go against us between asking and filling."""


def written(amount: float, rounding: str) -> str:
    """Tokens as a transfer between wallets may say them: balances can have more decimals."""
    return format(Decimal(repr(amount)).quantize(Decimal(repr(SMALLEST)), rounding=rounding), "f")


class Dialect(Protocol):
    """One exchange's ways.

    Attributes:
        name: as in position keys.
        client_id_key: parameter of `create_order` that carries the client id.
        positions_parameters: of `fetch_positions`, so that it answers for the linear perps.
        client_options: settings that the client library needs for this exchange.
        receive_window: seconds after which the exchange refuses a request that has only then arrived.
    """

    name: str
    client_id_key: str
    positions_parameters: ClassVar[dict[str, Any]]
    client_options: ClassVar[dict[str, Any]]
    receive_window: float

    def use_test_network(self, client: ccxt.Exchange) -> None: ...

    def complete(self, client: ccxt.Exchange) -> None:
        """Name what the test network lacks at its own host: a server on loopback, which gets it instead, has it all."""

    def marked_as_test(self, client: ccxt.Exchange) -> bool:
        """Whether requests to a production host say that they are for the demo."""

    def amount(self, client: ccxt.Exchange, order: MarketOrder) -> float:
        """The quantity in the exchange's own unit: base tokens or contracts."""

    def make_room(self, client: ccxt.Exchange, listing: Listing, order: MarketOrder, price: float) -> None: ...

    def gather(self, client: ccxt.Exchange) -> None:
        """All cash of the account to the wallet where it is margin."""

    def find(self, client: ccxt.Exchange, symbol: str, client_id: str) -> dict[str, Any] | None: ...

    def trades(self, client: ccxt.Exchange, symbol: str, reference: str) -> list[dict[str, Any]]:
        """All trades of an order, however many pages of them there are."""

    def realised(self, trade: dict[str, Any]) -> float: ...

    def balances(self, client: ccxt.Exchange) -> dict[str, float]: ...

    def funding(self, client: ccxt.Exchange, symbol: str, since: int) -> list[IncomeLine]:
        """Every funding payment with a time >= `since` (milliseconds), + = received; in any order."""

    def prices(self, client: ccxt.Exchange, symbol: str, *, perp: bool) -> PriceLine: ...


def income_line(line: dict[str, Any], sign: float = 1.0) -> IncomeLine:
    """A funding payment in the client library's terms; `sign` is -1 where it passes on payments as positive."""
    return IncomeLine(
        str(line["id"]), line["symbol"], sign * float(line["amount"]), int(line["timestamp"]) * MILLISECOND
    )


class Binance:
    """Spot and USD-M futures have a wallet each; for the book they are one cash."""

    name = "binance"
    client_id_key = "newClientOrderId"
    positions_parameters: ClassVar[dict[str, Any]] = {"subType": "linear"}
    client_options: ClassVar[dict[str, Any]] = {
        "fetchMarkets": {"types": ["spot", "linear"]},
        "fetchMargins": False,
        "recvWindow": 10_000,
    }
    receive_window = 10.0

    def use_test_network(self, client: ccxt.Exchange) -> None:
        """The demo covers spot and futures; it moves nothing between their wallets, so both have to be funded."""
        client.enable_demo_trading(True)

    def complete(self, client: ccxt.Exchange) -> None:
        api = client.urls["api"]
        api["sapi"] = api["public"].replace("/api/v3", "/sapi/v1")

    def marked_as_test(self, client: ccxt.Exchange) -> bool:
        return False

    def amount(self, client: ccxt.Exchange, order: MarketOrder) -> float:
        return order.quantity

    def make_room(self, client: ccxt.Exchange, listing: Listing, order: MarketOrder, price: float) -> None:
        """Cash for a spot purchase comes from the futures wallet, margin for a perp from the spot wallet."""
        if listing.perp:
            if not order.reduce_only:
                self.collect(client, listing.quote, order.quantity * price * 0.2, to_margin=True)
        elif order.side is Side.BUY:
            self.collect(client, listing.quote, order.quantity * price * ROOM, to_margin=False)

    def gather(self, client: ccxt.Exchange) -> None:
        """What a sale has brought, and what a purchase has left, is in the spot wallet; on the demo it stays there."""
        if "sapi" in client.urls["api"]:
            self.collect(client, STABLE, 0.0, to_margin=True)

    def find(self, client: ccxt.Exchange, symbol: str, client_id: str) -> dict[str, Any] | None:
        import ccxt  # noqa: PLC0415

        try:
            found: dict[str, Any] = client.fetch_order(None, symbol, {"origClientOrderId": client_id})
        except ccxt.OrderNotFound:
            return None
        return found

    def trades(self, client: ccxt.Exchange, symbol: str, reference: str) -> list[dict[str, Any]]:
        """Oldest first; the next page begins after the last trade seen."""
        found: list[dict[str, Any]] = []
        query: dict[str, Any] = {"orderId": reference}
        while True:
            page = client.fetch_my_trades(symbol, limit=TRADES_PAGE, params=query)
            found += page
            if len(page) < TRADES_PAGE:
                return found
            query = {**query, "fromId": max(int(trade["id"]) for trade in page) + 1}

    def realised(self, trade: dict[str, Any]) -> float:
        return float(trade.get("realizedPnl") or 0.0)

    def balances(self, client: ccxt.Exchange) -> dict[str, float]:
        spot, margin = self._wallets(client)
        return {token: spot.get(token, 0.0) + margin.get(token, 0.0) for token in spot.keys() | margin.keys()}

    def prices(self, client: ccxt.Exchange, symbol: str, *, perp: bool) -> PriceLine:
        ticker = client.fetch_ticker(symbol)
        last, at = float(ticker["last"]), int(ticker["timestamp"]) * MILLISECOND
        if not perp:
            return PriceLine(last, at)
        funding = client.fetch_funding_rate(symbol)
        at = min(at, int(funding["timestamp"]) * MILLISECOND)
        return PriceLine(last, at, float(funding["markPrice"]), float(funding["fundingRate"]))

    def funding(self, client: ccxt.Exchange, symbol: str, since: int) -> list[IncomeLine]:
        """Pages forward from the last line seen; lines of one millisecond may come twice and are told apart by id."""
        found: dict[str, IncomeLine] = {}
        start = since
        while True:
            page = client.fetch_funding_history(symbol, start, PAGE)
            fresh = [line for line in map(income_line, page) if line.reference not in found]
            found |= {line.reference: line for line in fresh}
            if len(page) < PAGE or not fresh:
                return list(found.values())
            start = max(line.at for line in fresh) // MILLISECOND

    def _wallets(self, client: ccxt.Exchange) -> tuple[dict[str, float], dict[str, float]]:
        """`total` of the futures wallet contains unrealised P&L, `walletBalance` does not."""
        spot = client.fetch_balance({"type": "spot"})["total"]
        assets = client.fetch_balance({"type": "swap", "subType": "linear"})["info"]["assets"]
        return spot, {line["asset"]: float(line["walletBalance"]) for line in assets}

    @staticmethod
    def collect(client: ccxt.Exchange, token: str, wanted: float, *, to_margin: bool) -> None:
        """Bring what is missing to the spot wallet; to the futures wallet all there is, because it is all margin.

        Amounts are written out here: the client library rounds to the nearest, which may be less than is wanted.
        """

        def free(wallet: dict[str, str]) -> float:
            return float(client.fetch_balance(wallet)["free"].get(token) or 0.0)

        def move(amount: float, way: str, rounding: str) -> None:
            client.sapiPostAssetTransfer({"asset": token, "amount": written(amount, rounding), "type": way})

        margin, spot = {"type": "swap", "subType": "linear"}, {"type": "spot"}
        if to_margin:
            if wanted and free(margin) >= wanted:
                return
            if (everything := free(spot)) >= SMALLEST:
                move(everything, "MAIN_UMFUTURE", ROUND_DOWN)
        elif (held := free(spot)) < wanted:
            move(wanted - held, "UMFUTURE_MAIN", ROUND_UP)
