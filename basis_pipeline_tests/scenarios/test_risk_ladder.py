"""What the engine does about risk, dimension by dimension: record, warn, suspend, reduce, leave."""

from __future__ import annotations

import pytest

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.records import RiskLevel
from basis_pipeline.domain.timeline import DAY
from basis_pipeline_tests.builders import Moment, Run, at, frictionless, steady, wired

ETH, LST = "wallet:BaseToken:ETH", "etherfi:LST:weETH"
HELD, OWED = "aave_v3:aToken:aweETH", "aave_v3:debtToken:debtWETH"
CALM = Moment(prices={"ETH": 2_500.0}, ratio={"weETH": 1.04})
BTC = Moment(prices={"BTC": 50_000.0})
DEPOSIT = {"flows": [{"at": "2024-01-01T02:00:00Z", "amount": 10.0}]}
LEVERED = {"reserve_fraction": 0.0}


def selling_at(discount: float) -> Moment:
    return at(CALM, last={LST: 2_500.0 * 1.04 * (1.0 - discount)})


def findings(run: Run) -> dict[str, tuple[RiskLevel, float, float]]:
    found = run.engine.log.commits[-1].risk.findings
    return {finding.dimension: (finding.level, finding.value, finding.limit) for finding in found}


@pytest.mark.parametrize(
    ("discount", "expected"),
    [
        (0.009, {}),
        (0.011, {"peg_discount": (RiskLevel.WARNING, -0.011, -0.01)}),
        (0.026, {"peg_discount": (RiskLevel.BREACH, -0.026, -0.025)}),
    ],
)
def test_the_discount_of_a_staked_token_is_held_against_its_limits(
    discount: float, expected: dict[str, tuple[RiskLevel, float, float]]
) -> None:
    run = Run(frictionless("eth_staking_only"), [CALM, selling_at(discount)]).go()
    assert run.engine.log.commits[-1].risk.peg_discount == pytest.approx(-discount)
    assert findings(run).keys() == expected.keys()
    for dimension, values in expected.items():
        assert findings(run)[dimension] == pytest.approx(values)


def test_nothing_is_sold_into_a_discount_and_nothing_is_staked() -> None:
    """A deposit waits for the pool: bought where it is cheap it would be worth less than it cost. Nothing is sold."""
    moments = [CALM, CALM, *steady(selling_at(0.04), 3), *steady(CALM, 30)]
    run = Run(frictionless("eth_staking_only", DEPOSIT), moments).go(5)
    assert len(run.orders) == 1
    assert "suspended: staked tokens sell at a discount of 4.00%" in run.reasons[-1]
    assert run.quantity(ETH) == pytest.approx(10.0 + 0.2, rel=1e-9)
    run.go()
    assert len(run.orders) == 2, "a day later, at the peg"
    assert run.quantity(ETH) == pytest.approx(0.005 * 50.0, rel=1e-9)


@pytest.mark.parametrize("mode", ["eth_staking_only", "usdt_eth_staking_hedged_simple"])
def test_no_mode_enters_while_the_token_is_off_its_peg(mode: str) -> None:
    run = Run(frictionless(mode), steady(selling_at(0.03), 3)).go()
    assert run.orders == []
    assert run.engine.state().strategy.reference_equity is None


def borrowing(days: int, apr: float) -> list[Moment]:
    """Hourly moments whose debt grows by `apr` from the second day on."""
    hours = range(24 * days + 1)
    return [at(CALM, index={OWED: (1.0 + apr / 365) ** (max(0, hour - 24) / 24)}) for hour in hours]


@pytest.mark.parametrize(("apr", "level"), [(0.04, None), (0.06, RiskLevel.WARNING), (0.12, RiskLevel.BREACH)])
def test_the_borrow_rate_is_measured_from_midnight_to_midnight(apr: float, level: RiskLevel | None) -> None:
    """365 ln(1 + apr / 365) over the last whole day; before the second midnight there is none."""
    run = Run(frictionless("eth_leveraged", LEVERED), borrowing(2, apr)).go(24)
    assert run.engine.log.commits[-1].risk.borrow_apr is None
    run.go()
    expected = 365.0 * (1.0 + apr / 365.0 - 1.0 - (apr / 365.0) ** 2 / 2.0)
    assert run.engine.log.commits[-1].risk.borrow_apr == pytest.approx(expected, rel=1e-6)
    assert findings(run).get("borrow_apr", (None,))[0] == level
    assert run.engine.state().risk.borrow_at == run.feed.timestamps[-1]
    assert len(run.orders) == 1, "a dear day alone moves nothing"


def test_dear_debt_is_not_added_to() -> None:
    flow = {"flows": [{"at": "2024-01-03T06:00:00Z", "amount": 10.0}]}
    run = Run(frictionless("eth_leveraged", LEVERED | flow), [*borrowing(2, 0.2), *steady(borrowing(2, 0.2)[-1], 8)])
    run.go()
    assert len(run.orders) == 1
    assert "suspended: borrowing costs 19.99% a year" in run.reasons[-1]


def test_an_addition_waits_while_its_gas_is_out_of_proportion() -> None:
    """150,000 units at 5,000 gwei are .75 ETH, for the other 9.25 of a deposit of 10; the first entry never waits."""
    dear = at(CALM, gas=5_000.0)
    mode = wired("eth_staking_only", DEPOSIT)
    run = Run(mode, [dear, dear, *steady(dear, 3), *steady(at(CALM, gas=20.0), 30)]).go(5)
    assert len(run.orders) == 1
    assert "declined: gas of 1875.00 USDT is 8.11% of what is moved, above 1.00%" in run.reasons[-1]
    run.go()
    assert len(run.orders) == 2


def test_a_loan_to_value_above_its_band_is_brought_back() -> None:
    """Debt grows by 4%: 124.8 / 160 = .78 > .77; E = 35.2 ETH, so collateral 140.8 and debt 105.6."""
    dearer = at(CALM, index={OWED: 1.04})
    run = Run(frictionless("eth_leveraged", LEVERED | {"position_deviation_threshold": 1.0}), [CALM, dearer]).go()
    assert run.reasons[-1] == "exit_partial: loan to value 0.7800 above 0.77"
    assert run.quantity(HELD) * 1.04 == pytest.approx(140.8, rel=1e-9)
    assert run.quantity(OWED) * 1.04 == pytest.approx(105.6, rel=1e-9)
    assert run.engine.log.commits[-1].risk.loan_to_value == pytest.approx(0.75, rel=1e-9)


def test_a_loan_to_value_below_its_band_is_a_warning() -> None:
    run = Run(
        frictionless("eth_leveraged", LEVERED | {"position_deviation_threshold": 1.0}),
        [CALM, at(CALM, ratio={"weETH": 1.04 * 1.04})],
    ).go()
    assert findings(run)["loan_to_value"] == pytest.approx((RiskLevel.WARNING, 120.0 / 166.4, 0.73))


def paid_by_shorts(rate: float, days: int) -> list[Moment]:
    return [at(BTC, funding={"binance": rate, "bybit": rate} if hour % 8 == 0 else None) for hour in range(24 * days)]


def test_funding_below_the_floor_for_a_week_halves_the_book_until_it_is_received_again() -> None:
    """-1e-4 every eight hours: when payments span six days there are 19 of them, -19e-4 x 365 / 7 = -10.95% a year."""
    moments = [*paid_by_shorts(-1e-4, 9), *paid_by_shorts(3e-4, 6)]
    run = Run(frictionless("btc_basis"), moments).go(24)
    full = run.quantity("binance:BaseToken:BTC")
    run.go(8 * 24)
    (reduced,) = [reason for reason in run.reasons if reason.startswith("exit_partial")]
    assert reduced == "exit_partial: funding -10.95% a year over seven days, below -5.00%"
    first = run.engine.log.orders[6].timestamp
    assert (first - run.feed.timestamps[0]) // DAY == 6
    assert run.quantity("binance:BaseToken:BTC") == pytest.approx(full / 2, rel=0.01)
    assert run.ratio("binance") == pytest.approx(2.0, rel=0.02)
    assert run.engine.state().strategy.exposure == 0.5
    run.go()
    assert run.reasons[-1] == "entry_partial: funding is received again"
    assert run.quantity("binance:BaseToken:BTC") == pytest.approx(full, rel=0.01)
    assert run.engine.state().strategy.exposure == 1.0
    assert len(run.reasons) == 3


def test_a_single_negative_funding_print_is_no_reason() -> None:
    moments = steady(BTC, 24 * 9)
    moments[24] = at(BTC, funding={"binance": -3e-3, "bybit": -3e-3})
    run = Run(frictionless("btc_basis"), moments).go()
    assert len(run.reasons) == 1


@pytest.mark.parametrize(
    ("lst", "emode", "ltv", "sound"),
    [
        ("weETH", True, 0.79, True),
        ("weETH", True, 0.80, False),
        ("weETH", False, 0.66, True),
        ("weETH", False, 0.67, False),
        ("wstETH", False, 0.675, True),
        ("wstETH", False, 0.68, False),
    ],
)
def test_leverage_needs_room_above_the_health_factor_it_is_reduced_at(
    lst: str, emode: bool, ltv: float, sound: bool
) -> None:
    overrides = {"strategy.lst": lst, "strategy.emode": emode, "strategy.target_ltv": ltv}
    if sound:
        account = wired("eth_leveraged", overrides).settings.lending
        assert account is not None
        assert account.liquidation_threshold / ltv >= 1.2 - 1e-9
        return
    with pytest.raises(ConfigError, match=r"it needs 1\.2, 0\.08 above health_factor_derisk"):
        wired("eth_leveraged", overrides)


@pytest.mark.parametrize("band", [{"warn": 0.03, "breach": 0.03}, {"warn": 0.05, "breach": 0.01}])
@pytest.mark.parametrize("key", ["peg_discount", "borrow_rate"])
def test_bands_need_their_warning_first(key: str, band: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=rf"strategy.*{key}.*must be below breach"):
        wired("eth_leveraged", {f"strategy.{key}": band})


def test_a_dimension_that_is_not_enabled_is_recorded_and_not_judged() -> None:
    off = {"component_config.risk_monitor.enabled_risk_types": ["drawdown"]}
    run = Run(frictionless("eth_staking_only", off), [CALM, selling_at(0.04)]).go()
    assert run.engine.log.commits[-1].risk.peg_discount == pytest.approx(-0.04)
    assert findings(run) == {}
