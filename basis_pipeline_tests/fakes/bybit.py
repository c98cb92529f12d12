"""Bybit's API v5 around an exchange's books, as far as a basis book needs it: a unified trading account.

Formats from the public API documentation. Signatures, receive window, lot filters and error codes are checked and
answered like the real ones; answers come with HTTP 200 and a `retCode`.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from basis_pipeline_tests.fakes.exchange import FakeExchange
from basis_pipeline_tests.fakes.funds import bybit_funds
from basis_pipeline_tests.fakes.open_orders import bybit_open
from basis_pipeline_tests.fakes.records import Market, PlacedOrder, RejectedError, Trade
from basis_pipeline_tests.fakes.server import Reply, Request

_ERRORS = {
    "balance": (170131, "Insufficient balance."),
    "margin": (110007, "ab not enough for new order"),
    "lot": (170137, "Order volume decimal too long."),
    "perp lot": (10001, "Qty invalid"),
    "notional": (170140, "Order value exceeded lower limit."),
    "perp notional": (110094, "Order does not meet minimum order value 5USDT"),
    "hedge mode": (10001, "position idx not match position mode"),
    "reduce only": (110017, "current position is zero, cannot fix reduce-only order qty"),
    "duplicate": (170141, "Duplicate clientOrderId."),
    "perp duplicate": (110072, "OrderLinkedID is duplicate"),
    "unknown symbol": (10001, "params error: symbol invalid"),
    "key": (10003, "API key is invalid."),
    "signature": (10004, "error sign! please check your signature generation algorithm."),
    "permission": (10005, "Permission denied, please check your API key permissions."),
    "address": (131093, "The withdrawal address is not in the whitelist."),
    "stretch": (10001, "The time range between startTime and endTime is too long."),
    "window": (10002, "invalid request, please check your server timestamp or recv_window param."),
}
_FUNDING_WEEK = 7 * 86_400_000


class BybitSkin:
    """One wallet: what is margin elsewhere is the same cash here."""

    def __init__(self, exchange: FakeExchange, api_key: str, secret: str) -> None:
        self.exchange = exchange
        exchange.margin = exchange.spot
        exchange.leaves = (defaultdict(float), exchange.spot)
        self._api_key, self._secret = api_key, secret
        self.expired = False
        self._routes: dict[tuple[str, str], Callable[[dict[str, str]], Any]] = {
            ("GET", "/v5/market/instruments-info"): self._listing,
            ("GET", "/v5/market/tickers"): self._ticker,
            ("GET", "/v5/market/time"): lambda _: {"timeSecond": str(exchange.now // 1_000_000)},
        }
        self._signed: dict[tuple[str, str], Callable[[dict[str, str]], Any]] = {
            ("GET", "/v5/account/wallet-balance"): self._wallet,
            ("GET", "/v5/position/list"): self._positions,
            ("GET", "/v5/account/info"): lambda _: self._account(),
            ("POST", "/v5/order/create"): self._place,
            ("GET", "/v5/order/realtime"): self._poll,
            ("GET", "/v5/order/history"): self._poll,
            ("GET", "/v5/execution/list"): self._executions,
        } | bybit_funds(exchange)

    def answer(self, request: Request) -> Reply:
        route = (request.method, request.path)
        self.exchange.network.deliver(self.exchange.now)
        try:
            if (public := self._routes.get(route)) is not None:
                return self._ok(public(request.parameters))
            if (private := self._signed.get(route)) is not None:
                self._authorise(request)
                return self._ok(private(request.parameters))
        except RejectedError as rejected:
            code, message = _ERRORS[rejected.reason]
            return Reply(200, {"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}, "time": _wall()})
        return Reply(404, {"retCode": 404, "retMsg": f"no such endpoint: {request.method} {request.path}"})

    def _ok(self, result: Any) -> Reply:
        now = self.exchange.now // 1_000
        return Reply(200, {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": now})

    def _authorise(self, request: Request) -> None:
        """HMAC-SHA256 of timestamp, key, window and the query or body as sent."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        if self.expired or headers.get("x-bapi-api-key") != self._api_key:
            raise RejectedError("key")
        stamp, window = headers["x-bapi-timestamp"], headers["x-bapi-recv-window"]
        payload = stamp + self._api_key + window + (request.query or request.body)
        expected = hmac.new(self._secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, headers["x-bapi-sign"]):
            raise RejectedError("signature")
        if not -1_000 < _wall() - int(stamp) <= int(window):
            raise RejectedError("window")

    def _market(self, parameters: dict[str, str]) -> Market:
        return self.exchange.market(parameters["symbol"], perp=parameters["category"] == "linear")

    def _listing(self, parameters: dict[str, str]) -> Any:
        perp = parameters["category"] == "linear"
        if parameters.get("status") == "PreLaunch":
            return {"category": parameters["category"], "list": [], "nextPageCursor": ""}
        listed = [_listed(market) for market in self.exchange.markets if market.perp is perp]
        return {"category": parameters["category"], "list": listed, "nextPageCursor": ""}

    def _ticker(self, parameters: dict[str, str]) -> Any:
        market = self._market(parameters)
        ticker = {"symbol": market.symbol, "lastPrice": f"{market.price:.2f}", "prevPrice24h": f"{market.price:.2f}"}
        if market.perp:
            ticker |= {"markPrice": f"{market.mark:.8f}", "indexPrice": f"{market.price:.2f}",
                       "fundingRate": "0.0001", "openInterestValue": "1"}  # fmt: skip
        return {"category": parameters["category"], "list": [ticker]}

    def _wallet(self, _: dict[str, str]) -> Any:
        profit = sum(q * (self._mark(symbol) - entry) for symbol, (q, entry) in self.exchange.perps.items())
        coins = [
            {"coin": token, "walletBalance": f"{amount:.8f}", "locked": f"{self.exchange.others.locked(token):.8f}",
             "totalPositionIM": "0", "totalOrderIM": "0", "unrealisedPnl": f"{profit if token == 'USDT' else 0.0:.8f}",
             "equity": f"{amount + (profit if token == 'USDT' else 0.0):.8f}"}
            for token, amount in self.exchange.spot.items()
        ]  # fmt: skip
        return {"list": [{"accountType": "UNIFIED", "coin": coins}]}

    def _mark(self, symbol: str) -> float:
        return self.exchange.market(symbol, perp=True).mark

    def _positions(self, parameters: dict[str, str]) -> Any:
        """With a symbol also what is not held, once in one-way mode, twice in hedge mode."""
        if parameters["category"] == "inverse" or parameters.get("settleCoin") == "USDC":
            other = self.exchange.other_perps if parameters["category"] == "inverse" else []
            return {"category": parameters["category"], "list": [{"symbol": name} for name in other]}
        if "symbol" in parameters and parameters["symbol"] not in self.exchange.perps:
            modes = (1, 2) if self.exchange.hedge_mode else (0,)
            flat = [{"symbol": parameters["symbol"], "positionIdx": i, "side": "", "size": "0",
                     "leverage": f"{self.exchange.leverage:g}"} for i in modes]  # fmt: skip
            return {"category": "linear", "list": flat, "nextPageCursor": ""}
        held = [
            {"symbol": symbol, "positionIdx": 0, "side": "Buy" if quantity > 0.0 else "Sell",
             "size": str(abs(quantity)), "avgPrice": str(entry), "markPrice": str(self._mark(symbol)),
             "leverage": f"{self.exchange.leverage:g}",
             "positionValue": str(abs(quantity) * self._mark(symbol)), "positionIM": "0", "positionMM": "0",
             "unrealisedPnl": str(quantity * (self._mark(symbol) - entry)), "liqPrice": ""}
            for symbol, (quantity, entry) in self.exchange.perps.items()
        ]  # fmt: skip
        return {"category": "linear", "list": held, "nextPageCursor": ""}

    def _account(self) -> Any:
        return {"unifiedMarginStatus": 1 if self.exchange.spot_only else 6,
                "marginMode": "ISOLATED_MARGIN" if self.exchange.isolated else "REGULAR_MARGIN"}  # fmt: skip

    def _place(self, parameters: dict[str, str]) -> Any:
        if parameters["category"] == "linear" and self.exchange.hedge_mode:
            raise RejectedError("hedge mode")
        order = self.exchange.place(
            self._market(parameters),
            parameters["orderLinkId"],
            buy=parameters["side"] == "Buy",
            quantity=float(parameters["qty"]),
            reduce_only=parameters.get("reduceOnly") == "True",
        )
        if not order.market.perp and parameters.get("marketUnit") != "baseCoin":
            raise AssertionError("a spot order by quote amount was not meant")
        return {"orderId": str(order.order_id), "orderLinkId": order.client_id}

    def _poll(self, parameters: dict[str, str]) -> Any:
        """Nothing found is an empty list here, not an error; without an id all that are open."""
        if "orderLinkId" not in parameters:
            return bybit_open(self.exchange, parameters)
        market = self._market(parameters)
        try:
            found = [_order(self.exchange.poll(market, client_id=parameters["orderLinkId"]))]
        except RejectedError:
            found = []
        return {"category": parameters["category"], "list": found, "nextPageCursor": ""}

    def _executions(self, parameters: dict[str, str]) -> Any:
        market = self._market(parameters)
        kind, order = parameters.get("execType"), int(parameters.get("orderId", "0")) or None
        listed = self._funding(market, parameters) if kind != "Trade" else []
        if kind != "Funding":
            since, until = int(parameters.get("startTime", "0")), int(parameters.get("endTime", str(10**15)))
            if "startTime" in parameters and until - since > _FUNDING_WEEK:
                raise RejectedError("stretch")
            found = self.exchange.trades(market, order, since=since, until=until)
            listed += [_trade(t) | {"orderLinkId": t.client_id} for t in reversed(found)]
        size, start = int(parameters.get("limit", "50")), int(parameters.get("cursor", "0"))
        end = str(start + size) if len(listed) > start + size else ""
        return {"category": parameters["category"], "list": listed[start : start + size], "nextPageCursor": end}

    def _funding(self, market: Market, parameters: dict[str, str]) -> list[dict[str, Any]]:
        """Newest first, one week from the start at most; what was paid is positive."""
        start = int(parameters["startTime"])
        end = min(int(parameters.get("endTime", start + _FUNDING_WEEK)), start + _FUNDING_WEEK)
        return [
            {"symbol": line.symbol, "execType": "Funding", "execFee": f"{-line.amount:.8f}", "feeRate": "0.0001",
             "execTime": str(line.at // 1_000), "execId": line.reference}
            for line in reversed(self.exchange.income)
            if line.symbol == market.symbol and start <= line.at // 1_000 <= end
        ]  # fmt: skip


def _wall() -> int:
    return int(time.time() * 1_000)


def _listed(market: Market) -> dict[str, Any]:
    lot = f"{market.lot:.8f}"
    common = {"symbol": market.symbol, "baseCoin": market.base, "quoteCoin": market.quote,
              "status": "Trading" if market.trading else "Closed", "priceFilter": {"tickSize": "0.01"}}  # fmt: skip
    if market.perp:
        return common | {"contractType": "LinearPerpetual", "settleCoin": market.quote,
                         "deliveryTime": str(market.ends // 1_000),
                         "leverageFilter": {"minLeverage": "1", "maxLeverage": "100"},
                         "lotSizeFilter": {"qtyStep": lot, "minOrderQty": lot, "maxOrderQty": "1000"}}  # fmt: skip
    return common | {"marginTrading": "none",
                     "lotSizeFilter": {"basePrecision": lot, "quotePrecision": "0.00000001", "minOrderQty": lot,
                                       "maxOrderQty": "1000", "minOrderAmt": str(market.min_notional)}}  # fmt: skip


def _order(order: PlacedOrder) -> dict[str, Any]:
    complete = abs(order.filled - order.quantity) < order.market.lot / 2
    return {
        "symbol": order.market.symbol, "orderId": str(order.order_id), "orderLinkId": order.client_id,
        "orderStatus": "New" if not order.done else "Filled" if complete else "PartiallyFilledCanceled",
        "orderType": "Market", "side": "Buy" if order.buy else "Sell", "qty": f"{order.quantity:.8f}",
        "cumExecQty": f"{order.filled:.8f}", "cumExecValue": f"{order.filled * order.average:.8f}",
        "avgPrice": f"{order.average:.8f}" if order.filled else "", "leavesQty": "0", "price": "0",
        "marketUnit": "baseCoin", "timeInForce": "IOC", "reduceOnly": order.reduce_only,
        "createdTime": str(order.at // 1_000), "updatedTime": str(order.at // 1_000),
    }  # fmt: skip


def _trade(trade: Trade) -> dict[str, Any]:
    return {
        "symbol": trade.market.symbol, "execType": "Trade", "execId": str(trade.trade_id),
        "orderId": str(trade.order_id), "side": "Buy" if trade.buy else "Sell", "orderType": "Market",
        "execPrice": f"{trade.price:.8f}", "execQty": f"{trade.quantity:.8f}",
        "execValue": f"{trade.price * trade.quantity:.8f}", "execFee": f"{trade.fee:.8f}",
        "feeCurrency": "" if trade.market.perp else trade.fee_token, "feeRate": "0.001",
        "execTime": str(trade.at // 1_000), "isMaker": False,
        "execPnl": f"{trade.realised:.8f}",
    }  # fmt: skip
