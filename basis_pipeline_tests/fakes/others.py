"""Somebody else on the account: orders placed by hand at the exchange's own pages, which rest there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from basis_pipeline_tests.fakes.records import PlacedOrder

if TYPE_CHECKING:
    from basis_pipeline_tests.fakes.exchange import FakeExchange


class Others:
    """`placed` are their orders, `resting` those of them that have not filled."""

    def __init__(self, exchange: FakeExchange) -> None:
        self._exchange = exchange
        self.placed: list[PlacedOrder] = []
        self.resting: list[PlacedOrder] = []

    def rest(
        self, symbol: str, *, perp: bool, buy: bool, quantity: float, limit: float, conditional: bool = False
    ) -> PlacedOrder:
        """Place one; a conditional one is triggered at `limit`."""
        books, number = self._exchange, self._exchange.next_id()
        order = PlacedOrder(number, f"web_{number}", books.market(symbol, perp=perp), buy, quantity, False, books.now)
        order.limit, order.conditional = limit, conditional
        self.placed.append(order)
        self.resting.append(order)
        return order

    def fill(self, order: PlacedOrder) -> None:
        """The market has come to it."""
        self.resting.remove(order)
        order.at = self._exchange.now
        self._exchange.fill(order)

    def trade(self, symbol: str, *, perp: bool, buy: bool, quantity: float) -> PlacedOrder:
        """At the market, at once."""
        order = self.rest(symbol, perp=perp, buy=buy, quantity=quantity, limit=0.0)
        self.fill(order)
        return order

    def locked(self, token: str) -> float:
        """What spot orders that rest hold back."""
        held = 0.0
        for order in self.resting:
            if not order.market.perp and not order.conditional:
                paid = order.market.quote if order.buy else order.market.base
                held += (order.quantity * order.limit if order.buy else order.quantity) * (paid == token)
        return held
