"""Checks across keys and files that no single type can make: thresholds in order, room to act before a liquidation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from basis_pipeline.config.models import (
    BasisStrategy,
    DirectionalStrategy,
    HedgedStakingStrategy,
    ModeFile,
    StackFile,
    StakingStrategy,
)
from basis_pipeline.config.universe import Venues
from basis_pipeline.config.venue_models import ShareClassFile
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.settings import LendingAccount, MarginAccount, MarginLimits
from basis_pipeline.domain.timeline import HOUR, STEPS
from basis_pipeline.domain.valuation import ratio_after_move

RELEVER = 1.6
"""Default of margin_ratio.relever, in multiples of m0 = (1 - s) / s."""

HEALTH_ROOM = 0.08
"""Least distance of a stack's own health factor from the one at which it is reduced."""

LARGEST_MOVES = {"BTC": (0.073, 0.094), "ETH": (0.122, 0.140)}
"""Largest adverse moves measured on 2024-01..2025-06, as fractions: within one hour, within two."""


def margin_limits(mode: ModeFile, strategy: BasisStrategy | HedgedStakingStrategy) -> MarginLimits:
    """Bands of the margin ratio with the default of `relever` filled in."""
    ratios, sized = mode.margin_ratio, (1.0 - strategy.spot_fraction) / strategy.spot_fraction
    return MarginLimits(ratios.emergency, ratios.derisk, ratios.warn, ratios.relever or RELEVER * sized)


def directional_limits(mode: ModeFile, strategy: DirectionalStrategy) -> MarginLimits:
    """Bands of the margin ratio around 1 / max_position_size; a winning position is not enlarged."""
    ratios, sized = mode.margin_ratio, 1.0 / strategy.max_position_size
    return MarginLimits(ratios.emergency, ratios.derisk, ratios.warn, ratios.relever or RELEVER * sized)


def check_directional(
    mode: ModeFile, strategy: DirectionalStrategy, limits: MarginLimits, accounts: Sequence[MarginAccount]
) -> None:
    """Raise ConfigError where a full position would start inside the bands that reduce it."""
    for account in accounts:
        order = {
            f"configs/venues/{account.venue}.yaml margin.maintenance": account.maintenance_margin,
            "margin_ratio.emergency": limits.emergency,
            "margin_ratio.derisk": limits.derisk,
            "margin_ratio.warn": limits.warn,
            "1 / max_position_size": 1.0 / strategy.max_position_size,
        }
        _check_ascending(order, f"configs/modes/{mode.mode}.yaml")


def check_share_class(mode: ModeFile, share_class: ShareClassFile) -> None:
    """Capital arrives in the share-class token: lending and staking hold that token, pairs trade with USDT.

    A directional mode is linear in USDT or inverse in its coin, and within the leverage its share class allows.
    """
    strategy = mode.strategy
    if isinstance(strategy, DirectionalStrategy) and strategy.max_position_size > share_class.max_leverage:
        raise ConfigError(
            f"configs/modes/{mode.mode}.yaml: max_position_size {strategy.max_position_size:g} exceeds max_leverage "
            f"{share_class.max_leverage:g} of share class {share_class.name}.",
            remedy="lower max_position_size.",
        )
    fitting = [mode.asset] if mode.strategy.shape in ("lending", "staking") else ["USDT"]
    if mode.strategy.shape == "directional":
        fitting.append(mode.asset)
    if mode.share_class not in fitting:
        raise ConfigError(
            f"configs/modes/{mode.mode}.yaml: share_class {mode.share_class} does not fit a {mode.strategy.shape} mode "
            f"of {mode.asset}, whose capital is {' or '.join(fitting)}.",
            remedy=f"set share_class: {fitting[0]}.",
        )


def check_exit_route(mode: ModeFile) -> None:
    """A queue serves plain stacks only, and its gas has to be there before any of its ETH is."""
    strategy, where = mode.strategy, f"configs/modes/{mode.mode}.yaml"
    if not isinstance(strategy, StakingStrategy) or strategy.exit_route != "queue":
        return
    if strategy.target_ltv:
        raise ConfigError(
            f"{where}: exit_route queue does not fit a levered stack (target_ltv {strategy.target_ltv:g}).",
            remedy="a redemption cannot repay a flash loan: set exit_route: pool.",
        )
    if not mode.gas_reserve:
        raise ConfigError(
            f"{where}: exit_route queue needs a gas_reserve: a redemption brings nothing to pay its gas from.",
            remedy="set gas_reserve: 0.02 (ETH) or more.",
        )


def check_stack(mode: ModeFile, strategy: StackFile, account: LendingAccount | None) -> None:
    """A levered stack needs room between its own health factor and the one it is reduced at."""
    where = f"configs/modes/{mode.mode}.yaml"
    if strategy.health_factor_emergency >= strategy.health_factor_derisk or strategy.health_factor_emergency <= 1.0:
        raise ConfigError(f"{where}: strategy needs 1 < health_factor_emergency < health_factor_derisk.")
    if account is None:
        return
    health, needed = account.liquidation_threshold / strategy.target_ltv, strategy.health_factor_derisk + HEALTH_ROOM
    if health < needed - 1e-9:
        raise ConfigError(
            f"{where}: strategy.target_ltv {strategy.target_ltv:g} is a health factor of {health:.4f} at a liquidation "
            f"threshold of {account.liquidation_threshold:g}; it needs {needed:.4g}, {HEALTH_ROOM:g} above "
            "health_factor_derisk.",
            remedy=f"lower strategy.target_ltv to {account.liquidation_threshold / needed:.4f} or below.",
        )


def check_lots(mode: ModeFile, venue: str, perp_lot: float, spot_lot: float) -> None:
    """Spot is bought in the sum of the perps' lots; it must come in lots that add up to them."""
    lots = perp_lot / spot_lot if spot_lot else 1.0
    if perp_lot and (round(lots) < 1 or abs(lots - round(lots)) > 1e-9 * lots):
        raise ConfigError(
            f"configs/modes/{mode.mode}.yaml: lot {perp_lot:g} of {mode.asset}USDT at {venue} is no multiple of the "
            f"spot lot {spot_lot:g}, so that spot and shorts cannot be equal.",
            remedy="raise the lot of the perp in the venue's file to a multiple of the spot lot.",
        )


def check_basis(
    mode: ModeFile,
    strategy: BasisStrategy | HedgedStakingStrategy,
    limits: MarginLimits,
    accounts: Sequence[MarginAccount],
    venues: Venues,
) -> None:
    """Raise ConfigError naming the keys that do not fit together."""
    where = f"configs/modes/{mode.mode}.yaml"
    sized = (1.0 - strategy.spot_fraction) / strategy.spot_fraction
    for account in accounts:
        order = {
            f"configs/venues/{account.venue}.yaml margin.maintenance": account.maintenance_margin,
            "margin_ratio.emergency": limits.emergency,
            "margin_ratio.derisk": limits.derisk,
            "margin_ratio.warn": limits.warn,
            "(1 - spot_fraction) / spot_fraction": sized,
            "margin_ratio.relever": limits.relever,
        }
        _check_ascending(order, where)
        if account.initial_margin > limits.emergency:
            raise ConfigError(
                f"{where}: margin_ratio.emergency {limits.emergency:g} is below the initial margin "
                f"{account.initial_margin:g} of {account.venue}.",
                remedy="raise it: below the initial margin a venue lets nothing be opened or moved.",
            )
        _check_room(mode, strategy, limits, account, venues)
    traded = dict.fromkeys([strategy.spot_venue, *strategy.hedge_allocation])
    if unknown := [venue for venue in traded if venues.files[venue].kind != "cex"]:
        raise ConfigError(f"{where}: hedge_allocation and spot_venue need exchanges, not {', '.join(unknown)}.")
    if not mode.delta.warn < mode.delta.rebalance < mode.delta.breach:
        raise ConfigError(f"{where}: delta needs warn < rebalance < breach.")


def _check_ascending(values: dict[str, float], where: str) -> None:
    for lower, upper in pairwise(values):
        if not values[lower] < values[upper]:
            raise ConfigError(
                f"{where}: {lower} = {values[lower]:.6g} must be below {upper} = {values[upper]:.6g}.",
                remedy="thresholds go maintenance < emergency < derisk < warn < sized ratio < relever.",
            )


def _largest_move(asset: str, hours: float) -> float:
    """Measured within one hour and within two; beyond, it grows with the square root of time, as a random walk does."""
    one, two = LARGEST_MOVES[asset]
    if hours <= 1.0:
        return one
    return two * math.sqrt(max(1.0, hours / 2.0))


def _check_room(
    mode: ModeFile,
    strategy: BasisStrategy | HedgedStakingStrategy,
    limits: MarginLimits,
    account: MarginAccount,
    venues: Venues,
) -> None:
    """(derisk - x) / (1 + x) > maintenance with x the largest move over the action latency."""
    move = strategy.largest_move
    if move is None:
        if mode.asset not in LARGEST_MOVES:
            raise ConfigError(
                f"configs/modes/{mode.mode}.yaml: the largest move of {mode.asset} is not known.",
                remedy="state strategy.largest_move: the largest adverse move over one bar plus transfer latency.",
            )
        bars = 1 + max(file.transfer_latency_bars for file in venues.files.values())
        move = _largest_move(mode.asset, bars * STEPS[mode.step] / HOUR)
    left = ratio_after_move(limits.derisk, move)
    if left <= account.maintenance_margin:
        raise ConfigError(
            f"configs/modes/{mode.mode}.yaml: after a move of {move:.1%} a margin ratio of {limits.derisk:g} is "
            f"{left:.4f}, not above the maintenance margin {account.maintenance_margin:g} of {account.venue}.",
            remedy="raise margin_ratio.derisk, or lower strategy.largest_move if you know better.",
        )
