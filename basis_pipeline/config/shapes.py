"""From the `strategy` of a mode file to the frozen strategy that the engine asks."""

from __future__ import annotations

from basis_pipeline.config.models import (
    DirectionalStrategy,
    HedgedStakingStrategy,
    LendingStrategy,
    ModeFile,
    StackFile,
    StakingStrategy,
)
from basis_pipeline.config.universe import GAS_KEY, GAS_TOKEN, directional_perp
from basis_pipeline.config.validation import check_lots
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.position_keys import PositionType
from basis_pipeline.domain.protocols import Strategy
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.strategies.basis import Basis, HedgeLeg
from basis_pipeline.strategies.directional import Directional
from basis_pipeline.strategies.hedged_staking import HedgedStaking
from basis_pipeline.strategies.lending import Lending
from basis_pipeline.strategies.staking import Stack, Staking


def build_strategy(mode: ModeFile, settings: EngineSettings) -> Strategy:
    """The shape with its parameters, resolved to slots; ConfigError where lots or routes do not fit it."""
    universe, strategy = settings.universe, mode.strategy
    if isinstance(strategy, LendingStrategy):
        (supplied,) = universe.slots_of(PositionType.A_TOKEN)
        tank = universe.find(GAS_KEY) if mode.share_class != GAS_TOKEN else None
        return Lending(supplied, settings.capital_slot, settings.reserve_fraction, mode.gas_reserve, tank)
    if isinstance(strategy, StakingStrategy):
        return Staking(_stack(strategy, settings), settings.reserve_fraction, mode.gas_reserve)
    if isinstance(strategy, DirectionalStrategy):
        return _directional(mode, strategy, settings)
    spot = universe.slot(f"{strategy.spot_venue}:BaseToken:{mode.asset}")
    stack = _stack(strategy, settings) if isinstance(strategy, HedgedStakingStrategy) else None
    legs = []
    for venue, weight in strategy.hedge_allocation.items():
        perp = universe.slot(f"{venue}:Perp:{mode.asset}USDT")
        lot = settings.venues[venue].trades[perp].lot
        check_lots(mode, venue, lot, settings.venues[strategy.spot_venue].trades[spot].lot)
        legs.append(HedgeLeg(perp, universe.slot(f"{venue}:BaseToken:USDT"), weight, lot))
    long_slots = (spot, settings.stack.eth_slot, *stack.slots) if stack and settings.stack else ()
    # ETH on its way between exchange and wallet is hedged all the while.
    coming = tuple(settings.receivables[slot] for slot in long_slots if slot in settings.receivables)
    book = Basis(
        spot_slot=spot,
        spot_rules=settings.venues[strategy.spot_venue].trades[spot],
        legs=tuple(legs),
        wallet_slot=settings.capital_slot,
        spot_fraction=strategy.spot_fraction,
        reserve_fraction=settings.reserve_fraction,
        gas_reserve=mode.gas_reserve,
        long_slots=(*long_slots[1:], *coming),
        tank_slot=None if stack else universe.find(GAS_KEY),
    )
    return book if stack is None else HedgedStaking(book, stack, settings.gas_tank)


def _directional(mode: ModeFile, strategy: DirectionalStrategy, settings: EngineSettings) -> Directional:
    perp = settings.universe.slot(directional_perp(mode, strategy))
    return Directional(
        perp_slot=perp,
        rules=settings.venues[strategy.venue].trades[perp],
        threshold=strategy.signal_threshold,
        max_position_size=strategy.max_position_size,
        stop_loss_sd=strategy.stop_loss_sd,
        take_profit_sd=strategy.take_profit_sd,
        sd_floor=strategy.sd_floor_bp * 1e-4,
        sd_cap=strategy.sd_cap_bp * 1e-4,
        minimum_edge=strategy.minimum_edge,
        max_hold=None if strategy.max_hold_bars is None else strategy.max_hold_bars * settings.step,
        target_sd=strategy.target_sd,
    )


def _stack(strategy: StackFile, settings: EngineSettings) -> Stack:
    if settings.stack is None:
        raise ConfigError(f"{settings.mode} has no way to stake.")
    return Stack(settings.stack, strategy.target_ltv)
