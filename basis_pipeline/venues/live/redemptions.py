"""What waits in an issuer's redemption queue: known by the journal, told by the queue's contract.

A redemption is two orders, days apart, each a transaction of its own::

    redeem   the staked token goes into the queue, which takes numbered requests down     token -, receivable +
    claim    requests that the issuer has finalised are paid, and the ETH goes to the     receivable -, ETH +
             wallet's owner; what is paid less than was promised is a cost

Both are journalled, found and booked like every other order. Their facts have the numbers, so what waits is what was
requested and not claimed; how much it is, is what the contract says of these numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from basis_pipeline.domain.errors import ConfigError, OrderError
from basis_pipeline.domain.intents import Facts, Fate, Intent, SettledIntent
from basis_pipeline.domain.orders import Operation, Order
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.venues.live.booking_redemptions import WEI
from basis_pipeline.venues.live.calls import Call, Program, wei
from basis_pipeline.venues.live.chain import Chain
from basis_pipeline.venues.live.deployment import Deployment
from basis_pipeline.venues.live.programs import WHOLE, Account
from basis_pipeline.venues.live.queues import QueueStatus, RedemptionQueue, queue_of

QUEUED = frozenset({Operation.REDEEM, Operation.CLAIM})


class QueueReport(NamedTuple):
    """A queue as its contract tells it.

    Attributes:
        ready: ETH promised for the requests that would be paid now.
        waiting: requests of this record that are not claimed.
        strange: receipts that the account holds and this record does not count: of another one, or declared invalid.
    """

    ready: float
    waiting: int
    strange: int


class _Journal(Protocol):
    def settled_after(self, operation_id: int) -> tuple[SettledIntent, ...]: ...


class Redemptions:
    """Of a book that leaves by the queue.

    Raises:
        ConfigError: CHAIN-005 the deployment has no queue of the token's issuer.
    """

    def __init__(self, chain: Chain, deployment: Deployment, settings: EngineSettings, journal: _Journal) -> None:
        if settings.stack is None:
            raise ConfigError(f"{settings.mode} stakes nothing that could be redeemed.")
        self.venue, self._settings = settings.stack.staking, settings
        self._deployment, self._queue = deployment, _queue(chain, deployment, settings, self.venue)
        self._slot = settings.receivables[settings.stack.eth_slot]
        self._promised: dict[int, float] = {}
        for settled in journal.settled_after(0):
            self.settled(settled.intent, settled.facts)

    def settled(self, intent: Intent, facts: Facts) -> None:
        """Take in what became of an order; all but redemptions and claims are ignored."""
        if facts.fate is not Fate.EXECUTED:
            return
        if intent.order.operation is Operation.REDEEM:
            self._promised |= {request.number: request.amount for request in facts.requests}
        elif intent.order.operation is Operation.CLAIM:
            for request in facts.requests:
                self._promised.pop(request.number, None)

    def waiting(self, block: int) -> Mapping[int, float]:
        """ETH that the queue owes at `block`, by slot of the receivable."""
        return {self._slot: sum(status.amount * WEI for status in self._status(block).values())}

    def report(self) -> QueueReport:
        """Raises VenueError where the node is silent."""
        told = self._status()
        promised = sum(self._promised[number] for number, status in told.items() if status.ready)
        counted = sum(1 for status in told.values() if status.amount)
        return QueueReport(promised, len(told), self._queue.receipts() - counted)

    def program(self, order: Order, account: Account) -> Program:
        """The transaction of a redemption or a claim.

        Raises:
            OrderError: less is ready than is to be claimed, or the queue does not take so little.
            VenueError: the node is silent.
        """
        if order.operation is Operation.REDEEM:
            return Program(self._queue.request(self._units(order, account)))
        numbers, promised = [], 0.0
        for number, status in self._status().items():
            if status.ready and promised < order.quantity:
                numbers.append(number)
                promised += self._promised[number]
        if promised != order.quantity:
            raise OrderError(
                f"{order.quantity:.10g} ETH are to be claimed, but not that much is ready at {self.venue}."
            )
        calls, paid = self._queue.claim(numbers)
        return Program((*calls, Call(account.owner, b"", paid)))

    def _status(self, block: int | None = None) -> Mapping[int, QueueStatus]:
        """Of the requests of this record, in the order of their numbers."""
        numbers = sorted(self._promised)
        return dict(zip(numbers, self._queue.status(numbers, block), strict=True)) if numbers else {}

    def _units(self, order: Order, account: Account) -> int:
        token = self._settings.universe.instruments[order.slot].token
        units, held = wei(order.quantity, self._deployment.token(token).decimals), account.units[token]
        return held if held < units <= held * (1.0 + WHOLE) else units


def _queue(chain: Chain, deployment: Deployment, settings: EngineSettings, venue: str) -> RedemptionQueue:
    staking = deployment.staking.get(venue)
    if staking is None or staking.queue is None:
        raise ConfigError(
            f"{settings.mode} leaves by the redemption queue of {venue}, of which the deployment has no contracts.",
            code="CHAIN-005",
            remedy=f"add `queue` to `staking.{venue}` of configs/chains, or --set strategy.exit_route=pool.",
        )
    return queue_of(chain, deployment, staking, staking.queue)
