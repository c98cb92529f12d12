"""Targets - holdings -> ordered orders: release first, then move cash, then acquire.

Spot and short are traded in alternating slices, one per hedge leg, so that the book is never naked by more than one
slice. Every order is projected as it is planned; a plan that cash or margin cannot carry is refused as a whole.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from basis_pipeline.domain.errors import OrderError
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import Action, Operation, Order, Side
from basis_pipeline.domain.protocols import Hedge, Targets
from basis_pipeline.domain.records import Positions
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.valuation import order_notional, round_down, round_up
from basis_pipeline.domain.venue_rules import TradeRules
from basis_pipeline.engine.planning.cash_planner import move_cash, roll_shorts, sweep_to_wallet
from basis_pipeline.engine.planning.dust_planner import NO_DUST, DustSale, sell_dust
from basis_pipeline.engine.planning.lending_planner import acquire_lending, release_lending
from basis_pipeline.engine.planning.projection import InfeasiblePlan, ProjectedBook
from basis_pipeline.engine.planning.stack_planner import (
    acquire_stack,
    eth_to_exchange,
    eth_to_wallet,
    release_stack,
    stake_arrived,
)

ENTRIES = (Action.ENTRY_FULL, Action.ENTRY_PARTIAL)


class Plan(msgspec.Struct, frozen=True):
    """Orders that reach the targets, or the reason why none are given.

    Attributes:
        awaits_funds: cash is on its way; what it is for is planned again when it has arrived.
    """

    orders: tuple[Order, ...]
    refusal: str = ""
    awaits_funds: bool = False


class Slice(NamedTuple):
    """A change of spot and of one short that belong together; signed base quantities."""

    spot: float
    perp_slot: int
    perp: float


class OrderPlanner:
    """Generic for all modes: it knows routes and margin accounts, not strategies."""

    def __init__(self, settings: EngineSettings, hedge: Hedge | None) -> None:
        self._settings = settings
        self._hedge = hedge
        self._spot_slot = hedge.spot_slot if hedge else -1
        self._spot_lot = self._rules(self._spot_slot).lot if hedge else 0.0

    def plan(
        self,
        targets: Targets | None,
        positions: Positions,
        market: MarketSnapshot,
        action: Action,
        dust: DustSale = NO_DUST,
        *,
        funded: bool = False,
    ) -> Plan:
        """Orders that sell `dust` and then lead to `targets`; a refusal where they cannot be carried out in sequence.

        Without targets everything but the dust is left alone. An entry waits for what is in transit. When its cash
        was sent for (`funded`) it acquires what that pays for: moving cash again after every move of the price would
        never end.
        """
        book = ProjectedBook(self._settings, positions, market, action)
        if action in ENTRIES and book.awaits_funds:
            return Plan((), awaits_funds=True)
        try:
            sell_dust(book, dust, self._settings)
            if targets is not None:
                self._reach(book, targets, funded=funded and action in ENTRIES)
            if action is Action.EXIT_FULL:
                sweep_to_wallet(book, self._settings)
        except (InfeasiblePlan, OrderError) as reason:
            return Plan((), str(reason))
        return Plan(tuple(book.orders), awaits_funds=book.awaits_funds)

    def _reach(self, book: ProjectedBook, targets: Targets, *, funded: bool) -> None:
        if book.action in ENTRIES and stake_arrived(book, targets, self._settings, self._spot_slot):
            return
        slices = self._slices(targets, book)
        release_lending(book, targets, self._settings)
        release_stack(book, targets, self._settings, selling=book.in_transit(self._spot_slot))
        if any(part.spot < 0.0 for part in slices):
            eth_to_exchange(book, self._settings, self._spot_slot)
        self._release_pair(book, slices)
        roll_shorts(book, targets, self._settings)
        if not funded:
            move_cash(book, targets, self._settings, self._purchases(book, slices))
        if funded or self._settings.linked is not None:
            slices = self._affordable(book, slices)
        if book.awaits_funds:
            return
        self._acquire_pair(book, slices)
        if self._hedge is None:
            self._trade_perps(book, targets)
        else:
            eth_to_wallet(book, self._settings, self._spot_slot)
        acquire_lending(book, targets, self._settings)
        acquire_stack(book, targets, self._settings)
        self._check_end(book)

    def _slices(self, targets: Targets, book: ProjectedBook) -> list[Slice]:
        """Pair the change of each short with the same change of spot; a drift between them comes last, spot alone."""
        if self._hedge is None:
            return []
        spot_slot, wanted = self._spot_slot, {slot: targets.quantities[slot] for slot in self._hedge.perp_slots}
        changes = {slot: quantity - book.quantities[slot] for slot, quantity in wanted.items()}
        traded = {slot: change for slot, change in changes.items() if self._worth_trading(slot, change, book)}
        skipped = sum(change for slot, change in changes.items() if slot not in traded)
        open_spot = -sum(wanted.values()) - _long(book, self._hedge) + skipped
        slices = []
        for slot, change in traded.items():
            paired = _clip(-change, open_spot)
            open_spot -= paired
            slices.append(Slice(paired, slot, change))
        if self._worth_trading(spot_slot, open_spot, book):
            slices.append(Slice(open_spot, spot_slot, 0.0))
        return slices

    def _worth_trading(self, slot: int, change: float, book: ProjectedBook) -> bool:
        """Large enough for the venue and for us; closing a position needs to be large enough for the venue only."""
        rules = self._rules(slot)
        instrument = self._settings.universe.instruments[slot]
        notional = order_notional(instrument, abs(change), book.market.last[slot])
        closes = abs(change + book.quantities[slot]) <= 1e-12 * abs(book.quantities[slot])
        floor = rules.min_notional if closes else max(rules.min_notional, self._settings.steering_limits.min_trade)
        return change != 0.0 and notional >= floor

    def _trade_perps(self, book: ProjectedBook, targets: Targets) -> None:
        """Bring perps that hedge nothing to their targets, one order each; a flip is one order through zero."""
        for slot, target in targets.quantities.items():
            if slot not in self._settings.routes or self._settings.routes[slot].operation is not Operation.PERP_TRADE:
                continue
            held = book.quantities[slot]
            if self._worth_trading(slot, target - held, book):
                opens = target != 0.0 and held * target <= 0.0
                side = Side.BUY if target > held else Side.SELL
                bracket = targets.brackets.get(slot) if opens else None
                book.trade(slot, round_down(abs(target - held), self._rules(slot).lot), side, bracket=bracket)

    def _release_pair(self, book: ProjectedBook, slices: list[Slice]) -> None:
        """Shorts whose ETH is still on its way to where it is sold are covered when it has arrived."""
        planned = -sum(part.spot for part in slices if part.spot < 0.0)
        for part in slices:
            arrived = min(-part.spot, book.quantities[self._spot_slot])
            sold = 0.0
            if part.spot < 0.0 and self._worth_trading(self._spot_slot, arrived, book):
                sold = round_down(arrived, self._spot_lot)
                book.trade(self._spot_slot, sold, Side.SELL, planned=planned)
            cover = part.perp
            if part.spot < 0.0 and book.in_transit(self._spot_slot):
                cover = round_down(min(part.perp, sold), self._rules(part.perp_slot).lot)
            if cover > 0.0:
                book.trade(part.perp_slot, cover, Side.BUY)

    def _acquire_pair(self, book: ProjectedBook, slices: list[Slice]) -> None:
        planned = sum(self._to_buy(part) for part in slices if part.spot > 0.0)
        for part in slices:
            if part.spot > 0.0:
                book.trade(self._spot_slot, self._to_buy(part), Side.BUY, planned=planned)
            if part.perp < 0.0:
                book.trade(part.perp_slot, -part.perp, Side.SELL)

    def _purchases(self, book: ProjectedBook, slices: list[Slice]) -> dict[int, float]:
        """USDT that the spot purchases will take from their cash slot."""
        gross = sum(self._to_buy(part) for part in slices if part.spot > 0.0)
        if not gross:
            return {}
        slot = self._spot_slot
        rules, price = self._rules(slot), book.market.last[slot]
        unit = price * (1.0 + rules.slippage.fraction(gross * price * book.market.usd))
        fee = 0.0 if rules.fee_in_base else rules.taker_fee
        return {self._settings.routes[slot].counter_slot: gross * unit * (1.0 + fee)}

    def _affordable(self, book: ProjectedBook, slices: list[Slice]) -> list[Slice]:
        """The slices, spot and short alike, cut to the cash that is there beyond the floor of a margin account."""
        for slot, cost in self._purchases(book, slices).items():
            accounts = [account for account in self._settings.margin_accounts if account.cash_slot == slot]
            kept = sum(self._settings.cash_floor * book.notional(account) for account in accounts)
            share = max(0.0, book.quantities[slot] - kept) / cost
            if share < 1.0:
                return [cut for part in slices if self._worth_acquiring(cut := self._cut(part, share), book)]
        return slices

    def _cut(self, part: Slice, share: float) -> Slice:
        if part.spot <= 0.0:
            return part
        short = round_down(-part.perp * share, self._rules(part.perp_slot).lot)
        spot = min(part.spot, short) if part.perp else round_down(part.spot * share, self._spot_lot)
        return Slice(spot, part.perp_slot, -short)

    def _worth_acquiring(self, part: Slice, book: ProjectedBook) -> bool:
        return self._worth_trading(part.perp_slot, part.perp or part.spot, book)

    def _to_buy(self, part: Slice) -> float:
        """Lots to order so that the slice's spot arrives even where the fee is taken from the tokens received."""
        rules = self._rules(self._spot_slot)
        return round_up(part.spot / (1.0 - rules.taker_fee) if rules.fee_in_base else part.spot, rules.lot)

    def _rules(self, slot: int) -> TradeRules:
        return self._settings.rules_of(self._settings.routes[slot].venue).trades[slot]

    def _check_end(self, book: ProjectedBook) -> None:
        """The delta band is checked on the end state only."""
        if self._hedge is None or not book.orders:
            return
        spot_slot, spot = self._spot_slot, _long(book, self._hedge)
        drift = abs(spot + sum(book.quantities[slot] for slot in self._hedge.perp_slots)) - self._settings.gas_tank
        limit = self._settings.steering_limits.leg_deviation
        if (
            drift > limit * max(spot, 1e-12)
            and drift * book.market.last[spot_slot] > self._rules(spot_slot).min_notional
        ):
            raise InfeasiblePlan(f"spot {spot:.8g} and shorts would differ by {drift:.8g}")


def _long(book: ProjectedBook, hedge: Hedge) -> float:
    """Net units of the asset in the long leg."""
    return sum(book.quantities[slot] * book.market.underlying[slot] for slot in hedge.long_slots)


def _clip(wanted: float, available: float) -> float:
    """`wanted` as far as it has the sign of `available` and is not larger."""
    if wanted * available <= 0.0:
        return 0.0
    return wanted if abs(wanted) <= abs(available) else available
