"""The shipped contracts: spelled with their checksums, and all that the modes on chain need."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from eth_utils.address import to_checksum_address

from basis_pipeline.config.chain import chain_access, load_deployment
from basis_pipeline.config.gas import wire_on_chain
from basis_pipeline.config.live import load_live
from basis_pipeline.config.loading import ConfigFolder
from basis_pipeline.config.variables import check_names
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.position_keys import PositionType
from basis_pipeline.domain.secret import Secret
from basis_pipeline.venues.live.spelling import misspelling
from basis_pipeline_tests.builders import CONFIGS

SHIPPED = CONFIGS / "chains/ethereum.yaml"
ON_CHAIN = ("eth_leveraged", "eth_staking_only", "pure_lending_eth", "pure_lending_usdt")
WSTETH = {"strategy.lst": "wstETH"}


def test_every_address_is_spelled_with_its_checksum() -> None:
    found = re.findall(r"0x[0-9a-fA-F]{40}", SHIPPED.read_text())
    assert len(found) > 20
    assert [address for address in found if to_checksum_address(address) != address] == []


@pytest.mark.parametrize(
    ("mode", "overrides"), [*((mode, {}) for mode in ON_CHAIN), ("eth_staking_only", WSTETH), ("eth_leveraged", WSTETH)]
)
def test_the_file_has_a_contract_for_every_position_and_route(mode: str, overrides: dict[str, str]) -> None:
    deployment = load_deployment(SHIPPED, "0x" + "11" * 20)
    settings = wire_on_chain(ConfigFolder(CONFIGS), mode, overrides).settings
    assert deployment.lending is not None
    for instrument in settings.universe:
        if instrument.position_type is PositionType.A_TOKEN:
            assert deployment.lending.reserves[instrument.token].a_token, instrument.key
        elif instrument.position_type is PositionType.DEBT_TOKEN:
            assert deployment.lending.reserves[instrument.token].debt_token, instrument.key
        else:
            assert deployment.token(instrument.token).address, instrument.key
    for name, rules in settings.venues.items():
        if rules.kind == "staking":
            assert name in deployment.staking
        if rules.kind == "dex":
            assert {settings.universe.instruments[slot].token for slot in rules.trades} <= set(deployment.pools[name])


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("0x6B175474E89094C44Da98b954EedeAC495271d0F", ""),
        ("0x6b175474e89094c44da98b954eedeac495271d0f", ""),
        ("0x6B175474E89094C44DA98B954EEDEAC495271D0F", ""),
        ("0x6B175474E89094C44Da98b954EedeAC495271d0f", "its own checksum"),
        ("0x6B175474E89094C44Da98b954EedeAC495271d1F", "its own checksum"),
        ("0x6B175474E89094C44Da98b954EedeAC495271d0", "40 hexadecimal digits"),
        ("6B175474E89094C44Da98b954EedeAC495271d0F", "40 hexadecimal digits"),
    ],
)
def test_an_address_is_held_against_its_checksum(address: str, fault: str) -> None:  # EIP-55; DAI of the main network
    assert fault in misspelling(address) and bool(fault) == bool(misspelling(address))


def test_a_deployment_with_a_mistyped_address_names_it_before_anything_is_asked(tmp_path: Path) -> None:
    text = SHIPPED.read_text()
    address = next(one for one in re.findall(r"0x[0-9a-fA-F]{40}", text) if one[-1] in "abcdef")
    (tmp_path / "chains").mkdir()
    (tmp_path / "chains/ethereum.yaml").write_text(text.replace(address, address[:-1] + address[-1].upper()))
    prefix = "BASIS_PROD__ALCHEMY__"
    variables = {f"{prefix}RPC_URL": "https://h/k", f"{prefix}PRIVATE_KEY": "5c" * 32}
    variables[f"{prefix}EXECUTOR_ADDRESS"] = "0x" + "11" * 20
    with pytest.raises(ConfigError, match=rf"CHAIN-002.*ethereum\.yaml: {address[:-1]}[A-F] is .*checksum") as refusal:
        chain_access(variables, "prod", tmp_path)
    assert "5c5c" not in str(refusal.value)


def test_a_relay_is_a_secret_like_the_node_and_none_where_nobody_names_it() -> None:
    prefix = "BASIS_PROD__ALCHEMY__"
    variables = {f"{prefix}RPC_URL": "https://h/k", f"{prefix}PRIVATE_KEY": "5c" * 32}
    variables[f"{prefix}EXECUTOR_ADDRESS"] = "0x" + "11" * 20
    plain = chain_access(variables, "prod", CONFIGS)
    assert (plain.send_url, len(plain.secrets)) == (None, 2)
    variables[f"{prefix}SEND_URL"] = "https://relay/s3cr3t"
    check_names(variables)
    access = chain_access(variables, "prod", CONFIGS)
    assert Secret("https://relay/s3cr3t") in access.secrets and "s3cr3t" not in repr(access)
    variables[f"{prefix}SEND_URL"] = "wss://relay/s3cr3t"
    with pytest.raises(ConfigError, match="SEND_URL is no URL of HTTP") as refusal:
        chain_access(variables, "prod", CONFIGS)
    assert "s3cr3t" not in str(refusal.value)


def test_gas_of_a_book_in_dollars_is_a_position_of_its_own() -> None:
    plain = ConfigFolder(CONFIGS)
    settings = wire_on_chain(plain, "pure_lending_usdt").settings
    assert settings.universe.keys[settings.gas_slot or 0] == "wallet:BaseToken:ETH"
    assert settings.capital_slot != settings.gas_slot


def test_scheduled_flows_are_no_part_of_a_book_on_chain() -> None:
    flow = {"flows": [{"at": "2024-03-01T00:00:00Z", "amount": 5.0}]}
    with pytest.raises(ConfigError, match="changes by what really moves"):
        wire_on_chain(ConfigFolder(CONFIGS), "pure_lending_eth", flow)


def test_a_book_that_leaves_by_the_redemption_queue_has_a_place_for_what_waits_there() -> None:
    queue = {"strategy.exit_route": "queue", "gas_reserve": 0.1}
    settings = wire_on_chain(ConfigFolder(CONFIGS), "eth_staking_only", queue).settings
    assert settings.stack is not None and settings.stack.queues
    assert settings.universe.keys[settings.receivables[settings.stack.eth_slot]] == "wallet:Receivable:ETH"


def test_an_emergency_stop_at_the_loss_limit_never_waits_for_a_queue(tmp_path: Path) -> None:
    (tmp_path / "live.yaml").write_text("emergency: exit_queue")
    with pytest.raises(ConfigError, match="emergency"):
        load_live(tmp_path)
