"""A node is listened to as exchanges are: every question is a log line, silence counts in its health (R62, J1)."""

from __future__ import annotations

from pathlib import Path

import pytest

from basis_pipeline.domain.errors import VenueSilence
from basis_pipeline.domain.timeline import SECOND
from basis_pipeline.engine.health import HealthManager, HealthState
from basis_pipeline.live_journal.journal import Action
from basis_pipeline.runs.live.hearing import Hearing
from basis_pipeline.runs.live.status import live_status
from basis_pipeline.venues.live.chain import Chain
from basis_pipeline_tests.chain.hybrid import hybrid
from basis_pipeline_tests.chain.market import Market

NODE = "venue chain"


def test_every_question_of_a_session_to_its_node_is_a_line_with_its_time(market: Market, tmp_path: Path) -> None:
    lines: list[Action] = []
    with hybrid(market, tmp_path, "usdt_eth_staking_hedged_simple") as there:
        there.options["hearing"] = Hearing(lines.append)
        there.live_for(1)
        heard = [line for line in lines if line.component == NODE]
        assert {line.what for line in heard} >= {"chain_id", "head", "read", "balance", "send", "receipt"}
        assert all(line.seconds is not None and line.seconds >= 0.0 for line in heard)
        [node] = [part for part in live_status(there.path).components if part.component == NODE]
        assert (node.state, node.errors) == ("healthy", 0)


def test_the_status_says_how_old_block_oracle_and_prices_were(market: Market, tmp_path: Path) -> None:
    chain, lending = market.node.chain, market.deployment.lending
    assert lending is not None
    weth = market.deployment.token("WETH").address
    source = chain.read(lending.oracle, "getSourceOfAsset(address)", ("address",), weth)
    with hybrid(market, tmp_path, "usdt_eth_staking_hedged_simple") as there:
        updated = chain.read(source, "latestTimestamp()", ("uint256",))
        there.live_for(1)
        ages = live_status(there.path).ages
        assert ages.keys() >= {"chain block", "oracle WETH", "binance ETH/USDT", "bybit ETH/USDT:USDT"}
        assert ages["chain block"] == 0.0, "the time of this session is the newest block's"
        assert ages["oracle WETH"] == there.state.timestamp / SECOND - updated


def test_a_node_that_is_silent_again_and_again_degrades_the_session_and_then_closes_trading(market: Market) -> None:
    """More than 5 errors in a row, more than 10; one answer ends them."""
    lines: list[Action] = []
    hearing, health = Hearing(lines.append), HealthManager(())
    silent = hearing.of("chain", Chain("http://127.0.0.1:1", timeout=1.0))
    answers = hearing.of("chain", Chain(market.node.url))
    hearing.report_to(health)
    seen = []
    for _ in range(11):
        with pytest.raises(VenueSilence):
            silent.head()
        seen.append(health.health_of(NODE).state)
    assert seen == [HealthState.HEALTHY] * 5 + [HealthState.DEGRADED] * 5 + [HealthState.UNHEALTHY]
    assert not health.may_execute
    assert all(line.level == "warning" and "no usable answer" in line.detail for line in lines)
    answers.head()
    assert health.may_execute and health.health_of(NODE).errors == 0
