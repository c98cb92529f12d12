"""The venues and the market of a live session: at exchanges, on a chain, or both at once with funds moving between."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple

from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.runs.live.chain import Wallet, open_wallet, wallet_venues
from basis_pipeline.runs.live.exchanges import exchange_venues
from basis_pipeline.runs.live.hearing import Hearing
from basis_pipeline.runs.live.lock import account_locks
from basis_pipeline.runs.live.parts import LiveClock, LiveFeed, LiveVenue
from basis_pipeline.venues.live.ccxt_exchange import CcxtExchange
from basis_pipeline.venues.live.clients import PRODUCTION, live_exchange
from basis_pipeline.venues.live.patience import Patience, delays_in
from basis_pipeline.venues.live.transit import Transit

if TYPE_CHECKING:
    from basis_pipeline.runs.live.plan import LivePlan


class LiveVenues(NamedTuple):
    """Venues by name, prices, and transfers between the venues where there are any."""

    venues: Mapping[str, LiveVenue]
    feed: LiveFeed
    transit: Transit | None


def live_venues(
    plan: LivePlan, journal: LiveJournal, clock: LiveClock, hearing: Hearing, held: ExitStack
) -> LiveVenues:
    """What `plan` says, with clients that talk to it; `held` gets the locks of the accounts behind them.

    Raises:
        ConfigError, OrderError, SystemFailure: as `wallet_venues` and `exchange_venues`.
        StorageError: STORE-002 another session trades one of the accounts.
    """
    clients = _clients(plan, hearing)
    patience = Patience(clock, delays_in(plan.environment))
    accounts = {venue: patience.ask(client.identities) for venue, client in clients.items()}
    held.enter_context(account_locks(plan.workspace, accounts, production=plan.environment == PRODUCTION))
    if plan.chain is None:
        return LiveVenues(*exchange_venues(
            clients, plan.wired, plan.settings, plan.transfers,
            journal=journal, clock=clock, switches=plan.switches, live=plan.live,
            patience=delays_in(plan.environment),
        ))  # fmt: skip
    wallet = open_wallet(plan.chain, plan.environment, clock, plan.live, hearing)
    if clients:
        return hybrid_venues(plan, clients, wallet, journal, clock)
    return _chain_alone(plan, wallet, journal, clock)


def hybrid_venues(
    plan: LivePlan, clients: Mapping[str, CcxtExchange], wallet: Wallet, journal: LiveJournal, clock: LiveClock
) -> LiveVenues:
    """Exchanges and wallet in one session: one market, and one list of what is on its way between them.

    Raises:
        ConfigError, OrderError, VenueError: as `exchange_venues` and `wallet_venues`.
    """
    from basis_pipeline.venues.live.hybrid_feed import LiveHybridFeed  # noqa: PLC0415
    from basis_pipeline.venues.live.wallet_end import WalletEnd  # noqa: PLC0415

    switches, live = plan.switches, plan.live
    venues, prices, transit = exchange_venues(
        clients, plan.wired, plan.settings, plan.transfers, journal=journal, clock=clock, switches=switches, live=live,
        patience=delays_in(plan.environment), wallet=WalletEnd(wallet.chain, wallet.deployment, wallet.signer.address),
    )  # fmt: skip
    on_chain, reader = wallet_venues(
        wallet, plan.settings, transit, journal=journal, clock=clock, switches=switches, live=live
    )
    return LiveVenues({**venues, **on_chain}, LiveHybridFeed(plan.settings, prices, reader), transit)


def _chain_alone(plan: LivePlan, wallet: Wallet, journal: LiveJournal, clock: LiveClock) -> LiveVenues:
    from basis_pipeline.venues.live.chain_feed import LiveChainFeed  # noqa: PLC0415

    venues, reader = wallet_venues(
        wallet, plan.settings, None, journal=journal, clock=clock, switches=plan.switches, live=plan.live
    )
    return LiveVenues(venues, LiveChainFeed(plan.settings, reader), None)


def _clients(plan: LivePlan, hearing: Hearing) -> dict[str, CcxtExchange]:
    return {
        venue: hearing.of(
            venue,
            live_exchange(
                venue,
                plan.environment,
                keys,
                endpoint=plan.switches.endpoints.get(venue),
                timeout=plan.live.request_timeout_seconds,
            ),
        )
        for venue, keys in plan.keys.items()
    }
