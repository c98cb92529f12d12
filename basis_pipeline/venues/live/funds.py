"""What can leave an account and reach one: the words in which a transfer between venues is spoken of.

An exchange withdraws and shows deposits, a wallet sends and shows receipts; `transit.py` knows both as a `TransferEnd`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Protocol

import msgspec


class Destination(msgspec.Struct, frozen=True):
    """Where funds are sent: a network in the client library's spelling (`ERC20`), an address, and a tag or memo."""

    network: str
    address: str
    tag: str = ""


class TransferTerms(msgspec.Struct, frozen=True):
    """What an exchange asks for one token on one network.

    Attributes:
        fee: tokens, taken on top of what arrives.
        lot: amounts are multiples of it.
        minimum: smallest amount.
        open: withdrawals are possible at the moment.
    """

    fee: float
    lot: float
    minimum: float
    open: bool


class Withdrawal(msgspec.Struct, frozen=True):
    """A withdrawal about to be sent: `amount` arrives, `fee` is taken besides."""

    client_id: str
    token: str
    amount: float
    fee: float
    destination: Destination


class WithdrawalFate(StrEnum):
    """What the source says of a withdrawal: it has left the balance, it is on the network, it has come back."""

    PENDING = "pending"
    SENT = "sent"
    RETURNED = "returned"


class WithdrawalStatus(msgspec.Struct, frozen=True):
    """`reference` is the source's own id, `transaction` the network's, empty while there is none; `at` when it was
    asked for, microseconds UTC.
    """

    reference: str
    fate: WithdrawalFate
    amount: float
    fee: float
    at: int
    transaction: str = ""


class Deposit(msgspec.Struct, frozen=True):
    """One line of a deposit history; `credited` when the balance contains it."""

    reference: str
    amount: float
    transaction: str
    credited: bool


class WithdrawalQuery(msgspec.Struct, frozen=True):
    """How a withdrawal is found again.

    Attributes:
        client_id: ours.
        reference: the exchange's id, where it is known.
        token, amount, since: for an exchange whose history does not tell our id; microseconds UTC.
        taken: references of other withdrawals of ours, which it therefore cannot be.
    """

    client_id: str
    reference: str
    token: str
    amount: float
    since: int
    taken: frozenset[str] = frozenset()


class Funds(Protocol):
    """The wallets of one exchange account, towards the world; errors as of `Exchange`."""

    @property
    def name(self) -> str: ...

    def may_withdraw(self) -> bool:
        """Whether the key has the right to."""

    def terms(self, token: str, network: str) -> TransferTerms: ...

    def deposit_address(self, token: str, network: str) -> Destination: ...

    def make_room(self, token: str, amount: float) -> None:
        """Bring `amount` to the wallet that withdrawals leave from."""

    def withdraw(self, withdrawal: Withdrawal) -> str:
        """Send it, once, and return the exchange's reference."""

    def find(self, query: WithdrawalQuery) -> WithdrawalStatus | None:
        """None: the exchange does not know it (yet)."""

    def deposits(self, token: str, since: int) -> tuple[Deposit, ...]:
        """The deposit history from `since` (microseconds) on."""

    def take_in(self, token: str) -> None:
        """Move what deposits have brought to where it serves as margin."""


class InTransit(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer that has left its source.

    Attributes:
        intent_id: of its order; `reference` is the source's own name for it.
        amount: tokens that are to arrive; `fee` tokens were taken besides.
        sent_at: the tick it was decided in, microseconds UTC.
    """

    intent_id: str
    source: str
    target: str
    source_slot: int
    target_slot: int
    receivable_slot: int
    token: str
    amount: float
    fee: float
    reference: str
    sent_at: int


class TransferEnd(Protocol):
    """A place that funds leave from and arrive at. Raises VenueError where it refuses or is silent."""

    def deposit_address(self, token: str, network: str) -> Destination:
        """Where the place itself says that funds for it are to be sent."""

    def withdrawn(self, transfer: InTransit) -> WithdrawalStatus | None:
        """What became of a transfer that left here; None if the place does not know it."""

    def deposits(self, transfer: InTransit, transaction: str) -> Iterable[Deposit]:
        """What has reached this place since the transfer was sent, of its token."""

    def take_in(self, token: str) -> None:
        """Bring what has arrived to where it serves."""


def same_transaction(one: str, other: str) -> bool:
    """Venues differ in case and in whether a hash begins with 0x."""
    return bool(one) and one.lower().removeprefix("0x") == other.lower().removeprefix("0x")
