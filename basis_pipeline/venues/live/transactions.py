"""One account that signs: every transaction is journalled before it is sent, and found by its hash ever after.

The nonce decides. Of all transactions ever signed for one intent, which share a nonce, a chain executes at most one; so
sending the same bytes again cannot double anything, and a cancellation at the same nonce ends what nobody can find.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain as chained
from itertools import repeat

import msgspec
from eth_account import Account as EthAccount
from eth_account.signers.local import LocalAccount
from eth_typing import HexStr
from eth_utils.address import to_checksum_address

from basis_pipeline.domain.errors import OrderError, VenueError, VenueRefusal
from basis_pipeline.domain.intents import Facts, Fate, Intent, IntentJournal, OpenIntent
from basis_pipeline.domain.orders import Order
from basis_pipeline.domain.protocols import Clock
from basis_pipeline.venues.live.abi import MAX_UINT
from basis_pipeline.venues.live.chain import Chain, Fees, Receipt
from basis_pipeline.venues.live.offers import TRANSFER_GAS, WEI, Offers, lasting, next_block
from basis_pipeline.venues.live.spelling import check_private_key

POLL_DELAYS = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Seconds between looks at the chain; the last one repeats."""
GAS_MARGIN = 1.25
"""Of the estimate: a state that changes on the way must not stop a transaction for a few units of gas."""
SURELY_INDEXED = 5
"""Blocks after which a node knows a receipt if there is one: a missing one is evidence only then."""
REMEMBERED = 100
"""Blocks whose states every node remembers; a receipt that is missing for longer was never there."""
CREATION_GAS = 1_500_000
NO_ADDRESS = ""
"""The receiver of a transaction that creates a contract."""

Reading = Callable[[Order, Receipt, int], Facts]
"""(order, receipt, block time) -> facts."""


class Payload(msgspec.Struct, frozen=True):
    """A call about to be sent: `gas` units at most, for `most` wei each at most."""

    to: str
    data: bytes
    value: int
    gas: int
    most: int = MAX_UINT


class Attempts(msgspec.Struct, frozen=True):
    """All that was ever signed for one intent: the order first, then what was to cancel it. The journal's reference."""

    nonce: int
    hashes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.nonce}:{','.join(self.hashes)}"

    @classmethod
    def parse(cls, reference: str) -> Attempts:
        nonce, _, hashes = reference.partition(":")
        return cls(int(nonce), tuple(hashes.split(",")))

    def and_also(self, transaction: str) -> Attempts:
        return Attempts(self.nonce, (*self.hashes, transaction))


class Signer:
    """A private key that signs and is never shown."""

    def __init__(self, key: str, chain_id: int) -> None:
        check_private_key(key)
        self._account: LocalAccount = EthAccount.from_key(key)
        self.address = str(self._account.address)
        self._chain_id = chain_id

    def __repr__(self) -> str:
        return f"Signer({self.address})"

    def sign(self, payload: Payload, nonce: int, fees: Fees) -> tuple[str, bytes]:
        """Hash and bytes of an EIP-1559 transaction; the same again for the same arguments."""
        return self._sign(payload, nonce, fees)

    def sign_creation(self, code: bytes, nonce: int, fees: Fees) -> tuple[str, bytes]:
        """The same for a transaction that creates a contract."""
        return self._sign(Payload(NO_ADDRESS, code, 0, CREATION_GAS), nonce, fees)

    def _sign(self, payload: Payload, nonce: int, fees: Fees) -> tuple[str, bytes]:
        to = HexStr(to_checksum_address(payload.to) if payload.to else NO_ADDRESS)
        signed = self._account.sign_transaction(
            {
                "type": 2, "chainId": self._chain_id, "nonce": nonce, "data": payload.data, "value": payload.value,
                "gas": payload.gas, "maxFeePerGas": fees.most, "maxPriorityFeePerGas": fees.tip, "to": to,
            }
        )  # fmt: skip
        return "0x" + bytes(signed.hash).hex(), bytes(signed.raw_transaction)


class Sender:
    """Sends one transaction at a time and finds out what became of it.

    Args:
        reading: turns the receipt of an order into facts.
        confirmations: blocks, its own included, after which a receipt is final.
        deadline: seconds after which a transaction that no block took is cancelled; and then the cancellation.
        relay: takes orders instead of `chain`, so that nobody sees them before their block; cancellations go to both.

    Attributes:
        trouble: what an operator has to do about an order whose fate is open; empty where waiting is all there is.
    """

    def __init__(
        self,
        chain: Chain,
        signer: Signer,
        journal: IntentJournal,
        clock: Clock,
        reading: Reading,
        *,
        confirmations: int,
        deadline: float = 120.0,
        relay: Chain | None = None,
    ) -> None:
        self._chain, self._signer, self._journal, self._clock = chain, signer, journal, clock
        self._reading, self._confirmations, self._deadline = reading, confirmations, deadline
        self._relay = relay or chain
        self._offers = Offers(chain, self._relay, signer.address)
        self.trouble = ""

    @property
    def address(self) -> str:
        return self._signer.address

    def prepare(self, to: str, data: bytes, value: int, *, most: int = MAX_UINT) -> Payload:
        """Play the call through on the node and see that its gas can be paid; nothing is sent.

        A unit of gas may cost `most` wei, and what the wallet has for it, if that is enough for the next block.

        Raises:
            VenueRefusal: it would revert, with the reason.
            OrderError: EXEC-008 the owner has not enough ETH for it.
        """
        self._chain.call(to, data, sender=self.address, value=value)
        gas = round(self._chain.gas_needed(to, data, sender=self.address, value=value) * GAS_MARGIN)
        head = self._chain.head()
        needed = value + gas * (next_block(head) + self._chain.fees(head).tip)
        balance = self._chain.balance(self.address)
        if balance < needed:
            raise OrderError(
                f"{self.address} has {balance * WEI:.6f} ETH, the transaction may need {needed * WEI:.6f}.",
                code="EXEC-008",
                remedy="send ETH to this address: it pays the gas.",
            )
        return Payload(to, data, value, gas, min(most, (balance - value) // gas))

    def send(self, intent: Intent, payload: Payload) -> Facts | None:
        """Journal, sign, journal the hash, send, find out; None if that is not possible until the deadline.

        Raises:
            VenueRefusal: before anything was journalled: something else of this account is on its way.
        """
        nonce, fees = self._chain.nonce(self.address), lasting(self._chain, self._chain.head()).up_to(payload.most)
        if self._chain.nonce(self.address, "pending") != nonce:
            raise VenueRefusal(f"another transaction of {self.address} is on its way.")
        self._journal.intend(intent)
        transaction, raw = self._signer.sign(payload, nonce, fees)
        attempts = Attempts(nonce, (transaction,))
        self._journal.sent(intent.intent_id, str(attempts))
        self._offers.made(transaction, fees)
        found = self._wait(intent, attempts, raw, (self._relay,))
        return found or self._cancel(intent, attempts)

    def resolve(self, left: OpenIntent) -> Facts | None:
        """What became of an intent of an earlier process; what is still on its way is cancelled, the market moved on.

        None if it cannot be known yet.
        """
        if not left.reference:
            never = Facts(fate=Fate.REJECTED, error_code="VEN-006", error_message="it was never signed.")
            return self._settled(left.intent, never)
        attempts = Attempts.parse(left.reference)
        return self._look(left.intent, attempts) or self._cancel(left.intent, attempts)

    def _wait(self, intent: Intent, attempts: Attempts, raw: bytes, outlets: tuple[Chain, ...]) -> Facts | None:
        """Send the same bytes until they are in a block that is deep enough, or the deadline has come."""
        began = self._clock.now()
        for delay in _delays():
            if self._clock.now() + delay - began > self._deadline:
                return None
            self._clock.sleep(delay)
            try:
                found = self._look(intent, attempts)
                if found is not None:
                    return found
                waiting = all(self._chain.receipt(transaction) is None for transaction in attempts.hashes)
            except VenueError:
                continue
            for outlet in outlets if waiting else ():
                with suppress(VenueError):  # refused as known, as used, or lost on the way: the next look tells
                    outlet.send(raw)
        return None

    def _look(self, intent: Intent, attempts: Attempts) -> Facts | None:
        """Facts if the nonce is used up for good, by the order or by something else."""
        head = self._chain.head()
        for transaction in attempts.hashes:
            receipt = self._chain.receipt(transaction)
            if receipt is not None:
                deep = head.number - receipt.block + 1 >= self._confirmations
                return self._settled(intent, self._facts(intent, attempts, receipt)) if deep else None
        return self._settled(intent, _displaced()) if self._displaced(attempts, head.number) else None

    def _displaced(self, attempts: Attempts, head: int) -> bool:
        """Whether a transaction that is not ours has used the nonce, deep enough to be final.

        The block that has it says which one it was: that a receipt is missing proves nothing, a node may have lost it.
        """
        settled = max(0, head - self._confirmations - SURELY_INDEXED + 1)
        if _used(self._chain, self.address, settled) <= attempts.nonce:
            return False
        before = max(0, settled - REMEMBERED)
        if _used(self._chain, self.address, before) > attempts.nonce:
            return True
        return self._chain.user_of(self.address, attempts.nonce, before, settled) not in ("", *attempts.hashes)

    def _facts(self, intent: Intent, attempts: Attempts, receipt: Receipt) -> Facts:
        at = self._chain.block(receipt.block).timestamp
        if receipt.hash == attempts.hashes[0]:
            return self._reading(intent.order, receipt, at)
        cancelled = self._reading(intent.order, msgspec.structs.replace(receipt, succeeded=False), at)
        return msgspec.structs.replace(
            cancelled, error_code="VEN-007", error_message="no block took the transaction in time; it was cancelled."
        )

    def _cancel(self, intent: Intent, attempts: Attempts) -> Facts | None:
        """Use the nonce up with a transfer of nothing to ourselves, which outbids what may be waiting."""
        try:
            fees = self._offers.cancelling(attempts.hashes)
        except OrderError as short:
            self.trouble = str(short)
            return None
        except VenueError:
            return None
        transaction, raw = self._signer.sign(Payload(self.address, b"", 0, TRANSFER_GAS), attempts.nonce, fees)
        if transaction not in attempts.hashes:
            attempts = attempts.and_also(transaction)
            self._journal.sent(intent.intent_id, str(attempts))
            self._offers.made(transaction, fees)
        outlets = (self._relay, self._chain) if self._relay is not self._chain else (self._chain,)
        return self._wait(intent, attempts, raw, outlets)

    def _settled(self, intent: Intent, facts: Facts) -> Facts:
        self._journal.settle(intent.intent_id, facts)
        return facts


def _used(chain: Chain, address: str, block: int) -> int:
    """How many nonces of `address` were used up to and including `block`."""
    return chain.nonce(address, hex(block))


def _displaced() -> Facts:
    why = "another transaction of this account took its place in the sequence; it can never be executed."
    return Facts(fate=Fate.REJECTED, error_code="VEN-008", error_message=why)


def _delays() -> Iterator[float]:
    """The given delays, then the last of them for ever."""
    return chained(POLL_DELAYS, repeat(POLL_DELAYS[-1]))
