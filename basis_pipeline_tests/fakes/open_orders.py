"""What exchanges say of orders that rest, each in its own words: routes for their skins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from basis_pipeline_tests.fakes.exchange import FakeExchange
from basis_pipeline_tests.fakes.records import PlacedOrder

Routes = dict[tuple[str, str], Callable[[dict[str, str]], Any]]


def binance_orders(exchange: FakeExchange) -> Routes:
    """Spot, futures, and conditional orders of futures: a list each, with all symbols."""

    def rest(*, perp: bool) -> Any:
        return [
            {"symbol": o.market.symbol, "orderId": o.order_id, "clientOrderId": o.client_id, "price": f"{o.limit:.2f}",
             "origQty": f"{o.quantity:.8f}", "executedQty": "0.00000000", "status": "NEW", "type": "LIMIT",
             "side": "BUY" if o.buy else "SELL", "time": o.at // 1_000}
            for o in exchange.open_orders
            if o.market.perp is perp and not (perp and o.conditional)
        ]  # fmt: skip

    def conditional(_: dict[str, str]) -> Any:
        return [
            {"algoId": o.order_id, "clientAlgoId": o.client_id, "algoType": "CONDITIONAL", "orderType": "STOP",
             "symbol": o.market.symbol, "side": "BUY" if o.buy else "SELL", "quantity": f"{o.quantity:.3f}",
             "algoStatus": "NEW", "triggerPrice": f"{o.limit:.2f}", "closePosition": False}
            for o in exchange.open_orders
            if o.market.perp and o.conditional
        ]  # fmt: skip

    return {
        ("GET", "/api/v3/openOrders"): lambda _: rest(perp=False),
        ("GET", "/fapi/v1/openOrders"): lambda _: rest(perp=True),
        ("GET", "/fapi/v1/openAlgoOrders"): conditional,
        ("GET", "/fapi/v2/balance"): lambda _: [
            {"accountAlias": f"alias-{exchange.uid}", "asset": token, "balance": f"{amount:.8f}"}
            for token, amount in {"USDT": 0.0, **exchange.margin}.items()
        ],
    }


def bybit_open(exchange: FakeExchange, parameters: dict[str, str]) -> Any:
    """One category, newest first, in pages; linear ones need a coin of settlement."""
    category, coin = parameters["category"], parameters.get("settleCoin")
    assert category != "linear" or coin, "params error: settleCoin"
    perp = category == "linear"
    orders = exchange.open_orders if category in ("spot", "linear") and coin in (None, "USDT") else []
    lines = [
        {"symbol": o.market.symbol, "orderId": str(o.order_id), "orderLinkId": o.client_id, "orderType": "Limit",
         "orderStatus": "Untriggered" if o.conditional else "New", "stopOrderType": "Stop" if o.conditional else "",
         "side": "Buy" if o.buy else "Sell", "qty": f"{o.quantity:.8f}", "price": f"{o.limit:.2f}"}
        for o in reversed(orders)
        if o.market.perp is perp
    ]  # fmt: skip
    size, start = int(parameters.get("limit", "20")), int(parameters.get("cursor", "0"))
    end = str(start + size) if len(lines) > start + size else ""
    return {"category": category, "list": lines[start : start + size], "nextPageCursor": end}


def okx_orders(exchange: FakeExchange) -> Routes:
    """All that rest, and conditional ones by their kind; newest first, 100 at a time."""

    def pages(parameters: dict[str, str], orders: list[PlacedOrder]) -> list[PlacedOrder]:
        older = int(parameters.get("after", str(10**18)))
        return [o for o in reversed(orders) if o.order_id < older][: int(parameters.get("limit", "100"))]

    def line(order: PlacedOrder) -> dict[str, Any]:
        market = order.market
        contracts = order.quantity / (market.contract if market.perp else 1.0)
        return {"instId": f"{market.base}-{market.quote}" + "-SWAP" * market.perp,
                "side": "buy" if order.buy else "sell", "sz": f"{contracts:.8f}", "state": "live"}  # fmt: skip

    def pending(parameters: dict[str, str]) -> Any:
        orders = pages(parameters, [o for o in exchange.open_orders if not o.conditional])
        return [{**line(o), "ordId": str(o.order_id), "clOrdId": o.client_id, "ordType": "limit"} for o in orders]

    def conditional(parameters: dict[str, str]) -> Any:
        kinds = parameters["ordType"].split(",")
        held = [o for o in exchange.open_orders if o.conditional and "trigger" in kinds]
        orders = pages(parameters, held)
        return [
            {**line(o), "algoId": str(o.order_id), "algoClOrdId": o.client_id, "ordType": "trigger"} for o in orders
        ]

    return {
        ("GET", "/api/v5/trade/orders-pending"): pending,
        ("GET", "/api/v5/trade/orders-algo-pending"): conditional,
    }
