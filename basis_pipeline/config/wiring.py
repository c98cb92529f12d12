"""From configuration files to a wired mode: everything `runs` needs to build frames, engines and gates for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from basis_pipeline.config.digest import behaviour_of, digest_of
from basis_pipeline.config.loading import ConfigFolder
from basis_pipeline.config.market import frame_spec
from basis_pipeline.config.models import (
    BasisStrategy,
    DirectionalStrategy,
    HedgedStakingStrategy,
    ModeFile,
    StackFile,
)
from basis_pipeline.config.rewards import reward_rules
from basis_pipeline.config.risk_limits import gate_thresholds, risk_limits
from basis_pipeline.config.shapes import build_strategy
from basis_pipeline.config.universe import (
    GAS_KEY,
    GAS_TOKEN,
    Venues,
    capital_key,
    derived_keys,
    exits_by_queue,
    lending_account,
    margin_accounts,
    receivables,
    routes,
    stack_route,
    used_venues,
    venue_rules,
)
from basis_pipeline.config.validation import (
    check_basis,
    check_directional,
    check_exit_route,
    check_share_class,
    check_stack,
    directional_limits,
    margin_limits,
)
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.position_keys import Universe
from basis_pipeline.domain.protocols import Strategy, Venue
from basis_pipeline.domain.settings import (
    EngineSettings,
    ExecutionMode,
    LendingAccount,
    MarginAccount,
    MarginLimits,
    ScheduledFlow,
    SteeringLimits,
)
from basis_pipeline.domain.timeline import STEPS, to_micros
from basis_pipeline.engine.event_driven_strategy_engine import EngineConfig
from basis_pipeline.gates.evidence import ModeProfile
from basis_pipeline.market_data.frames.requirements import FrameSpec, SeriesRef, requirements
from basis_pipeline.venues.simulated.aave import SimulatedAave
from basis_pipeline.venues.simulated.cex import SimulatedCex
from basis_pipeline.venues.simulated.onchain import (
    SimulatedDex,
    SimulatedExecutor,
    SimulatedStaking,
    SimulatedWallet,
)

_SIMULATED: dict[str, Callable[[str, EngineSettings], Venue]] = {
    "wallet": SimulatedWallet,
    "cex": SimulatedCex,
    "lending": SimulatedAave,
    "staking": SimulatedStaking,
    "dex": SimulatedDex,
    "executor": SimulatedExecutor,
}


@dataclass(frozen=True)
class WiredMode:
    """One mode, resolved.

    Attributes:
        file: the validated mode file, overrides included.
        settings: shared by all components.
        strategy: the shape with its parameters.
        frame_spec: the market data it reads.
        profile: what its gates hold it to.
        tracked_assets: assets recorded in the `exposures` table.
        resolved: the whole configuration for reading, kept in manifests.
    """

    file: ModeFile
    settings: EngineSettings
    strategy: Strategy
    frame_spec: FrameSpec
    profile: ModeProfile
    tracked_assets: tuple[str, ...]
    resolved: dict[str, Any]

    @property
    def name(self) -> str:
        return self.file.mode

    def engine_config(self) -> EngineConfig:
        """A fresh set of simulated venues around the same settings."""
        return EngineConfig(self.settings, self.strategy, simulated_venues(self.settings))


def wire_mode(
    folder: ConfigFolder, name: str, overrides: Mapping[str, Any] | None = None, *, late: bool = False
) -> WiredMode:
    """Load, merge, validate and wire one mode; ConfigError names file and key of whatever is wrong.

    With `late` it has slots for funds in transit, also where its venue files know no latency.
    """
    mode = folder.mode(name, overrides)
    share_class = folder.share_class(mode.share_class)
    check_share_class(mode, share_class)
    check_exit_route(mode)
    names = used_venues(mode)
    if strangers := sorted(mode.venues.keys() - set(names)):
        raise ConfigError(
            f"configs/modes/{name}.yaml: `venues` overrides {', '.join(strangers)}, which it does not use."
        )
    venues = Venues({venue: folder.venue(venue, mode.venues.get(venue)) for venue in names})
    universe = venues.universe(derived_keys(mode), redeems=exits_by_queue(mode.strategy), late=late)
    behaviour = behaviour_of(mode, venues, universe, share_class)
    neutral = share_class.market_neutral and mode.strategy.shape != "directional"
    settings = _settings(mode, venues, universe, behaviour, market_neutral=neutral)
    spec = frame_spec(mode, universe, venues)
    return WiredMode(
        file=mode,
        settings=settings,
        strategy=build_strategy(mode, settings),
        frame_spec=spec,
        profile=_profile(mode, settings, spec),
        tracked_assets=_tracked(mode, universe),
        resolved={"mode": mode.model_dump(mode="json"), "behaviour": behaviour},
    )


def simulated_venues(settings: EngineSettings) -> tuple[Venue, ...]:
    return tuple(_SIMULATED[rules.kind](name, settings) for name, rules in settings.venues.items())


def _settings(
    mode: ModeFile, venues: Venues, universe: Universe, behaviour: dict[str, str], *, market_neutral: bool
) -> EngineSettings:
    accounts = margin_accounts(universe, venues)
    strategy = mode.strategy
    limits = _margin_limits(mode, accounts, venues)
    capital = universe.slot(capital_key(mode))
    rewards = reward_rules(mode, universe)
    return EngineSettings(
        mode=mode.mode,
        share_class=mode.share_class,
        share_asset=mode.share_class,
        market_neutral=market_neutral,
        execution_mode=ExecutionMode.BACKTEST,
        error_policy=mode.error_policy,
        initial_capital=mode.initial_capital,
        step=STEPS[mode.step],
        universe=universe,
        venues=venue_rules(universe, venues, mode.step),
        capital_slot=capital,
        risk=risk_limits(mode, limits),
        steering_limits=_steering_limits(mode),
        gas_slot=_gas_slot(mode, universe, capital),
        reserve_fraction=_reserve(mode),
        gas_reserve=mode.gas_reserve,
        margin_accounts=accounts,
        routes=routes(universe, rewards.token_slots if rewards else ()),
        rewards=rewards,
        receivables=receivables(universe),
        flows=_flows(mode),
        cash_floor=strategy.cash_floor if isinstance(strategy, BasisStrategy | HedgedStakingStrategy) else 0.0,
        stack=stack_route(universe, venues, strategy) if isinstance(strategy, StackFile) else None,
        gated_ltv=_gated_ltv(strategy) if isinstance(strategy, StackFile) else None,
        lending=_lending(mode, universe, venues),
        config_digest=digest_of(behaviour),
        behaviour=behaviour,
    )


def _margin_limits(mode: ModeFile, accounts: Sequence[MarginAccount], venues: Venues) -> MarginLimits | None:
    """Bands of the margin ratio, checked against what the venues ask for; None for books without perps."""
    strategy = mode.strategy
    if isinstance(strategy, BasisStrategy | HedgedStakingStrategy):
        limits = margin_limits(mode, strategy)
        check_basis(mode, strategy, limits, accounts, venues)
        return limits
    if isinstance(strategy, DirectionalStrategy):
        limits = directional_limits(mode, strategy)
        check_directional(mode, strategy, limits, accounts)
        return limits
    return None


def _steering_limits(mode: ModeFile) -> SteeringLimits:
    return SteeringLimits(
        equity_deviation=mode.equity_deviation_threshold,
        leg_deviation=mode.position_deviation_threshold,
        min_trade=mode.min_trade_usd,
        max_gas_share=mode.max_gas_share,
    )


def _lending(mode: ModeFile, universe: Universe, venues: Venues) -> LendingAccount | None:
    """The account behind a stack, after a check that its leverage leaves room to act."""
    strategy = mode.strategy
    if not isinstance(strategy, StackFile):
        return None
    account = lending_account(universe, venues, strategy)
    check_stack(mode, strategy, account)
    return account


def _gated_ltv(strategy: StackFile) -> float | None:
    return strategy.target_ltv if strategy.carry_gate and strategy.target_ltv else None


def _profile(mode: ModeFile, settings: EngineSettings, spec: FrameSpec) -> ModeProfile:
    needed = requirements(spec)
    return ModeProfile(
        config_digest=settings.config_digest,
        step=settings.step,
        initial_capital=settings.initial_capital,
        required_series=tuple(_series(r.series) for r in needed if not r.optional),
        optional_series=tuple(_series(r.series) for r in needed if r.optional),
        market_neutral=settings.market_neutral,
        share_asset=settings.share_asset,
        coin_share_class=settings.coin_share_class,
        directional=isinstance(mode.strategy, DirectionalStrategy),
        flat_start_allowed=isinstance(mode.strategy, DirectionalStrategy) and mode.strategy.allow_flat_start,
        supplied_fraction=1.0 - settings.reserve_fraction if mode.strategy.shape == "lending" else None,
        gas_reserve=settings.gas_reserve,
        thresholds=gate_thresholds(mode, settings.risk),
    )


def _series(series: SeriesRef) -> str:
    return f"{series.dataset}/{series.venue}/{series.symbol}"


def _gas_slot(mode: ModeFile, universe: Universe, capital: int) -> int:
    """Gas is paid in ETH by books that hold it, else charged in the share class."""
    eth = universe.find(GAS_KEY)
    return capital if eth is None or mode.share_class != GAS_TOKEN else eth


def _reserve(mode: ModeFile) -> float:
    return mode.strategy.reserve if mode.reserve_fraction is None else mode.reserve_fraction


def _flows(mode: ModeFile) -> tuple[ScheduledFlow, ...]:
    flows = (ScheduledFlow(to_micros(flow.at), flow.amount) for flow in mode.flows)
    return tuple(sorted(flows, key=lambda flow: flow.timestamp))


def _tracked(mode: ModeFile, universe: Universe) -> tuple[str, ...]:
    tracked = mode.component_config.exposure_monitor.track_assets
    if tracked is None:
        return universe.assets
    if unknown := sorted(set(tracked) - set(universe.assets)):
        raise ConfigError(
            f"configs/modes/{mode.mode}.yaml: track_assets names {', '.join(unknown)}, which the mode does not hold.",
            remedy=f"choose from {', '.join(universe.assets)}.",
        )
    return tuple(asset for asset in universe.assets if asset in tracked)
