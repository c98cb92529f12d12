"""A wallet on a chain for `basis live`, and the executor contract it needs first.

web3 is imported when a chain is talked to, not before: nothing else needs it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from basis_pipeline.config.chain import ChainAccess, chain_access
from basis_pipeline.config.environment import read_environment
from basis_pipeline.config.live import LiveFile, LiveSwitches
from basis_pipeline.domain.errors import VenueSilence
from basis_pipeline.domain.protocols import Clock
from basis_pipeline.domain.secret import Secret
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.runs.live.hearing import Hearing
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.venues.live.extra import need

if TYPE_CHECKING:
    from basis_pipeline.venues.live.chain import Chain
    from basis_pipeline.venues.live.chain_feed import ChainReader
    from basis_pipeline.venues.live.deployment import Deployment
    from basis_pipeline.venues.live.onchain import LiveOnChain
    from basis_pipeline.venues.live.onchain_limits import Limits
    from basis_pipeline.venues.live.transactions import Signer
    from basis_pipeline.venues.live.transit import Transit

DEPLOYMENT_SECONDS = 180.0
NODE, RELAY = "chain", "relay"
"""What is heard of the node, and of what takes orders in its place, among the venues."""


class Wallet(NamedTuple):
    """A wallet that may be used: its network fits the environment, and so does that of its relay if it has one."""

    chain: Chain
    signer: Signer
    deployment: Deployment
    relay: Chain | None = None


def open_wallet(access: ChainAccess, environment: str, clock: Clock, live: LiveFile, hearing: Hearing) -> Wallet:
    """Reach the node, which is listened to as exchanges are, and make sure that it is the right one.

    Raises:
        ConfigError: CHAIN-001 the node serves a network that is not for this environment, CHAIN-002 a key that is none.
    """
    need("web3")
    from basis_pipeline.venues.live.chain import Chain, check_network  # noqa: PLC0415
    from basis_pipeline.venues.live.patience import Patience  # noqa: PLC0415
    from basis_pipeline.venues.live.transactions import Signer  # noqa: PLC0415

    deployment = access.deployment

    def reach(name: str, url: Secret) -> Chain:
        chain = hearing.of(name, Chain(url.reveal(), timeout=live.request_timeout_seconds))
        Patience(clock).ask(lambda: check_network(chain, expected=deployment.chain_id, environment=environment))
        return chain

    chain, relay = reach(NODE, access.rpc_url), reach(RELAY, access.send_url) if access.send_url else None
    return Wallet(chain, Signer(access.private_key.reveal(), deployment.chain_id), deployment, relay)


def wallet_venues(
    wallet: Wallet,
    settings: EngineSettings,
    transit: Transit | None,
    *,
    journal: LiveJournal,
    clock: Clock,
    switches: LiveSwitches,
    live: LiveFile,
) -> tuple[dict[str, LiveOnChain], ChainReader]:
    """The venues of a mode that are on chain, and the market there.

    Raises:
        ConfigError: as `OnChainAccount`.
    """
    from basis_pipeline.venues.live.chain_feed import ChainReader  # noqa: PLC0415
    from basis_pipeline.venues.live.onchain import OPERATIONS, LiveOnChain, OnChainAccount  # noqa: PLC0415

    account = OnChainAccount(
        wallet.chain,
        wallet.signer,
        wallet.deployment,
        settings,
        journal=journal,
        clock=clock,
        limits=_limits(switches, live),
        deadline=live.order_deadline_seconds,
        transit=transit,
        relay=wallet.relay,
    )
    venues = {
        name: LiveOnChain(name, rules.kind, account, settings)
        for name, rules in settings.venues.items()
        if rules.kind in OPERATIONS
    }
    return venues, ChainReader(wallet.chain, wallet.deployment, settings, maximum_age=live.maximum_price_age_seconds)


def _limits(switches: LiveSwitches, live: LiveFile) -> Limits:
    from basis_pipeline.venues.live.onchain_limits import Limits  # noqa: PLC0415

    return Limits(
        switches.max_trade_size_usd,
        max_transfer=switches.max_transfer_size_usd,
        slippage=live.largest_swap_loss,
        swap_gap=live.largest_swap_gap,
        swap_discount=live.largest_swap_discount,
        max_gas_price=live.max_gas_price_gwei,
        read_only=switches.read_only,
    )


def deploy_executor(workspace: Workspace, variables: Mapping[str, str] | None = None) -> str:
    """Deploy the executor of the environment's wallet and return its address; the wallet pays the gas.

    Raises:
        ConfigError: no access to the chain, or a network that is not for this environment.
        VenueRefusal: it failed.
        VenueSilence: it was sent and is not final yet.
    """
    need("web3")
    from basis_pipeline.venues.live.abi import pack  # noqa: PLC0415
    from basis_pipeline.venues.live.chain import Chain, check_network  # noqa: PLC0415
    from basis_pipeline.venues.live.contracts import executor_code  # noqa: PLC0415
    from basis_pipeline.venues.live.transactions import Signer  # noqa: PLC0415

    given = dict(os.environ if variables is None else variables)
    environment = read_environment(given).environment
    access = chain_access(given, environment, workspace.config.path, deployed=False)
    chain = Chain(access.rpc_url.reveal())
    check_network(chain, expected=access.deployment.chain_id, environment=environment)
    signer = Signer(access.private_key.reveal(), access.deployment.chain_id)
    code = bytes.fromhex(executor_code().removeprefix("0x")) + pack(("address",), signer.address)
    transaction, raw = signer.sign_creation(code, chain.nonce(signer.address), chain.fees(chain.head()))
    chain.send(raw)
    end = time.monotonic() + DEPLOYMENT_SECONDS
    while time.monotonic() < end:
        if (address := chain.created(transaction, access.deployment.confirmations)) is not None:
            return address
        time.sleep(1.0)
    raise VenueSilence(
        f"transaction {transaction} is not final after {DEPLOYMENT_SECONDS:g} s; look it up by its hash."
    )
