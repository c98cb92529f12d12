"""An exchange through ccxt: its answers as typed records, its errors as refusal or silence.

ccxt's own retry is off (it fills twice), its rate limit is on. A named kind of `ExchangeError` means the exchange
answered and said no, everything else of its tree that nobody can say what happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from basis_pipeline.domain.errors import VenueRefusal
from basis_pipeline.domain.orders import Side
from basis_pipeline.venues.live.account_checks import unsuitable
from basis_pipeline.venues.live.answers import answers
from basis_pipeline.venues.live.ccxt_funds import CcxtFunds
from basis_pipeline.venues.live.dialects import Dialect
from basis_pipeline.venues.live.dialects_account import ACCOUNT_DIALECTS
from basis_pipeline.venues.live.exchange import (
    Execution,
    Fill,
    IncomeLine,
    Listing,
    MarketOrder,
    OpenOrder,
    OrderStatus,
    PerpHolding,
    PriceLine,
)

if TYPE_CHECKING:
    import ccxt

MILLISECOND = 1_000


class CcxtExchange:
    """Implements `Exchange`.

    Args:
        client: a ccxt client with credentials, transport and environment set up.
        dialect: what this exchange does differently from the others.
    """

    def __init__(self, client: ccxt.Exchange, dialect: Dialect) -> None:
        self._client = client
        self._dialect, self._account = dialect, ACCOUNT_DIALECTS[dialect.name]()
        self.name = dialect.name
        self.receive_window = dialect.receive_window

    @property
    def funds(self) -> CcxtFunds:
        """The same account, towards the world."""
        return CcxtFunds(self.name, self._client)

    def listing(self, symbol: str) -> Listing:
        with self._asking():
            market: dict[str, Any] = self._client.market(symbol)
        limits, ends = market["limits"], self._account.ends(market["info"]) if market["swap"] else None
        return Listing(
            symbol=symbol,
            base=market["base"],
            quote=market["quote"],
            perp=bool(market["swap"]),
            lot=_times(market["precision"]["amount"], market.get("contractSize")),
            min_quantity=_times(limits["amount"]["min"], market.get("contractSize")),
            min_notional=float(limits["cost"]["min"] or 0.0),
            contract=float(market.get("contractSize") or 1.0),
            trading=bool(market["active"]),
            ends=None if ends is None else ends * MILLISECOND,
        )

    def reload_listings(self) -> None:
        with answers(self.name):
            self._client.load_markets(True)

    def identities(self) -> tuple[str, ...]:
        """The exchange's own names of the accounts behind the keys: the same ones, whichever keys ask."""
        with answers(self.name):
            return self._account.identities(self._client)

    def open_orders(self) -> tuple[OpenOrder, ...]:
        with answers(self.name):
            return tuple(self._account.open_orders(self._client))

    def executions(self, symbol: str, since: int, until: int) -> tuple[Execution, ...]:
        with self._asking():
            begin, end = since // MILLISECOND, until // MILLISECOND
            found = [one for one in self._account.executions(self._client, symbol, begin, end) if one.at >= since]
        return tuple(sorted(found, key=lambda one: (one.at, one.reference)))

    def check_account(self, perps: Sequence[str], leverage: float) -> None:
        with self._asking():
            wrong = unsuitable(self.name, self._client, perps, leverage)
        if wrong:
            raise VenueRefusal(
                f"the account at {self.name} is not set up for sessions.",
                code="VEN-009",
                remedy=f"at {self.name}: {'; '.join(wrong)}.",
            )

    def make_room(self, order: MarketOrder, price: float) -> None:
        with self._asking():
            self._dialect.make_room(self._client, self.listing(order.symbol), order, price)

    def gather(self) -> None:
        with self._asking():
            self._dialect.gather(self._client)

    def place(self, order: MarketOrder) -> OrderStatus:
        parameters: dict[str, Any] = {self._dialect.client_id_key: order.client_id}
        if order.reduce_only:
            parameters["reduceOnly"] = True
        side = "buy" if order.side is Side.BUY else "sell"
        with self._asking():
            amount = self._dialect.amount(self._client, order)
            placed = self._client.create_order(order.symbol, "market", side, amount, None, parameters)
            return self._status(placed)

    def find(self, symbol: str, client_id: str) -> OrderStatus | None:
        with self._asking():
            found = self._dialect.find(self._client, symbol, client_id)
            return None if found is None else self._status(found)

    def fills(self, symbol: str, reference: str) -> tuple[Fill, ...]:
        with self._asking():
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
        with self._asking():
            return self._dialect.balances(self._client)

    def perps(self) -> dict[str, PerpHolding]:
        with self._asking():
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
        with self._asking():
            lines = self._dialect.funding(self._client, symbol, since // MILLISECOND)
        return tuple(sorted((line for line in lines if line.at >= since), key=lambda line: (line.at, line.reference)))

    def prices(self, symbol: str) -> PriceLine:
        with self._asking():
            return self._dialect.prices(self._client, symbol, perp=self.listing(symbol).perp)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Around every question: the list of markets is there, also where an order of a dead session comes first."""
        with answers(self.name):
            if not self._client.markets:
                self._client.load_markets()
            yield

    def _status(self, order: dict[str, Any]) -> OrderStatus:
        size = self._contract_size(order["symbol"])
        done = order["status"] not in (None, "open")
        return OrderStatus(str(order["id"]), done, float(order["filled"] or 0.0) * size)

    def _contract_size(self, symbol: str) -> float:
        return float(self._client.market(symbol).get("contractSize") or 1.0)


def _times(contracts: float | None, size: float | None) -> float:
    """Base units of a number of contracts; in decimals, because 0.1 x 0.1 is not a lot of 0.01 in binary."""
    return float(Decimal(repr(float(contracts or 0.0))) * Decimal(repr(float(size or 1.0))))
