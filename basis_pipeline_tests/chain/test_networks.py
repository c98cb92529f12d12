"""Which network may be worked on in which environment, and what is refused before any key is used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from basis_pipeline.domain.errors import ConfigError, VenueSilence
from basis_pipeline.venues.live.abi import selector
from basis_pipeline.venues.live.chain import Chain, check_network
from basis_pipeline.venues.live.contracts import executor_code
from basis_pipeline.venues.live.deployment import Deployment, Lender, LenderKind, Staking, StakingKind, Token
from basis_pipeline.venues.live.transactions import Signer
from basis_pipeline_tests.chain.anvil import CHAIN_ID
from basis_pipeline_tests.chain.bench import KEY, bench, owner
from basis_pipeline_tests.chain.market import Market
from basis_pipeline_tests.chain.proxy import ProxySkin, RpcFault, proxied
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


def test_an_executor_of_somebody_else_or_of_another_version_is_refused(market: Market, tmp_path: Path) -> None:
    stranger = market.node.accounts[3]
    his = market.node.deploy(executor_code(), ("address",), stranger)
    for executor, why in ((market.pool, "something else"), (his, "something else"), (stranger, "no contract")):
        with pytest.raises(ConfigError, match=f"CHAIN-003.*there is {why}"):
            bench(market, tmp_path / "j.sqlite", deployment=replace(market.deployment, executor=executor))


def wrong(market: Market, name: str) -> Deployment:
    """The deployment with one thing that is not so."""
    right, lending = market.deployment, market.deployment.lending
    assert lending is not None
    tokens, reserves = right.tokens, lending.reserves
    pool = right.pools["curve"]["weETH"]

    def reserve(**changes: str) -> Deployment:
        changed = reserves | {"weETH": replace(reserves["weETH"], **changes)}
        return replace(right, lending=replace(lending, reserves=changed))

    def sold_at(**changes: Any) -> Deployment:
        return replace(right, pools=right.pools | {"curve": {"weETH": replace(pool, **changes)}})

    return {
        "symbol": lambda: replace(right, tokens=tokens | {"weETH": Token(market.usdt, 6)}),
        "decimals": lambda: replace(right, tokens=tokens | {"weETH": Token(market.weeth, 6)}),
        "no token": lambda: replace(right, tokens=tokens | {"weETH": Token(market.node.accounts[3])}),
        "token left out": lambda: replace(right, tokens={n: t for n, t in tokens.items() if n != "EIGEN"}),
        "lending pool": lambda: replace(right, lending=replace(lending, pool=market.morpho)),
        "oracle": lambda: replace(right, lending=replace(lending, oracle=market.weth)),
        "aToken": lambda: reserve(a_token=reserves["WETH"].a_token),
        "reserve left out": lambda: replace(right, lending=replace(lending, reserves={"WETH": reserves["WETH"]})),
        "e-mode": lambda: replace(right, lending=replace(lending, emode=2)),
        "issuer": lambda: replace(right, staking={"etherfi": Staking(StakingKind.ETHERFI, "weETH", market.weth)}),
        "pool": lambda: sold_at(address=market.reward_pools["EIGEN"]),
        "pool's fee": lambda: sold_at(fee=3_000),
        "router": lambda: sold_at(router=market.weth),
        "lender": lambda: replace(right, lender=Lender(LenderKind.MORPHO, market.pool)),
        "lender of another kind": lambda: replace(right, lender=Lender(LenderKind.AAVE, market.morpho)),
    }[name]()


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("symbol", "is USDT with 6 decimals, not weETH with 6"),
        ("decimals", "is weETH with 18 decimals, not weETH with 6"),
        ("no token", r"is something without symbol\(\)"),
        ("token left out", "`tokens` has no EIGEN, which eth_leveraged holds"),
        ("lending pool", r"is something without ADDRESSES_PROVIDER\(\)"),
        ("oracle", r"getPriceOracle\(\) of the lending pool's provider is 0x"),
        ("aToken", "aToken of weETH is 0x"),
        ("reserve left out", "`reserves` has no aToken of weETH, which eth_leveraged holds"),
        ("e-mode", "the liquidation threshold of e-mode 2 is 0, `collateral` of aave_v3 says 0.95"),
        ("issuer", r"mints something without weETH\(\), not weETH at 0x"),
        ("pool", "the pool of weETH at 5 bp is 0x"),
        ("pool's fee", "the pool of weETH at 30 bp is 0x0000"),
        ("router", r"is something without factory\(\)"),
        ("lender", "is no Morpho Blue of this chain"),
        ("lender of another kind", "is not the lending pool"),
    ],
)
def test_contracts_that_are_not_what_the_deployment_says_are_refused(
    market: Market, tmp_path: Path, name: str, refusal: str
) -> None:
    with pytest.raises(ConfigError, match=f"CHAIN-005.*{refusal}"):
        bench(market, tmp_path / "j.sqlite", deployment=wrong(market, name))
    assert market.node.chain.nonce(owner()) == market.sent_before


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


BITMAP = selector("getEModeCategoryCollateralBitmap(uint8)").hex()


def in_a_category(members: int) -> RpcFault:
    """What Aave says since 3.2 of the collateral in a category."""

    def told(question: Any, answer: dict[str, Any]) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": question["id"], "result": f"0x{members:064x}"}

    return RpcFault("eth_call", distorts=told, to=BITMAP)


def test_collateral_outside_of_the_e_mode_is_refused(market: Market, tmp_path: Path) -> None:
    """Its threshold would be the reserve's own, 0.80 and not 0.95: a health factor of 1.07 at 0.75 of debt."""
    refused = "CHAIN-005.*weETH is no collateral of e-mode 1"
    number = market.node.chain.read(market.pool, "getReserveData(address)", ("uint256",) * 15, market.weeth)[7]
    with proxied(market.node) as (url, provider):
        provider.faults.append(in_a_category(2**8 - 1 - 2**number))
        with pytest.raises(ConfigError, match=refused):
            bench(market, tmp_path / "j.sqlite", url=url)
        provider.faults.append(in_a_category(2**number))
        bench(market, tmp_path / "j.sqlite", url=url)
        assert not provider.faults, "it was asked"
    market.node.do(market.configurator, "setAssetEModeCategory(address,uint8)", market.weeth, 0)
    with pytest.raises(ConfigError, match=refused):
        bench(market, tmp_path / "j.sqlite")
