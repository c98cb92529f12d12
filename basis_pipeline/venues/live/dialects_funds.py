"""How each exchange withdraws and shows deposits.

Formats from the exchanges' documentation. Binance counts the fee into the amount of a request and tells it apart in the
history; Bybit and OKX take it on top. Bybit's history does not tell our id, so that a withdrawal whose reference was
lost is recognised by token, amount and time. Deposits reach a wallet of their own at Bybit and OKX.

Histories answer for a stretch of time: Binance for less than 90 days (7 where an id is asked for), Bybit for 30, and
for the last ones if none is said; so it is always said, and more is asked for stretch by stretch, in pages of 1,000
lines (Binance) or 50. OKX gives the newest 100 lines of what is asked for ("in reverse chronological order. The 100
most recent records are returned by default", at most 100): withdrawals are asked for by our id, deposits page by page
back to the transfer. How far back any of them can be asked, no documentation says: see `withdrawals.SURELY_SHOWN`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from basis_pipeline.venues.live.dialects import MILLISECOND, STABLE, Binance
from basis_pipeline.venues.live.dialects_unified import Bybit, Okx
from basis_pipeline.venues.live.funds import (
    Deposit,
    Destination,
    TransferTerms,
    Withdrawal,
    WithdrawalFate,
    WithdrawalQuery,
    WithdrawalStatus,
)

if TYPE_CHECKING:
    import ccxt

EARLIER = 60_000
"""Milliseconds before a withdrawal was intended from which on it is looked for: clocks differ."""
_DAY = 86_400_000


class FundsDialect(Protocol):
    """One exchange's ways with withdrawals and deposits; methods as of `Funds`, with its client."""

    def may_withdraw(self, client: ccxt.Exchange) -> bool: ...

    def terms(self, client: ccxt.Exchange, token: str, network: str) -> TransferTerms | None: ...

    def deposit_address(self, client: ccxt.Exchange, token: str, network: str) -> Destination | None: ...

    def make_room(self, client: ccxt.Exchange, token: str, amount: float) -> None: ...

    def withdraw(self, client: ccxt.Exchange, withdrawal: Withdrawal) -> Any: ...

    def find(self, client: ccxt.Exchange, query: WithdrawalQuery) -> WithdrawalStatus | None: ...

    def deposits(self, client: ccxt.Exchange, token: str, since: int) -> list[Deposit]: ...

    def take_in(self, client: ccxt.Exchange, token: str) -> None: ...


class BinanceFunds:
    """Withdrawals leave the spot wallet, deposits reach it."""

    _RETURNED = frozenset({"1", "3", "5"})
    _SENT = "6"
    _CREDITED = frozenset({"1", "6"})
    _LONGEST = 7 * _DAY - 1
    _LONGEST_OF_DEPOSITS = 90 * _DAY - 1
    _PAGE = 1_000

    def may_withdraw(self, client: ccxt.Exchange) -> bool:
        return bool(client.sapiGetAccountApiRestrictions()["enableWithdrawals"])

    def terms(self, client: ccxt.Exchange, token: str, network: str) -> TransferTerms | None:
        wanted = client.network_code_to_id(network, token)
        for coin in client.sapiGetCapitalConfigGetall():
            for line in coin["networkList"] if coin["coin"] == token else ():
                if line["network"] == wanted:
                    return TransferTerms(
                        float(line["withdrawFee"]),
                        float(line["withdrawIntegerMultiple"]),
                        float(line["withdrawMin"]),
                        bool(line["withdrawEnable"]),
                    )
        return None

    def deposit_address(self, client: ccxt.Exchange, token: str, network: str) -> Destination | None:
        query = {"coin": token, "network": client.network_code_to_id(network, token)}
        line = client.sapiGetCapitalDepositAddress(query)
        return Destination(network, line["address"], line.get("tag") or "")

    def make_room(self, client: ccxt.Exchange, token: str, amount: float) -> None:
        Binance.collect(client, token, amount, to_margin=False)

    def withdraw(self, client: ccxt.Exchange, withdrawal: Withdrawal) -> Any:
        to, gross = withdrawal.destination, withdrawal.amount + withdrawal.fee
        named = {"network": to.network, "withdrawOrderId": withdrawal.client_id}
        return client.withdraw(withdrawal.token, gross, to.address, to.tag or None, named)["id"]

    def find(self, client: ccxt.Exchange, query: WithdrawalQuery) -> WithdrawalStatus | None:
        begin = query.since // MILLISECOND - EARLIER
        stretch = {"startTime": begin, "endTime": begin + self._LONGEST}
        asked = {"coin": query.token, "withdrawOrderId": query.client_id, **stretch}
        for line in client.sapiGetCapitalWithdrawHistory(asked):
            if line.get("withdrawOrderId") == query.client_id:
                fate = WithdrawalFate.SENT if str(line["status"]) == self._SENT else WithdrawalFate.PENDING
                fate = WithdrawalFate.RETURNED if str(line["status"]) in self._RETURNED else fate
                applied = client.parse8601(line["applyTime"])
                return _status(line["id"], fate, line["amount"], line["transactionFee"], applied, line.get("txId"))
        return None

    def deposits(self, client: ccxt.Exchange, token: str, since: int) -> list[Deposit]:
        return [
            Deposit(str(line["id"]), float(line["amount"]), line["txId"], str(line["status"]) in self._CREDITED)
            for begin, end in _stretches(since, client.milliseconds(), self._LONGEST_OF_DEPOSITS)
            for line in self._deposits(client, {"coin": token, "startTime": begin, "endTime": end})
        ]

    def _deposits(self, client: ccxt.Exchange, stretch: dict[str, Any]) -> Iterator[dict[str, Any]]:
        offset = 0
        while page := client.sapiGetCapitalDepositHisrec({**stretch, "limit": self._PAGE, "offset": offset}):
            yield from page
            if len(page) < self._PAGE:
                return
            offset += len(page)

    def take_in(self, client: ccxt.Exchange, token: str) -> None:
        """Cash is margin; a coin is there to be sold, on the spot wallet."""
        if token == STABLE:
            Binance.collect(client, token, 0.0, to_margin=True)


class BybitFunds:
    """Withdrawals leave the funding wallet, then the unified one; deposits reach the funding wallet."""

    _RETURNED = frozenset({"CancelByUser", "Reject", "Fail"})
    _SENT = frozenset({"success", "BlockchainConfirmed"})
    _DONE = frozenset({3, "3"})
    _PAGE = 50
    _LONGEST = 30 * _DAY - 1

    def may_withdraw(self, client: ccxt.Exchange) -> bool:
        return "Withdraw" in client.privateGetV5UserQueryApi()["result"]["permissions"]["Wallet"]

    def terms(self, client: ccxt.Exchange, token: str, network: str) -> TransferTerms | None:
        wanted = client.network_code_to_id(network, token)
        for coin in client.privateGetV5AssetCoinQueryInfo({"coin": token})["result"]["rows"]:
            for line in coin["chains"]:
                if line["chain"] == wanted:
                    return TransferTerms(
                        float(line["withdrawFee"]),
                        10.0 ** -int(line["minAccuracy"]),
                        float(line["withdrawMin"]),
                        str(line["chainWithdraw"]) == "1" and not float(line.get("withdrawPercentageFee") or 0.0),
                    )
        return None

    def deposit_address(self, client: ccxt.Exchange, token: str, network: str) -> Destination | None:
        wanted = client.network_code_to_id(network, token)
        answer = client.privateGetV5AssetDepositQueryAddress({"coin": token, "chainType": wanted})
        for line in answer["result"]["chains"]:
            if line["chain"] == wanted:
                return Destination(network, line["addressDeposit"], line["tagDeposit"])
        return None

    def make_room(self, client: ccxt.Exchange, token: str, amount: float) -> None:
        """The exchange does it itself, see `accountType` below."""

    def withdraw(self, client: ccxt.Exchange, withdrawal: Withdrawal) -> Any:
        """On the network also where the address is one of its own customers: only that has a transaction id."""
        to = withdrawal.destination
        named = {"network": to.network, "accountType": "FUND,UTA", "forceChain": 1, "requestId": withdrawal.client_id}
        return client.withdraw(withdrawal.token, withdrawal.amount, to.address, to.tag or None, named)["id"]

    def find(self, client: ccxt.Exchange, query: WithdrawalQuery) -> WithdrawalStatus | None:
        begin = query.since // MILLISECOND - EARLIER
        asked = {"coin": query.token, "startTime": begin, "endTime": begin + self._LONGEST}
        if query.reference:
            asked["withdrawID"] = query.reference
        for line in self._rows(client.privateGetV5AssetWithdrawQueryRecord, asked):
            if self._is_meant(line, query):
                fate = WithdrawalFate.PENDING
                if line["status"] in self._RETURNED:
                    fate = WithdrawalFate.RETURNED
                elif line["status"] in self._SENT:
                    fate = WithdrawalFate.SENT
                return _status(
                    line["withdrawId"], fate, line["amount"], line["withdrawFee"], line["createTime"], line["txID"]
                )
        return None

    def _is_meant(self, line: dict[str, Any], query: WithdrawalQuery) -> bool:
        if query.reference:
            return str(line["withdrawId"]) == query.reference
        ours = abs(float(line["amount"]) - query.amount) < 1e-9 * query.amount
        return ours and str(line["withdrawId"]) not in query.taken

    def deposits(self, client: ccxt.Exchange, token: str, since: int) -> list[Deposit]:
        ask = client.privateGetV5AssetDepositQueryRecord
        return [
            Deposit(
                f"{line['txID']}:{line['txIndex']}", float(line["amount"]), line["txID"], str(line["status"]) == "3"
            )
            for begin, end in _stretches(since, int(client.fetch_time()), self._LONGEST)
            for line in self._rows(ask, {"coin": token, "startTime": begin, "endTime": end})
        ]

    def take_in(self, client: ccxt.Exchange, token: str) -> None:
        Bybit().collect(client, token)

    def _rows(self, ask: Any, query: dict[str, Any]) -> Iterator[dict[str, Any]]:
        cursor: dict[str, Any] = {}
        while True:
            page = ask({**query, "limit": self._PAGE, **cursor})["result"]
            yield from page["rows"]
            if len(page["rows"]) < self._PAGE or not page.get("nextPageCursor"):
                return
            cursor = {"cursor": page["nextPageCursor"]}


class OkxFunds:
    """Withdrawals leave the funding account, deposits reach it; trading happens on another."""

    _RETURNED = frozenset({"-1", "-2"})
    _SENT = "2"
    _PAGE = 100
    _CREDITED = frozenset({"1", "2"})

    def may_withdraw(self, client: ccxt.Exchange) -> bool:
        return "withdraw" in client.privateGetAccountConfig()["data"][0]["perm"].split(",")

    def terms(self, client: ccxt.Exchange, token: str, network: str) -> TransferTerms | None:
        wanted = self._chain(client, token, network)
        for line in client.privateGetAssetCurrencies({"ccy": token})["data"]:
            if line["chain"] == wanted:
                fee = line.get("fee") or line["minFee"]
                lot, minimum = 10.0 ** -int(line["wdTickSz"]), float(line["minWd"])
                return TransferTerms(float(fee), lot, minimum, bool(line["canWd"]))
        return None

    def deposit_address(self, client: ccxt.Exchange, token: str, network: str) -> Destination | None:
        wanted = self._chain(client, token, network)
        for line in client.privateGetAssetDepositAddress({"ccy": token})["data"]:
            if line["chain"] == wanted and line["selected"]:
                return Destination(network, line["addr"], line.get("tag") or line.get("memo") or "")
        return None

    def make_room(self, client: ccxt.Exchange, token: str, amount: float) -> None:
        if (missing := amount - Okx.idle(client).get(token, 0.0)) > 0.0:
            Okx.move(client, token, missing, to_trading=False)

    def withdraw(self, client: ccxt.Exchange, withdrawal: Withdrawal) -> Any:
        to = withdrawal.destination
        named = {"network": to.network, "fee": f"{withdrawal.fee:.8f}", "clientId": withdrawal.client_id}
        return client.withdraw(withdrawal.token, withdrawal.amount, to.address, to.tag or None, named)["id"]

    def find(self, client: ccxt.Exchange, query: WithdrawalQuery) -> WithdrawalStatus | None:
        asked = {"ccy": query.token, "clientId": query.client_id}
        for line in client.privateGetAssetWithdrawalHistory(asked)["data"]:
            if line["clientId"] == query.client_id:
                fate = WithdrawalFate.SENT if line["state"] == self._SENT else WithdrawalFate.PENDING
                fate = WithdrawalFate.RETURNED if line["state"] in self._RETURNED else fate
                return _status(line["wdId"], fate, line["amt"], line["fee"], line["ts"], line["txId"])
        return None

    def deposits(self, client: ccxt.Exchange, token: str, since: int) -> list[Deposit]:
        """`before` is documented as "newer than", `after` as "earlier than"; a line may come on two pages."""
        found: dict[str, Deposit] = {}
        asked = {"ccy": token, "before": since - EARLIER}
        while True:
            page = client.privateGetAssetDepositHistory(asked)["data"]
            fresh = [line for line in page if line["depId"] not in found]
            for line in fresh:
                credited = line["state"] in self._CREDITED
                found[line["depId"]] = Deposit(line["depId"], float(line["amt"]), line["txId"], credited)
            if len(page) < self._PAGE or not fresh:
                return list(found.values())
            asked["after"] = min(int(line["ts"]) for line in fresh) + 1

    def take_in(self, client: ccxt.Exchange, token: str) -> None:
        Okx().collect(client, token)

    def _chain(self, client: ccxt.Exchange, token: str, network: str) -> str:
        return f"{token}-{client.network_code_to_id(network, token)}"


FUNDS_DIALECTS: dict[str, type[FundsDialect]] = {"binance": BinanceFunds, "bybit": BybitFunds, "okx": OkxFunds}


def _stretches(since: int, until: int, longest: int) -> Iterator[tuple[int, int]]:
    """From a little before `since` to `until`, none longer than `longest`, milliseconds; at least one."""
    for begin in range(since - EARLIER, max(until, since) + 1, longest + 1):
        yield begin, begin + longest


def _status(  # noqa: PLR0917 - a line of a history, column by column
    reference: Any, fate: WithdrawalFate, amount: Any, fee: Any, milliseconds: Any, transaction: Any
) -> WithdrawalStatus:
    at = int(milliseconds) * MILLISECOND
    return WithdrawalStatus(str(reference), fate, float(amount), float(fee or 0.0), at, str(transaction or ""))
