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
from basis_pipeline.config.live import LiveFile, LiveSwitches, credentials, load_live, read_switches
from basis_pipeline.config.models import BasisStrategy, DirectionalStrategy, HedgedStakingStrategy, LendingStrategy
from basis_pipeline.config.universe import WALLET
from basis_pipeline.config.variables import SWITCHES_PREFIX, wallet_prefix
from basis_pipeline.config.wiring import WiredMode
from basis_pipeline.domain.errors import ConfigError, StateError, SystemFailure, VenueSilence
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.state import EngineState
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.runs.live.alerts import alerting
from basis_pipeline.runs.live.clock import WallClock
from basis_pipeline.runs.live.exchanges import (
    NO_TRANSFERS,
    TransferPlan,
    addresses_in_use,
    check_addresses,
    exchanges_of,
    live_settings,
    needs_chain,
    transfer_plan,
    wire_live,
    with_receivables,
)
from basis_pipeline.runs.live.hearing import Hearing
from basis_pipeline.runs.live.lock import session_lock, wallet_lock
from basis_pipeline.runs.live.log import LiveLog
from basis_pipeline.runs.live.parts import Alert, SessionParts
from basis_pipeline.runs.live.publishing import publishing_process
from basis_pipeline.runs.live.record import SessionAbout, SessionLimits, begin_record, journal_path
from basis_pipeline.runs.live.session import LiveSession
from basis_pipeline.runs.live.venues import live_venues
from basis_pipeline.runs.notifications import check_channels
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.venues.live.clients import PRODUCTION
from basis_pipeline.venues.live.extra import check_installed


@dataclass(frozen=True)
class LivePlan:
    """A session that may start: everything that can be refused without talking to a venue was checked.

    Attributes:
        wired: as configured; `settings` are the same with the live error policy and tolerance.
        keys: credentials by venue and field.
        chain: the wallet of a mode whose book is on chain, in whole or in part.
        transfers: between which venues funds are moved.
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
    transfers: TransferPlan = NO_TRANSFERS

    @property
    def journal_path(self) -> Path:
        return journal_path(self.workspace, self.wired.name, self.environment)

    @property
    def subject(self) -> str:
        """What alerts are about."""
        return f"live {self.wired.name}@{self.environment}"

    @property
    def terms(self) -> str:
        """What it may do where, in words."""
        largest = f"orders up to {self.switches.max_trade_size_usd:,.0f} USD"
        return f"{self.environment}, {'read only' if self.switches.read_only else largest}, journal {self.journal_path}"

    def about(self, interval: float | None = None) -> SessionAbout:
        return SessionAbout.of(
            self.wired,
            self.settings,
            self.environment,
            interval=interval or self.live.interval_seconds,
            overrides=self.overrides,
            seed=self.seed,
            limits=SessionLimits(
                read_only=self.switches.read_only,
                max_trade_size_usd=self.switches.max_trade_size_usd,
                max_transfer_size_usd=self.switches.max_transfer_size_usd,
                stop_loss=self.switches.emergency_stop_loss,
                addresses=len(addresses_in_use(self.settings, self.transfers)),
            ),
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
            StorageError: STORE-002 another session of this mode, or on one of its accounts, is running.
        """
        with ExitStack() as stack:
            stack.enter_context(session_lock(self.workspace, self.wired.name, self.environment))
            if self.chain is not None:
                stack.enter_context(wallet_lock(self.workspace, self.chain.deployment.executor))
            journal = LiveJournal.open(
                self.journal_path, belongs_to=f"{self.wired.name}@{self.environment}", now=WallClock.wall
            )
            stack.callback(journal.close)
            begin_record(journal, self.about(interval))
            log = self._log()
            tell = stack.enter_context(alerting(self.workspace, self.subject, log))
            try:
                parts = self._parts(journal, interval, log, tell, stack)
            except VenueSilence as error:
                raise SystemFailure(f"a session cannot start: {error}") from error
            session = LiveSession(parts, seed=self.seed, acknowledged=acknowledged)
            begun(session)
            session.run(until=until)

    def _log(self) -> LiveLog:
        hidden = [s for keys in self.keys.values() for s in keys.values()]
        return LiveLog(sys.stderr, secrets.token_hex(4), [*hidden, *(self.chain.secrets if self.chain else ())])

    def _parts(
        self, journal: LiveJournal, interval: float | None, log: LiveLog, tell: Callable[[Alert], None], held: ExitStack
    ) -> SessionParts:
        hearing = Hearing(log)
        venues, feed, transit = live_venues(self, journal, WallClock(), hearing, held)
        return SessionParts(
            self.settings,
            self.wired.strategy,
            venues,
            feed,
            journal,
            WallClock(),
            interval=interval or self.live.interval_seconds,
            drift=self.live.drift,
            receipts=self.live.largest_receipt,
            stop_loss=self.switches.emergency_stop_loss,
            emergency=self.live.emergency,
            minimum_room=self.live.minimum_free_mb * 1e6,
            unexplained_alert=self.live.unexplained_alert,
            heartbeat=self.switches.heartbeat_timeout,
            hold=self.live.held_values_seconds if isinstance(self.wired.file.strategy, LendingStrategy) else 0.0,
            log=log,
            tell=tell,
            hearing=hearing,
            transit=transit,
            results=publishing_process(self.workspace, self.wired.name, self.environment, self.live.publish_seconds),
        )


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
        ConfigError: not enabled, wrong environment, credentials that are missing, keys and addresses that are none, a
            channel of alerts whose secret is not set, a mode that live sessions do not carry.
        StateError: there is no such checkpoint.
    """
    given = dict(os.environ if variables is None else variables)
    environment = read_environment(given).environment
    switches = read_switches(given, environment)
    live = load_live(workspace.config.path)
    wired = wire_live(workspace.config, mode, overrides, tank=live.gas_tank_eth)
    _check_shape(wired)
    _check_enabled(switches)
    _check_carried(wired, given, environment)
    check_channels(workspace)
    exchanges, on_chain = exchanges_of(wired), needs_chain(wired)
    transfers = transfer_plan(wired, environment, switches, live)
    _check_linked(wired, transfers, demo=environment != PRODUCTION and not switches.endpoints)
    settings = live_settings(wired, live, transfers.linked if exchanges else None)
    keys = {venue: credentials(given, environment, venue) for venue in exchanges}
    chain = chain_access(given, environment, workspace.config.path) if on_chain else None
    if chain is not None:
        check_addresses(settings, transfers, chain.deployment.network)
    return LivePlan(
        workspace,
        wired,
        settings,
        environment,
        live,
        switches,
        keys,
        _seed(workspace, settings, seed_from) if seed_from else None,
        chain,
        overrides,
        transfers,
    )


def _check_shape(wired: WiredMode) -> None:
    """ConfigError for a mode that live sessions never carry."""
    if isinstance(wired.file.strategy, DirectionalStrategy):
        raise ConfigError(
            f"{wired.name}: live sessions carry modes that hold positions, not shape {wired.file.strategy.shape}.",
            remedy="run it as a backtest.",
        )


def _check_enabled(switches: LiveSwitches) -> None:
    if not switches.enabled:
        raise ConfigError(
            "live trading is not enabled.",
            code="CONFIG-004",
            remedy=f"set {SWITCHES_PREFIX}ENABLED=true; it stays read only until {SWITCHES_PREFIX}READ_ONLY=false.",
        )


def _check_carried(wired: WiredMode, variables: Mapping[str, str], environment: str) -> None:
    """ConfigError for a mode that needs a wallet where none is named, or a client library that is not installed."""
    exchanges = exchanges_of(wired)
    for library in (["ccxt"] if exchanges else []) + (["web3"] if needs_chain(wired) else []):
        check_installed(library)
    wallet = any(name.startswith(wallet_prefix(environment)) for name in variables)
    if isinstance(wired.file.strategy, BasisStrategy) and needs_chain(wired) and not wallet:
        raise ConfigError(
            f"{wired.name} keeps {wired.settings.reserve_fraction:.2%} of its equity in a wallet, and "
            f"{wallet_prefix(environment)}* names none.",
            remedy=f"--set reserve_fraction=0, and place all cash at {' and '.join(exchanges)}; or set up a wallet "
            "(docs/guides/live-on-chain.md).",
        )


def _check_linked(wired: WiredMode, transfers: TransferPlan, *, demo: bool) -> None:
    """ETH that is bought at an exchange and staked on chain has to get from one to the other."""
    strategy = wired.file.strategy
    if not isinstance(strategy, HedgedStakingStrategy):
        return
    if apart := sorted({WALLET, strategy.spot_venue} - transfers.linked):
        listing = f"list addresses of {', '.join(apart)} under `transfers.addresses` of configs/live.yaml (USDT, ETH)."
        raise ConfigError(
            f"{wired.name} moves ETH between {strategy.spot_venue} and the wallet; {transfers.notice}",
            code="TRANSFER-007",
            remedy="demo networks cannot carry this mode: run it as a backtest, or in prod." if demo else listing,
        )


def _seed(workspace: Workspace, settings: EngineSettings, experiment: str) -> EngineState:
    mode = settings.mode
    months = workspace.results.months(mode, experiment)
    if not months:
        raise StateError(
            f"there is no published month of {mode} in experiment {experiment}.",
            remedy=f"make it: basis backtest {mode} --experiment {experiment}.",
        )
    state = workspace.results.checkpoint(mode, max(months), experiment)
    return replace(state, market=with_receivables(state.market, settings)) if state.market else state
