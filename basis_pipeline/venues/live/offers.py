"""What the transactions of one nonce offer for gas: enough for a cancellation to replace them, and never more."""

from __future__ import annotations

from contextlib import suppress

from basis_pipeline.domain.errors import OrderError, VenueError
from basis_pipeline.venues.live.chain import Block, Chain, Fees

TRANSFER_GAS = 21_000
REPLACEMENT, LEAST_REPLACEMENT = 1.3, 1.1
"""Factors on both fees: what is offered to replace a waiting transaction, and the least that nodes want for it."""
RISE = 4
"""Of the base fee: it can rise 3.3 times in ten blocks, which are two minutes."""
WEI = 1e-18


def next_block(head: Block) -> int:
    """Wei per unit of gas: the highest base fee of the block after `head`; it rises by an eighth at most (EIP-1559)."""
    return head.base_fee * 9 // 8


def lasting(chain: Chain, head: Block) -> Fees:
    """What an order offers at first: it is not outrun before its deadline, and what is not needed is not paid."""
    fees = chain.fees(head)
    return Fees(max(fees.most, RISE * head.base_fee + fees.tip), fees.tip)


class Offers:
    """Remembers what `address` has offered; asks node and relay for what an earlier process has."""

    def __init__(self, chain: Chain, relay: Chain, address: str) -> None:
        self._chain, self._relay, self._address = chain, relay, address
        self._made: dict[str, Fees] = {}

    def made(self, transaction: str, fees: Fees) -> None:
        self._made[transaction] = fees

    def cancelling(self, hashes: tuple[str, ...]) -> Fees:
        """What a transfer of nothing offers to take the place of `hashes`, the order and what was to cancel it so far.

        A cancellation that waits already, with enough for the next block, offers the same again: otherwise every start
        would pay more than the last.

        Raises:
            OrderError: EXEC-008 the wallet has not enough ETH for one that nodes would take.
            VenueError: the node does not say.
        """
        head = self._chain.head()
        now, offers = self._chain.fees(head), [self._offer(transaction) for transaction in hashes]
        last = offers[-1] if len(offers) > 1 else None
        if last is not None and last.tip >= now.tip and last.most >= next_block(head) + last.tip:
            return last
        waiting = [offer for offer in offers if offer is not None]
        most, tip = max(o.most for o in (now, *waiting)), max(o.tip for o in (now, *waiting))
        balance = self._chain.balance(self._address)
        least = max([next_block(head), *(round(offer.most * LEAST_REPLACEMENT) + 1 for offer in waiting)])
        if balance < least * TRANSFER_GAS:
            raise OrderError(
                f"{self._address} has {balance * WEI:.6f} ETH, to cancel what no block takes needs "
                f"{least * TRANSFER_GAS * WEI:.6f}.",
                code="EXEC-008",
                remedy="send ETH to this address; nothing is traded before the order has a fate.",
            )
        wanted = Fees(round(most * REPLACEMENT) + 1, round(tip * REPLACEMENT) + 1)
        return wanted.up_to(balance // TRANSFER_GAS)

    def _offer(self, transaction: str) -> Fees | None:
        """None where nobody remembers it: then nothing of it waits either."""
        if (known := self._made.get(transaction) or self._chain.fees_of(transaction)) is not None:
            return known
        with suppress(VenueError):  # not every relay answers this
            return self._relay.fees_of(transaction)
        return None
