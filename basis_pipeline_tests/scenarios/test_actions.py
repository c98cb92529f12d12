"""The five actions in all ten modes: each is reached where it makes sense, in a book that lives through all of them.

Entry, a deposit of half the capital, a withdrawal of a third, a payout of reward tokens, and a reason to leave: index,
ratio or basis collapse, or the signal says flat. Only staked ETH earns tokens that have to be sold.
"""

from __future__ import annotations

from typing import Any

import pytest

from basis_pipeline.domain.orders import Action
from basis_pipeline.domain.position_keys import PositionType
from basis_pipeline.domain.records import Category
from basis_pipeline.domain.timeline import iso
from basis_pipeline_tests.builders import CONFIGS, START, Moment, Run, at, steady, wired
from basis_pipeline_tests.scenarios.staking import EIGEN
from basis_pipeline_tests.scenarios.staking import MODES as STAKING

LENDING = {"pure_lending_usdt": "aave_v3:aToken:aUSDT", "pure_lending_eth": "aave_v3:aToken:aWETH"}
BASIS = {"btc_basis": ("BTC", 50_000.0), "eth_basis": ("ETH", 2_000.0)}
DIRECTIONAL = ("ml_btc_directional_usdt_margin", "ml_btc_directional_btc_margin")
MODES = (*LENDING, *BASIS, *STAKING, *DIRECTIONAL)
CALM = Moment(
    prices={"ETH": 2_000.0, "BTC": 50_000.0, "EIGEN": 4.0, "ETHFI": 2.0},
    ratio={"weETH": 1.25},
    gas=10.0,
    signal=("long", 0.9, 0.01),
)
STAGE = 24
"""Steps from one event to the next, a day of hours: whatever is on its way arrives."""


def departure(mode: str) -> Moment:
    """Why everything is sold: 15% of the book are gone, or the signal says flat."""
    if mode in LENDING:
        return at(CALM, index={LENDING[mode]: 0.85})
    if mode in BASIS:
        asset, price = BASIS[mode]
        return at(CALM, mark={f"{venue}:Perp:{asset}USDT": 1.25 * price for venue in ("binance", "bybit")})
    if mode in STAKING:
        return at(CALM, ratio={"weETH": 1.25 * 0.8})
    return at(CALM, signal=("neutral", 0.9, 0.01))


def lived(mode: str) -> Run:
    step, capital = wired(mode).settings.step, wired(mode).settings.initial_capital
    flows = [(1, capital / 2), (2, -capital / 3)]
    overrides: dict[str, Any] = {
        "max_drawdown": 0.10,
        "flows": [{"at": iso(START + stage * STAGE * step), "amount": amount} for stage, amount in flows],
    }
    if mode in STAKING:
        overrides["strategy.carry_gate"] = False
    paid = START, START + 3 * STAGE * step
    payout = at(CALM, rewards=((EIGEN, *paid, 10.0),)) if mode in STAKING else CALM
    leaving = departure(mode)
    moments = [*steady(CALM, 3 * STAGE), payout, *steady(CALM, STAGE), *steady(leaving, STAGE)]
    return Run(wired(mode, overrides), moments).go()


@pytest.mark.parametrize("mode", MODES)
def test_every_action_that_makes_sense_is_taken(mode: str) -> None:
    run = lived(mode)
    taken = {order.action for order in run.orders}
    sensible = set(Action) if mode in STAKING else set(Action) - {Action.SELL_DUST}
    assert taken == sensible
    assert run.orders[0].action is Action.ENTRY_FULL
    assert run.orders[-1].action is Action.EXIT_FULL
    held = zip(run.settings.universe, run.engine.position_monitor.committed.quantities, strict=True)
    assert {i.position_type for i, quantity in held if quantity} == {PositionType.BASE_TOKEN}, "only tokens are left"
    assert abs(run.cumulative[Category.RESIDUAL]) <= 1e-9 * run.settings.initial_capital


def test_these_are_all_the_modes() -> None:
    assert {path.stem for path in (CONFIGS / "modes").glob("*.yaml")} == set(MODES)
