"""Which network may be worked on in which environment, and what is refused before any key is used (C25, domain I2)."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from basis_pipeline.domain.errors import ConfigError, VenueSilence
from basis_pipeline.venues.live.chain import Chain, check_network
from basis_pipeline.venues.live.transactions import Signer
from basis_pipeline_tests.chain.anvil import CHAIN_ID
from basis_pipeline_tests.chain.bench import KEY, bench
from basis_pipeline_tests.chain.market import Market
from basis_pipeline_tests.chain.proxy import ProxySkin, proxied
from basis_pipeline_tests.fakes.server import FakeServer


def network(market: Market, chain_id: int, software: str, environment: str, expected: int | None = None) -> None:
    """A provider that says it serves `chain_id` with `software`."""
    skin = ProxySkin(market.node, swallowed={"eth_chainId": hex(chain_id), "web3_clientVersion": software})
    with FakeServer(skin) as server:
        check_network(Chain(server.url), expected=expected or chain_id, environment=environment)


@pytest.mark.parametrize("environment", ["dev", "staging"])
def test_staging_refuses_the_main_network(market: Market, environment: str) -> None:
    with pytest.raises(ConfigError, match=rf"CHAIN-001.*{environment} refuses the main network \(chain 1\)"):
        network(market, 1, "Geth/v1.14.0", environment)


def test_staging_takes_a_local_fork_of_the_main_network(market: Market) -> None:
    network(market, 1, "anvil/v1.7.1", "staging")


def test_production_refuses_test_networks_and_forks(market: Market) -> None:
    with pytest.raises(ConfigError, match="production refuses the test network 11155111"):
        network(market, 11_155_111, "Geth/v1.14.0", "prod")
    with pytest.raises(ConfigError, match="production refuses a local fork"):
        network(market, 1, "anvil/v1.7.1", "prod")
    network(market, 1, "Geth/v1.14.0", "prod")


def test_a_node_of_another_chain_is_refused(market: Market) -> None:
    with pytest.raises(ConfigError, match=f"serves chain {CHAIN_ID}, the deployment is on chain 1"):
        check_network(market.node.chain, expected=1, environment="staging")


def test_an_executor_of_somebody_else_is_refused(market: Market, tmp_path: Path) -> None:
    for executor, why in ((market.pool, "owner"), (market.node.accounts[3], "there is no contract")):
        with pytest.raises(Exception, match=why if why != "owner" else "eth_call"):
            bench(market, tmp_path / "j.sqlite", deployment=replace(market.deployment, executor=executor))


def test_neither_key_nor_url_is_ever_shown(market: Market) -> None:
    signer = Signer(KEY, CHAIN_ID)
    assert KEY.removeprefix("0x") not in repr(signer) + str(vars(signer))
    with pytest.raises(ConfigError) as refused:
        Signer(KEY[:-2] + "zz", CHAIN_ID)
    assert KEY[2:40] not in str(refused.value)
    assert refused.value.__context__ is None
    with proxied(market.node) as (url, skin):
        skin.lost.append(("eth_chainId", "before"))
        with pytest.raises(VenueSilence) as silent:
            Chain(url + "/v2/my-api-key").chain_id()
    assert "my-api-key" not in str(silent.value)
