"""Hedged staking where ETH and cash take time between exchanges and wallet, as they really do."""

from __future__ import annotations

from typing import Any

import pytest

from basis_pipeline.domain.orders import Operation
from basis_pipeline_tests.builders import Moment, Run, wired
from basis_pipeline_tests.scenarios.staking import COLLATERAL, DEBT, ETH, USDT, WEETH

MODES = ("usdt_eth_staking_hedged_simple", "usdt_eth_staking_hedged_leveraged")
LATE: dict[str, Any] = {f"venues.{name}.transfer_latency_bars": 2 for name in ("wallet", "binance", "bybit")} | {
    "strategy.largest_move": 0.1
}
SHORTS = ("binance:Perp:ETHUSDT", "bybit:Perp:ETHUSDT")
SPOT = "binance:BaseToken:ETH"


def calm(price: float = 2_500.0, ratio: float = 1.04) -> Moment:
    index = {COLLATERAL: 1.0, DEBT: 1.0}
    return Moment(prices={"ETH": price}, ratio={"weETH": ratio}, index=index, gas=10.0)


def started(mode: str, moments: list[Moment]) -> Run:
    return Run(wired(mode, LATE), [calm()] * 8 + moments).go(8)


def largest_delta(run: Run) -> float:
    """|net delta| / equity, the worst of all closing records."""
    closed = (run.engine.log.commits[index] for index in run.engine.log.closings)
    return max(abs(commit.exposure.net_delta) / commit.exposure.equity for commit in closed)


def operations(run: Run) -> list[Operation]:
    return [order.operation for order in run.orders]


@pytest.mark.parametrize("mode", MODES)
def test_an_entry_buys_once_and_stakes_what_arrives(mode: str) -> None:
    """Cash to the exchanges, both pairs, ETH to the wallet, one stake; nothing is bought again on the way."""
    run = started(mode, [])
    staked = Operation.STAKE if mode == MODES[0] else Operation.ATOMIC_LEVER
    assert operations(run) == [
        Operation.TRANSFER, Operation.TRANSFER,
        Operation.SPOT_TRADE, Operation.PERP_TRADE, Operation.SPOT_TRADE, Operation.PERP_TRADE, Operation.TRANSFER,
        staked,
    ]  # fmt: skip
    held = WEETH if mode == MODES[0] else COLLATERAL
    debt = 0.0 if mode == MODES[0] else run.quantity(DEBT)
    assert run.quantity(held) * 1.04 - debt == pytest.approx(-sum(map(run.quantity, SHORTS)), rel=2e-3)
    assert largest_delta(run) < 0.002
    assert run.engine.settlements.arrivals == ()


@pytest.mark.parametrize("mode", MODES)
def test_a_stack_is_reduced_in_step_with_its_shorts(mode: str) -> None:
    """+35% calls for margin: shorts are covered when the ETH they hedge is sold, and not while it is on its way."""
    run = started(mode, [calm(3_375.0)] * 8)
    before = sum(map(run.quantity, SHORTS))
    run.go()
    assert sum(map(run.quantity, SHORTS)) > 0.9 * before, "they are covered in part"
    assert largest_delta(run) < 0.01
    assert run.quantity(SPOT) < -0.02 * sum(map(run.quantity, SHORTS)), "what is left over is inside the band of a leg"
    assert len(run.orders) < 22


@pytest.mark.parametrize(("mode", "ratio"), list(zip(MODES, (0.62, 0.85), strict=True)))
def test_an_exit_ends_in_the_wallet_and_sweeps_no_margin_of_open_shorts(mode: str, ratio: float) -> None:
    """The staked token loses a third of its ratio: the drawdown stop sells it, then ETH, covers, and then sweeps."""
    run = started(mode, [calm(ratio=ratio)] * 12).go()
    assert all(run.quantity(key) == 0.0 for key in SHORTS)
    assert run.quantity(USDT) == pytest.approx(run.equity, rel=1e-3)
    assert run.quantity(ETH) < 0.01
    left = run.orders[8:]
    for venue in ("binance", "bybit"):
        covered = [n for n, o in enumerate(left) if o.operation is Operation.PERP_TRADE and o.venue == venue]
        swept = [n for n, o in enumerate(left) if o.operation is Operation.TRANSFER and o.venue == venue]
        assert covered and swept and max(covered) < min(swept)
