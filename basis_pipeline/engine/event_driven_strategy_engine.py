"""Wiring of the components and the loop around one timestep. Read this first.

::

    process_timestep(t)
      market    = data_provider.at(t)                          only what was known at t
      snapshot  = position_update_handler.refresh(t, market)   settlements -> positions -> exposure -> risk -> P&L
      decision  = strategy_manager.generate_orders(t, snapshot)
      results   = execution_manager.process_orders(t, ...)     per order: route, execute, reconcile, chain again
      close the step: the last committed chain is the record of this timestamp

A backtest, a month, an experiment and a live session are loops over the same `process_timestep`; they differ in what
is injected: data provider, venues, clock, error policy. There is no reset: a new run is a new engine (R49, R51).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec
from msgspec.structs import replace

from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.protocols import Clock, MarketFeed, Strategy, Venue
from basis_pipeline.domain.records import ChainSnapshot
from basis_pipeline.domain.run_log import RunLog
from basis_pipeline.domain.settings import EngineSettings, ErrorPolicyName, ExecutionMode
from basis_pipeline.domain.state import CarryState, EngineState, PnLState, PositionState, RiskState, StrategyState
from basis_pipeline.domain.timeline import to_micros
from basis_pipeline.engine.beginning import check_state, event_logger, held_by, validated
from basis_pipeline.engine.error_policy import ErrorPolicy, FailFast, Replan, RetryWithBackoff
from basis_pipeline.engine.execution_manager import ExecutionManager
from basis_pipeline.engine.exposure_monitor import ExposureMonitor
from basis_pipeline.engine.health import HealthManager, HealthReport
from basis_pipeline.engine.pnl_monitor import PnLMonitor
from basis_pipeline.engine.position_monitor import PositionMonitor
from basis_pipeline.engine.position_update_handler import Monitors, PositionUpdateHandler
from basis_pipeline.engine.risk_monitor import RiskMonitor
from basis_pipeline.engine.settlements import Settlements
from basis_pipeline.engine.strategy_manager import StrategyManager
from basis_pipeline.engine.venue_interface_manager import VenueInterfaceManager

COMPONENTS = (
    "data_provider",
    "position_monitor",
    "event_logger",
    "exposure_monitor",
    "risk_monitor",
    "pnl_monitor",
    "strategy_manager",
    "venue_interface_manager",
    "execution_manager",
    "position_update_handler",
)
"""In dependency order (R82). The eleventh, the results store, takes the run log when the engine is done."""

_POLICIES: dict[ErrorPolicyName, type[ErrorPolicy]] = {
    ErrorPolicyName.FAIL_FAST: FailFast,
    ErrorPolicyName.REPLAN: Replan,
    ErrorPolicyName.RETRY: RetryWithBackoff,
}
_NO_PNL = PnLState((), (), 0.0, 0.0, 0.0, 0.0)


class EngineConfig(msgspec.Struct, frozen=True):
    """What `config` wires; `opening`, by slot, is what venues hold already when a record without a state begins."""

    settings: EngineSettings
    strategy: Strategy
    venues: tuple[Venue, ...]
    opening: dict[int, float] | None = None


class EngineStatus(msgspec.Struct, frozen=True):
    """Answer to `get_status` (R86)."""

    mode: str
    share_class: str
    execution_mode: ExecutionMode
    health: HealthReport
    current_timestamp: int | None
    is_running: bool


class StandstillClock:
    """Time does not pass: phases are not timed and retries do not wait."""

    def now(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        return


class EventDrivenStrategyEngine:
    """One instance of each component, created once and sharing one configuration and one data provider (R71, R81).

    Args:
        execution_mode: `backtest` or `live`; recorded and reported, components do not look at it.
        initial_capital: in share-class units, > 0.
        share_class: must be the one the configuration was written for.
        state: checkpoint to go on from; None opens a new record.
        clock: times phases and waits between retries; stands still by default.

    Raises:
        ConfigError: capital or share class are not valid (R79).
        StateError: the checkpoint belongs to another mode or configuration.
    """

    def __init__(
        self,
        config: EngineConfig,
        execution_mode: str,
        data_provider: MarketFeed,
        initial_capital: float,
        share_class: str,
        *,
        state: EngineState | None = None,
        clock: Clock | None = None,
    ) -> None:
        settings = validated(config.settings, execution_mode, initial_capital, share_class)
        if state is not None:
            check_state(settings, state)
        self.settings = settings
        self.data_provider = data_provider
        self.clock = clock or StandstillClock()
        self.current_timestamp: int | None = state.timestamp if state else None
        self.is_running = False
        self._observed = (0.0, 0.0)
        self._wire(config, settings, state)
        self.health.ready(self.current_timestamp or 0)

    def _wire(self, config: EngineConfig, settings: EngineSettings, state: EngineState | None) -> None:
        universe = settings.universe
        positions = held_by(settings, state)
        market = state.market if state else None
        self.position_monitor = PositionMonitor(universe, positions, state.operation_id if state else 0)
        self.event_logger = event_logger(universe, state)
        self.exposure_monitor = ExposureMonitor(settings)
        self.risk_monitor = RiskMonitor(settings, state.risk if state else RiskState())
        self.pnl_monitor = PnLMonitor(settings, state.pnl if state else _NO_PNL, positions, market)
        self.venue_interface_manager = VenueInterfaceManager(config.venues)
        recorded = (self.position_monitor, self.event_logger, state)
        self.settlements = Settlements(settings, config.venues, *recorded, opening=config.opening)
        self.strategy_manager = StrategyManager(
            settings,
            config.strategy,
            self.settlements,
            self.event_logger,
            state.strategy if state else StrategyState(),
            carry=state.carry if state else CarryState(),
            last_operation=state.operation_id if state else 0,
        )
        self.health = HealthManager(COMPONENTS, self.event_logger.health)
        self.position_update_handler = PositionUpdateHandler(
            settings,
            Monitors(self.position_monitor, self.exposure_monitor, self.risk_monitor, self.pnl_monitor),
            self.settlements,
            self.venue_interface_manager,
            self.event_logger,
            clock=self.clock,
            last_sequence=state.sequence if state else 0,
        )
        self.execution_manager = ExecutionManager(
            self.venue_interface_manager,
            self.position_update_handler,
            self.position_monitor,
            self.event_logger,
            clock=self.clock,
            error_policy=_POLICIES[settings.error_policy](),
            health=self.health,
        )

    @property
    def log(self) -> RunLog:
        return self.event_logger.log

    def process_timestep(self, timestamp: int) -> ChainSnapshot:
        """Advance the book to `timestamp` and return the chain it closes with."""
        self.observe(timestamp)
        return self.act()

    def observe(self, timestamp: int) -> ChainSnapshot:
        """The first half of a timestep: the market, what the world did to the book, what that means."""
        started = self.clock.now()
        return self._refresh(timestamp, self.data_provider.at(timestamp), started)

    def hold(self, timestamp: int) -> ChainSnapshot:
        """As `observe` where nobody says what the market is: the last values, marked as such (R97)."""
        started, last = self.clock.now(), self.position_update_handler.latest.market
        as_of = last.timestamp if last.as_of is None else last.as_of
        return self._refresh(timestamp, replace(last, timestamp=timestamp, as_of=as_of), started)

    def _refresh(self, timestamp: int, market: MarketSnapshot, started: float) -> ChainSnapshot:
        snapshot = self.position_update_handler.refresh(timestamp, market)
        self._observed = (started, self.clock.now())
        return snapshot

    def act(self) -> ChainSnapshot:
        """The second half: decide, execute, close the timestep.

        Without health (R88), or on values that are not of their moment (R97), it closes as it is.
        """
        now, handler = self.clock.now, self.position_update_handler
        snapshot = handler.latest
        timestamp, (started, refreshed) = snapshot.timestamp, self._observed
        looked_at = now() - refreshed  # between the halves: time of neither
        decision = None
        if self.health.may_execute and snapshot.market.as_of is None:
            decision = self.strategy_manager.generate_orders(timestamp, snapshot)
        else:
            self.strategy_manager.observe(snapshot)
        moments: tuple[float, ...] = (started + looked_at, refreshed + looked_at, now())
        if decision is not None:
            results = self.execution_manager.process_orders(
                timestamp, decision.orders, snapshot.market, decision.reason
            )
            snapshot = handler.latest
            if all(result.success for result in results):
                self.strategy_manager.executed(decision, snapshot)
            moments += (now(),)
        self.log.moments.steps.append(moments)
        self.event_logger.close_step()
        self.current_timestamp = timestamp
        return snapshot

    def run(self, timestamps: Iterable[int]) -> RunLog:
        """Process `timestamps` (increasing microseconds UTC) and return the log of everything that happened."""
        self.is_running = True
        try:
            for timestamp in timestamps:
                self.process_timestep(timestamp)
        finally:
            self.is_running = False
        return self.log

    def run_backtest(self, start_date: str, end_date: str) -> RunLog:
        """Run from 00:00 UTC of `start_date` to the last step of `end_date`, both `YYYY-MM-DD` and included (R65)."""
        start = to_micros(datetime.fromisoformat(f"{start_date}T00:00:00+00:00"))
        end = to_micros(datetime.fromisoformat(f"{end_date}T23:59:59+00:00"))
        return self.run(range(start, end, self.settings.step))

    def get_status(self) -> EngineStatus:
        """Mode, share class, execution mode, health of all components, current timestamp, running flag (R86)."""
        return EngineStatus(
            self.settings.mode,
            self.settings.share_class,
            self.settings.execution_mode,
            self.health.check(self.current_timestamp or 0),
            self.current_timestamp,
            self.is_running,
        )

    def state(self) -> EngineState:
        """Everything every component remembers, as of the last committed chain."""
        positions = self.position_monitor.committed
        brackets = dict(positions.brackets)
        return EngineState(
            mode=self.settings.mode,
            config_digest=self.settings.config_digest,
            behaviour=self.settings.behaviour,
            timestamp=self.current_timestamp or 0,
            sequence=self.position_update_handler.last_sequence,
            event_sequence=self.event_logger.last_sequence,
            risk_findings=self.event_logger.findings,
            operation_id=self.strategy_manager.operations.last,
            funded=self.settlements.funded,
            positions={
                key: PositionState(positions.quantities[slot], positions.entry_prices[slot], brackets.get(slot))
                for slot, key in enumerate(self.settings.universe.keys)
            },
            market=self.pnl_monitor.market,
            pnl=self.pnl_monitor.state(),
            risk=self.risk_monitor.state,
            strategy=self.strategy_manager.state,
            settled=dict(self.settlements.settled),
            arrivals=self.settlements.arrivals,
            withdrawals=self.settlements.withdrawals,
            flows_until=self.settlements.flows_until,
            rewards=self.settlements.rewards,
            carry=self.strategy_manager.carry,
        )
