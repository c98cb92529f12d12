"""Withdrawals and deposits of an exchange through ccxt; implements `Funds` on the client of a `CcxtExchange`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from basis_pipeline.domain.errors import VenueRefusal, VenueSilence
from basis_pipeline.venues.live.answers import answers
from basis_pipeline.venues.live.dialects import MILLISECOND
from basis_pipeline.venues.live.dialects_funds import FUNDS_DIALECTS
from basis_pipeline.venues.live.funds import (
    Deposit,
    Destination,
    TransferTerms,
    Withdrawal,
    WithdrawalQuery,
    WithdrawalStatus,
)

if TYPE_CHECKING:
    import ccxt


class CcxtFunds:
    """Implements `Funds`.

    Args:
        name: of the exchange, as in position keys.
        client: the ccxt client that also trades.
    """

    def __init__(self, name: str, client: ccxt.Exchange) -> None:
        self.name = name
        self._client, self._dialect = client, FUNDS_DIALECTS[name]()

    def may_withdraw(self) -> bool:
        with answers(self.name):
            return self._dialect.may_withdraw(self._client)

    def terms(self, token: str, network: str) -> TransferTerms:
        with answers(self.name):
            found = self._dialect.terms(self._client, token, network)
        if found is None:
            raise _unknown(self.name, token, network)
        return found

    def deposit_address(self, token: str, network: str) -> Destination:
        with answers(self.name):
            found = self._dialect.deposit_address(self._client, token, network)
        if found is None:
            raise _unknown(self.name, token, network)
        return found

    def make_room(self, token: str, amount: float) -> None:
        with answers(self.name):
            self._dialect.make_room(self._client, token, amount)

    def withdraw(self, withdrawal: Withdrawal) -> str:
        with answers(self.name):
            reference = self._dialect.withdraw(self._client, withdrawal)
        if reference is None:
            raise VenueSilence(f"{self.name} named no reference of withdrawal {withdrawal.client_id}.")
        return str(reference)

    def find(self, query: WithdrawalQuery) -> WithdrawalStatus | None:
        with answers(self.name):
            return self._dialect.find(self._client, query)

    def deposits(self, token: str, since: int) -> tuple[Deposit, ...]:
        with answers(self.name):
            return tuple(self._dialect.deposits(self._client, token, since // MILLISECOND))

    def take_in(self, token: str) -> None:
        with answers(self.name):
            self._dialect.take_in(self._client, token)


def _unknown(name: str, token: str, network: str) -> VenueRefusal:
    return VenueRefusal(
        f"{name} does not move {token} on network {network}.",
        remedy="name another network in `transfers` of configs/live.yaml, in the client library's spelling (ERC20).",
    )
