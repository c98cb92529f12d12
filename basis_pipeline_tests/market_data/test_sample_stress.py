"""Stress months of the sample: what each episode does, and that it does nothing to any other month."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.timeline import DAY, HOUR, month_start
from basis_pipeline.market_data.sample import generate
from basis_pipeline.market_data.sample.chain import (
    RESERVES,
    STAKING_TOKENS,
    market_discount,
    simulate_gas,
    simulate_reserve,
)
from basis_pipeline.market_data.sample.factors import Factors
from basis_pipeline.market_data.sample.funding import funding_rates
from basis_pipeline.market_data.sample.period import BARS_PER_HOUR, Floats, Period
from basis_pipeline.market_data.sample.prices import asset_named, simulate_path
from basis_pipeline.market_data.sample.stress import Episode, Stress

PERIOD = Period.of("2024-01", 3)
FEBRUARY = slice((month_start("2024-02") - PERIOD.start) // HOUR, (month_start("2024-03") - PERIOD.start) // HOUR)
CALM = Factors(7, PERIOD)


def stressed(episode: str) -> Factors:
    return Factors(7, PERIOD, Stress.parse([f"2024-02={episode}"], PERIOD))


def hourly_price(factors: Factors) -> Floats:
    return np.exp(simulate_path(asset_named("ETH", factors), factors).log_price[::BARS_PER_HOUR][: PERIOD.hours])


def utilisation_rate(factors: Factors) -> Floats:
    weth = next(reserve for reserve in RESERVES if reserve.symbol == "WETH")
    return simulate_reserve(weth, factors).borrow_rate


def discount(factors: Factors) -> Floats:
    return market_discount(STAKING_TOKENS[0], factors, warmup=0)[: PERIOD.hours]


def every_settlement(factors: Factors) -> Floats:
    return np.repeat(funding_rates("binance", "ETH", factors), 8)


def base_fee(factors: Factors) -> Floats:
    return simulate_gas(factors).base_fee


@pytest.mark.parametrize(
    ("episode", "series", "expected"),
    [
        ("crash", lambda factors: hourly_price(factors) / hourly_price(CALM), (np.exp(-0.51), 1.0)),
        ("squeeze", lambda factors: hourly_price(factors) / hourly_price(CALM), (1.0, np.exp(0.5))),
        ("depeg", lambda factors: discount(factors) - discount(CALM), (0.0, 0.06)),
        ("gas_spike", lambda factors: base_fee(factors) / base_fee(CALM), (1.0, 30.0)),
    ],
)
def test_an_episode_reaches_what_it_says_and_ends_within_its_month(episode: str, series, expected) -> None:
    changed = series(stressed(episode))
    assert (changed[FEBRUARY].min(), changed[FEBRUARY].max()) == pytest.approx(expected, abs=1e-9)
    outside = np.delete(changed, np.arange(PERIOD.hours)[FEBRUARY])
    assert outside == pytest.approx(np.full(len(outside), changed[0]), abs=1e-12)


def test_a_funding_flip_makes_shorts_pay_for_a_fortnight() -> None:
    calm, flipped = every_settlement(CALM), every_settlement(stressed("funding_flip"))
    fortnight = slice(FEBRUARY.start + 9 * 24, FEBRUARY.start + 22 * 24)
    assert flipped[fortnight].mean() < -3e-4
    assert flipped[fortnight].max() < 0.0
    assert np.array_equal(calm[: FEBRUARY.start], flipped[: FEBRUARY.start])
    assert np.array_equal(calm[FEBRUARY.stop :], flipped[FEBRUARY.stop :])


def test_a_borrow_spike_lends_a_reserve_out() -> None:
    week = slice(FEBRUARY.start + 10 * 24, FEBRUARY.start + 15 * 24)
    assert utilisation_rate(stressed("borrow_spike"))[week].min() > 0.3
    assert utilisation_rate(CALM)[week].max() < 0.3


def test_episodes_of_several_months_add_up_and_are_in_order() -> None:
    both = Stress.parse(["2024-03=gas_spike", "2024-02=crash", "2024-02=depeg"], PERIOD)
    assert both.texts == ("2024-02=crash", "2024-02=depeg", "2024-03=gas_spike")
    start = month_start("2024-02")
    assert both.profile(Episode.CRASH, np.array([start, start + 11 * DAY, start + 31 * DAY])) == pytest.approx(
        [0.0, -0.51, 0.0]
    )


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (["2024-02"], "not of the form YYYY-MM=episode.*episodes are crash, squeeze, depeg"),
        (["2024-02=flood"], "not of the form"),
        (["2024-04=crash"], "the sample has no such month"),
        (["2023-12=crash"], "the sample has no such month"),
        (["February=crash"], "stress"),
        (["2024-02=crash", "2024-02=crash"], "names an episode twice"),
    ],
)
def test_stress_that_cannot_be_is_refused(pairs: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        generate(tmp_path, months=3, stress=pairs)
    assert not list(tmp_path.iterdir())


def test_only_what_an_episode_touches_differs_and_equal_arguments_give_equal_bytes(tmp_path: Path) -> None:
    def written(name: str, *stress: str) -> dict[str, bytes]:
        files = generate(tmp_path / name, months=1, stress=stress)
        return {str(file.relative_to(tmp_path / name)): file.read_bytes() for file in files}

    calm, spike, again = written("calm"), written("one", "2024-01=gas_spike"), written("two", "2024-01=gas_spike")
    assert spike == again
    differing = {name for name, content in spike.items() if content != calm[name]}
    assert differing == {"README.md", "gas/ethereum_gas_prices_1h.csv", "gas/operation_gas_costs_summary.json"}
    assert b"stress: 2024-01=gas_spike" in spike["README.md"]
    assert b"stress:" not in calm["README.md"]
