"""The exchanges of a live session: clients, venues, prices, and what may be moved between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from basis_pipeline.config.gas import wire_on_chain
from basis_pipeline.config.live import LiveFile, LiveSwitches
from basis_pipeline.config.loading import ConfigFolder
from basis_pipeline.config.models import BasisStrategy
from basis_pipeline.config.universe import GAS_TOKEN, WALLET
from basis_pipeline.config.wiring import WiredMode, simulated_venues, wire_mode
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.settings import EngineSettings, ErrorPolicyName, ExecutionMode
from basis_pipeline.domain.timeline import MINUTE
from basis_pipeline.domain.tolerance import Tolerance
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.runs.live.parts import LiveClock, LiveVenue
from basis_pipeline.venues.live.ccxt_exchange import CcxtExchange
from basis_pipeline.venues.live.cex import LiveCex
from basis_pipeline.venues.live.clients import PRODUCTION
from basis_pipeline.venues.live.exchange import Exchange
from basis_pipeline.venues.live.feed import LiveExchangeFeed
from basis_pipeline.venues.live.funds import Destination, Funds, TransferEnd
from basis_pipeline.venues.live.patience import DELAYS, PatientExchange
from basis_pipeline.venues.live.transit import Transit
from basis_pipeline.venues.live.withdrawals import ExchangeEnd, Withdrawals

STABLE = "USDT"
ON_CHAIN = frozenset({"lending", "staking", "dex", "executor"})
"""Kinds of venues that only a wallet on a chain reaches."""


class TransferPlan(msgspec.Struct, frozen=True):
    """Between which venues a session moves funds, and what an operator has to know about it.

    Attributes:
        linked: venues that funds may leave and reach; empty where nothing is moved.
        destinations: allow-listed addresses by venue and token.
        notice: what to do beforehand, because a venue of the mode is not linked; empty if all are.
    """

    linked: frozenset[str]
    destinations: dict[tuple[str, str], Destination]
    notice: str = ""


NO_TRANSFERS = TransferPlan(frozenset(), {})


def wire_live(folder: ConfigFolder, mode: str, overrides: Mapping[str, Any] | None = None, *, tank: float) -> WiredMode:
    """A mode as live sessions have it: gas on chain is paid in ETH, and what moves between venues takes time.

    `tank` is the ETH that a hedged stack keeps for gas.
    """
    wired = wire_mode(folder, mode, overrides)
    exchanges, on_chain = exchanges_of(wired), needs_chain(wired)
    late = bool(exchanges) and len(exchanges) + on_chain > 1
    if on_chain:
        return wire_on_chain(folder, mode, overrides, tank=tank, late=late)
    return wire_mode(folder, mode, overrides, late=True) if late else wired


def transfer_plan(wired: WiredMode, environment: str, switches: LiveSwitches, live: LiveFile) -> TransferPlan:
    """What can be moved: demo and test networks withdraw nothing, and no funds go where no address is listed."""
    exchanges = exchanges_of(wired)
    ends = (*exchanges, *((WALLET,) if needs_chain(wired) else ()))
    if len(ends) < 2 or not exchanges:
        return NO_TRANSFERS
    listed = {
        (venue, token): Destination(line.network, line.address, line.tag)
        for venue, tokens in live.transfers.addresses.items()
        for token, line in tokens.items()
    }
    demo = [venue for venue in exchanges if environment != PRODUCTION and venue not in switches.endpoints]
    linked = frozenset(venue for venue in ends if (venue, STABLE) in listed and venue not in demo)
    if len(linked) < 2:
        linked = frozenset()
    if not (apart := [venue for venue in ends if venue not in linked]):
        return TransferPlan(linked, listed)
    why = "demo and test networks withdraw nothing" if demo else "no address of theirs is in configs/live.yaml"
    return TransferPlan(
        linked,
        listed,
        f"no funds are moved from or to {', '.join(apart)} ({why}): place them beforehand, {_placement(wired)}.",
    )


def needs_chain(wired: WiredMode) -> bool:
    """Whether the book of a mode is on chain, be it only its reserve."""
    settings = wired.settings
    kept = settings.reserve_fraction > 0.0 or settings.gas_reserve > 0.0
    return any(rules.kind in ON_CHAIN or (rules.kind == WALLET and kept) for rules in settings.venues.values())


def exchanges_of(wired: WiredMode) -> tuple[str, ...]:
    return tuple(name for name, rules in wired.settings.venues.items() if rules.kind == "cex")


def live_settings(wired: WiredMode, live: LiveFile, linked: frozenset[str] | None) -> EngineSettings:
    """The settings of the mode for real venues: they round, they fail, and transfers between them take time."""
    return replace(
        linked_settings(wired.settings, linked, round(live.transfers.expected_minutes * MINUTE)),
        execution_mode=ExecutionMode.LIVE,
        error_policy=ErrorPolicyName.RETRY,
        tolerance=Tolerance(live.tolerance.relative, live.tolerance.usdt),
    )


def linked_settings(settings: EngineSettings, linked: frozenset[str] | None, latency: int) -> EngineSettings:
    """`settings` where transfers between the `linked` venues take `latency` microseconds, and no others are made.

    None: every venue reaches every other one, as its file says.
    """
    venues = {
        name: replace(rules, transfer_latency=latency) if name in (linked or ()) else rules
        for name, rules in settings.venues.items()
    }
    return replace(settings, venues=venues, linked=linked)


def exchange_venues(
    clients: Mapping[str, CcxtExchange],
    wired: WiredMode,
    settings: EngineSettings,
    transfers: TransferPlan,
    *,
    journal: LiveJournal,
    clock: LiveClock,
    switches: LiveSwitches,
    live: LiveFile,
    patience: tuple[float, ...] = DELAYS,
    wallet: TransferEnd | None = None,
) -> tuple[dict[str, LiveVenue], LiveExchangeFeed, Transit | None]:
    """Venues by name, their prices, and the transfers between them and the `wallet` of a session that has one.

    Raises:
        ConfigError: TRANSFER-003 a key may not withdraw.
        OrderError: TRANSFER-002 a venue names another deposit address than the list.
        VenueRefusal: VEN-009 an account is not set up for sessions.
        VenueSilence: a venue does not answer.
    """
    exchanges = {name: PatientExchange(client, clock, patience) for name, client in clients.items()}
    funds = {name: client.funds for name, client in clients.items() if name in transfers.linked}
    ends: dict[str, TransferEnd] = {name: ExchangeEnd(account) for name, account in funds.items()}
    if wallet is not None and WALLET in transfers.linked:
        ends[WALLET] = wallet
    transit = _transit(funds, ends, settings, transfers, journal=journal, switches=switches, live=live)
    began, state = journal.first_state_at(), journal.last_state()
    since, seen = clock.wall() if began is None else began, state.timestamp if state else 0
    rules: dict[str, Any] = {"read_only": switches.read_only, "deadline": live.order_deadline_seconds}
    withdrawals = {
        name: Withdrawals(account, transit, settings, journal, clock, largest=switches.max_transfer_size_usd, **rules)
        for name, account in funds.items()
        if transit is not None
    }
    venues: dict[str, Any] = {venue.name: venue for venue in simulated_venues(settings)}
    for name, exchange in exchanges.items():
        known: dict[str, Any] = {"withdrawals": withdrawals.get(name), "transit": transit, "since": since, "seen": seen}
        most = switches.max_trade_size_usd
        venues[name] = LiveCex(exchange, settings, journal, clock, max_notional=most, **known, **rules)
        venues[name].check_account()
    references = _references(wired, exchanges)
    feed = LiveExchangeFeed(settings, exchanges, references, maximum_age=live.maximum_price_age_seconds)
    return venues, feed, transit


def addresses_in_use(settings: EngineSettings, transfers: TransferPlan) -> dict[tuple[str, str], Destination]:
    """Those of the list that this session may send funds to, by venue and token."""
    targets = [settings.universe.instruments[slot] for slot in settings.receivables]
    used = {(target.key.venue, target.token) for target in targets if target.key.venue in transfers.linked}
    return {place: there for place, there in transfers.destinations.items() if place in used}


def check_addresses(settings: EngineSettings, transfers: TransferPlan, network: str) -> None:
    """What a wallet sends to has to be on its own `network`; raises ConfigError TRANSFER-008 naming key by key."""
    from basis_pipeline.venues.live.spelling import misspelling  # noqa: PLC0415 - only books with a wallet need it

    wrong: list[str] = []
    for (venue, token), there in addresses_in_use(settings, transfers).items():
        key = f"transfers.addresses.{venue}.{token}"
        if there.network != network:
            wrong.append(f"{key}.network is {there.network}, the wallet is on {network}")
        if fault := misspelling(there.address):
            wrong.append(f"{key}.address is {there.address!r}, {fault}")
    if wrong:
        raise ConfigError(
            f"configs/live.yaml: {'; '.join(wrong)}.",
            code="TRANSFER-008",
            remedy="list deposit addresses on the wallet's own network.",
        )


def with_receivables(market: MarketSnapshot, settings: EngineSettings) -> MarketSnapshot:
    """A snapshot of the same mode without slots for funds in transit, with them: they are worth what will arrive."""
    missing = sorted(settings.receivables.items(), key=lambda pair: pair[1])
    if len(market.price) == len(settings.universe) or not missing:
        return market
    columns = ("price", "index", "ratio", "mark", "last", "value", "underlying", "low", "high")
    widened = {name: _widened(getattr(market, name), missing) for name in columns}
    funding = None if market.funding is None else (*market.funding, *(0.0 for _ in missing))
    opened = None if market.opened is None else _widened(market.opened, missing)
    return replace(market, **widened, funding=funding, opened=opened)


def _widened(column: tuple[float, ...], missing: list[tuple[int, int]]) -> tuple[float, ...]:
    return (*column, *(column[slot] for slot, _ in missing))


def _transit(
    funds: Mapping[str, Funds],
    ends: Mapping[str, TransferEnd],
    settings: EngineSettings,
    transfers: TransferPlan,
    *,
    journal: LiveJournal,
    switches: LiveSwitches,
    live: LiveFile,
) -> Transit | None:
    if not funds:
        return None
    overdue = live.transfers.overdue_minutes * 60.0
    transit = Transit(settings, journal, transfers.destinations, ends, overdue=overdue)
    for venue, token in addresses_in_use(settings, transfers):
        transit.confirmed(venue, token)
    for name, account in funds.items():
        if not switches.read_only and not account.may_withdraw():
            raise ConfigError(
                f"the API key of {name} may not withdraw, and this session moves funds from it.",
                code="TRANSFER-003",
                remedy="give the key that right (with a list of allowed addresses), or take the venue out of "
                "`transfers.addresses` of configs/live.yaml and place its funds by hand.",
            )
    return transit


def _placement(wired: WiredMode) -> str:
    """Shares of the capital by venue: what is bought at one, margin of the shorts at each."""
    strategy = wired.file.strategy
    if not isinstance(strategy, BasisStrategy):
        return "as the mode allocates them"
    spot = strategy.spot_fraction
    shares = {venue: weight * (1.0 - spot) for venue, weight in strategy.hedge_allocation.items()}
    shares[strategy.spot_venue] = shares.get(strategy.spot_venue, 0.0) + spot
    return ", ".join(f"{share:.1%} at {venue}" for venue, share in shares.items())


def _references(wired: WiredMode, exchanges: Mapping[str, Exchange]) -> dict[str, str]:
    """By asset, the exchange whose spot price values it: the configured one if the session has it.

    An asset that is held on chain alone and that nobody has given a reference is priced there, but for the gas token.
    """
    only, configured, universe = next(iter(exchanges)), wired.file.reference_price, wired.settings.universe
    traded = {instrument.asset for instrument in universe if instrument.key.venue in exchanges}
    quoted = [asset for asset in universe.assets if asset in traded | configured.keys() | {GAS_TOKEN}]
    chosen = {asset: configured.get(asset, only) for asset in quoted if asset != STABLE}
    return {asset: venue if venue in exchanges else only for asset, venue in chosen.items()}
