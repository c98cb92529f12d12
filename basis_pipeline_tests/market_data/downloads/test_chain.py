"""Aave reserves, oracle prices, redemption ratios and gas from a node, against figures worked out by hand."""

from __future__ import annotations

import logging
import math
from importlib import import_module

import pandas as pd
import pytest

from basis_pipeline.domain.timeline import DAY, HOUR, SECOND, month_end, month_start
from basis_pipeline.market_data.downloads import chain
from basis_pipeline_tests.market_data.downloads.conftest import Site
from basis_pipeline_tests.market_data.downloads.ethereum import BLOCKS, GENESIS, Chain

YEAR_S = 365 * 86_400


@pytest.fixture
def december(site: Site) -> Site:
    """The chain begins on 20 December; events of Aave and Lido come within its first days."""
    site.vendor.present = GENESIS * SECOND + 18 * DAY + HOUR // 2
    return site


def read(site: Site, dataset: str, venue: str, symbol: str, month: str = "2025-01") -> pd.DataFrame:
    site.download(month, month, dataset=dataset, symbol=symbol)
    return site.ingest().read(dataset, venue, symbol, month_start(month), month_end(month)).to_pandas()


def block_at(node: Chain, second: int) -> int:
    """By walking, as the client does not."""
    number = (second - GENESIS) // 12
    while node.time(number) > second:
        number -= 1
    return number


def seconds(stamp: pd.Timestamp) -> int:
    return int(stamp.timestamp()) if stamp.tzinfo else int(stamp.tz_localize("UTC").timestamp())


def test_reserves_are_the_last_event_accrued_to_midnight(december: Site) -> None:
    rows = read(december, "aave_reserves_1d", "aave_v3", "USDT")
    assert len(rows) == 7
    node = december.vendor.chain
    for row in rows.itertuples():
        block = block_at(node, seconds(row.timestamp))
        event = block // 5000 * 5000
        years = (seconds(row.timestamp) - node.time(event)) / YEAR_S
        supply, borrow = 1.0 + event / 1e6, 1.0 + 2 * event / 1e6
        assert row.liquidity_index == pytest.approx(supply * (1 + 0.05 * years), rel=1e-15)
        assert row.variable_borrow_index == pytest.approx(borrow * math.exp(0.08 * years), rel=1e-15)
        assert (row.liquidity_rate, row.variable_borrow_rate) == (0.05, 0.08)
        assert (row.total_supplied, row.total_borrowed) == (10**9 + block, 10**8 + block)
        assert row.price_usd == (99_980_000 + block % 1000) / 1e8


def test_hourly_rates_are_those_of_the_last_event_before_the_hour(december: Site) -> None:
    node = december.vendor.chain
    node.drift = 10**20
    rows = read(december, "aave_rates_1h", "aave_v3", "USDT")
    assert len(rows) == 6 * 24 + 1
    for row in rows.itertuples():
        event = block_at(node, seconds(row.timestamp)) // 5000 * 5000
        assert row.liquidity_rate == 0.05
        assert row.variable_borrow_rate == pytest.approx(0.08 + event * 1e-7, rel=1e-15)
        assert seconds(row.updated_at) == node.time(event)
    assert rows["variable_borrow_rate"].nunique() > 5
    assert rows["supplied_usd"].isna().all()


def test_ranges_of_events_are_halved_where_the_node_refuses_them(december: Site) -> None:
    read(december, "oracle_prices", "aave_v3", "wstETH_ETH")
    ranges = december.vendor.chain.ranges
    assert 2000 > 1500 >= max(ranges)
    assert {1000} <= set(ranges)


def test_ratio_of_wsteth_is_ether_per_share_after_the_last_rebase(december: Site) -> None:
    rows = read(december, "oracle_prices", "aave_v3", "wstETH_ETH")
    node = december.vendor.chain
    for row in rows.itertuples():
        rebase = block_at(node, seconds(row.timestamp)) // 7200 * 7200
        assert row.price == (10**6 + rebase) / 10**6


def test_ratio_of_weeth_is_its_rate_at_the_block_of_midnight(december: Site) -> None:
    rows = read(december, "oracle_prices", "aave_v3", "weETH_ETH")
    node = december.vendor.chain
    assert len(rows) == 7
    for row in rows.itertuples():
        assert row.price == pytest.approx(1 + block_at(node, seconds(row.timestamp)) * 1e-7, rel=1e-15)


def test_gas_is_base_fee_and_median_tip_of_the_last_block_of_the_hour(december: Site) -> None:
    rows = read(december, "gas_prices_1h", "ethereum", "ETH")
    node = december.vendor.chain
    assert len(rows) == 6 * 24 + 1
    for row in rows.itertuples():
        block = block_at(node, seconds(row.timestamp))
        assert seconds(row.block_timestamp) == node.time(block)
        assert row.base_fee_gwei == pytest.approx(7 + block * 1e-9, rel=1e-12)
        assert row.priority_fee_gwei == 0.1
        assert row.gas_price_gwei == pytest.approx(7.1 + block * 1e-9, rel=1e-12)
    assert not rows["sampled_early"].any()


def test_few_blocks_are_looked_at_to_find_an_hour(december: Site) -> None:
    read(december, "gas_prices_1h", "ethereum", "ETH")
    assert december.vendor.asked("/v3/") < 8 * (6 * 24 + 1)


def test_a_node_without_history_is_named_with_its_remedy(december: Site) -> None:
    december.vendor.chain.archive = False
    report = december.download("2025-01", "2025-01", dataset="oracle_prices", symbol="weETH_ETH")
    message = str(report.failed[0].error)
    assert "missing trie node" in message
    assert "use an archive node" in message


def test_a_node_that_wants_fewer_requests_is_not_asked_for_smaller_ranges(december: Site) -> None:
    limited = b'{"jsonrpc": "2.0", "id": 1, "error": {"code": -32005, "message": "rate limit exceeded"}}'
    december.vendor.plant("/v3/", lambda _: (200, limited, {}), times=99)
    report = december.download("2025-01", "2025-01", venue="aave_v3")
    assert "lower ethereum.requests_per_second" in str(report.failed[0].error)
    assert len(december.vendor.paths) == 1


def test_the_key_of_the_endpoint_shows_nowhere(december: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    december.vendor.chain.archive = False
    report = december.download("2025-01", "2025-01", venue="ethereum")
    assert report.failed
    written = [path.read_text() for path in december.raw.rglob("*") if path.is_file()]
    said = [f"{outcome.error} {outcome.error!r}" for outcome in report.outcomes]
    assert written
    assert december.vendor.chain.key not in "\n".join([*written, *said, caplog.text])


def test_without_an_endpoint_the_remedy_is_named(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BASIS_RPC_URL")
    report = site.download("2025-01", "2025-01", venue="ethereum")
    assert "set BASIS_RPC_URL" in str(report.failed[0].error)


def test_a_time_that_the_chain_has_not_reached_is_refused(site: Site) -> None:
    site.vendor.present = (GENESIS + 12 * BLOCKS) * SECOND + 30 * DAY
    report = site.download("2025-01", "2025-01", dataset="gas_prices_1h")
    assert f"ends at block {BLOCKS}" in str(report.failed[0].error)


def test_signatures_hash_to_what_is_asked_for() -> None:
    keccak = import_module("ccxt.static_dependencies.keccak").SHA3
    words = {
        "ReserveDataUpdated(address,uint256,uint256,uint256,uint256,uint256)": chain.RESERVE_DATA_UPDATED,
        "TokenRebased(uint256,uint256,uint256,uint256,uint256,uint256,uint256)": chain.TOKEN_REBASED,
        "getReserveData(address)": chain.GET_RESERVE_DATA,
        "getAssetPrice(address)": chain.GET_ASSET_PRICE,
        "getRate()": chain.GET_RATE,
        "totalSupply()": chain.TOTAL_SUPPLY,
        "decimals()": chain.DECIMALS,
    }
    for signature, used in words.items():
        assert ("0x" + keccak(signature.encode()).hex()).startswith(used), signature
