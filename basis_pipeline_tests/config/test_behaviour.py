"""What a configuration decides, and what a change of it means for a record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from basis_pipeline.domain.errors import PositionError, StateError
from basis_pipeline.domain.settings import RiskType
from basis_pipeline.market_data.frames.requirements import requirements
from basis_pipeline_tests.builders import Moment, Run, at, frictionless, steady, wired

CALM = Moment(prices={"BTC": 50_000.0})
RISKS = "component_config.risk_monitor.enabled_risk_types"


def test_a_disabled_risk_type_is_not_acted_on() -> None:  # R77
    """After +33% the margin ratio is .20/1.33 = .125, below derisk: one mode reduces, the other does not look."""
    path = [CALM, CALM, at(CALM, prices={"BTC": 50_000.0 * 4 / 3})]
    watching = Run(frictionless("btc_basis"), path).go()
    blind = Run(frictionless("btc_basis", {RISKS: ["drawdown"]}), path).go()
    assert watching.orders_at(2)
    assert not blind.orders_at(2)
    assert blind.settings.risk.enabled == {RiskType.DRAWDOWN}


def test_subscriptions_declare_further_positions() -> None:  # R26, R77
    plain, added = (
        wired("btc_basis"),
        wired("btc_basis", {"component_config.position_monitor.position_subscriptions": ["wallet:BaseToken:BTC"]}),
    )
    with pytest.raises(PositionError, match=r"wallet:BaseToken:BTC is not declared.*did you mean"):
        plain.settings.universe.slot("wallet:BaseToken:BTC")
    assert added.settings.universe.keys == (*plain.settings.universe.keys, "wallet:BaseToken:BTC")


def test_the_conversion_method_decides_what_a_usdt_is_worth() -> None:  # R77
    method = "component_config.exposure_monitor.conversion_methods"
    par, oracle = wired("btc_basis"), wired("btc_basis", {method: {"USDT": "oracle"}})
    assert "USDT_USD" not in [r.series.symbol for r in requirements(par.frame_spec)]
    assert "USDT_USD" in [r.series.symbol for r in requirements(oracle.frame_spec)]


def test_tracked_assets_are_those_recorded() -> None:  # R77
    track = "component_config.exposure_monitor.track_assets"
    assert wired("btc_basis").tracked_assets == ("USDT", "BTC")
    assert wired("btc_basis", {track: ["BTC"]}).tracked_assets == ("BTC",)


def digest(configs: Path, overrides: dict[str, Any] | None = None) -> str:
    return wired("btc_basis", overrides, configs=configs).settings.config_digest


def test_names_and_lines_of_others_do_not_change_the_digest(configs: Path) -> None:
    before = digest(configs)
    assert digest(configs, {"description": "other words", "opening_month": "2024-03"}) == before
    venue = configs / "venues/binance.yaml"
    venue.write_text(venue.read_text() + '  - {key: "binance:BaseToken:DOGE", lot: 1}\n')
    assert digest(configs) == before
    (configs / "venues/okx.yaml").unlink()
    assert digest(configs) == before


@pytest.mark.parametrize(
    "overrides",
    [
        {"initial_capital": 99_999},
        {"strategy.spot_fraction": 0.6},
        {"margin_ratio.derisk": 0.21},
        {"venues.binance.perp.taker_fee_bp": 4},
        {"venues.wallet.transfer_fee_usdt": 0},
        {RISKS: ["drawdown"]},
        {"flows": [{"at": "2024-02-01T00:00:00Z", "amount": 1}]},
        {"reference_price": {"BTC": "bybit"}},
    ],
    ids=lambda overrides: next(iter(overrides)),
)
def test_everything_that_decides_behaviour_changes_the_digest(overrides: dict[str, Any], configs: Path) -> None:
    assert digest(configs, overrides) != digest(configs)


def test_a_line_of_an_instrument_in_use_changes_the_digest(configs: Path) -> None:
    before = digest(configs)
    venue = configs / "venues/binance.yaml"
    venue.write_text(venue.read_text().replace("BTC, lot: 0.001", "BTC, lot: 0.002"))
    assert digest(configs) != before


def test_a_checkpoint_of_another_configuration_is_refused_naming_the_keys() -> None:
    state = Run(wired("btc_basis"), steady(CALM, 2)).go().engine.state()
    other = wired("btc_basis", {"strategy.spot_fraction": 0.6, "venues.bybit.perp.taker_fee_bp": 5})
    with pytest.raises(StateError) as caught:
        Run(other, steady(CALM, 3), state=state)
    text = str(caught.value)
    assert "these keys differ: strategy.spot_fraction, venues.bybit.perp.taker_fee_bp." in text
    assert "--reopen" in text


def test_a_checkpoint_of_another_mode_is_refused() -> None:
    state = Run(wired("btc_basis"), steady(CALM, 2)).go().engine.state()
    ether = Moment(prices={"ETH": 2_500.0})
    with pytest.raises(StateError, match="of mode btc_basis, not eth_basis"):
        Run(wired("eth_basis"), steady(ether, 3), state=state)


SPLITS: list[dict[str, Any]] = [
    {"strategy.hedge_allocation": {"bybit": 1.0}, "strategy.spot_venue": "bybit"},
    {"strategy.spot_venue": "bybit"},
    {"strategy.hedge_allocation": {"binance": 0.4, "bybit": 0.3, "okx": 0.3}},
    {"strategy.hedge_allocation": {"binance": 0.5, "bybit": 0.5}, "strategy.spot_venue": "okx"},
    {"strategy.hedge_allocation": {"binance": 1.0, "bybit": 0.0}},
]


@pytest.mark.parametrize("split", SPLITS, ids=["bybit only", "spot on bybit", "three", "spot without shorts", "zero"])
def test_another_split_of_venues_needs_no_code(split: dict[str, Any]) -> None:
    """Equal spot and short, shorts by weight, the same margin ratio everywhere, whatever the venues are called."""
    mode = frictionless("eth_basis", split)
    run = Run(mode, steady(Moment(prices={"ETH": 2_500.0}), 3)).go()
    spot = mode.file.strategy.spot_venue  # type: ignore[union-attr]
    weights = mode.file.strategy.hedge_allocation  # type: ignore[union-attr]
    quantity = run.quantity(f"{spot}:BaseToken:ETH")
    assert quantity == pytest.approx(2 / 3 * 99_500 / 2_500, abs=0.003)
    assert quantity == pytest.approx(-sum(run.quantity(f"{venue}:Perp:ETHUSDT") for venue in weights), abs=1e-12)
    for venue, weight in weights.items():
        assert run.quantity(f"{venue}:Perp:ETHUSDT") == pytest.approx(-weight * quantity, abs=0.002)
        assert run.ratio(venue) == (pytest.approx(0.5, rel=1e-3) if weight else None)
