"""A transfer out of an exchange: checked, sent once, found out; the other half of its life is in `transit.py`."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_DOWN, Decimal
from typing import Protocol

from msgspec.structs import replace

from basis_pipeline.domain.errors import OrderError, StateError, VenueError, VenueRefusal, VenueSilence
from basis_pipeline.domain.intents import Facts, Fate, Intent, IntentJournal, OpenIntent, SettledIntent
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import ExecutionHandshake, Order
from basis_pipeline.domain.protocols import Clock
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.timeline import DAY, iso
from basis_pipeline.venues.live.booking import handshake, refused, unknown
from basis_pipeline.venues.live.funds import (
    Deposit,
    Destination,
    Funds,
    InTransit,
    TransferTerms,
    Withdrawal,
    WithdrawalFate,
    WithdrawalQuery,
    WithdrawalStatus,
)
from basis_pipeline.venues.live.transit import Transit

POLL_DELAYS = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Seconds between questions about a withdrawal; the last one repeats."""
LOST_AFTER = 60.0
"""Seconds after which a withdrawal that nobody confirmed and the history does not show was never made."""
SURELY_SHOWN = 7 * DAY
"""Microseconds that a history surely reaches back: the shortest stretch that an exchange documents for one question.

How far back they can be asked at all no exchange says; that an older withdrawal is not shown proves nothing.
"""


class WithdrawalJournal(IntentJournal, Protocol):
    """Also knows what an operator has said of a transfer."""

    def told_transfer(self, intent_id: str) -> float | None: ...


class WallClock(Clock, Protocol):
    """Also knows what time it is."""

    def wall(self) -> int:
        """Microseconds UTC."""


class ExchangeEnd:
    """An exchange account as an end of transfers; implements `TransferEnd`."""

    def __init__(self, funds: Funds) -> None:
        self._funds = funds

    def deposit_address(self, token: str, network: str) -> Destination:
        return self._funds.deposit_address(token, network)

    def withdrawn(self, transfer: InTransit) -> WithdrawalStatus | None:
        return self._funds.find(
            WithdrawalQuery(transfer.intent_id, transfer.reference, transfer.token, transfer.amount, transfer.sent_at)
        )

    def deposits(self, transfer: InTransit, transaction: str) -> Iterable[Deposit]:
        return self._funds.deposits(transfer.token, transfer.sent_at)

    def take_in(self, token: str) -> None:
        self._funds.take_in(token)


class Withdrawals:
    """What a venue does with TRANSFER orders.

    Args:
        funds: the account they leave.
        transit: knows where funds may go, and takes over once they have left.
        largest: USDT; larger transfers are refused here.
        read_only: every transfer is checked and then refused.
        deadline: seconds after which a fate that is still unknown stops the session (R36).
    """

    def __init__(
        self,
        funds: Funds,
        transit: Transit,
        settings: EngineSettings,
        journal: WithdrawalJournal,
        clock: WallClock,
        *,
        largest: float,
        read_only: bool = False,
        deadline: float = 120.0,
    ) -> None:
        self._funds, self._transit, self._settings = funds, transit, settings
        self._journal, self._clock = journal, clock
        self._largest, self._read_only, self._deadline = largest, read_only, deadline

    def execute(self, order: Order, held: float, market: MarketSnapshot) -> ExecutionHandshake:
        """Send the funds of `order` once; executed when they have left, PENDING if nobody can say that they have.

        Of what is `held`: a purchase of the same plan may have brought less than was planned.
        """
        try:
            withdrawal = self._withdrawal(order, held, market)
            self._funds.make_room(withdrawal.token, withdrawal.amount + withdrawal.fee)
        except (OrderError, VenueError) as error:
            return refused(order, market, error)
        sent = replace(order, quantity=withdrawal.amount)
        intent = Intent(intent_id=withdrawal.client_id, timestamp=market.timestamp, order=sent)
        self._journal.intend(intent)
        facts = self._send(intent, withdrawal)
        if facts is None:
            why = f"{self._funds.name} did not say within {self._deadline:g} s."
            return unknown(order, market.timestamp, why)
        return handshake(order, facts, market, self._settings)

    def resolve(self, left: OpenIntent) -> Facts | None:
        """Find out and journal what became of a transfer of an earlier session; None if it cannot be known yet.

        StateError TRANSFER-009 where only a person can: it is too old for the history to prove anything.
        """
        return self._find_out(left.intent, left.reference, self._clock.now(), None)

    def _withdrawal(self, order: Order, held: float, market: MarketSnapshot) -> Withdrawal:
        """The transfer in the exchange's terms: no more leaves than was planned, so a higher fee arrives as less."""
        token = self._settings.universe.instruments[order.slot].token
        destination = self._transit.destination(order)
        terms = self._funds.terms(token, destination.network)
        price = market.value[order.slot]
        planned_fee = self._settings.rules_of(order.venue).transfer_fee / price
        amount = _rounded(min(order.quantity - max(0.0, terms.fee - planned_fee), held - terms.fee), terms)
        self._check(order, token, amount, price, terms)
        return Withdrawal(self._journal.next_id(order.operation_id), token, amount, terms.fee, destination)

    def _check(self, order: Order, token: str, amount: float, price: float, terms: TransferTerms) -> None:
        """Raise OrderError for what the exchange would refuse, and for what nobody has allowed."""
        name = self._funds.name
        if not terms.open:
            raise OrderError(f"{name} lets no {token} be withdrawn at the moment.", code="TRANSFER-005")
        if amount <= 0.0 or amount < terms.minimum:
            raise OrderError(
                f"{amount:.10g} {token} is below the smallest withdrawal {name} takes, {terms.minimum:.10g}.",
                code="EXEC-010",
            )
        if amount * price > self._largest:
            raise OrderError(
                f"a transfer of {amount * price:.2f} USDT from {name} is above the largest one allowed, "
                f"{self._largest:.2f}.",
                code="EXEC-014",
                remedy="raise BASIS_LIVE_TRADING__MAX_TRANSFER_SIZE_USD if this size is meant.",
            )
        if self._read_only:
            target = self._settings.universe.instruments[order.counter_slot].key.venue
            raise OrderError(
                f"read only: {amount:.10g} {token} were not sent from {name} to {target}; "
                "BASIS_LIVE_TRADING__READ_ONLY=false sends.",
                code="EXEC-015",
            )

    def _send(self, intent: Intent, withdrawal: Withdrawal) -> Facts | None:
        sent_at, refusal, reference = self._clock.now(), None, ""
        try:
            reference = self._funds.withdraw(withdrawal)
            self._journal.sent(intent.intent_id, reference)
        except VenueRefusal as error:
            refusal = error
        except VenueSilence:
            pass  # its fate is asked for below
        return self._find_out(intent, reference, sent_at, refusal)

    def _find_out(self, intent: Intent, reference: str, sent_at: float, refusal: VenueRefusal | None) -> Facts | None:
        """Ask until the history shows the withdrawal, it can no longer appear there, or the deadline has come."""
        token = self._settings.universe.instruments[intent.order.slot].token
        query = WithdrawalQuery(
            intent.intent_id,
            reference,
            token,
            intent.order.quantity,
            intent.timestamp,
            self._transit.references(),
        )
        for attempt in range(1_000):
            delay = POLL_DELAYS[min(attempt, len(POLL_DELAYS) - 1)]
            if self._clock.now() + delay - sent_at > self._deadline:
                return None
            self._clock.sleep(delay)
            try:
                status = self._funds.find(query)
            except VenueError:
                continue
            facts = self._absent(query, sent_at, refusal) if status is None else self._facts(intent.order, status)
            if facts is not None:
                self._journal.settle(intent.intent_id, facts)
                self._transit.sent(SettledIntent(intent, facts))
                return facts
        return None

    def _facts(self, order: Order, status: WithdrawalStatus) -> Facts:
        """Accepted is enough: the funds have left the balance, and come back to it if the exchange thinks again."""
        if status.fate is WithdrawalFate.RETURNED:
            why = f"{self._funds.name} took the withdrawal and cancelled it."
            return Facts(fate=Fate.REJECTED, reference=status.reference, error_code="VEN-003", error_message=why)
        return Facts(
            fate=Fate.EXECUTED,
            reference=status.reference,
            executed_at=status.at,
            filled=status.amount,
            fee=status.fee,
            fee_token=self._settings.universe.instruments[order.slot].token,
            bookings=self._transit.bookings(order, status.amount, status.fee),
        )

    def _absent(self, query: WithdrawalQuery, sent_at: float, refusal: VenueRefusal | None) -> Facts | None:
        """The history does not show it: refused, or still to appear there; what was confirmed will."""
        if refusal is not None:
            return Facts(fate=Fate.REJECTED, error_code=refusal.code, error_message=refusal.message)
        if query.reference or self._clock.now() - sent_at <= LOST_AFTER:
            return None
        why = f"{self._funds.name} never got the withdrawal."
        if self._clock.wall() - query.since > SURELY_SHOWN:
            if self._journal.told_transfer(query.client_id) is None:
                raise _nobody_knows(self._funds.name, query)
            why = f"an operator says that {self._funds.name} never got the withdrawal."
        return Facts(fate=Fate.REJECTED, error_code="VEN-006", error_message=why)


def _nobody_knows(name: str, query: WithdrawalQuery) -> StateError:
    return StateError(
        f"nobody can say whether {name} made withdrawal {query.client_id} of {query.amount:,.10g} {query.token}: its "
        f"answer of {iso(query.since)} was lost, and its history does not show it, which proves nothing after "
        f"{SURELY_SHOWN // DAY} days.",
        code="TRANSFER-009",
        remedy=f"look for it on the pages of {name}; if it was never made, --transfer-ended {query.client_id}=0. "
        "Said of one that was made, it shows as a difference to the venues (LIVE-001), and nothing is sent again.",
    )


def _rounded(amount: float, terms: TransferTerms) -> float:
    """Down to what the network carries, in decimals."""
    lot = Decimal(repr(terms.lot))
    return float((Decimal(repr(amount)) / lot).to_integral_value(rounding=ROUND_DOWN) * lot)
