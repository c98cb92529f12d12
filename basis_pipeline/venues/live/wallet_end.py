"""The wallet as an end of transfers: what left it is in a block, and so is what has reached it.

An exchange names the transaction of a withdrawal, the chain says what that transaction brought: a token's own Transfer
events to the executor, or ETH to the owner. Nobody's word is taken for it, and no balance is compared.
"""

from __future__ import annotations

from collections.abc import Iterator

from basis_pipeline.domain.errors import VenueRefusal
from basis_pipeline.venues.live.abi import unpack
from basis_pipeline.venues.live.booking_chain import GAS_TOKEN, TRANSFER, WEI
from basis_pipeline.venues.live.chain import Chain, Receipt
from basis_pipeline.venues.live.deployment import Deployment
from basis_pipeline.venues.live.funds import Deposit, Destination, InTransit, WithdrawalFate, WithdrawalStatus


class WalletEnd:
    """Implements `TransferEnd`; asks the chain and sends nothing.

    Args:
        owner: address of the wallet's key, which ETH is sent to; every other token goes to the executor.
    """

    def __init__(self, chain: Chain, deployment: Deployment, owner: str) -> None:
        self._chain, self._deployment, self._owner = chain, deployment, owner

    def deposit_address(self, token: str, network: str) -> Destination:
        """Raises VenueRefusal TRANSFER-008 for every network but its own: the same address may be nobody's there."""
        if network != self._deployment.network:
            raise VenueRefusal(
                f"the wallet is on {self._deployment.network}; {token} sent on {network} would not reach it.",
                code="TRANSFER-008",
                remedy="correct `network` of the wallet in `transfers.addresses` of configs/live.yaml.",
            )
        return Destination(network, self._owner if token == GAS_TOKEN else self._deployment.executor)

    def withdrawn(self, transfer: InTransit) -> WithdrawalStatus:
        """A transaction that was booked from its receipt has left for good."""
        return WithdrawalStatus(
            transfer.reference, WithdrawalFate.SENT, transfer.amount, 0.0, transfer.sent_at, transfer.reference
        )

    def deposits(self, transfer: InTransit, transaction: str) -> tuple[Deposit, ...]:
        """What `transaction` brought; credited when it is as deep as everything the wallet is said to hold."""
        hashed = transaction if transaction.startswith("0x") else f"0x{transaction}"
        receipt = self._chain.receipt(hashed)
        if receipt is None or not receipt.succeeded:
            return ()
        credited = receipt.block <= confirmed_block(self._chain, self._deployment)
        brought = self._eth(receipt) if transfer.token == GAS_TOKEN else self._tokens(receipt, transfer.token)
        return tuple(Deposit(reference, amount, receipt.hash, credited) for reference, amount in brought)

    def take_in(self, token: str) -> None:
        """Where it arrives is where it serves."""

    def _tokens(self, receipt: Receipt, symbol: str) -> Iterator[tuple[str, float]]:
        """One deposit for each Transfer event: an exchange may pay several withdrawals in one transaction."""
        token, holder = self._deployment.token(symbol), self._deployment.executor.lower()
        for position, log in enumerate(receipt.logs):
            ours = log.address == token.address.lower() and log.topics[:1] == (TRANSFER,)
            if ours and "0x" + log.topics[2][-40:] == holder:
                yield f"{receipt.hash}:{position}", int(unpack(("uint256",), log.data)[0]) / 10**token.decimals

    def _eth(self, receipt: Receipt) -> Iterator[tuple[str, float]]:
        """ETH sent outright; or through a contract, which logs nothing: then it is what the block has added."""
        if receipt.to == self._owner.lower():
            yield f"{receipt.hash}:value", receipt.value * WEI
        elif (added := self._added(receipt.block)) > 0:
            yield f"{receipt.hash}:block", added * WEI

    def _added(self, block: int) -> int:
        """Wei that a block brought the owner; 0 where he has spent in it himself and nobody can tell them apart."""
        before, after = hex(block - 1), hex(block)
        if self._chain.nonce(self._owner, before) != self._chain.nonce(self._owner, after):
            return 0
        return self._chain.balance(self._owner, block) - self._chain.balance(self._owner, block - 1)


def confirmed_block(chain: Chain, deployment: Deployment) -> int:
    """The newest block that is deep enough to be final."""
    return max(0, chain.head().number - deployment.confirmations + 1)
