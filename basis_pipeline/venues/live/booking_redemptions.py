"""What receipts say of redemption queues: which requests an issuer took down, and what it paid for them.

ETH that a queue pays is sent by its contract and leaves no Transfer event, so the queue's own events are read:
WithdrawalQueueBase.sol of Lido, WithdrawRequestNFT.sol of EtherFi.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.intents import QueuedRequest
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import Operation, Order
from basis_pipeline.venues.live.abi import topic, unpack
from basis_pipeline.venues.live.chain import Log, Receipt

RECEIVABLE = "wallet:Receivable:ETH"
"""What waits in queues, as the book names it."""
ROUNDING = 1e-9
"""Relative: what an issuer promises or pays that differs by less is the same."""
WEI = 1e-18


class _Event(NamedTuple):
    """Where an event has the owner of a request, and how its data is laid out: the amount first.

    EtherFi has the owner in the data, and last a fee that the amount is paid without.
    """

    owner: int | None
    layout: tuple[str, ...]


_ETHERFI = ("uint256", "uint256", "address", "uint256")
_EVENTS: Mapping[Operation, Mapping[str, _Event]] = {
    Operation.REDEEM: {
        topic("WithdrawalRequested(uint256,address,address,uint256,uint256)"): _Event(3, ("uint256", "uint256")),
        topic("WithdrawRequestCreated(uint32,uint256,uint256,address,uint256)"): _Event(None, _ETHERFI),
    },
    Operation.CLAIM: {
        topic("WithdrawalClaimed(uint256,address,address,uint256)"): _Event(2, ("uint256",)),
        topic("WithdrawRequestClaimed(uint32,uint256,uint256,address,uint256)"): _Event(None, _ETHERFI),
    },
}


def requests_in(
    receipt: Receipt, operation: Operation, queues: frozenset[str], account: str
) -> Iterator[QueuedRequest]:
    """Requests of `account` that a redemption has made, or that a claim was paid for; nothing of other operations."""
    events = _EVENTS.get(operation, {})
    for log in receipt.logs:
        event = events.get(log.topics[0]) if log.topics and log.address in queues else None
        if event is None:
            continue
        data = unpack(event.layout, log.data)
        owner, fee = (data[2].lower(), data[3]) if event.owner is None else (_address(log, event.owner), 0)
        if owner == account:
            yield QueuedRequest(int(log.topics[1], 16), (data[0] - fee) * WEI)


def lost(order: Order, moved: Mapping[int, float], market: MarketSnapshot) -> PositionDelta | None:
    """What the issuer promised, or paid, less than the book had it for, as a fee in what was received.

    Slashing while a request waits, a ratio that moved since the order, and wei that are rounded away.
    """
    if order.operation not in _EVENTS:
        return None
    received = next((slot for slot, amount in moved.items() if amount > 0.0), None)
    if received is None:
        return None
    value = sum(amount * market.value[slot] for slot, amount in moved.items())
    if abs(value) <= ROUNDING * moved[received] * market.value[received]:
        return None
    return PositionDelta(received, value / market.value[received], DeltaSource.FEE, order.operation_id, fee=-value)


def _address(log: Log, position: int) -> str:
    return "0x" + log.topics[position][-40:]
