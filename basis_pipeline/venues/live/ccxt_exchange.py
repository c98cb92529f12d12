"""An exchange through ccxt: its answers as typed records, its errors as refusal or silence.

ccxt's own retry is off (it fills twice), its rate limit is on. `ExchangeError` means the exchange answered and said no,
everything else of its tree that nobody can say what happened.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from basis_pipeline.domain.errors import VenueRefusal, VenueSilence
from basis_pipeline.domain.orders import Side
from basis_pipeline.venues.live.dialects import Dialect
from basis_pipeline.venues.live.exchange import (
    Fill,
    IncomeLine,
    Listing,
    MarketOrder,
    OrderStatus,
    PerpHolding,
    PriceLine,
)

if TYPE_CHECKING:
    import ccxt

MILLISECOND = 1_000
_RENEW = "check the API key, its permissions and its list of allowed addresses."


class CcxtExchange:
    """Implements `Exchange`.

    Args:
        client: a ccxt client with credentials, transport and environment set up.
        dialect: what this exchange does differently from the others.
    """

    def __init__(self, client: ccxt.Exchange, dialect: Dialect, *, receive_window: float = 10.0) -> None:
        self._client = client
        self._dialect = dialect
        self.name = dialect.name
        self.receive_window = receive_window

    def listing(self, symbol: str) -> Listing:
        with _answers(self.name):
            self._know_markets()
            market: dict[str, Any] = self._client.market(symbol)
        limits = market["limits"]
        return Listing(
            symbol=symbol,
            base=market["base"],
            quote=market["quote"],
            perp=bool(market["swap"]),
            lot=float(market["precision"]["amount"]) * float(market.get("contractSize") or 1.0),
            min_quantity=float(limits["amount"]["min"] or 0.0) * float(market.get("contractSize") or 1.0),
            min_notional=float(limits["cost"]["min"] or 0.0),
        )

    def make_room(self, order: MarketOrder, price: float) -> None:
        with _answers(self.name):
            self._dialect.make_room(self._client, self.listing(order.symbol), order, price)

    def place(self, order: MarketOrder) -> OrderStatus:
        parameters: dict[str, Any] = {self._dialect.client_id_key: order.client_id}
        if order.reduce_only:
            parameters["reduceOnly"] = True
        side = "buy" if order.side is Side.BUY else "sell"
        with _answers(self.name):
            amount = self._dialect.amount(self._client, order)
            placed = self._client.create_order(order.symbol, "market", side, amount, None, parameters)
        return self._status(placed)

    def find(self, symbol: str, client_id: str) -> OrderStatus | None:
        with _answers(self.name):
            self._know_markets()
            found = self._dialect.find(self._client, symbol, client_id)
        return None if found is None else self._status(found)

    def fills(self, symbol: str, reference: str) -> tuple[Fill, ...]:
        with _answers(self.name):
            trades = self._dialect.trades(self._client, symbol, reference)
        size = self._contract_size(symbol)
        return tuple(
            Fill(
                quantity=float(trade["amount"]) * size,
                price=float(trade["price"]),
                fee=float((trade["fee"] or {}).get("cost") or 0.0),
                fee_token=(trade["fee"] or {}).get("currency") or "",
                realised=self._dialect.realised(trade["info"]),
                at=int(trade["timestamp"]) * MILLISECOND,
            )
            for trade in trades
        )

    def balances(self) -> dict[str, float]:
        with _answers(self.name):
            return self._dialect.balances(self._client)

    def perps(self) -> dict[str, PerpHolding]:
        with _answers(self.name):
            held = self._client.fetch_positions(None, self._dialect.positions_parameters)
        return {
            position["symbol"]: PerpHolding(
                float(position["contracts"])
                * self._contract_size(position["symbol"])
                * (-1.0 if position["side"] == "short" else 1.0),
                float(position["entryPrice"]),
            )
            for position in held
            if position["contracts"]
        }

    def funding_since(self, symbol: str, since: int) -> tuple[IncomeLine, ...]:
        with _answers(self.name):
            lines = self._dialect.funding(self._client, symbol, since // MILLISECOND)
        return tuple(sorted((line for line in lines if line.at >= since), key=lambda line: (line.at, line.reference)))

    def prices(self, symbol: str) -> PriceLine:
        with _answers(self.name):
            return self._dialect.prices(self._client, symbol, perp=self.listing(symbol).perp)

    def _know_markets(self) -> None:
        """A client that has just been made knows no symbol yet, and an order left behind is asked for first of all."""
        if not self._client.markets:
            self._client.load_markets()

    def _status(self, order: dict[str, Any]) -> OrderStatus:
        size = self._contract_size(order["symbol"])
        done = order["status"] not in (None, "open")
        return OrderStatus(str(order["id"]), done, float(order["filled"] or 0.0) * size)

    def _contract_size(self, symbol: str) -> float:
        return float(self._client.market(symbol).get("contractSize") or 1.0)


@contextmanager
def _answers(name: str) -> Iterator[None]:
    """Sort the client's errors; its messages carry the exchange's answer, never what was sent."""
    import ccxt  # noqa: PLC0415 - 1.3 s, and no backtest needs it

    try:
        yield
    except ccxt.AuthenticationError as error:
        raise VenueRefusal(f"{name} refused the credentials: {error}.", code="VEN-009", remedy=_RENEW) from None
    except ccxt.ExchangeError as error:
        raise VenueRefusal(f"{name} refused: {error}.", remedy=_remedy(error)) from None
    except ccxt.BaseError as error:
        raise VenueSilence(f"{name} gave no usable answer: {type(error).__name__}.") from None


def _remedy(error: Exception) -> str:
    import ccxt  # noqa: PLC0415

    if isinstance(error, ccxt.InsufficientFunds):
        return "compare the balances of the venue with the book."
    return ""
