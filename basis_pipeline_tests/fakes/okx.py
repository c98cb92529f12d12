"""OKX's API v5 around an exchange's books, as far as a basis book needs it: one trading account in net mode.

Formats from the public API documentation. Perps are counted in contracts of a fraction of a coin, fees are negative
when charged, `eq` contains unrealised P&L, a refused order is HTTP 200 with an `sCode`.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from typing import Any

from basis_pipeline_tests.fakes.exchange import FakeExchange
from basis_pipeline_tests.fakes.funds import okx_funds
from basis_pipeline_tests.fakes.open_orders import okx_orders
from basis_pipeline_tests.fakes.records import Market, PlacedOrder, RejectedError, Trade
from basis_pipeline_tests.fakes.server import Reply, Request

PASSPHRASE = "the-passphrase-of-a-test"
_RECENT = 3 * 86_400_000_000
"""Microseconds that trades are shown for without asking for their history."""
_ORDER_ERRORS = {
    "balance": ("51008", "Order failed. Insufficient USDT balance in account."),
    "margin": ("51008", "Order failed. Insufficient USDT margin in account."),
    "lot": ("51121", "Order quantity must be a multiple of the lot size."),
    "perp lot": ("51121", "Order quantity must be a multiple of the lot size."),
    "notional": ("51020", "Your order should meet or exceed the minimum order amount."),
    "fee": ("58211", "Withdrawal fee is lower than the lower limit."),
    "perp notional": ("51020", "Your order should meet or exceed the minimum order amount."),
    "hedge mode": ("51000", "Parameter posSide error"),
    "reduce only": ("51169", "Order failed because you don't have any positions in this direction."),
    "duplicate": ("51016", "Duplicated client order ID."),
    "perp duplicate": ("51016", "Duplicated client order ID."),
}
_ERRORS = {
    "unknown order": ("51603", "Order does not exist."),
    "unknown symbol": ("51001", "Instrument ID does not exist."),
    "key": ("50111", "Invalid OK-ACCESS-KEY"),
    "passphrase": ("50105", "Incorrect OK-ACCESS-PASSPHRASE"),
    "signature": ("50113", "Invalid Sign"),
    "permission": ("50120", "This API key doesn't have permission to use this function"),
    "address": ("58207", "Withdrawal failed due to address error"),
    "window": ("50102", "Timestamp request expired"),
}


class OkxSkin:
    """One wallet; demo requests must carry the demo header."""

    def __init__(self, exchange: FakeExchange, api_key: str, secret: str) -> None:
        self.exchange = exchange
        exchange.margin = exchange.spot
        exchange.leaves = (defaultdict(float),)
        self._api_key, self._secret = api_key, secret
        self.expired = False
        self._routes: dict[tuple[str, str], Callable[[dict[str, str]], Any]] = {
            ("GET", "/api/v5/public/instruments"): self._listing,
            ("GET", "/api/v5/market/ticker"): self._ticker,
            ("GET", "/api/v5/public/mark-price"): self._mark_price,
            ("GET", "/api/v5/public/funding-rate"): self._funding_rate,
        }
        self._signed: dict[tuple[str, str], Callable[[dict[str, str]], Any]] = {
            ("GET", "/api/v5/account/balance"): self._balance,
            ("GET", "/api/v5/account/positions"): self._positions,
            ("GET", "/api/v5/account/config"): self._config,
            ("GET", "/api/v5/account/leverage-info"): self._leverage,
            ("POST", "/api/v5/trade/order"): self._place,
            ("GET", "/api/v5/trade/order"): self._poll,
            ("GET", "/api/v5/trade/fills"): lambda p: self._fills(p, oldest=exchange.now - _RECENT),
            ("GET", "/api/v5/trade/fills-history"): lambda p: self._fills(p, oldest=0),
            ("GET", "/api/v5/account/bills-archive"): self._bills,
        } | okx_funds(exchange)
        self._signed |= okx_orders(exchange)

    def answer(self, request: Request) -> Reply:
        route = (request.method, request.path)
        self.exchange.network.deliver(self.exchange.now)
        try:
            if (public := self._routes.get(route)) is not None:
                return _reply("0", public(request.parameters))
            if (private := self._signed.get(route)) is not None:
                self._authorise(request)
                return _reply("0", private(request.parameters))
        except RejectedError as rejected:
            if rejected.reason in _ORDER_ERRORS:
                code, message = _ORDER_ERRORS[rejected.reason]
                return _reply("1", [{"clOrdId": "", "ordId": "", "sCode": code, "sMsg": message}])
            code, message = _ERRORS[rejected.reason]
            return Reply(401 if rejected.reason == "key" else 200, {"code": code, "data": [], "msg": message})
        return Reply(404, {"code": "404", "data": [], "msg": f"no such endpoint: {request.method} {request.path}"})

    def _authorise(self, request: Request) -> None:
        """Base64 of HMAC-SHA256 over timestamp, method, path with query, body."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        if self.expired or headers.get("ok-access-key") != self._api_key:
            raise RejectedError("key")
        if headers.get("ok-access-passphrase") != PASSPHRASE:
            raise RejectedError("passphrase")
        stamp = headers["ok-access-timestamp"]
        path = request.path + (f"?{request.query}" if request.query else "")
        payload = stamp + request.method + path + request.body
        digest = hmac.new(self._secret.encode(), payload.encode(), hashlib.sha256).digest()
        if not hmac.compare_digest(base64.b64encode(digest).decode(), headers["ok-access-sign"]):
            raise RejectedError("signature")
        if abs(time.time() - datetime.fromisoformat(stamp).timestamp()) > 30.0:
            raise RejectedError("window")

    def _market(self, name: str) -> Market:
        parts = name.split("-")
        return self.exchange.market(parts[0] + parts[1], perp=name.endswith("-SWAP"))

    def _stamp(self) -> str:
        return str(self.exchange.now // 1_000)

    def _listing(self, parameters: dict[str, str]) -> Any:
        perp = parameters["instType"] == "SWAP"
        wanted = parameters.get("instId")
        listed = [_listed(market) for market in self.exchange.markets if market.perp is perp]
        return [line for line in listed if wanted in (None, line["instId"])]

    def _ticker(self, parameters: dict[str, str]) -> Any:
        price = f"{self._market(parameters['instId']).price:.2f}"
        return [{"instId": parameters["instId"], "last": price, "open24h": price, "high24h": price, "low24h": price,
                 "vol24h": "1", "volCcy24h": "1", "ts": self._stamp()}]  # fmt: skip

    def _mark_price(self, parameters: dict[str, str]) -> Any:
        mark = f"{self._market(parameters['instId']).mark:.8f}"
        stamp = str((self.exchange.now - self.exchange.marks_behind) // 1_000)
        return [{"instId": parameters["instId"], "instType": "SWAP", "markPx": mark, "ts": stamp}]

    def _funding_rate(self, parameters: dict[str, str]) -> Any:
        return [{"instId": parameters["instId"], "fundingRate": "0.0001", "nextFundingRate": "",
                 "fundingTime": self._stamp(), "nextFundingTime": self._stamp(), "ts": self._stamp()}]  # fmt: skip

    def _balance(self, _: dict[str, str]) -> Any:
        profit = sum(q * (self._mark(symbol) - entry) for symbol, (q, entry) in self.exchange.perps.items())
        details = [
            {"ccy": token, "cashBal": f"{amount:.8f}", "eq": f"{amount + (profit if token == 'USDT' else 0.0):.8f}",
             "availEq": f"{amount:.8f}", "uTime": self._stamp()}
            for token, amount in self.exchange.spot.items()
        ]  # fmt: skip
        return [{"uTime": self._stamp(), "totalEq": "0", "details": details}]

    def _mark(self, symbol: str) -> float:
        return self.exchange.market(symbol, perp=True).mark

    def _config(self, _: dict[str, str]) -> Any:
        return [{"posMode": "long_short_mode" if self.exchange.hedge_mode else "net_mode",
                 "uid": self.exchange.uid, "mainUid": self.exchange.uid,
                 "acctLv": "1" if self.exchange.spot_only else "2",
                 "perm": "read_only,trade" + ",withdraw" * self.exchange.may_withdraw}]  # fmt: skip

    def _leverage(self, parameters: dict[str, str]) -> Any:
        return [{"instId": parameters["instId"], "mgnMode": parameters["mgnMode"], "posSide": "net",
                 "lever": f"{self.exchange.leverage:g}"}]  # fmt: skip

    def _positions(self, _: dict[str, str]) -> Any:
        return [
            {"instId": f"{symbol.removesuffix('USDT')}-USDT-SWAP", "instType": "SWAP", "posSide": "net",
             "pos": _size(self.exchange.market(symbol, perp=True), quantity), "avgPx": str(entry),
             "markPx": str(self._mark(symbol)),
             "upl": str(quantity * (self._mark(symbol) - entry)), "uplRatio": "0", "lever": "10", "mgnMode": "cross",
             "imr": "0", "mmr": "0", "notionalUsd": str(abs(quantity) * self._mark(symbol)), "liqPx": "",
             "cTime": self._stamp(), "uTime": self._stamp(), "posId": "1"}
            for symbol, (quantity, entry) in self.exchange.perps.items()
        ]  # fmt: skip

    def _place(self, parameters: dict[str, str]) -> Any:
        market = self._market(parameters["instId"])
        if not market.perp and parameters.get("tgtCcy") != "base_ccy":
            raise AssertionError("a spot order by quote amount was not meant")
        if market.perp and self.exchange.hedge_mode and "posSide" not in parameters:
            raise RejectedError("hedge mode")
        order = self.exchange.place(
            market,
            parameters["clOrdId"],
            buy=parameters["side"] == "buy",
            quantity=round(float(parameters["sz"]) * (market.contract if market.perp else 1.0), 8),
            reduce_only=parameters.get("reduceOnly") == "True",
        )
        return [{"clOrdId": order.client_id, "ordId": str(order.order_id), "sCode": "0", "sMsg": "", "tag": ""}]

    def _poll(self, parameters: dict[str, str]) -> Any:
        market = self._market(parameters["instId"])
        return [_order(self.exchange.poll(market, client_id=parameters["clOrdId"]))]

    def _fills(self, parameters: dict[str, str], *, oldest: int) -> Any:
        market = self._market(parameters["instId"])
        older, size = int(parameters.get("after", str(10**18))), int(parameters.get("limit", "100"))
        order = int(parameters["ordId"]) if "ordId" in parameters else None
        stretch = {"since": int(parameters.get("begin", "0")), "until": int(parameters.get("end", str(10**15)))}
        trades = [t for t in self.exchange.trades(market, order, **stretch) if t.trade_id < older and t.at >= oldest]
        return [_fill(trade) | {"clOrdId": trade.client_id} for trade in trades[::-1][:size]]

    def _bills(self, parameters: dict[str, str]) -> Any:
        """Newest first; `after` means older than that bill."""
        begin, after = int(parameters.get("begin", "0")), int(parameters.get("after", str(10**18)))
        wanted = parameters.get("instId", "").removesuffix("-SWAP").replace("-", "")
        lines = [
            line
            for line in reversed(self.exchange.income)
            if line.at // 1_000 >= begin and int(line.reference) < after and wanted in ("", line.symbol)
        ]
        return [
            {"billId": line.reference, "balChg": f"{line.amount:.8f}", "posBalChg": "0", "ccy": "USDT", "type": "8",
             "instId": f"{line.symbol.removesuffix('USDT')}-USDT-SWAP", "instType": "SWAP",
             "ts": str(line.at // 1_000)}
            for line in lines[: int(parameters.get("limit", "100"))]
        ]  # fmt: skip


def _reply(code: str, data: Any) -> Reply:
    return Reply(200, {"code": code, "data": data, "msg": ""})


def _size(market: Market, quantity: float) -> str:
    return f"{quantity / (market.contract if market.perp else 1.0):.8f}"


def _name(market: Market) -> str:
    return f"{market.base}-{market.quote}" + ("-SWAP" if market.perp else "")


def _listed(market: Market) -> dict[str, Any]:
    lot = _size(market, market.lot)
    common = {"instId": _name(market), "state": "live" if market.trading else "suspend", "lotSz": lot,
              "minSz": lot, "tickSz": "0.01", "lever": "", "maxMktSz": "1000000", "listTime": "1569398400000",
              "expTime": str(market.ends // 1_000 or "")}  # fmt: skip
    if market.perp:
        return common | {"instType": "SWAP", "uly": f"{market.base}-{market.quote}", "settleCcy": market.quote,
                         "ctVal": str(market.contract), "ctValCcy": market.base, "ctType": "linear"}  # fmt: skip
    return common | {"instType": "SPOT", "baseCcy": market.base, "quoteCcy": market.quote}


def _order(order: PlacedOrder) -> dict[str, Any]:
    complete = abs(order.filled - order.quantity) < order.market.lot / 2
    return {
        "instId": _name(order.market), "instType": "SWAP" if order.market.perp else "SPOT",
        "ordId": str(order.order_id), "clOrdId": order.client_id, "ordType": "market", "tgtCcy": "base_ccy",
        "state": "live" if not order.done else "filled" if complete else "canceled",
        "side": "buy" if order.buy else "sell", "sz": _size(order.market, order.quantity),
        "accFillSz": _size(order.market, order.filled), "avgPx": f"{order.average:.8f}" if order.filled else "",
        "px": "", "reduceOnly": str(order.reduce_only).lower(), "cTime": str(order.at // 1_000),
        "uTime": str(order.at // 1_000),
    }  # fmt: skip


def _fill(trade: Trade) -> dict[str, Any]:
    return {
        "instId": _name(trade.market), "instType": "SWAP" if trade.market.perp else "SPOT",
        "tradeId": str(trade.trade_id), "billId": str(trade.trade_id), "ordId": str(trade.order_id),
        "fillPx": f"{trade.price:.8f}", "fillSz": _size(trade.market, trade.quantity),
        "side": "buy" if trade.buy else "sell", "posSide": "net", "execType": "T", "feeCcy": trade.fee_token,
        "fee": f"{-trade.fee:.8f}", "fillPnl": f"{trade.realised:.8f}", "ts": str(trade.at // 1_000),
    }  # fmt: skip
