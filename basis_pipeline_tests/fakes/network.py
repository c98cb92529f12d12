"""The network between fake exchanges: carries withdrawals to deposit addresses, and can lose, delay or shorten them.

Time is the market's. Whoever handles a request lets the network deliver first, so that nothing arrives before its time
and nothing waits for a thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

Mishap = Literal["loses", "delays", "returns", "rejects", "shortens", "lists twice"]
SECOND = 1_000_000


@dataclass
class Withdrawal:
    """As the source books it; `state` is what its history says."""

    reference: str
    client_id: str
    token: str
    amount: float
    fee: float
    address: str
    at: int
    refund: Callable[[float], None] = lambda amount: None
    state: Literal["pending", "sent", "failed"] = "pending"
    transaction: str = ""
    mishap: Mishap | None = None
    delivered: bool = False


@dataclass
class Deposit:
    """As the target books it; `credited` once the balance contains it."""

    reference: str
    token: str
    amount: float
    address: str
    transaction: str
    at: int
    credited: bool = True


@dataclass
class FakeNetwork:
    """Withdrawals of all exchanges that share it.

    Attributes:
        processing: seconds until a withdrawal is on the network and has a transaction id.
        confirming: seconds from there until the target credits it.
        mishaps: of the next withdrawals, one each.
    """

    processing: float = 40.0
    confirming: float = 200.0
    mishaps: list[Mishap] = field(default_factory=list)
    withdrawals: list[Withdrawal] = field(default_factory=list)
    _credit: dict[str, Callable[[Deposit, bool], None]] = field(default_factory=dict)
    _ids: count[int] = field(default_factory=lambda: count(1))

    def serves(self, address: str, credit: Callable[[Deposit, bool], None]) -> None:
        """Deposits to `address` are handed to `credit`, with whether the balance gets them."""
        self._credit[address] = credit

    def takes(self, withdrawal: Withdrawal) -> None:
        withdrawal.mishap = self.mishaps.pop(0) if self.mishaps else None
        self.withdrawals.append(withdrawal)

    def deliver(self, now: int) -> None:
        """Everything that is due at `now`."""
        for withdrawal in self.withdrawals:
            waited = (now - withdrawal.at) / SECOND
            if withdrawal.state == "pending" and waited >= self.processing:
                self._send(withdrawal)
            slow = 40.0 if withdrawal.mishap == "delays" else 1.0
            arrives = waited >= (self.processing + self.confirming) * slow
            if withdrawal.state == "sent" and not withdrawal.delivered and arrives and withdrawal.mishap != "loses":
                self._deliver(withdrawal, now)

    def _send(self, withdrawal: Withdrawal) -> None:
        if withdrawal.mishap in ("returns", "rejects"):
            withdrawal.state = "failed"
            withdrawal.refund(withdrawal.amount + withdrawal.fee)
            return
        withdrawal.state, withdrawal.transaction = "sent", f"0x{next(self._ids):064x}"

    def _deliver(self, withdrawal: Withdrawal, now: int) -> None:
        withdrawal.delivered = True
        amount = withdrawal.amount - (7.5 if withdrawal.mishap == "shortens" else 0.0)
        credit = self._credit[withdrawal.address]
        for copy in range(2 if withdrawal.mishap == "lists twice" else 1):
            line = Deposit(
                str(next(self._ids)), withdrawal.token, amount, withdrawal.address, withdrawal.transaction, now
            )
            credit(line, copy == 0)
