"""Pre-trade projection: a plan is played through on a scratch book before any of it is sent (R7).

Each order is applied to the scratch quantities as its venue would fill it, so that the next order is sized on what
will really be there. The book never goes below zero and never below the initial margin, or the plan is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from msgspec.structs import replace

from basis_pipeline.domain.accounting import INVERSE, LINEAR
from basis_pipeline.domain.brackets import BracketDistances
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import Action, Operation, Order, Side
from basis_pipeline.domain.position_keys import PositionType
from basis_pipeline.domain.quote import Holdings
from basis_pipeline.domain.quotes import quote_order
from basis_pipeline.domain.records import Positions
from basis_pipeline.domain.settings import EngineSettings, MarginAccount, Route
from basis_pipeline.domain.valuation import order_notional, round_down, round_up, withdrawable

CASH_TOLERANCE = 1e-9
"""USDT-scale relative slack for float noise when everything there is gets spent."""


class InfeasiblePlan(Exception):  # noqa: N818 - it is an answer to a question, not an error of the program
    """The plan cannot be carried; `str()` says by what."""


class ProjectedBook:
    """A scratch copy of the positions that orders are applied to, and the orders so far."""

    def __init__(self, settings: EngineSettings, positions: Positions, market: MarketSnapshot, action: Action) -> None:
        self._settings = settings
        universe = settings.universe
        perps = universe.slots_of(PositionType.PERP)
        self._contracts = {slot: INVERSE if universe.instruments[slot].inverse else LINEAR for slot in perps}
        self._transfers_take_time = any(rules.transfer_latency for rules in settings.venues.values())
        self._accounts = {slot: account for account in settings.margin_accounts for slot in account.perp_slots}
        self.market = market
        self.quantities = list(positions.quantities)
        self.entries = list(positions.entry_prices)
        self.action = action
        self.orders: list[Order] = []

    def trade(
        self,
        slot: int,
        quantity: float,
        side: Side,
        *,
        planned: float = 0.0,
        tag: str = "",
        bracket: BracketDistances | None = None,
    ) -> None:
        """Buy or sell `quantity` units of the spot token or perp at `slot`, in orders the venue takes.

        `planned` is what the plan trades of it on this side altogether, if that is more: each order pays the slippage
        of that size.
        """
        whole = max(quantity, planned)
        for clip in self._clips(slot, quantity):
            self._trade(slot, clip, side, whole if whole > clip else 0.0, tag, bracket)

    def _clips(self, slot: int, quantity: float) -> Iterator[float]:
        """As few equal parts as keep each within the venue's largest notional, in whole lots."""
        rules = self._settings.rules_of(self._settings.routes[slot].venue).trades[slot]
        instrument = self._settings.universe.instruments[slot]
        unit = order_notional(instrument, 1.0, self.market.last[slot])
        largest = round_down(rules.max_notional / unit, rules.lot)
        if largest <= 0.0:
            raise InfeasiblePlan(
                f"one lot of {instrument.key} is above the largest order of {rules.max_notional:.8g} USDT"
            )
        parts = max(1, math.ceil(quantity / largest - 1e-9))
        for left in range(parts, 0, -1):
            clip = quantity if left == 1 else min(largest, round_up(quantity / left, rules.lot))
            yield clip
            quantity = round(quantity - clip, 12)

    def _trade(  # noqa: PLR0917 - all that an order says
        self, slot: int, quantity: float, side: Side, planned: float, tag: str, bracket: BracketDistances | None
    ) -> None:
        route = self._settings.routes[slot]
        held = self.quantities[slot]
        shrinks = route.operation is Operation.PERP_TRADE and (held > 0.0) == (side is Side.SELL) and held != 0.0
        reduce_only = shrinks and quantity <= abs(held) * (1.0 + 1e-12)
        self._apply(
            Order(
                venue=route.venue,
                operation=route.operation,
                slot=slot,
                counter_slot=route.counter_slot,
                quantity=quantity,
                action=self.action,
                side=side,
                reduce_only=reduce_only,
                planned_quantity=planned,
                tag=tag,
                bracket=bracket,
            )
        )
        if route.operation is Operation.PERP_TRADE and not reduce_only:
            self._check_margin(self._accounts[slot])

    def transfer(self, source: int, target: int, quantity: float) -> None:
        """Move tokens between venues; the fee comes on top at the source."""
        venue = self._settings.universe.instruments[source].key.venue
        self.convert(Route(Operation.TRANSFER, venue, source, target), quantity)

    def convert(self, route: Route, quantity: float) -> None:
        """Supply, withdraw, wrap, unwrap or transfer `quantity` tokens along `route`."""
        self._apply(
            Order(
                venue=route.venue,
                operation=route.operation,
                slot=route.slot,
                counter_slot=route.counter_slot,
                quantity=quantity,
                action=self.action,
            )
        )

    def in_transit(self, slot: int) -> float:
        """Tokens that have left another venue and will arrive at `slot`."""
        receivable = self._settings.receivables.get(slot)
        return 0.0 if receivable is None else self.quantities[receivable]

    @property
    def awaits_funds(self) -> bool:
        """Something is in transit, sent by this plan or by an earlier one; nothing is acquired before it arrives.

        A redemption is no transit: what it brings was asked for by a withdrawal.
        """
        return self._transfers_take_time and any(
            self.quantities[receivable] for receivable in self._settings.receivables.values()
        )

    def submit(self, order: Order) -> None:
        """Any order, as it is; an atomic group is projected like one."""
        self._apply(order)

    def margin_balance(self, account: MarginAccount) -> float:
        return self.quantities[account.cash_slot] + self.unrealised(account)

    def unrealised(self, account: MarginAccount) -> float:
        return sum(
            account.contract.pnl(self.quantities[slot], self.entries[slot], self.market.mark[slot])
            for slot in account.perp_slots
        )

    def notional(self, account: MarginAccount) -> float:
        contract, mark = account.contract, self.market.mark
        return sum(contract.notional(self.quantities[slot], mark[slot]) for slot in account.perp_slots)

    def withdrawable(self, account: MarginAccount) -> float:
        return withdrawable(
            self.quantities[account.cash_slot],
            self.margin_balance(account),
            self.notional(account),
            account.initial_margin,
        )

    def _apply(self, order: Order) -> None:
        quote = quote_order(order, Holdings(self.quantities, self.entries), self.market, self._settings)
        for delta in quote.deltas:
            before = self.quantities[delta.slot]
            after = before + delta.amount
            contract = self._contracts.get(delta.slot)
            if contract is not None and delta.price is not None:
                fill = contract.fill(before, self.entries[delta.slot], delta.amount, delta.price)
                self.entries[delta.slot] = fill.entry_price
            elif after < 0.0:
                if after < -CASH_TOLERANCE * max(before, -delta.amount):
                    key = self._settings.universe.keys[delta.slot]
                    raise InfeasiblePlan(f"{order.operation} of {order.quantity:.8g} would take {key} to {after:.8g}")
                after = 0.0
            self.quantities[delta.slot] = after
        expected = tuple((delta.slot, delta.amount) for delta in quote.deltas)
        self.orders.append(replace(order, expected=expected))

    def _check_margin(self, account: MarginAccount) -> None:
        balance, notional = self.margin_balance(account), self.notional(account)
        if balance <= account.initial_margin * notional:
            raise InfeasiblePlan(
                f"{account.venue} would have a margin of {balance:.8g} for positions of {notional:.8g}"
            )
