"""What a live venue needs of an exchange, whichever it is. `ccxt_exchange.py` has the implementation.

Every method either answers or raises VenueRefusal (it said no, nothing happened) or VenueSilence (nobody knows). None
of them sends twice: repeating is the caller's decision, because only the caller knows what may be repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from basis_pipeline.domain.orders import Side


class Listing(msgspec.Struct, frozen=True):
    """One instrument as the exchange lists it.

    Attributes:
        symbol: in the client library's spelling, for example `BTC/USDT:USDT`.
        base, quote: tokens.
        perp: a linear perpetual margined in `quote`; otherwise spot.
        lot: quantity step, base units.
        min_quantity, min_notional: below these the exchange refuses.
        contract: base units that one contract is, where the exchange counts in contracts.
        trading: orders are taken at the moment.
        ends: when the exchange takes it from its list, microseconds UTC; None while nobody has said so.
    """

    symbol: str
    base: str
    quote: str
    perp: bool
    lot: float
    min_quantity: float
    min_notional: float
    contract: float = 1.0
    trading: bool = True
    ends: int | None = None


class MarketOrder(msgspec.Struct, frozen=True):
    """A market order about to be sent; `quantity` is a multiple of the lot."""

    client_id: str
    symbol: str
    side: Side
    quantity: float
    reduce_only: bool = False


class OrderStatus(msgspec.Struct, frozen=True):
    """What the exchange says of an order; `done` when it will not fill any further."""

    reference: str
    done: bool
    filled: float


class Fill(msgspec.Struct, frozen=True):
    """One trade of an order.

    Attributes:
        fee: as charged in `fee_token`, positive = paid.
        realised: quote tokens realised by a perp trade before its fee, + = gain.
        at: venue time, microseconds UTC.
    """

    quantity: float
    price: float
    fee: float
    fee_token: str
    realised: float
    at: int


class OpenOrder(msgspec.Struct, frozen=True):
    """An order that rests at the exchange, whoever placed it: it may fill at any time, or when its trigger is reached.

    Attributes:
        reference, client_id: the exchange's own id, and that of who placed it; that one may be empty.
        symbol: as the exchange spells it, with the kind of market.
        side: `buy` or `sell`.
        quantity: as the exchange counts: base tokens or contracts; 0 stands for a whole position.
    """

    reference: str
    client_id: str
    symbol: str
    side: str
    quantity: float


class Execution(msgspec.Struct, frozen=True):
    """A trade of the account, whoever ordered it; `reference` and `client_id` are its order's, `quantity` base tokens.

    `at` is venue time, microseconds UTC.
    """

    trade_id: str
    reference: str
    client_id: str
    symbol: str
    side: str
    quantity: float
    price: float
    at: int


class PerpHolding(msgspec.Struct, frozen=True):
    """An open perp: signed base quantity (short < 0) and average entry price."""

    quantity: float
    entry_price: float


class IncomeLine(msgspec.Struct, frozen=True):
    """A funding payment: `reference` is stable, so that it is booked once; `amount` in quote tokens, + = received."""

    reference: str
    symbol: str
    amount: float
    at: int


class PriceLine(msgspec.Struct, frozen=True):
    """Prices of one symbol: `mark` and `funding_rate` of perps only.

    `at` is venue time, microseconds UTC, of the older one of last price and mark.
    """

    last: float
    at: int
    mark: float | None = None
    funding_rate: float | None = None


class Exchange(Protocol):
    """One account.

    Attributes:
        receive_window: seconds after which a request that has not arrived is refused by the exchange itself.
    """

    @property
    def name(self) -> str: ...

    @property
    def receive_window(self) -> float: ...

    def listing(self, symbol: str) -> Listing:
        """As it was loaded last; VenueRefusal where the exchange lists no such instrument."""

    def reload_listings(self) -> None:
        """Ask for all listings anew; those of before stay where the exchange does not answer."""

    def open_orders(self) -> tuple[OpenOrder, ...]:
        """Of all instruments, conditional ones included, whoever placed them."""

    def executions(self, symbol: str, since: int, until: int) -> tuple[Execution, ...]:
        """Trades from `since` to `until` (microseconds UTC), whoever ordered them, oldest first."""

    def check_account(self, perps: Sequence[str], leverage: float) -> None:
        """VenueRefusal VEN-009 where the account is set up so that its answers could not be booked, or its `perps`
        (symbols) to ask for more margin than at `leverage`.
        """

    def make_room(self, order: MarketOrder, price: float) -> None:
        """Bring cash to the wallet that `order` is paid from; moves nothing between venues."""

    def gather(self) -> None:
        """Bring all cash of the account to the wallet where it is margin; moves nothing between venues."""

    def place(self, order: MarketOrder) -> OrderStatus: ...

    def find(self, symbol: str, client_id: str) -> OrderStatus | None:
        """None: the exchange does not know this client id (yet)."""

    def fills(self, symbol: str, reference: str) -> tuple[Fill, ...]: ...

    def balances(self) -> dict[str, float]:
        """Tokens over all wallets of the account; perp P&L that is not realised is not in it."""

    def perps(self) -> dict[str, PerpHolding]:
        """Open perps by symbol; absent = none."""

    def funding_since(self, symbol: str, since: int) -> tuple[IncomeLine, ...]:
        """Funding with a time >= `since`, oldest first, complete up to now."""

    def prices(self, symbol: str) -> PriceLine: ...
