"""The use case `live`: a mode on real venues, from its configuration and the environment to a session that runs.

Every reason not to start is checked before anything is opened, and each is one message with what to do about it.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from basis_pipeline.config.chain import ChainAccess, chain_access
from basis_pipeline.config.environment import read_environment
from basis_pipeline.config.gas import wire_on_chain
from basis_pipeline.config.live import PREFIX, LiveFile, LiveSwitches, credentials, load_live, read_switches
from basis_pipeline.config.models import BasisStrategy
from basis_pipeline.config.wiring import WiredMode, simulated_venues, wire_mode
from basis_pipeline.domain.errors import ConfigError, StateError, SystemFailure, VenueSilence
from basis_pipeline.domain.protocols import MarketFeed
from basis_pipeline.domain.settings import EngineSettings, ErrorPolicyName, ExecutionMode
from basis_pipeline.domain.state import EngineState
from basis_pipeline.domain.tolerance import Tolerance
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.runs.live_alerts import alerting
from basis_pipeline.runs.live_chain import chain_venues
from basis_pipeline.runs.live_clock import WallClock
from basis_pipeline.runs.live_hearing import Hearing
from basis_pipeline.runs.live_log import LiveLog
from basis_pipeline.runs.live_operator import session_lock
from basis_pipeline.runs.live_parts import Alert, LiveVenue, SessionParts
from basis_pipeline.runs.live_publishing import publishing_process
from basis_pipeline.runs.live_record import SessionAbout, begin_record, journal_path
from basis_pipeline.runs.live_session import LiveSession
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.venues.live.cex import LiveCex
from basis_pipeline.venues.live.clients import live_exchange
from basis_pipeline.venues.live.exchange import Exchange
from basis_pipeline.venues.live.feed import LiveExchangeFeed
from basis_pipeline.venues.live.patience import PatientExchange

STABLE = "USDT"


@dataclass(frozen=True)
class LivePlan:
    """A session that may start: everything that can be refused without talking to a venue was checked.

    Attributes:
        wired: as configured; `settings` are the same with the live error policy and tolerance.
        keys: credentials by venue and field.
        chain: the wallet of a mode that lives on chain alone.
    """

    workspace: Workspace
    wired: WiredMode
    settings: EngineSettings
    environment: str
    live: LiveFile
    switches: LiveSwitches
    keys: Mapping[str, Mapping[str, Any]] = field(repr=False)
    seed: EngineState | None = None
    chain: ChainAccess | None = None
    overrides: Mapping[str, Any] | None = None

    @property
    def journal_path(self) -> Path:
        return journal_path(self.workspace, self.wired.name, self.environment)

    @property
    def terms(self) -> str:
        """What it may do where, in words."""
        largest = f"orders up to {self.switches.max_trade_size_usd:,.0f} USD"
        return f"{self.environment}, {'read only' if self.switches.read_only else largest}, journal {self.journal_path}"

    def about(self, interval: float | None = None) -> SessionAbout:
        return SessionAbout.of(
            self.wired,
            self.environment,
            interval=interval or self.live.interval_seconds,
            tolerance=self.settings.tolerance,
            overrides=self.overrides,
            seed=self.seed,
        )

    def run(
        self,
        *,
        acknowledged: bool = False,
        interval: float | None = None,
        until: int | None = None,
        begun: Callable[[LiveSession], None],
    ) -> None:
        """Run until stopped; `begun` gets the session before it starts, to stop it by.

        Raises:
            SystemFailure, StateError: as LiveSession.run.
            StorageError: another session of this mode is running.
        """
        with ExitStack() as stack:
            stack.enter_context(session_lock(self.workspace, self.wired.name, self.environment))
            journal = LiveJournal.open(
                self.journal_path, belongs_to=f"{self.wired.name}@{self.environment}", now=WallClock.wall
            )
            stack.callback(journal.close)
            begin_record(journal, self.about(interval))
            log = self._log()
            tell = stack.enter_context(alerting(self.workspace, f"live {self.wired.name}@{self.environment}", log))
            try:
                parts = self._parts(journal, interval, log, tell)
            except VenueSilence as error:
                raise SystemFailure(f"a session cannot start: {error}") from error
            session = LiveSession(parts, seed=self.seed, acknowledged=acknowledged)
            begun(session)
            session.run(until=until)

    def _log(self) -> LiveLog:
        hidden = [s for keys in self.keys.values() for s in keys.values()]
        return LiveLog(sys.stderr, secrets.token_hex(4), [*hidden, *(self.chain.secrets if self.chain else ())])

    def _parts(
        self, journal: LiveJournal, interval: float | None, log: LiveLog, tell: Callable[[Alert], None]
    ) -> SessionParts:
        hearing = Hearing(log)
        exchanges = {
            venue: PatientExchange(
                hearing.of(
                    venue,
                    live_exchange(
                        venue,
                        self.environment,
                        keys,
                        endpoint=self.switches.endpoints.get(venue),
                        timeout=self.live.request_timeout_seconds,
                    ),
                ),
                WallClock(),
            )
            for venue, keys in self.keys.items()
        }
        venues, feed = self._chain(self.chain, journal) if self.chain else self._exchanges(exchanges, journal)
        return SessionParts(
            self.settings,
            self.wired.strategy,
            venues,
            feed,
            journal,
            WallClock(),
            interval=interval or self.live.interval_seconds,
            drift=self.live.drift,
            stop_loss=self.switches.emergency_stop_loss,
            emergency=self.live.emergency,
            minimum_room=self.live.minimum_free_mb * 1e6,
            unexplained_alert=self.live.unexplained_alert,
            heartbeat=self.switches.heartbeat_timeout,
            log=log,
            tell=tell,
            hearing=hearing,
            results=publishing_process(self.workspace, self.wired.name, self.environment, self.live.publish_seconds),
        )

    def _chain(self, chain: ChainAccess, journal: LiveJournal) -> tuple[Mapping[str, LiveVenue], MarketFeed]:
        return chain_venues(chain, self.environment, self.settings, journal, WallClock(), self.switches, self.live)

    def _exchanges(
        self, exchanges: Mapping[str, Exchange], journal: LiveJournal
    ) -> tuple[Mapping[str, LiveVenue], MarketFeed]:
        feed = LiveExchangeFeed(
            self.settings,
            exchanges,
            _references(self.wired, exchanges),
            maximum_age=self.live.maximum_price_age_seconds,
        )
        return self._venues(exchanges, journal), feed

    def _venues(self, exchanges: Mapping[str, Exchange], journal: LiveJournal) -> Mapping[str, LiveVenue]:
        began = journal.first_state_at()
        venues: dict[str, Any] = {venue.name: venue for venue in simulated_venues(self.settings)}
        for name, exchange in exchanges.items():
            venues[name] = LiveCex(
                exchange,
                self.settings,
                journal,
                WallClock(),
                since=WallClock.wall() if began is None else began,
                seen=state.timestamp if (state := journal.last_state()) else 0,
                max_notional=self.switches.max_trade_size_usd,
                read_only=self.switches.read_only,
                deadline=self.live.order_deadline_seconds,
            )
            venues[name].check_account()
        return venues


def plan_live(
    workspace: Workspace,
    mode: str,
    *,
    overrides: Mapping[str, Any] | None = None,
    seed_from: str | None = None,
    variables: Mapping[str, str] | None = None,
) -> LivePlan:
    """Everything a session of `mode` needs, or the one reason why it cannot be.

    Args:
        workspace: configuration and data root; the journal is below it.
        mode: name of a mode file.
        overrides: dotted keys; they belong to the record, so a journal is resumed with the same ones only.
        seed_from: name of an experiment whose last checkpoint a new record goes on from.
        variables: the environment; default that of the process.

    Raises:
        ConfigError: not enabled, wrong environment, missing credentials, a mode that live sessions do not carry.
        StateError: there is no such checkpoint.
    """
    given = dict(os.environ if variables is None else variables)
    environment = read_environment(given).environment
    switches = read_switches(given, environment)
    if not switches.enabled:
        raise ConfigError(
            "live trading is not enabled.",
            code="CONFIG-004",
            remedy=f"set {PREFIX}ENABLED=true; {PREFIX}READ_ONLY stays true until it is set to false.",
        )
    wired = wire_mode(workspace.config, mode, overrides)
    live = load_live(workspace.config.path)
    exchanges = _carried(wired)
    if not exchanges:
        wired = wire_on_chain(workspace.config, mode, overrides)
    return LivePlan(
        workspace,
        wired,
        replace(
            wired.settings,
            execution_mode=ExecutionMode.LIVE,
            error_policy=ErrorPolicyName.RETRY,
            tolerance=Tolerance(live.tolerance.relative, live.tolerance.usdt),
        ),
        environment,
        live,
        switches,
        {venue: credentials(given, environment, venue) for venue in exchanges},
        _seed(workspace, mode, seed_from) if seed_from else None,
        None if exchanges else chain_access(given, environment, workspace.config.path),
        overrides,
    )


def _carried(wired: WiredMode) -> tuple[str, ...]:
    """The exchanges of a mode, none if it is on chain alone; ConfigError for one that live sessions cannot carry."""
    mode, settings = wired.name, wired.settings
    exchanges = tuple(name for name, rules in settings.venues.items() if rules.kind == "cex")
    if not exchanges:
        return ()
    if not isinstance(wired.file.strategy, BasisStrategy):
        raise ConfigError(
            f"{mode}: live sessions trade on an exchange or on chain, shape {wired.file.strategy.shape} needs both.",
            remedy="run it as a backtest, or choose a mode of one of them.",
        )
    if len(exchanges) > 1:
        raise ConfigError(
            f"{mode} spreads its cash over {', '.join(exchanges)}; live sessions move no funds between venues.",
            remedy=f"keep it on one: --set 'strategy.hedge_allocation={{{exchanges[0]}: 1.0}}'.",
        )
    if settings.reserve_fraction > 0.0:
        raise ConfigError(
            f"{mode} keeps {settings.reserve_fraction:.2%} of its equity in a wallet; live sessions move no funds "
            "between venues.",
            remedy=f"--set reserve_fraction=0, and place all cash at {exchanges[0]}.",
        )
    return exchanges


def _references(wired: WiredMode, exchanges: Mapping[str, Exchange]) -> dict[str, str]:
    """By asset, the exchange whose spot price values it: the configured one if the session has it."""
    only = next(iter(exchanges))
    chosen = {asset: wired.file.reference_price.get(asset, only) for asset in wired.settings.universe.assets}
    return {asset: venue if venue in exchanges else only for asset, venue in chosen.items() if asset != STABLE}


def _seed(workspace: Workspace, mode: str, experiment: str) -> EngineState:
    months = workspace.results.months(mode, experiment)
    if not months:
        raise StateError(
            f"there is no published month of {mode} in experiment {experiment}.",
            remedy=f"make it: basis backtest {mode} --experiment {experiment}.",
        )
    return workspace.results.checkpoint(mode, max(months), experiment)
