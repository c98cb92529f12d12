"""What a fake exchange keeps records of: markets, orders with their trades, income, and its refusals."""

from __future__ import annotations

from dataclasses import dataclass, field


class RejectedError(Exception):
    """The exchange says no; `reason` is one of the keys that every skin translates into its own codes."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


@dataclass
class Market:
    """One instrument. `perp` markets are linear and margined in the quote token.

    Attributes:
        contract: base units of one contract, where the exchange counts in contracts.
        trading: orders are taken.
        ends: when it will be taken from the list, microseconds; 0 while nobody says so.
    """

    base: str
    perp: bool
    lot: float
    min_notional: float
    taker_fee: float
    price: float = 0.0
    mark: float = 0.0
    quote: str = "USDT"
    contract: float = 0.01
    trading: bool = True
    ends: int = 0

    @property
    def symbol(self) -> str:
        return f"{self.base}{self.quote}"


@dataclass
class Trade:
    trade_id: int
    order_id: int
    market: Market
    buy: bool
    quantity: float
    price: float
    fee: float
    fee_token: str
    realised: float
    at: int
    client_id: str = ""


@dataclass
class PlacedOrder:
    """`waits_for` polls until it fills: an order the exchange accepted and is slow about;
    `hidden` polls until it is shown. One that rests has a `limit`, or waits for it as a trigger if it is `conditional`.
    """

    order_id: int
    client_id: str
    market: Market
    buy: bool
    quantity: float
    reduce_only: bool
    at: int
    waits_for: int = 0
    hidden: int = 0
    limit: float = 0.0
    conditional: bool = False
    trades: list[Trade] = field(default_factory=list)
    done: bool = False

    @property
    def filled(self) -> float:
        return sum(trade.quantity for trade in self.trades)

    @property
    def average(self) -> float:
        return sum(trade.quantity * trade.price for trade in self.trades) / self.filled if self.trades else 0.0


@dataclass
class Income:
    reference: str
    kind: str
    symbol: str
    amount: float
    at: int
