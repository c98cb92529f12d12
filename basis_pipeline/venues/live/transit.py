"""Funds between venues: what was sent, whether it has arrived, and that it is booked exactly once.

A transfer is over when the target says so, not when some time has passed::

    intent   journalled, then sent once by the source (an exchange withdraws, a wallet signs a transaction)
    facts    the source says that the funds have left it: source - (amount + fee), receivable + amount
    arrival  the target shows a deposit of the same transaction as credited: receivable - amount, target + amount
             or the source says that it was cancelled or has come back: receivable - amount, source + amount + fee

An arrival is a line of income in the journal, named after the intent, so that no restart and no venue that lists a
deposit twice can book it again. Between the moment it is credited and the refresh that books it, the target holds more
than the book: `unbooked` says how much.

Any place can be an end of a transfer: see `funds.TransferEnd`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.errors import OrderError, VenueError
from basis_pipeline.domain.intents import BookedIncome, Booking, Facts, Fate, Intent, SettledIntent
from basis_pipeline.domain.orders import Operation, Order
from basis_pipeline.domain.records import Positions
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.timeline import SECOND, iso
from basis_pipeline.venues.live.funds import (
    Destination,
    InTransit,
    TransferEnd,
    WithdrawalFate,
    WithdrawalStatus,
    same_transaction,
)

INCOME = "transit"
"""Whose income arrivals are in the journal."""
ROUNDING = 1e-9
"""Relative: amounts of a venue and of the book that differ by less are the same."""


class TransitJournal(Protocol):
    """What `Transit` asks of the journal."""

    def settled_after(self, operation_id: int) -> tuple[SettledIntent, ...]: ...

    def income(self, venue: str, reference: str, payload: bytes) -> bool: ...

    def booked_income(self, venue: str, reference: str) -> BookedIncome | None: ...

    def told_transfer(self, intent_id: str) -> float | None: ...


class Ending(msgspec.Struct, frozen=True):
    """How a transfer ended, as journalled: tokens credited, and the line of the deposit history; or it came back."""

    amount: float
    reference: str
    returned: bool = False


class Transit:
    """All transfers of a session.

    Args:
        settings: shared by all components; has receivables.
        journal: of the session.
        destinations: the only addresses that funds may be sent to, by venue and token.
        ends: by venue.
        overdue: seconds after which a transfer that has not arrived is reported.
    """

    def __init__(
        self,
        settings: EngineSettings,
        journal: TransitJournal,
        destinations: Mapping[tuple[str, str], Destination],
        ends: Mapping[str, TransferEnd],
        *,
        overdue: float = 7_200.0,
    ) -> None:
        self._settings, self._journal = settings, journal
        self._destinations, self._ends, self._overdue = dict(destinations), dict(ends), overdue
        self._transactions: dict[str, str] = {}
        self._open: dict[str, InTransit] = {}
        self._claimed: set[str] = set()
        for settled in journal.settled_after(0):
            self.sent(settled)

    def destination(self, order: Order) -> Destination:
        """Where the funds of `order` go: an address on the list that the target itself names.

        Raises:
            OrderError: TRANSFER-001 no address is allow-listed, TRANSFER-002 the target names another one.
            VenueError: the target does not say.
        """
        instruments = self._settings.universe.instruments
        return self.confirmed(instruments[order.counter_slot].key.venue, instruments[order.slot].token)

    def confirmed(self, target: str, token: str) -> Destination:
        """The address of `target` on the list, once the target has named the same one; raises as `destination`."""
        allowed = self._destinations.get((target, token))
        if allowed is None:
            raise OrderError(
                f"no address of {target} for {token} is on the list of addresses that funds may be sent to.",
                code="TRANSFER-001",
                remedy=f"add network and address to `transfers.addresses.{target}.{token}` of configs/live.yaml.",
            )
        named = self._ends[target].deposit_address(token, allowed.network)
        if (named.address, named.tag) != (allowed.address, allowed.tag):
            raise OrderError(
                f"{target} says that {token} on {allowed.network} is to be sent to {_text(named)}, the list of "
                f"addresses says {_text(allowed)}: nothing is sent.",
                code="TRANSFER-002",
                remedy="find out which one is right; then correct `transfers.addresses` of configs/live.yaml, or the "
                "account that the credentials belong to.",
            )
        return allowed

    def bookings(self, order: Order, amount: float, fee: float) -> tuple[Booking, ...]:
        """What the source books: amount and fee leave it, the amount is in transit."""
        keys = self._settings.universe.keys
        source, receivable = keys[order.slot], keys[self._settings.receivables[order.counter_slot]]
        return Booking(source, -amount), Booking(source, -fee), Booking(receivable, amount)

    def sent(self, settled: SettledIntent) -> None:
        """Watch a transfer from now on; anything else is ignored."""
        order, facts = settled.intent.order, settled.facts
        if order.operation is Operation.TRANSFER and facts.fate is Fate.EXECUTED:
            transfer = self._in_transit(settled.intent, facts)
            if (ending := self._ending_booked(transfer)) is not None:
                self._claimed.add(ending.reference)
            self._open[transfer.intent_id] = transfer

    def settle(self, venue: str, positions: Positions) -> tuple[PositionDelta, ...]:
        """What has arrived at `venue`, or come back to it, and no saved state contains yet.

        A venue that does not answer has not said that anything arrived. Nothing is released that the book does not
        know to be in transit: after a restart it may have to learn first that the funds were sent.
        """
        deltas: list[PositionDelta] = []
        left = dict.fromkeys(self._settings.receivables.values(), 0.0)
        left |= {slot: positions.quantities[slot] for slot in left}
        for transfer in tuple(self._open.values()):
            if self._is_saved(transfer):
                del self._open[transfer.intent_id]
            elif left[transfer.receivable_slot] >= transfer.amount * (1.0 - ROUNDING):
                ending = self._ending_at(venue, transfer)
                if ending is not None and self._book(transfer, ending):
                    left[transfer.receivable_slot] -= transfer.amount
                    deltas += _deltas(transfer, ending)
        return tuple(deltas)

    def unbooked(self, venue: str) -> Mapping[int, float]:
        """Tokens by slot that `venue` holds and the book still counts as in transit. Raises VenueError."""
        held: dict[int, float] = {}
        for transfer in self._open.values():
            if self._ending_booked(transfer) is None and (ending := self._ask(venue, transfer)) is not None:
                slot, amount = _credit(transfer, ending)
                held[slot] = held.get(slot, 0.0) + amount
        return held

    def overdue(self, now: int) -> tuple[str, ...]:
        """One line for each transfer that should have arrived by `now` (microseconds)."""
        late = [transfer for transfer in self._open.values() if now - transfer.sent_at > self._overdue * SECOND]
        return tuple(
            f"[TRANSFER-004] {transfer.amount:,.10g} {transfer.token} left {transfer.source} at "
            f"{iso(transfer.sent_at)} as {transfer.reference} and have not arrived at {transfer.target}; transaction: "
            f"{self._transactions.get(transfer.intent_id) or 'none yet'}. Its id is {transfer.intent_id}."
            for transfer in late
            if self._ending_booked(transfer) is None
        )

    def references(self) -> frozenset[str]:
        """The sources' own names of transfers that were found already: a new one is none of them."""
        return frozenset(settled.facts.reference for settled in self._journal.settled_after(0))

    def _in_transit(self, intent: Intent, facts: Facts) -> InTransit:
        order, instruments = intent.order, self._settings.universe.instruments
        return InTransit(
            intent_id=intent.intent_id,
            source=order.venue,
            target=instruments[order.counter_slot].key.venue,
            source_slot=order.slot,
            target_slot=order.counter_slot,
            receivable_slot=self._settings.receivables[order.counter_slot],
            token=instruments[order.slot].token,
            amount=facts.filled,
            fee=facts.fee,
            reference=facts.reference,
            sent_at=intent.timestamp,
        )

    def _ending_at(self, venue: str, transfer: InTransit) -> Ending | None:
        """How `transfer` ended at `venue`: as journalled, else as the venue says now, once it serves there."""
        if (known := self._ending_booked(transfer)) is not None:
            return known if venue == (transfer.source if known.returned else transfer.target) else None
        try:
            ending = self._ask(venue, transfer)
            if ending is not None:
                self._ends[venue].take_in(transfer.token)
        except VenueError:
            return None
        return ending

    def _ask(self, venue: str, transfer: InTransit) -> Ending | None:
        """What the venues say: it came back to its source, or it is in the target's balance."""
        if venue == transfer.source:
            status = self._status(transfer)
            if status is None or status.fate is not WithdrawalFate.RETURNED:
                return None
            return Ending(transfer.amount + transfer.fee, transfer.reference, returned=True)
        if venue != transfer.target:
            return None
        if (told := self._journal.told_transfer(transfer.intent_id)) is not None:
            return Ending(min(told, transfer.amount), f"{transfer.intent_id} as told by an operator")
        transaction = self._transactions.get(transfer.intent_id, "")
        if not transaction and (status := self._status(transfer)) is not None:
            transaction = status.transaction
        return self._arrived(transfer, transaction) if transaction else None

    def _status(self, transfer: InTransit) -> WithdrawalStatus | None:
        status = self._ends[transfer.source].withdrawn(transfer)
        if status is not None and status.transaction:
            self._transactions[transfer.intent_id] = status.transaction
        return status

    def _arrived(self, transfer: InTransit, transaction: str) -> Ending | None:
        """The deposit of this transaction; of several the one of the right amount; each is taken once."""
        found = [
            deposit
            for deposit in self._ends[transfer.target].deposits(transfer, transaction)
            if deposit.credited
            and deposit.reference not in self._claimed
            and same_transaction(deposit.transaction, transaction)
        ]
        if not found:
            return None
        nearest = min(found, key=lambda deposit: abs(deposit.amount - transfer.amount))
        return Ending(min(nearest.amount, transfer.amount), nearest.reference)

    def _book(self, transfer: InTransit, ending: Ending) -> bool:
        """Write the ending down; False if a saved state contains it."""
        self._claimed.add(ending.reference)
        return self._journal.income(INCOME, transfer.intent_id, msgspec.json.encode(ending))

    def _ending_booked(self, transfer: InTransit) -> Ending | None:
        known = self._journal.booked_income(INCOME, transfer.intent_id)
        return msgspec.json.decode(known.payload, type=Ending) if known else None

    def _is_saved(self, transfer: InTransit) -> bool:
        known = self._journal.booked_income(INCOME, transfer.intent_id)
        return known is not None and known.saved


def _credit(transfer: InTransit, ending: Ending) -> tuple[int, float]:
    return (transfer.source_slot if ending.returned else transfer.target_slot), ending.amount


def _deltas(transfer: InTransit, ending: Ending) -> tuple[PositionDelta, ...]:
    """Out of transit and into the venue; what was taken or given on the way is a fee, or nobody's explanation."""
    slot, credited = _credit(transfer, ending)
    moved = PositionDelta(slot, transfer.amount, DeltaSource.TRANSFER)
    deltas: tuple[PositionDelta, ...] = (
        PositionDelta(transfer.receivable_slot, -transfer.amount, DeltaSource.TRANSFER),
        moved,
    )
    difference = credited - transfer.amount
    if abs(difference) > ROUNDING * transfer.amount:
        source = DeltaSource.FEE if ending.returned else DeltaSource.ADJUSTMENT
        deltas += (PositionDelta(slot, difference, source),)
    return deltas


def _text(destination: Destination) -> str:
    return destination.address + (f" (tag {destination.tag})" if destination.tag else "")
