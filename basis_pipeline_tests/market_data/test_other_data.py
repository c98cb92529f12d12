"""Other coins, other years, other defects: what is wrong is refused with its place, what is merely unusual is used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from basis_pipeline.market_data.checks.funding import contradicted_funding, funding_scale, funding_sign, zero_funding
from basis_pipeline.market_data.checks.labels import label_correlation
from basis_pipeline.market_data.checks.markets import other_market, shifted_days, stuck_price
from basis_pipeline.market_data.checks.venues import large_moves
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.rules.stamps import SHIFTED
from basis_pipeline_tests.market_data.defects_other_data import (
    MONTH,
    dollars,
    donated,
    exchanged,
    five_minutes,
    late,
    market,
    of,
    paid,
    pool,
    rate_times,
    rates,
    ratio,
    still,
    times,
    traded,
    wick,
)
from basis_pipeline_tests.market_data.test_checks import context, series
from basis_pipeline_tests.market_data.vendor_files import (
    scaled,
)


def _depegged(frame: pd.DataFrame) -> pd.DataFrame:
    """A venue on which the coin costs 3% less for a day, as in a run on its stablecoin."""
    return times(frame, 0.97, 240, 263)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (lambda: of(shifted_days, late(market(), 240, 400), market()), ["11-11", "11-12"]),
        (lambda: of(shifted_days, late(market(), 600, 719, hours=-5), market()), ["-5 h"]),
        (lambda: of(shifted_days, market(), scaled(market(), 1.001)), []),
        (lambda: of(shifted_days, market(), market(6)), []),  # another market is no shift
        (lambda: of(shifted_days, market(), market(), late(market(), 0, 719)), []),  # the other one is wrong
        (lambda: of(other_market, times(market(), 0.92), market(), market()), ["on 30 days its price is 0.92 times"]),
        (lambda: of(other_market, times(market(), 1e10, 48, 71), market()), ["on 1 days", "1e+10", "2022-11-03"]),
        (lambda: of(other_market, market(), times(market(), 0.92), market()), []),
        (lambda: of(other_market, _depegged(market()), market()), []),
        (lambda: of(stuck_price, still(market(), 100, 24), market()), ["24 bars", "2022-11-05T04:00:00Z"]),
        (lambda: of(stuck_price, still(market(), 100, 24)), ["24 bars"]),
        (lambda: of(stuck_price, still(market(), 100, 3), market()), []),  # an outage of three hours
        (lambda: of(stuck_price, still(market(), 100, 24), still(market(), 90, 40)), []),  # nothing moved
        (lambda: of(stuck_price, market(), still(market(), 100, 24)), []),
        (lambda: paid(contradicted_funding, rate_times(rates(), 100.0, 60, 65), rates(2)), ["6 settlements"]),
        (lambda: paid(contradicted_funding, rates(), rates(2)), []),  # the extremes of November 2022, everywhere
        (lambda: paid(funding_scale, rates(), rates(2)), []),
        (lambda: paid(funding_sign, rate_times(rates(), -1.0), rates(2)), ["another sign"]),
        (lambda: paid(funding_sign, rates(), rates(2)), []),
        (lambda: paid(zero_funding, rate_times(rates(), 0.0, 40, 52), rates(2)), ["13 of 90"]),
        (lambda: paid(zero_funding, rate_times(rates(), 0.0, 40, 52)), ["13 of 90"]),
        (lambda: paid(zero_funding, *[rate_times(rates(), 0.0, 40, 52)] * 2), []),  # the coin really paid nothing
        (lambda: paid(zero_funding, rate_times(rates(), 0.0, 40, 42), rates(2)), []),
        (lambda: ratio(1.0), []),
        (lambda: ratio(1e10), ["1e+10 times"]),
        (lambda: ratio(1.05), ["1.05 times"]),
        (lambda: traded(0.94), []),  # stETH in June 2022
        (lambda: traded(0.5), ["0.5 times"]),
        (lambda: dollars(0.87), []),  # USDC in March 2023
        (lambda: dollars(1e8), ["2022-11-11"]),
        (lambda: [one for one in pool(1.04) if one.severity == "ERROR"], []),
        (lambda: [one for one in pool(1e10) if one.severity == "ERROR"], ["1e+10 times"]),
        (lambda: exchanged(0.05, 0.06), []),
        (exchanged, ["suppliers earn 6.00% a year and borrowers pay 5.00%"]),
        (lambda: of(large_moves, wick(market(), 1.6), market()), ["contradicted_move", "2022-11-05T04:00:00Z"]),
        (lambda: of(large_moves, wick(market(), 1.05), market()), []),
        (lambda: five_minutes(0), []),
        (lambda: [one for one in five_minutes(1) if one.severity == "ERROR"], ["another series, shifted"]),
    ],
)
def test_what_cannot_be_is_found_and_what_was_seen_in_bad_years_is_not(
    found: Callable[[], list[Finding]], expected: list[str]
) -> None:
    findings = found()
    assert bool(findings) == bool(expected), [str(one) for one in findings]
    for finding in findings:
        assert (finding.severity, finding.month) == ("ERROR", "2022-11")
        assert finding.remedy
    told = " ".join(str(finding) for finding in findings)
    assert all(words in told for words in expected), told


def test_rows_filled_from_a_series_that_must_not_be_used_bar_their_month(tmp_path: Path) -> None:
    reasons = [one for one in donated(tmp_path) if one.rule == "donor_unreliable"]
    assert [(one.month, one.count) for one in reasons] == [("2022-11", 10)]
    assert "spot_candles_1h bybit SOLUSDT, which must not be used: other_market" in reasons[0].message


def test_an_hour_of_five_minutes_with_a_bad_tick_bars_its_month(tmp_path: Path) -> None:
    """A stop-loss would be hit by it."""
    found = five_minutes(0, tick=1.04)
    assert {(one.severity, one.rule) for one in found} == {
        ("WARN", "hours_differ_in_prices"),
        ("ERROR", "five_minutes_of_another"),
    }
    assert "1 of 72 hours" in found[-1].message


def test_of_three_venues_only_the_one_that_is_off_is_blamed_and_a_shift_that_does_not_fit_is_named() -> None:
    """The median of a right and a wrong one is half wrong: the right ones must not be refused for it."""
    right = [
        series("spot_candles_1h", venue, "SOLUSDT", scaled(market(), by)) for venue, by in (("a", 1), ("b", 1.001))
    ]
    wrong = series("spot_candles_1h", "okx", "SOLUSDT", late(market(), 0, len(MONTH) - 1, hours=-2))
    all_three = context(*right, wrong)
    for one in right:
        (found,) = label_correlation(one, all_three)
        assert found.severity == "INFO"
    (found,) = label_correlation(wrong, all_three)
    assert (found.severity, found.remedy) == ("ERROR", "declare label_shift in configs/data/okx.yaml.")
    moved = wrong.change(SHIFTED, np.ones(len(MONTH), dtype=bool), timestamp=wrong.stamps)
    (found,) = label_correlation(moved, all_three)
    assert found.remedy.startswith("these files do not have the defect that label_shift in configs/data/okx.yaml mends")
