"""The redemption queues of Lido and EtherFi: how a request is made, what its contract says of it, how it is claimed.

Sources: WithdrawalQueueERC721.sol and WithdrawalQueueBase.sol of Lido; WeETH.sol, LiquidityPool.sol and
WithdrawRequestNFT.sol of EtherFi. Amounts are wei; requests go by their numbers, ascending.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from basis_pipeline.domain.errors import OrderError
from basis_pipeline.venues.live.abi import call_data, word
from basis_pipeline.venues.live.calls import Call
from basis_pipeline.venues.live.chain import GWEI, Chain
from basis_pipeline.venues.live.deployment import Deployment, Queue, Staking, StakingKind

ROOM = 1_000
"""One part in so many is left below Lido's largest request: stETH grows between the order and its block."""


class QueueStatus(NamedTuple):
    """What a queue owes for a request (0: it owes the account nothing), and whether it pays when asked."""

    amount: int
    ready: bool


NOTHING = QueueStatus(0, ready=False)


class RedemptionQueue(Protocol):
    """One issuer's queue, for one account."""

    def request(self, units: int) -> tuple[Call, ...]:
        """Calls that put `units` of the staked token into the queue. OrderError for too little."""

    def status(self, numbers: Sequence[int], block: int | None = None) -> tuple[QueueStatus, ...]: ...

    def claim(self, numbers: Sequence[int]) -> tuple[tuple[Call, ...], int]:
        """Calls that claim requests that are ready, and the ETH that they bring, in wei."""

    def receipts(self) -> int:
        """How many requests of the account wait, whoever made them."""


def queue_of(chain: Chain, deployment: Deployment, staking: Staking, queue: Queue) -> RedemptionQueue:
    token = deployment.token(staking.token).address
    kind = LidoQueue if staking.kind is StakingKind.LIDO else EtherFiQueue
    return kind(chain, queue, token, deployment.executor)


class LidoQueue:
    """wstETH goes in as it is, in requests of 100 wei to 1,000 stETH each (the contract says which)."""

    def __init__(self, chain: Chain, queue: Queue, token: str, account: str) -> None:
        self._chain, self._queue, self._token, self._account = chain, queue, token, account

    def request(self, units: int) -> tuple[Call, ...]:
        least, most = (
            self._chain.read(self._queue.requests, f"{bound}_STETH_WITHDRAWAL_AMOUNT()", ("uint256",))
            for bound in ("MIN", "MAX")
        )
        worth = self._chain.read(self._token, "getStETHByWstETH(uint256)", ("uint256",), units)
        if worth < least:
            raise OrderError(f"{worth} wei of stETH are less than the {least} that Lido's queue takes.")
        count = int(worth // (most - most // ROOM)) + 1
        amounts = [units // count] * (count - 1)
        amounts.append(units - sum(amounts))
        approve = call_data("approve(address,uint256)", self._queue.requests, units)
        request = call_data("requestWithdrawalsWstETH(uint256[],address)", amounts, self._account)
        return Call(self._token, approve), Call(self._queue.requests, request)

    def status(self, numbers: Sequence[int], block: int | None = None) -> tuple[QueueStatus, ...]:
        """Numbers that a reorganisation has taken back are none of the account's."""
        receipts, function = self._queue.receipts, "getWithdrawalStatus(uint256[])"
        layout = ("(uint256,uint256,address,uint256,bool,bool)[]",)  # stETH, shares, owner, time, finalized, claimed
        last = self._chain.read(receipts, "getLastRequestId()", ("uint256",), block=block)
        known = [number for number in numbers if number <= last]
        found = self._chain.read(receipts, function, layout, known, block=block) if known else ()
        told = {
            number: QueueStatus(amount, finalized)
            for number, (amount, _, owner, _, finalized, claimed) in zip(known, found, strict=True)
            if owner.lower() == self._account.lower() and not claimed
        }
        return tuple(told.get(number, NOTHING) for number in numbers)

    def claim(self, numbers: Sequence[int]) -> tuple[tuple[Call, ...], int]:
        receipts, wanted = self._queue.receipts, list(numbers)
        last = self._chain.read(receipts, "getLastCheckpointIndex()", ("uint256",))
        find = "findCheckpointHints(uint256[],uint256,uint256)"
        hints = list(self._chain.read(receipts, find, ("uint256[]",), wanted, 1, last))
        pays = self._chain.read(receipts, "getClaimableEther(uint256[],uint256[])", ("uint256[]",), wanted, hints)
        return (Call(receipts, call_data("claimWithdrawals(uint256[],uint256[])", wanted, hints)),), sum(pays)

    def receipts(self) -> int:
        return int(self._chain.read(self._queue.receipts, "balanceOf(address)", ("uint256",), self._account))


class EtherFiQueue:
    """weETH is unwrapped first; what that brings, to the wei, only the transaction knows."""

    def __init__(self, chain: Chain, queue: Queue, token: str, account: str) -> None:
        self._chain, self._queue, self._token, self._account = chain, queue, token, account

    def request(self, units: int) -> tuple[Call, ...]:
        eeth, pool = self._chain.read(self._token, "eETH()", ("address",)), self._queue.requests
        approve = call_data("approve(address,uint256)", pool, 0)
        request = call_data("requestWithdraw(address,uint256)", self._account, 0)
        return (
            Call(self._token, call_data("unwrap(uint256)", units)),
            Call(eeth, approve, 0, eeth, word(1)),
            Call(pool, request, 0, eeth, word(1)),
        )

    def status(self, numbers: Sequence[int], block: int | None = None) -> tuple[QueueStatus, ...]:
        return tuple(self._status(number, block) for number in numbers)

    def _status(self, number: int, block: int | None) -> QueueStatus:
        """Of a request that was claimed everything is zero; one that EtherFi has declared invalid is not paid."""
        receipts, layout = self._queue.receipts, ("uint96", "uint96", "bool", "uint32")  # eETH, shares, valid, Gwei
        amount, _, valid, fee = self._chain.read(receipts, "getRequest(uint256)", layout, number, block=block)
        if not valid:
            return NOTHING
        owner = self._chain.read(receipts, "ownerOf(uint256)", ("address",), number, block=block)
        if owner.lower() != self._account.lower():
            return NOTHING
        ready = self._chain.read(receipts, "isFinalized(uint256)", ("bool",), number, block=block)
        return QueueStatus(amount - fee * GWEI, ready)

    def claim(self, numbers: Sequence[int]) -> tuple[tuple[Call, ...], int]:
        receipts, function = self._queue.receipts, "getClaimableAmount(uint256)"
        pays = sum(self._chain.read(receipts, function, ("uint256",), number) for number in numbers)
        return tuple(Call(receipts, call_data("claimWithdraw(uint256)", number)) for number in numbers), pays

    def receipts(self) -> int:
        return int(self._chain.read(self._queue.receipts, "balanceOf(address)", ("uint256",), self._account))
