"""A centralised exchange in staging and live: journal, send once, find out, book.

An order is sent exactly once. Whatever comes back, its fate is what the exchange says of its client id (`fates.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from decimal import ROUND_DOWN, Decimal
from typing import Protocol

from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.errors import OrderError, VenueError, VenueRefusal
from basis_pipeline.domain.intents import Facts, Intent, IntentJournal, OpenIntent, SettledIntent
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import ExecutionHandshake, Operation, Order, Side
from basis_pipeline.domain.position_keys import PositionType
from basis_pipeline.domain.protocols import Clock, SettlementKind
from basis_pipeline.domain.records import Positions
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.timeline import DAY
from basis_pipeline.venues.live.account import ExchangeAccount
from basis_pipeline.venues.live.booking import handshake, refused, unknown
from basis_pipeline.venues.live.exchange import Exchange, Listing, MarketOrder, PerpHolding
from basis_pipeline.venues.live.fates import OrderFates, Sending, symbol_of
from basis_pipeline.venues.live.foreign_fees import FeeJournal, ForeignFees
from basis_pipeline.venues.live.transit import Transit
from basis_pipeline.venues.live.withdrawals import Withdrawals

INCOME_DELAY = DAY
"""Microseconds that a payment may take to appear in the income history, which has it at the time it was due."""

APART_FOR = 180.0
"""Seconds that cash may lie where it is no margin, asked for again at every refresh, before that ends the session."""


class IncomeJournal(IntentJournal, FeeJournal, Protocol):
    """Also remembers which lines of income were booked."""


class LiveCex:
    """Spot and linear perps of one account, and transfers out of it.

    Args:
        exchange: the account.
        settings: shared by all components; the venue's name must be in its universe.
        journal: where intents go before anything is sent.
        clock: waits between questions.
        since: microseconds; when the record began. Older income is in its opening balances.
        seen: the latest state contains all income up to here but for what appears late; default `since`.
        max_notional: USDT; larger orders are refused here, whatever the strategy says.
        withdrawals: what becomes of transfers; None where the account moves no funds.
        transit: what is on its way to or from the account; None likewise.
        read_only: every order is checked and then refused; nothing is sent.
        deadline: seconds after which a fate that is still unknown stops the session (R36).
    """

    operations = frozenset({Operation.SPOT_TRADE, Operation.PERP_TRADE, Operation.TRANSFER})
    settles = frozenset({SettlementKind.FUNDING, SettlementKind.ARRIVAL})

    def __init__(
        self,
        exchange: Exchange,
        settings: EngineSettings,
        journal: IncomeJournal,
        clock: Clock,
        *,
        since: int,
        seen: int = 0,
        max_notional: float,
        withdrawals: Withdrawals | None = None,
        transit: Transit | None = None,
        read_only: bool = False,
        deadline: float = 120.0,
    ) -> None:
        self.name = exchange.name
        self._exchange, self._settings, self._journal, self._clock = exchange, settings, journal, clock
        self._since, self._seen = since, seen
        self._max_notional, self._deadline = max_notional, deadline
        self._withdrawals, self._transit = withdrawals, transit
        self._read_only = read_only
        self._apart_since: float | None = None
        self._held: Mapping[str, PerpHolding] = {}
        self._fates = OrderFates(exchange, settings, journal, clock, deadline)
        self._slots = tuple(
            (slot, instrument) for slot, instrument in enumerate(settings.universe) if instrument.key.venue == self.name
        )
        self._fees = ForeignFees(self.name, settings, journal)
        self._perps = tuple((s, i) for s, i in self._slots if i.position_type is PositionType.PERP)
        self.account = ExchangeAccount(exchange, (instrument for _, instrument in self._slots))

    def check_account(self) -> None:
        """Refuse an account whose answers could not be booked (VenueRefusal VEN-009), before anything is traded."""
        accounts = [account for account in self._settings.margin_accounts if account.venue == self.name]
        least = max((1.0 / account.initial_margin for account in accounts), default=1.0)
        self._exchange.check_account(tuple(symbol_of(instrument) for _, instrument in self._perps), least)
        self._own_perps()

    def execute(self, order: Order, positions: Positions, market: MarketSnapshot) -> ExecutionHandshake:
        """Send `order` once and answer with its fate; PENDING if that is not known at the deadline."""
        if order.operation is Operation.TRANSFER and self._withdrawals is not None:
            return self._withdrawals.execute(order, positions.quantities[order.slot], market)
        try:
            request = self._request(order, market)
            self._exchange.make_room(request, market.last[order.slot])
        except (OrderError, VenueError) as error:
            return refused(order, market, error)
        intent = Intent(intent_id=request.client_id, timestamp=market.timestamp, order=order)
        self._journal.intend(intent)
        facts = self._send(intent, request)
        if facts is None:
            return unknown(order, market.timestamp, f"{self.name} did not say within {self._deadline:g} s.")
        if order.operation is Operation.SPOT_TRADE and order.side is Side.SELL:
            with suppress(VenueError):  # the next refresh does it
                self._gather(positions)
        return handshake(order, facts, market, self._settings)

    def booked(self, order: Order, facts: Facts, market: MarketSnapshot) -> ExecutionHandshake:
        """The handshake of facts that were found later."""
        return handshake(order, facts, market, self._settings)

    def resolve(self, open_intent: OpenIntent) -> Facts | None:
        """Find out and journal what became of an intent of an earlier session; None if it cannot be known yet."""
        if open_intent.intent.order.operation is Operation.TRANSFER and self._withdrawals is not None:
            return self._withdrawals.resolve(open_intent)
        return self._find_out(open_intent.intent, Sending(self._clock.now(), bool(open_intent.reference)))

    def positions(self, expected: Positions) -> Mapping[int, float]:
        """What the exchange says we hold: tokens over all its wallets, perps signed.

        Without what has arrived and is still in transit for the book: the next refresh takes that in.

        Raises:
            VenueSilence: it does not say.
            VenueRefusal: VEN-009 the account holds perps that are not of this mode.
        """
        balances, perps = self._exchange.balances(), self._own_perps()
        arrived = self._transit.unbooked(self.name) if self._transit else {}
        held: dict[int, float] = {}
        for slot, instrument in self._slots:
            if instrument.position_type is PositionType.PERP:
                holding = perps.get(symbol_of(instrument))
                held[slot] = holding.quantity if holding else 0.0
            elif instrument.position_type is PositionType.BASE_TOKEN:
                held[slot] = balances.get(instrument.token, 0.0) - arrived.get(slot, 0.0)
        return held

    def entry_prices(self) -> Mapping[int, float]:
        """What open perps were entered at on average, by slot, as it was said when their sizes were last asked for."""
        return {
            slot: self._held[symbol].entry_price
            for slot, instrument in self._perps
            if (symbol := symbol_of(instrument)) in self._held
        }

    def settle(self, kind: SettlementKind, positions: Positions, market: MarketSnapshot) -> tuple[PositionDelta, ...]:
        """What no saved state contains yet: funding from the income history, fees, transfers that have ended here.

        Raises:
            VenueError: the exchange does not say, or what the book counts as margin could not be made margin.
        """
        if kind is SettlementKind.ARRIVAL:
            return self._transit.settle(self.name, positions) if self._transit else ()
        self._gather(positions)
        deltas, since = [], max(self._since, self._seen - INCOME_DELAY)
        for slot, instrument in self._perps:
            cash = self._settings.universe.slot(f"{self.name}:{PositionType.BASE_TOKEN}:{instrument.quote}")
            for line in self._exchange.funding_since(symbol_of(instrument), since):
                if line.at > market.timestamp:
                    continue
                if self._journal.income(self.name, line.reference, f"{line.symbol} {line.amount!r} {line.at}".encode()):
                    deltas.append(
                        PositionDelta(
                            cash,
                            line.amount,
                            DeltaSource.FUNDING,
                            price=market.mark[slot],
                            reference_quantity=positions.quantities[slot],
                        )
                    )
        self._seen = market.timestamp
        return (*deltas, *self._fees.due(self._price))

    def _price(self, token: str) -> float:
        """USDT per token, of one that the book does not hold."""
        try:
            return self._exchange.prices(f"{token}/USDT").last
        except VenueRefusal as error:
            raise VenueError(
                f"{self.name} charged a fee in {token} and tells no price of it in USDT: {error.message}",
                code="VEN-005",
                remedy="switch fees in that token off; while nobody knows what it cost, no tick is completed.",
            ) from error

    def _own_perps(self) -> dict[str, PerpHolding]:
        """Perps by symbol; others on the same account would live on the same margin, and nobody would watch them."""
        self._held = held = self._exchange.perps()
        others = held.keys() - {symbol_of(instrument) for _, instrument in self._perps}
        if others:
            listed = ", ".join(f"{symbol} {held[symbol].quantity:g}" for symbol in sorted(others))
            raise VenueRefusal(
                f"the account at {self.name} holds perps that {self._settings.mode} does not know: {listed}.",
                code="VEN-009",
                remedy="close them, or give the session an account of its own: perps of one account share its margin.",
            )
        return held

    def _gather(self, positions: Positions) -> None:
        """All cash of the book is margin of its perps: so it has to be at the exchange, whatever wallet it came to.

        Raises:
            VenueError: it cannot be done, and has not been for minutes: the book counts on margin that is not there.
        """
        if self._read_only or not any(positions.quantities[slot] for slot, _ in self._perps):
            return
        try:
            self._exchange.gather()
            self._apart_since = None
        except VenueError:
            now = self._clock.now()
            self._apart_since = now if self._apart_since is None else self._apart_since
            if now - self._apart_since > APART_FOR:
                raise

    def _request(self, order: Order, market: MarketSnapshot) -> MarketOrder:
        """The order in the exchange's terms, rounded down to its lots; OrderError if it would be refused there."""
        if order.operation is Operation.TRANSFER:
            raise OrderError(
                f"this session moves no funds from or to {self.name}.",
                code="TRANSFER-006",
                remedy="list deposit addresses in configs/live.yaml, or place the funds by hand.",
            )
        instrument = self._settings.universe.instruments[order.slot]
        listing = self._exchange.listing(symbol_of(instrument))
        quantity = whole_lots(order.quantity, listing)
        notional = quantity * market.last[order.slot]
        if quantity < listing.min_quantity or notional < listing.min_notional:
            raise OrderError(
                f"{quantity:.10g} {listing.base} ({notional:.2f} {listing.quote}) is below what {self.name} takes: "
                f"{listing.min_quantity:.10g} and {listing.min_notional:.10g}.",
                code="EXEC-010",
            )
        if notional > self._max_notional:
            raise OrderError(
                f"{notional:.2f} {listing.quote} of {listing.symbol} is above the largest order allowed, "
                f"{self._max_notional:.2f}.",
                code="EXEC-014",
                remedy="raise BASIS_LIVE_TRADING__MAX_TRADE_SIZE_USD if this size is meant.",
            )
        if order.side is None:
            raise OrderError(f"{order.operation} at {self.name} has no side.")
        if self._read_only:
            raise OrderError(
                f"read only: {order.side} {quantity:.10g} {listing.symbol} at {self.name} was not sent; "
                "BASIS_LIVE_TRADING__READ_ONLY=false trades.",
                code="EXEC-015",
            )
        client_id = self._journal.next_id(order.operation_id)
        return MarketOrder(client_id, listing.symbol, order.side, quantity, order.reduce_only)

    def _send(self, intent: Intent, request: MarketOrder) -> Facts | None:
        sending = Sending(self._clock.now())
        try:
            placed = self._exchange.place(request)
            self._journal.sent(intent.intent_id, placed.reference)
            sending = sending._replace(acknowledged=True)
        except VenueError as error:
            sending = sending._replace(trouble=error)  # its fate is asked for below, whatever was answered
        return self._find_out(intent, sending)

    def _find_out(self, intent: Intent, sending: Sending) -> Facts | None:
        facts = self._fates.find_out(intent, sending)
        if facts is not None:
            self._fees.found(SettledIntent(intent, facts))
        return facts


def whole_lots(quantity: float, listing: Listing) -> float:
    """Rounded down to the lot, in decimals, so that no binary fraction of a lot is ever sent."""
    lot = Decimal(repr(listing.lot))
    # A quantity one float below a multiple of the lot means that multiple.
    lots = (Decimal(repr(quantity)) / lot + Decimal("1e-9")).to_integral_value(rounding=ROUND_DOWN)
    return float(lots * lot)
