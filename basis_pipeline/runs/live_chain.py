"""A wallet on a chain for `basis live`, and the executor contract it needs first.

web3 is imported when a chain is talked to, not before: nothing else needs it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from basis_pipeline.config.chain import ChainAccess, chain_access
from basis_pipeline.config.environment import read_environment
from basis_pipeline.config.live import LiveFile, LiveSwitches
from basis_pipeline.domain.errors import VenueSilence
from basis_pipeline.domain.protocols import Clock, MarketFeed
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.venues.live.extra import need

if TYPE_CHECKING:
    from basis_pipeline.venues.live.onchain import LiveOnChain

DEPLOYMENT_SECONDS = 180.0


def chain_venues(  # noqa: PLR0917 - everything a session has
    access: ChainAccess,
    environment: str,
    settings: EngineSettings,
    journal: LiveJournal,
    clock: Clock,
    switches: LiveSwitches,
    live: LiveFile,
) -> tuple[dict[str, LiveOnChain], MarketFeed]:
    """All venues of a mode that lives on chain alone, and its market.

    Raises:
        ConfigError: CHAIN-001 the node serves a network that is not for this environment, CHAIN-002 a key that is
            none; CHAIN-003, CHAIN-004, CHAIN-005 as `OnChainAccount`.
    """
    need("web3")
    from basis_pipeline.venues.live.chain import Chain, check_network  # noqa: PLC0415
    from basis_pipeline.venues.live.chain_feed import ChainReader, LiveChainFeed  # noqa: PLC0415
    from basis_pipeline.venues.live.onchain import OPERATIONS, Limits, LiveOnChain, OnChainAccount  # noqa: PLC0415
    from basis_pipeline.venues.live.patience import Patience  # noqa: PLC0415
    from basis_pipeline.venues.live.transactions import Signer  # noqa: PLC0415

    deployment, state = access.deployment, journal.last_state()
    chain = Chain(access.rpc_url.reveal(), timeout=live.request_timeout_seconds)
    Patience(clock).ask(lambda: check_network(chain, expected=deployment.chain_id, environment=environment))
    account = OnChainAccount(
        chain,
        Signer(access.private_key.reveal(), deployment.chain_id),
        deployment,
        settings,
        journal=journal,
        clock=clock,
        limits=Limits(switches.max_trade_size_usd, max_gas_price=live.max_gas_price_gwei, read_only=switches.read_only),
        since=state.timestamp if state else None,
        deadline=live.order_deadline_seconds,
    )
    venues = {
        name: LiveOnChain(name, rules.kind, account, settings)
        for name, rules in settings.venues.items()
        if rules.kind in OPERATIONS
    }
    reader = ChainReader(chain, deployment, settings, maximum_age=live.maximum_price_age_seconds)
    return venues, LiveChainFeed(settings, reader)


def deploy_executor(workspace: Workspace, variables: Mapping[str, str] | None = None) -> str:
    """Deploy the executor of the environment's wallet and return its address; the wallet pays the gas.

    Raises:
        ConfigError: no access to the chain, or a network that is not for this environment.
        VenueSilence: it was sent and no block has it yet.
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
        if (address := chain.created(transaction)) is not None:
            return address
        time.sleep(1.0)
    raise VenueSilence(
        f"no block has transaction {transaction} after {DEPLOYMENT_SECONDS:g} s; look it up by its hash."
    )
