"""What all simulated venues share: quote an order, refuse what cannot be paid for, answer with a handshake."""

from __future__ import annotations

from collections.abc import Mapping

from basis_pipeline.domain.errors import OrderError
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import ExecutionHandshake, HandshakeStatus, Order
from basis_pipeline.domain.position_keys import PositionType
from basis_pipeline.domain.quote import Holdings, Quote
from basis_pipeline.domain.quotes import SHORTFALL_TOLERANCE, quote_order
from basis_pipeline.domain.quotes_chain import gas_of
from basis_pipeline.domain.records import Positions
from basis_pipeline.domain.settings import EngineSettings


class SimulatedVenue:
    """Base of the simulated venues: what they hold, and how they confirm or refuse."""

    def __init__(self, name: str, settings: EngineSettings) -> None:
        self.name = name
        self._settings = settings
        self._slots = tuple(slot for slot, instrument in enumerate(settings.universe) if instrument.key.venue == name)

    def positions(self, expected: Positions) -> Mapping[int, float]:
        """In a backtest what is real is a copy of what was simulated (R33)."""
        quantities = expected.quantities
        return {slot: quantities[slot] for slot in self._slots}

    def execute(self, order: Order, positions: Positions, market: MarketSnapshot) -> ExecutionHandshake:
        """Confirm `order` at the quoted prices, or answer FAILED with the reason; never raises for a rejection."""
        try:
            self._validate(order, positions, market)
            holdings = Holdings(positions.quantities, positions.entry_prices)
            quote = quote_order(order, holdings, market, self._settings)
            self._check_funds(quote, positions)
            self._check_after(order, quote, positions, market)
        except OrderError as error:
            return self._refuse(order, market, error)
        return ExecutionHandshake(
            operation_id=order.operation_id,
            status=HandshakeStatus.CONFIRMED,
            deltas=quote.deltas,
            price=quote.price,
            filled=order.quantity,
            fee=quote.fee,
            slippage=quote.slippage,
            gas=quote.gas,
            submitted_at=market.timestamp,
            executed_at=market.timestamp,
        )

    def _refuse(self, order: Order, market: MarketSnapshot, error: OrderError) -> ExecutionHandshake:
        """Nothing happened; but a group that failed on chain was reverted, and its gas is burnt all the same."""
        gas, deltas = gas_of(order, market, self._settings) if order.steps else (0.0, ())
        return ExecutionHandshake(
            operation_id=order.operation_id,
            status=HandshakeStatus.ROLLED_BACK if order.steps else HandshakeStatus.FAILED,
            deltas=deltas,
            gas=gas,
            error_code=error.code,
            error_message=error.message,
            submitted_at=market.timestamp,
        )

    def _validate(self, order: Order, positions: Positions, market: MarketSnapshot) -> None:
        """Refuse an order before anything is computed."""
        if not order.quantity > 0.0:
            raise OrderError(f"quantity {order.quantity!r} of {order.operation} is not positive.")

    def _check_after(self, order: Order, quote: Quote, positions: Positions, market: MarketSnapshot) -> None:
        """Refuse an order for the state it would lead to."""

    def _check_funds(self, quote: Quote, positions: Positions) -> None:
        spent: dict[int, float] = {}
        for delta in quote.deltas:
            spent[delta.slot] = spent.get(delta.slot, 0.0) + delta.amount
        for slot, amount in spent.items():
            instrument = self._settings.universe.instruments[slot]
            held = positions.quantities[slot]
            if instrument.position_type is PositionType.PERP or amount >= 0.0:
                continue
            if held + amount < -SHORTFALL_TOLERANCE * max(held, -amount):
                raise OrderError(
                    f"{self.name} needs {-amount:.10g} {instrument.token} of {instrument.key}, there is {held:.10g}.",
                    code="EXEC-008",
                )
