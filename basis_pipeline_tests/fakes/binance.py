"""Binance spot, USD-M futures and the wallet calls between them, as far as a basis book needs them.

Formats from the public API documentation. Signatures, receive window, filters and error codes are checked and answered
like the real ones.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any

from basis_pipeline_tests.fakes.exchange import FakeExchange
from basis_pipeline_tests.fakes.funds import binance_funds
from basis_pipeline_tests.fakes.open_orders import binance_orders
from basis_pipeline_tests.fakes.records import Market, PlacedOrder, RejectedError, Trade
from basis_pipeline_tests.fakes.server import Reply, Request

_ERRORS = {
    "balance": (-2010, "Account has insufficient balance for requested action."),
    "margin": (-2019, "Margin is insufficient."),
    "lot": (-1013, "Filter failure: LOT_SIZE"),
    "perp lot": (-1111, "Precision is over the maximum defined for this asset."),
    "notional": (-1013, "Filter failure: NOTIONAL"),
    "perp notional": (-4164, "Order's notional must be no smaller than 100 (unless you choose reduce only)."),
    "hedge mode": (-4061, "Order's position side does not match user's setting."),
    "reduce only": (-2022, "ReduceOnly Order is rejected."),
    "duplicate": (-2010, "Duplicate order sent."),
    "perp duplicate": (-4116, "ClientOrderId is duplicated."),
    "unknown order": (-2013, "Order does not exist."),
    "unknown symbol": (-1121, "Invalid symbol."),
    "key": (-2015, "Invalid API-key, IP, or permissions for action."),
    "signature": (-1022, "Signature for this request is not valid."),
    "permission": (-1002, "You are not authorized to execute this request."),
    "address": (-4001, "Invalid operation: withdrawal to this address is not permitted."),
    "stretch": (-1127, "More than the longest time between startTime and endTime."),
    "window": (-1021, "Timestamp for this request is outside of the recvWindow."),
}


class BinanceSkin:
    """Binance's REST API around an exchange's books."""

    def __init__(self, exchange: FakeExchange, api_key: str, secret: str) -> None:
        self.exchange = exchange
        self._api_key, self._secret = api_key, secret
        self.expired = False
        self._routes: dict[tuple[str, str], Callable[[dict[str, str]], Any]] = {
            ("GET", "/api/v3/exchangeInfo"): lambda _: self._listing(perp=False),
            ("GET", "/fapi/v1/exchangeInfo"): lambda _: self._listing(perp=True),
            ("GET", "/api/v3/ticker/24hr"): lambda p: self._ticker(p, perp=False),
            ("GET", "/fapi/v1/ticker/24hr"): lambda p: self._ticker(p, perp=True),
            ("GET", "/fapi/v1/premiumIndex"): self._premium,
            ("GET", "/api/v3/time"): lambda _: {"serverTime": _wall()},
            ("GET", "/fapi/v1/time"): lambda _: {"serverTime": _wall()},
        }
        self._signed: dict[tuple[str, str], Callable[[dict[str, str]], Any]] = {
            ("GET", "/api/v3/account"): self._spot_account,
            ("GET", "/fapi/v3/account"): self._margin_account,
            ("GET", "/fapi/v3/positionRisk"): self._positions,
            ("GET", "/fapi/v2/positionRisk"): self._positions,
            ("GET", "/fapi/v1/leverageBracket"): self._brackets,
            ("POST", "/api/v3/order"): lambda p: self._place(p, perp=False),
            ("POST", "/fapi/v1/order"): lambda p: self._place(p, perp=True),
            ("GET", "/api/v3/order"): lambda p: self._poll(p, perp=False),
            ("GET", "/fapi/v1/order"): lambda p: self._poll(p, perp=True),
            ("GET", "/api/v3/myTrades"): lambda p: self._trades(p, perp=False),
            ("GET", "/fapi/v1/userTrades"): lambda p: self._trades(p, perp=True),
            ("GET", "/fapi/v1/income"): self._income,
            ("GET", "/fapi/v1/positionSide/dual"): lambda _: {"dualSidePosition": exchange.hedge_mode},
            ("GET", "/fapi/v1/multiAssetsMargin"): lambda _: {"multiAssetsMargin": exchange.multi_assets},
            ("GET", "/fapi/v1/symbolConfig"): self._symbol_settings,
            ("GET", "/fapi/v1/feeBurn"): lambda _: {"feeBurn": exchange.fees_in_bnb},
            ("GET", "/sapi/v1/bnbBurn"): lambda _: {"spotBNBBurn": exchange.fees_in_bnb, "interestBNBBurn": False},
            ("POST", "/sapi/v1/asset/transfer"): self._transfer,
        } | binance_funds(exchange)
        self._signed |= binance_orders(exchange)

    def answer(self, request: Request) -> Reply:
        route = (request.method, request.path)
        self.exchange.network.deliver(self.exchange.now)
        try:
            if (public := self._routes.get(route)) is not None:
                return Reply(200, public(request.parameters))
            if (private := self._signed.get(route)) is not None:
                self._authorise(request)
                return Reply(200, private(request.parameters))
        except RejectedError as rejected:
            code, message = _ERRORS[rejected.reason]
            return Reply(401 if rejected.reason == "key" else 400, {"code": code, "msg": message})
        return Reply(404, {"code": -1, "msg": f"no such endpoint: {request.method} {request.path}"})

    def _authorise(self, request: Request) -> None:
        """HMAC-SHA256 of query and body without the signature itself, then the receive window."""
        if self.expired or request.headers.get("X-MBX-APIKEY") != self._api_key:
            raise RejectedError("key")
        payload, _, signature = (request.query or request.body).rpartition("&signature=")
        expected = hmac.new(self._secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(expected, signature):
            raise RejectedError("signature")
        stamp, window = int(request.parameters["timestamp"]), int(request.parameters.get("recvWindow", "5000"))
        if not -1_000 < _wall() - stamp <= window:
            raise RejectedError("window")

    def _listing(self, *, perp: bool) -> Any:
        return {"timezone": "UTC", "serverTime": _wall(), "rateLimits": [], "symbols": [
            _listed(market) for market in self.exchange.markets if market.perp is perp
        ]}  # fmt: skip

    def _ticker(self, parameters: dict[str, str], *, perp: bool) -> Any:
        price = f"{self.exchange.market(parameters['symbol'], perp=perp).price:.2f}"
        now = self.exchange.now // 1_000
        return {"symbol": parameters["symbol"], "lastPrice": price, "openPrice": price, "highPrice": price,
                "lowPrice": price, "volume": "1000", "quoteVolume": "1000", "openTime": now - 86_400_000,
                "closeTime": now}  # fmt: skip

    def _premium(self, parameters: dict[str, str]) -> Any:
        market = self.exchange.market(parameters["symbol"], perp=True)
        eight_hours = 8 * 3_600_000
        now = self.exchange.now // 1_000
        return {
            "symbol": market.symbol,
            "markPrice": f"{market.mark:.8f}",
            "indexPrice": f"{self.exchange.market(market.symbol, perp=False).price:.8f}",
            "lastFundingRate": "0.00010000",
            "interestRate": "0.00010000",
            "nextFundingTime": (now // eight_hours + 1) * eight_hours,
            "time": now - self.exchange.marks_behind // 1_000,
        }

    def _spot_account(self, _: dict[str, str]) -> Any:
        def line(token: str, amount: float) -> Any:
            held = self.exchange.others.locked(token)
            return {"asset": token, "free": f"{amount - held:.8f}", "locked": f"{held:.8f}"}

        return {"makerCommission": 10, "takerCommission": 10, "canTrade": True, "accountType": "SPOT",
                "uid": int(self.exchange.uid), "updateTime": _wall(),
                "balances": [line(*held) for held in self.exchange.spot.items()]}  # fmt: skip

    def _margin_account(self, _: dict[str, str]) -> Any:
        """`marginBalance` is `walletBalance` and what open perps have gained or lost."""
        profit = self.exchange.unrealised
        assets = [
            {"asset": token, "walletBalance": f"{cash:.8f}", "marginBalance": f"{cash + profit:.8f}",
             "availableBalance": f"{max(0.0, self.exchange.free_margin):.8f}", "initialMargin": "0", "maintMargin": "0",
             "maxWithdrawAmount": f"{cash:.8f}", "unrealizedProfit": f"{profit:.8f}", "updateTime": _wall()}
            for token, cash in self.exchange.margin.items()
        ]  # fmt: skip
        return {"assets": assets, "positions": []}

    def _positions(self, parameters: dict[str, str]) -> Any:
        wanted = parameters.get("symbol")
        return [
            {"symbol": symbol, "positionSide": "BOTH", "positionAmt": str(quantity), "entryPrice": str(entry),
             "breakEvenPrice": str(entry), "markPrice": str(self.exchange.market(symbol, perp=True).mark),
             "unRealizedProfit": str(quantity * (self.exchange.market(symbol, perp=True).mark - entry)),
             "liquidationPrice": "0", "isolatedMargin": "0",
             "notional": str(quantity * self.exchange.market(symbol, perp=True).mark), "marginAsset": "USDT",
             "isolatedWallet": "0", "initialMargin": "0", "maintMargin": "0", "positionInitialMargin": "0",
             "leverage": "10", "marginType": "cross", "updateTime": _wall()}
            for symbol, (quantity, entry) in self.exchange.perps.items()
            if wanted in (None, symbol)
        ]  # fmt: skip

    def _symbol_settings(self, parameters: dict[str, str]) -> Any:
        return [{"symbol": parameters["symbol"], "marginType": "ISOLATED" if self.exchange.isolated else "CROSSED",
                 "isAutoAddMargin": "false", "leverage": round(self.exchange.leverage),
                 "maxNotionalValue": "100000000"}]  # fmt: skip

    def _brackets(self, _: dict[str, str]) -> Any:
        bracket = {"bracket": 1, "initialLeverage": 10, "notionalCap": 1e9, "notionalFloor": 0, "cum": 0.0,
                   "maintMarginRatio": 0.05}  # fmt: skip
        return [
            {"symbol": m.symbol, "notionalCoef": 1.0, "brackets": [bracket]} for m in self.exchange.markets if m.perp
        ]

    def _place(self, parameters: dict[str, str], *, perp: bool) -> Any:
        market = self.exchange.market(parameters["symbol"], perp=perp)
        if perp and self.exchange.hedge_mode and parameters.get("positionSide", "BOTH") == "BOTH":
            raise RejectedError("hedge mode")
        order = self.exchange.place(
            market,
            parameters["newClientOrderId"],
            buy=parameters["side"] == "BUY",
            quantity=float(parameters["quantity"]),
            reduce_only=parameters.get("reduceOnly") == "true",
        )
        return _order(order)

    def _poll(self, parameters: dict[str, str], *, perp: bool) -> Any:
        market = self.exchange.market(parameters["symbol"], perp=perp)
        return _order(
            self.exchange.poll(
                market,
                client_id=parameters.get("origClientOrderId", ""),
                order_id=int(parameters.get("orderId", "0")),
            )
        )

    def _trades(self, parameters: dict[str, str], *, perp: bool) -> Any:
        market = self.exchange.market(parameters["symbol"], perp=perp)
        order_id = int(parameters["orderId"]) if "orderId" in parameters else None
        first, size = int(parameters.get("fromId", "0")), int(parameters.get("limit", "500"))
        begin, end = int(parameters.get("startTime", "0")), int(parameters.get("endTime", str(10**15)))
        if "startTime" in parameters and end - begin >= (7 if perp else 1) * 86_400_000:
            raise RejectedError("stretch")
        found = self.exchange.trades(market, order_id, since=begin, until=end)
        trades = [trade for trade in found if trade.trade_id >= first]
        return [_trade(trade) for trade in trades[:size]]

    def _income(self, parameters: dict[str, str]) -> Any:
        since = int(parameters.get("startTime", "0"))
        kind, symbol = parameters.get("incomeType"), parameters.get("symbol")
        lines = [
            line
            for line in self.exchange.income
            if line.at // 1_000 >= since and kind in (None, line.kind) and symbol in (None, line.symbol)
        ]
        return [
            {"symbol": line.symbol, "incomeType": line.kind, "income": f"{line.amount:.8f}", "asset": "USDT",
             "info": line.kind, "time": line.at // 1_000, "tranId": line.reference, "tradeId": ""}
            for line in lines[: int(parameters.get("limit", "100"))]
        ]  # fmt: skip

    def _transfer(self, parameters: dict[str, str]) -> Any:
        into_margin = {"MAIN_UMFUTURE": True, "UMFUTURE_MAIN": False}[parameters["type"]]
        return {"tranId": self.exchange.move(parameters["asset"], float(parameters["amount"]), to_margin=into_margin)}


def _wall() -> int:
    return int(time.time() * 1_000)


def _listed(market: Market) -> dict[str, Any]:
    digits = 5
    lot = {"minQty": f"{market.lot:.8f}", "maxQty": "9000.00000000", "stepSize": f"{market.lot:.8f}"}
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", **lot},
        {"filterType": "MARKET_LOT_SIZE", **lot},
    ]
    common: dict[str, Any] = {
        "symbol": market.symbol, "baseAsset": market.base, "quoteAsset": market.quote,
        "status": "TRADING" if market.trading else "HALT", "orderTypes": ["LIMIT", "MARKET"], "filters": filters,
    }  # fmt: skip
    if market.perp:
        filters.append({"filterType": "MIN_NOTIONAL", "notional": f"{market.min_notional:.0f}"})
        return common | {"pair": market.symbol, "contractType": "PERPETUAL", "marginAsset": market.quote,
                         "deliveryDate": market.ends // 1_000 or 4133404800000,
                         "onboardDate": 1569398400000, "pricePrecision": 2,
                         "quantityPrecision": 3, "baseAssetPrecision": 8, "quotePrecision": 8}  # fmt: skip
    filters.append({"filterType": "NOTIONAL", "minNotional": f"{market.min_notional:.8f}", "applyMinToMarket": True})
    return common | {"baseAssetPrecision": digits + 3, "quotePrecision": 8, "quoteAssetPrecision": 8,
                     "isSpotTradingAllowed": True, "permissions": ["SPOT"]}  # fmt: skip


def _order(order: PlacedOrder) -> dict[str, Any]:
    complete = abs(order.filled - order.quantity) < order.market.lot / 2
    status = "NEW" if not order.done else "FILLED" if complete else "EXPIRED"
    return {
        "symbol": order.market.symbol,
        "orderId": order.order_id,
        "clientOrderId": order.client_id,
        "transactTime": order.at // 1_000,
        "time": order.at // 1_000,
        "updateTime": order.at // 1_000,
        "price": "0.00000000",
        "avgPrice": f"{order.average:.8f}",
        "origQty": f"{order.quantity:.8f}",
        "executedQty": f"{order.filled:.8f}",
        "cumQty": f"{order.filled:.8f}",
        "cummulativeQuoteQty": f"{order.filled * order.average:.8f}",
        "cumQuote": f"{order.filled * order.average:.8f}",
        "status": status,
        "timeInForce": "GTC",
        "type": "MARKET",
        "side": "BUY" if order.buy else "SELL",
        "reduceOnly": order.reduce_only,
    }


def _trade(trade: Trade) -> dict[str, Any]:
    common: dict[str, Any] = {
        "symbol": trade.market.symbol,
        "id": trade.trade_id,
        "orderId": trade.order_id,
        "price": f"{trade.price:.8f}",
        "qty": f"{trade.quantity:.8f}",
        "quoteQty": f"{trade.quantity * trade.price:.8f}",
        "commission": f"{trade.fee:.8f}",
        "commissionAsset": trade.fee_token,
        "time": trade.at // 1_000,
    }
    if trade.market.perp:
        return common | {"realizedPnl": f"{trade.realised:.8f}", "side": "BUY" if trade.buy else "SELL",
                         "positionSide": "BOTH", "buyer": trade.buy, "maker": False}  # fmt: skip
    return common | {"isBuyer": trade.buy, "isMaker": False, "isBestMatch": True}
