"""What exchanges say of withdrawals and deposits, each in its own words: routes for their skins."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from basis_pipeline_tests.fakes.exchange import FakeExchange
from basis_pipeline_tests.fakes.records import RejectedError

Routes = dict[tuple[str, str], Callable[[dict[str, str]], Any]]


def binance_funds(exchange: FakeExchange) -> Routes:
    made = _BinanceFunds(exchange)
    return {
        ("POST", "/sapi/v1/capital/withdraw/apply"): made.withdraw,
        ("GET", "/sapi/v1/capital/withdraw/history"): made.withdrawals,
        ("GET", "/sapi/v1/capital/deposit/hisrec"): made.deposits,
        ("GET", "/sapi/v1/capital/deposit/address"): made.address,
        ("GET", "/sapi/v1/capital/config/getall"): lambda _: made.coins(),
        ("GET", "/sapi/v1/account/apiRestrictions"): lambda _: {"enableWithdrawals": exchange.may_withdraw},
    }


def bybit_funds(exchange: FakeExchange) -> Routes:
    made = _BybitFunds(exchange)
    return {
        ("GET", "/v5/asset/transfer/query-account-coins-balance"): made.funding_wallet,
        ("POST", "/v5/asset/transfer/inter-transfer"): made.inter_transfer,
        ("POST", "/v5/asset/withdraw/create"): made.withdraw,
        ("GET", "/v5/asset/withdraw/query-record"): made.withdrawals,
        ("GET", "/v5/asset/deposit/query-record"): made.deposits,
        ("GET", "/v5/asset/deposit/query-address"): made.address,
        ("GET", "/v5/asset/coin/query-info"): made.coins,
        ("GET", "/v5/user/query-api"): made.key,
    }


def okx_funds(exchange: FakeExchange) -> Routes:
    made = _OkxFunds(exchange)
    return {
        ("GET", "/api/v5/asset/balances"): made.funding_account,
        ("POST", "/api/v5/asset/transfer"): made.transfer,
        ("POST", "/api/v5/asset/withdrawal"): made.withdraw,
        ("GET", "/api/v5/asset/withdrawal-history"): made.withdrawals,
        ("GET", "/api/v5/asset/deposit-history"): made.deposits,
        ("GET", "/api/v5/asset/deposit-address"): made.address,
        ("GET", "/api/v5/asset/currencies"): made.currencies,
    }


class _Funds:
    """`leaves[0]` is the wallet that deposits reach."""

    def __init__(self, exchange: FakeExchange) -> None:
        self.exchange = exchange

    @property
    def funding(self) -> dict[str, float]:
        return self.exchange.leaves[0]

    def move(self, source: dict[str, float], target: dict[str, float], token: str, amount: str) -> None:
        """Balances have twelve decimals, an amount no more than eight."""
        if float(amount) <= 0.0 or float(amount) > source[token] + 1e-12 or len(amount.partition(".")[2]) > 8:
            raise RejectedError("balance")
        source[token] = round(source[token] - float(amount), 12)
        target[token] = round(target[token] + float(amount), 12)


_DAY = 86_400_000


def _stretch(exchange: FakeExchange, parameters: dict[str, str], longest: int) -> tuple[int, int]:
    """Milliseconds from and to which a history is asked for; the last `longest` ones if neither is said."""
    now = exchange.now // 1_000
    if "startTime" not in parameters and "endTime" not in parameters:
        return now - longest, now
    begin, end = int(parameters["startTime"]), int(parameters.get("endTime", now))
    if end - begin >= longest:
        raise RejectedError("stretch")
    return begin, end


def _page(rows: list[dict[str, Any]], parameters: dict[str, str]) -> dict[str, Any]:
    """Of Bybit: fifty lines at most, and where the next ones begin."""
    size, start = min(50, int(parameters.get("limit", "50"))), int(parameters.get("cursor", "0"))
    return {"rows": rows[start : start + size], "nextPageCursor": str(start + size) if len(rows) > start + size else ""}


class _BinanceFunds(_Funds):
    def withdraw(self, parameters: dict[str, str]) -> Any:
        """The amount asked for contains the fee."""
        net = round(float(parameters["amount"]) - self.exchange.fee_of(parameters["coin"]), 8)
        made = self.exchange.withdraw(parameters["withdrawOrderId"], parameters["coin"], net, parameters["address"])
        return {"id": made.reference}

    def withdrawals(self, parameters: dict[str, str]) -> Any:
        wanted = parameters.get("withdrawOrderId")
        begin, end = _stretch(self.exchange, parameters, (7 if wanted else 90) * _DAY)
        return [
            {"id": w.reference, "amount": f"{w.amount:.8f}", "transactionFee": f"{w.fee:.8f}", "coin": w.token,
             "status": {"pending": 4, "sent": 6, "failed": 5}[w.state], "address": w.address, "txId": w.transaction,
             "applyTime": datetime.fromtimestamp(w.at // 1_000_000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S"),
             "network": "ETH", "withdrawOrderId": w.client_id, "transferType": 0}
            for w in self.exchange.withdrawals
            if wanted in (None, w.client_id) and begin <= w.at // 1_000 <= end
        ]  # fmt: skip

    def deposits(self, parameters: dict[str, str]) -> Any:
        begin, end = _stretch(self.exchange, parameters, 90 * _DAY)
        return [
            {"id": d.reference, "amount": f"{d.amount:.8f}", "coin": d.token, "network": "ETH", "address": d.address,
             "status": int(d.credited), "addressTag": "", "txId": d.transaction, "insertTime": d.at // 1_000,
             "transferType": 0, "confirmTimes": "12/12"}
            for d in self.exchange.deposits
            if begin <= d.at // 1_000 <= end
        ][int(parameters.get("offset", "0")) :][: int(parameters.get("limit", "1000"))]  # fmt: skip

    def address(self, parameters: dict[str, str]) -> Any:
        return {"coin": parameters["coin"], "address": self.exchange.deposit_address, "tag": "",
                "url": "https://etherscan.io/address/"}  # fmt: skip

    def coins(self) -> Any:
        def line(token: str, network: str) -> dict[str, Any]:
            return {"network": network, "coin": token, "withdrawFee": str(self.exchange.fee_of(token)),
                    "withdrawMin": "10" if token == "USDT" else "0.001", "withdrawIntegerMultiple": "0.000001",
                    "withdrawEnable": self.exchange.withdrawals_open}  # fmt: skip

        return [
            {"coin": "USDT", "networkList": [line("USDT", "TRX"), line("USDT", "ETH")]},
            {"coin": "ETH", "networkList": [line("ETH", "ETH")]},
        ]


class _BybitFunds(_Funds):
    def funding_wallet(self, parameters: dict[str, str]) -> Any:
        assert parameters["accountType"] == "FUND"
        held = [
            {"coin": t, "walletBalance": f"{q:.12f}", "transferBalance": f"{q:.12f}"} for t, q in self.funding.items()
        ]
        return {"accountType": "FUND", "balance": held}

    def inter_transfer(self, parameters: dict[str, str]) -> Any:
        wallets = {"FUND": self.funding, "UNIFIED": self.exchange.spot}
        source, target = wallets[parameters["fromAccountType"]], wallets[parameters["toAccountType"]]
        self.move(source, target, parameters["coin"], parameters["amount"])
        return {"transferId": parameters["transferId"], "status": "SUCCESS"}

    def withdraw(self, parameters: dict[str, str]) -> Any:
        assert parameters["accountType"] == "FUND,UTA"
        made = self.exchange.withdraw(
            parameters["requestId"], parameters["coin"], float(parameters["amount"]), parameters["address"]
        )
        return {"id": made.reference}

    def withdrawals(self, parameters: dict[str, str]) -> Any:
        """The client's own id is not told."""
        wanted = parameters.get("withdrawID")
        begin, end = _stretch(self.exchange, parameters, 30 * _DAY)
        rows = [
            {"coin": w.token, "chain": "ETH", "amount": f"{w.amount:.8f}", "txID": w.transaction,
             "status": {"pending": "Pending", "sent": "success", "failed": "Fail"}[w.state], "toAddress": w.address,
             "tag": "", "withdrawFee": f"{w.fee:.8f}", "createTime": str(w.at // 1_000),
             "updateTime": str(w.at // 1_000), "withdrawId": w.reference, "withdrawType": 0}
            for w in reversed(self.exchange.withdrawals)
            if wanted in (None, w.reference) and begin <= w.at // 1_000 <= end
        ]  # fmt: skip
        return _page(rows, parameters)

    def deposits(self, parameters: dict[str, str]) -> Any:
        begin, end = _stretch(self.exchange, parameters, 30 * _DAY)
        rows = [
            {"coin": d.token, "chain": "ETH", "amount": f"{d.amount:.8f}", "txID": d.transaction,
             "status": 3 if d.credited else 2, "toAddress": d.address, "tag": "", "depositFee": "",
             "successAt": str(d.at // 1_000), "confirmations": "12", "txIndex": d.reference, "blockHash": ""}
            for d in reversed(self.exchange.deposits)
            if begin <= d.at // 1_000 <= end
        ]  # fmt: skip
        return _page(rows, parameters)

    def address(self, parameters: dict[str, str]) -> Any:
        line = {"chainType": "ERC20", "addressDeposit": self.exchange.deposit_address, "tagDeposit": "", "chain": "ETH"}
        return {"coin": parameters["coin"], "chains": [line]}

    def coins(self, parameters: dict[str, str]) -> Any:
        line = {"chainType": "ERC20", "chain": "ETH", "withdrawFee": str(self.exchange.withdrawal_fee),
                "withdrawMin": "10", "minAccuracy": "6", "withdrawPercentageFee": "0", "chainDeposit": "1",
                "chainWithdraw": str(int(self.exchange.withdrawals_open))}  # fmt: skip
        return {"rows": [{"coin": parameters["coin"], "name": parameters["coin"], "chains": [line]}]}

    def key(self, _: dict[str, str]) -> Any:
        rights = ["AccountTransfer", *(["Withdraw"] if self.exchange.may_withdraw else [])]
        return {"userID": self.exchange.uid, "readOnly": 0, "permissions": {"Wallet": rights}}


class _OkxFunds(_Funds):
    def funding_account(self, _: dict[str, str]) -> Any:
        return [
            {"ccy": t, "bal": f"{q:.12f}", "availBal": f"{q:.12f}", "frozenBal": "0"} for t, q in self.funding.items()
        ]

    def transfer(self, parameters: dict[str, str]) -> Any:
        accounts, amount, token = (
            {"6": self.funding, "18": self.exchange.spot},
            parameters["amt"],
            parameters["ccy"],
        )
        self.move(accounts[parameters["from"]], accounts[parameters["to"]], token, amount)
        return [{"transId": "1", "ccy": token, "from": parameters["from"], "to": parameters["to"], "amt": amount}]

    def withdraw(self, parameters: dict[str, str]) -> Any:
        assert parameters["dest"] == "4" and parameters["chain"] == f"{parameters['ccy']}-ERC20"
        if float(parameters["fee"]) < self.exchange.withdrawal_fee:
            raise RejectedError("fee")
        made = self.exchange.withdraw(
            parameters["clientId"], parameters["ccy"], float(parameters["amt"]), parameters["toAddr"]
        )
        return [
            {"amt": parameters["amt"], "wdId": made.reference, "ccy": parameters["ccy"], "clientId": made.client_id}
        ]

    def withdrawals(self, parameters: dict[str, str]) -> Any:
        wanted = parameters.get("clientId")
        return [
            {"chain": f"{w.token}-ERC20", "clientId": w.client_id, "fee": f"{w.fee:.8f}", "ccy": w.token,
             "amt": f"{w.amount:.8f}", "txId": w.transaction, "to": w.address, "wdId": w.reference,
             "state": {"pending": "0", "sent": "2", "failed": "-1"}[w.state], "ts": str(w.at // 1_000)}
            for w in reversed(self.exchange.withdrawals)
            if wanted in (None, w.client_id)
        ]  # fmt: skip

    def deposits(self, parameters: dict[str, str]) -> Any:
        newer, older = int(parameters.get("before", 0)), int(parameters.get("after", 10**15))
        return [
            {"chain": f"{d.token}-ERC20", "ccy": d.token, "amt": f"{d.amount:.8f}", "txId": d.transaction,
             "to": d.address, "depId": d.reference, "state": "2" if d.credited else "0", "ts": str(d.at // 1_000)}
            for d in reversed(self.exchange.deposits)
            if newer < d.at // 1_000 < older
        ][:100]  # fmt: skip

    def address(self, parameters: dict[str, str]) -> Any:
        token = parameters["ccy"]
        return [{"ccy": token, "chain": f"{token}-{chain}", "addr": address, "selected": True, "to": "6"}
                for chain, address in (("TRC20", "T-elsewhere"), ("ERC20", self.exchange.deposit_address))]  # fmt: skip

    def currencies(self, parameters: dict[str, str]) -> Any:
        line = {"ccy": parameters["ccy"], "canDep": True, "canWd": self.exchange.withdrawals_open,
                "fee": str(self.exchange.withdrawal_fee), "minFee": str(self.exchange.withdrawal_fee), "minWd": "10",
                "maxWd": "10000000", "wdTickSz": "6"}  # fmt: skip
        return [{**line, "chain": f"{parameters['ccy']}-{chain}"} for chain in ("TRC20", "ERC20")]
