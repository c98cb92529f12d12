"""Dust: reward tokens that nothing is done with but to sell them when that is worth its gas.

A sale goes through the token's pool; what arrived wrapped since the last sale is unwrapped first, once for all tokens.
The ETH it brings is staked, or sold and hedged, by the drift that follows, not here.
"""

from __future__ import annotations

from typing import NamedTuple

from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import Operation, Order, Side
from basis_pipeline.domain.quotes_chain import gas_in_slot
from basis_pipeline.domain.records import ChainSnapshot
from basis_pipeline.domain.settings import EngineSettings, RewardRules
from basis_pipeline.engine.planning.projection import ProjectedBook


class DustSale(NamedTuple):
    """Slots to sell out of, and whether they have to be unwrapped before."""

    slots: tuple[int, ...]
    unwrap: bool


NO_DUST = DustSale((), unwrap=False)


def dust_above_threshold(settings: EngineSettings, snapshot: ChainSnapshot, *, wrapped: bool) -> DustSale:
    """Tokens worth more than the gas multiple and the equity fraction, if the wallet can pay the gas."""
    rules = settings.rewards
    if rules is None or not any(snapshot.positions.quantities[slot] for slot in rules.token_slots):
        return NO_DUST
    floor = rules.equity_fraction * snapshot.exposure.equity
    gas = _gas_of_sale(settings, rules, snapshot.market, wrapped=wrapped)
    return _sale(settings, snapshot, max(floor, rules.gas_multiple * gas), wrapped=wrapped)


def all_dust(settings: EngineSettings, snapshot: ChainSnapshot, *, wrapped: bool) -> DustSale:
    """Everything that is worth more than the gas of its sale: for a book that is being closed."""
    rules = settings.rewards
    if rules is None:
        return NO_DUST
    return _sale(settings, snapshot, _gas_of_sale(settings, rules, snapshot.market, wrapped=wrapped), wrapped=wrapped)


def dust_value(settings: EngineSettings, snapshot: ChainSnapshot) -> float:
    """USDT."""
    return sum(snapshot.exposure.values[slot] for slot in settings.rewards.token_slots) if settings.rewards else 0.0


def sell_dust(book: ProjectedBook, sale: DustSale, settings: EngineSettings) -> None:
    """Unwrap once, then sell each token out along its route."""
    rules = settings.rewards
    if rules is None:
        return
    for number, slot in enumerate(sale.slots):
        quantity, route = book.quantities[slot], settings.routes[slot]
        if sale.unwrap and number == 0:
            book.submit(
                Order(
                    venue=rules.issuer,
                    operation=Operation.UNWRAP_REWARD,
                    slot=slot,
                    counter_slot=slot,
                    quantity=quantity,
                    action=book.action,
                )
            )
        book.submit(
            Order(
                venue=route.venue,
                operation=route.operation,
                slot=slot,
                counter_slot=route.counter_slot,
                quantity=quantity,
                action=book.action,
                side=Side.SELL,
            )
        )


def _sale(settings: EngineSettings, snapshot: ChainSnapshot, threshold: float, *, wrapped: bool) -> DustSale:
    rules, values = settings.rewards, snapshot.exposure.values
    if rules is None:
        return NO_DUST
    slots = tuple(slot for slot in rules.token_slots if values[slot] > threshold)
    gas = len(slots) * _gas_of_sale(settings, rules, snapshot.market, wrapped=wrapped)
    payable = settings.gas_slot is None or values[settings.gas_slot] >= gas
    return DustSale(slots, wrapped) if slots and payable else NO_DUST


def _gas_of_sale(settings: EngineSettings, rules: RewardRules, market: MarketSnapshot, *, wrapped: bool) -> float:
    """USDT of gas for selling one token, unwrapping included where it is due."""
    if settings.gas_slot is None:
        return 0.0
    gas = gas_in_slot(Operation.SWAP, settings.routes[rules.token_slots[0]].venue, market, settings)
    if wrapped:
        gas += gas_in_slot(Operation.UNWRAP_REWARD, rules.issuer, market, settings)
    return gas * market.value[settings.gas_slot]


def described(sale: DustSale, settings: EngineSettings, snapshot: ChainSnapshot) -> str:
    """The tokens of a sale and what they are worth, in words."""
    return ", ".join(
        f"{settings.universe.instruments[slot].token} worth {snapshot.exposure.values[slot]:.2f} USDT"
        for slot in sale.slots
    )
