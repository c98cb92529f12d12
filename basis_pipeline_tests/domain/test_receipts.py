"""What can be a stranger's gift: more of what can be sent to a wallet on a real chain, less of a debt, nothing else."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from basis_pipeline.domain.receipts import in_transit, is_receipt
from basis_pipeline.domain.records import Positions
from basis_pipeline.domain.settings import EngineSettings, ExecutionMode
from basis_pipeline_tests.builders import START, Moment, snapshot, wired

NOW = Moment(prices={"ETH": 2_500.0, "BTC": 50_000.0}, ratio={"weETH": 1.04})


def live(mode: str) -> EngineSettings:
    return replace(wired(mode).settings, execution_mode=ExecutionMode.LIVE)


def receipt(settings: EngineSettings, key: str, gap: float) -> bool:
    return is_receipt(settings.universe.slot(key), gap, snapshot(settings, START, NOW), settings)


@pytest.mark.parametrize(
    ("mode", "key", "gap", "possible"),
    [
        ("eth_leveraged", "wallet:BaseToken:ETH", 1.0, True),
        ("eth_leveraged", "wallet:BaseToken:ETH", -1.0, False),
        ("eth_leveraged", "etherfi:LST:weETH", 1.0, True),
        ("eth_leveraged", "aave_v3:aToken:aweETH", 1.0, True),
        ("eth_leveraged", "aave_v3:aToken:aweETH", -1.0, False),
        ("eth_leveraged", "aave_v3:debtToken:debtWETH", -1.0, True),
        ("eth_leveraged", "aave_v3:debtToken:debtWETH", 1.0, False),
        ("btc_basis", "binance:BaseToken:USDT", 100.0, False),
        ("btc_basis", "binance:BaseToken:BTC", 1.0, False),
        ("btc_basis", "binance:Perp:BTCUSDT", 1.0, False),
    ],
)
def test_only_what_anybody_can_do_for_a_wallet_is_a_receipt(mode: str, key: str, gap: float, possible: bool) -> None:
    assert receipt(live(mode), key, gap) is possible
    assert not receipt(wired(mode).settings, key, gap), "a backtest has no strangers"


def test_only_exchanges_have_funds_on_their_way_that_may_be_taken_for_gifts() -> None:
    alone = live("eth_leveraged")
    slot = alone.universe.slot("wallet:BaseToken:ETH")
    assert not in_transit(Positions((1.0,) * len(alone.universe), ()), replace(alone, receivables={slot: slot}))
    linked = live("btc_basis")
    slot = linked.universe.slot("binance:BaseToken:USDT")
    sent = replace(linked, receivables={slot: slot})
    assert in_transit(Positions((1.0,) * len(linked.universe), ()), sent)
    assert not in_transit(Positions((0.0,) * len(linked.universe), ()), sent)
