"""Rules on small series, against results worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from basis_pipeline.domain.timeline import DAY, HOUR, MINUTE
from basis_pipeline.market_data.corrections import LabelShift, Signature
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.rules.candles import aggregate, contracts_to_coins
from basis_pipeline.market_data.rules.duplicates import resolve_conflicts
from basis_pipeline.market_data.rules.fills import fill_holes, hole_stamps
from basis_pipeline.market_data.rules.flags import lines_between_midnights
from basis_pipeline.market_data.rules.frozen import repair_frozen_bars
from basis_pipeline.market_data.rules.placeholders import is_straight_ramp
from basis_pipeline.market_data.rules.proxies import proxy_funding
from basis_pipeline.market_data.rules.stamps import shift_labels
from basis_pipeline.market_data.series import Series
from basis_pipeline_tests.market_data.vendor_files import grid, micros, walk

SIGNATURES = (Signature(at_most=-2.9e-4), Signature(equals=1.0e-4))
MAY = micros("2025-05-01")


def funding(rows: Sequence[tuple[int, float]], venue: str = "okx", hours: float = 8.0) -> Series:
    frame = pd.DataFrame(rows, columns=["timestamp", "funding_rate"])
    frame = frame.assign(
        interval_hours=hours, source_row=range(1, len(rows) + 1), quality="observed", source_file="f.csv"
    )
    return Series(SeriesKey("funding_rates", venue, "BTCUSDT"), frame)


def candles(dataset: str, venue: str, frame: pd.DataFrame) -> Series:
    rows = frame.assign(source_row=range(1, len(frame) + 1), quality="observed", source_file=f"{venue}_{dataset}")
    return Series(SeriesKey(dataset, venue, "BTCUSDT"), rows.reset_index(drop=True))


@pytest.mark.parametrize(
    ("rates", "kept"),
    [
        ((2e-5, -4e-4), [2e-5]),
        ((-4e-4, 2e-5), [2e-5]),
        ((1e-4, 3e-5), [3e-5]),
        ((1e-4, -3.5e-4), [1e-4]),  # the bound comes first: the round value may be real
        ((2e-5, 3e-5), []),
        ((-3e-4, -5e-4), []),
        ((2e-5, 3e-5, -4e-4), []),  # two are left: undecided
    ],
)
def test_the_first_signature_that_a_conflict_carries_decides_it(rates: tuple[float, ...], kept: list[float]) -> None:
    series = resolve_conflicts(funding([(MAY, rate) for rate in rates]), SIGNATURES, "funding_rate")
    assert series.frame["funding_rate"].tolist() == kept
    assert series.count("dropped") == (len(rates) - 1 if kept else 0)
    assert series.count("quarantined") == (0 if kept else len(rates))


def test_rows_without_a_conflict_may_carry_a_signature() -> None:
    series = resolve_conflicts(funding([(MAY, 1e-4), (MAY + 8 * HOUR, -5e-4)]), SIGNATURES, "funding_rate")
    assert len(series.frame) == 2
    assert series.ledger == ()


def test_labels_shift_by_the_regime_they_fall_in() -> None:
    regimes = (LabelShift(hours=-16, before=date(2025, 6, 10)), LabelShift(hours=-8))
    labels = [micros("2025-06-09T16:00"), micros("2025-06-10T00:00")]
    series = shift_labels(funding([(label, 0.0) for label in labels]), regimes)
    assert series.stamps.tolist() == [micros("2025-06-09T00:00"), micros("2025-06-09T16:00")]


def test_the_proxy_is_the_median_of_the_venues_that_settled() -> None:
    stamps = [MAY + n * 8 * HOUR for n in range(4)]
    own = funding([(stamps[0], 0.1), (stamps[3], 0.4)])
    others = [
        funding([(stamps[1], value), (stamps[2], value)], venue)
        for venue, value in (("a", 0.01), ("b", 0.02), ("c", 0.04))
    ]
    partial = funding([(stamps[1], 0.03)], "d")
    series = proxy_funding(own, [*others, partial], budget=12)
    assert series.frame["funding_rate"].tolist() == [0.1, 0.025, 0.02, 0.4]
    assert series.frame["quality"].tolist() == ["observed", "proxied", "proxied", "observed"]


@pytest.mark.parametrize(("missing", "proxied"), [(12, 12), (13, 0)])
def test_the_budget_of_a_month_is_all_or_nothing(missing: int, proxied: int) -> None:
    stamps = [MAY + n * 8 * HOUR for n in range(40)]
    own = funding([(stamp, 0.0) for stamp in (stamps[0], *stamps[missing + 1 :])])
    series = proxy_funding(own, [funding([(stamp, 0.01) for stamp in stamps], "a")], budget=12)
    assert series.count("proxied") == proxied
    assert [finding.severity for finding in series.findings] == (["WARN"] if proxied else ["ERROR"])


def test_proxies_go_on_to_the_end_of_the_month_and_no_further() -> None:
    last = micros("2025-05-31T00:00")
    stamps = [last + n * 8 * HOUR for n in range(6)]
    other = funding([(stamp, 0.01) for stamp in stamps], "a")
    series = proxy_funding(funding([(last, 0.0)]), [other], budget=12)
    assert series.stamps.tolist() == stamps[:3]


def test_no_other_venue_means_no_proxy() -> None:
    own = funding([(MAY, 0.0), (MAY + 16 * HOUR, 0.0)])
    assert proxy_funding(own, [], budget=12).count("proxied") == 0


def test_intervals_that_change_are_counted_as_they_are() -> None:
    eight = funding([(MAY, 0.0), (MAY + 8 * HOUR, 0.0)]).frame
    four = funding([(MAY + 20 * HOUR, 0.0)], hours=4.0).frame
    own = Series(SeriesKey("funding_rates", "okx", "BTCUSDT"), pd.concat([eight, four], ignore_index=True))
    other = funding([(MAY + n * 4 * HOUR, 0.01) for n in range(6)], "a", hours=4.0)
    assert proxy_funding(own, [other], budget=12).stamps.tolist() == [MAY + n * HOUR for n in (0, 8, 12, 16, 20)]


def test_holes_are_filled_in_the_declared_order_and_only_inside() -> None:
    whole = walk(grid("2025-05-01T00:00", "2025-05-01T09:00"), 100.0, seed=1)
    own = candles("perp_candles_1h", "binance", whole.drop(index=[0, 3, 4, 5, 9]))
    mark = candles("mark_candles_1h", "binance", whole.loc[[0, 3]].assign(close=1.0, volume=np.nan))
    bybit = candles("perp_candles_1h", "bybit", whole.loc[[3, 4, 9]].assign(close=2.0))
    series = fill_holes(own, [mark, bybit])
    assert series.frame["close"].iloc[[2, 3]].tolist() == [1.0, 2.0]
    assert series.frame["volume"].iloc[[2, 3]].isna().all()
    assert hole_stamps(series).tolist() == [micros("2025-05-01T05:00")]
    assert series.frame["source_file"].iloc[2] == "binance_mark_candles_1h"


def test_filled_rows_of_a_donor_are_not_handed_on() -> None:
    whole = walk(grid("2025-05-01T00:00", "2025-05-01T04:00"), 100.0, seed=1)
    own = candles("spot_candles_1h", "binance", whole.drop(index=[2]))
    donor = candles("spot_candles_1h", "bybit", whole)
    donor = Series(donor.key, donor.frame.assign(quality=["observed", "observed", "filled", "observed", "observed"]))
    assert fill_holes(own, [donor]).count("filled") == 0


def test_an_hour_needs_all_of_its_bars() -> None:
    five = walk(grid("2025-05-01T00:00", "2025-05-01T01:55", 5 * MINUTE), 100.0, seed=1)
    hours = aggregate(candles("perp_candles_5m", "binance", five.drop(index=[20])).frame, 5 * MINUTE, HOUR)
    assert hours["timestamp"].tolist() == [MAY]
    first = five.iloc[:12]
    expected = [first["open"].iloc[0], first["high"].max(), first["low"].min(), first["close"].iloc[-1]]
    assert hours[["open", "high", "low", "close"]].iloc[0].tolist() == expected
    assert hours["volume"].iloc[0] == pytest.approx(first["volume"].sum())


def test_frozen_bars_are_carried_for_a_while_only() -> None:
    five = walk(grid("2025-05-01T00:00", "2025-05-01T02:55", 5 * MINUTE), 100.0, seed=1)
    hourly = aggregate(candles("perp_candles_5m", "binance", five).frame, 5 * MINUTE, HOUR)
    frozen = five.copy()
    frozen.loc[14:17, ["open", "high", "low", "close"]] = five.loc[13, "close"]
    frozen.loc[14:17, "volume"] = 0.0
    series = repair_frozen_bars(
        candles("perp_candles_5m", "binance", frozen), candles("perp_candles_1h", "binance", hourly), carry=3
    )
    assert (series.count("quarantined"), series.count("filled")) == (4, 3)
    assert hole_stamps(series).tolist() == [five["timestamp"].iloc[17]]
    carried = series.frame[series.frame["quality"] == "filled"]
    assert set(carried["close"]) == {five.loc[13, "close"]}


def test_frozen_bars_that_nothing_contradicts_stay() -> None:
    five = walk(grid("2025-05-01T00:00", "2025-05-01T00:55", 5 * MINUTE), 100.0, seed=1)
    five.loc[4, ["open", "high", "low", "close", "volume"]] = [five.loc[3, "close"]] * 4 + [0.0]
    series = candles("perp_candles_5m", "binance", five)
    assert repair_frozen_bars(series, None, carry=3) is series
    same = candles("perp_candles_1h", "binance", aggregate(series.frame, 5 * MINUTE, HOUR))
    assert repair_frozen_bars(series, same, carry=3) is series


def test_contracts_of_unknown_size_give_no_volume_and_say_so() -> None:
    series = candles("perp_candles_1h", "okx", walk(grid("2025-05-01T00:00", "2025-05-01T02:00"), 100.0, seed=1))
    known = contracts_to_coins(series, {"BTCUSDT": 0.01})
    assert known.frame["volume"].tolist() == (series.frame["volume"] * 0.01).tolist()
    unknown = contracts_to_coins(series, {"ETHUSDT": 0.1})
    assert unknown.frame["volume"].isna().all()
    assert "contract_size.BTCUSDT in configs/data/okx.yaml" in unknown.findings[0].remedy


@given(st.floats(0.01, 1e5), st.floats(-1e-3, 1e-3), st.integers(12, 200))
def test_a_ramp_is_a_ramp_at_any_price(first: float, relative_step: float, rows: int) -> None:
    assert is_straight_ramp(first + first * relative_step * np.arange(rows) / rows)


@given(st.integers(0, 1000), st.integers(12, 200))
def test_a_market_is_no_ramp(seed: int, rows: int) -> None:
    prices = walk(np.arange(rows, dtype=np.int64) * HOUR, 100.0, seed)["close"].to_numpy()
    assert not is_straight_ramp(prices)


def test_days_are_told_apart_one_by_one() -> None:
    stamps = grid("2025-05-01T00:00", "2025-05-02T23:00")
    values = np.interp(stamps, [stamps[0], stamps[0] + 2 * DAY], [100.0, 104.0])
    values[30:] += np.random.default_rng(1).normal(0.0, 0.5, len(values) - 30)
    flags = lines_between_midnights(stamps, values)
    assert flags[1:24].all()
    assert not flags[24:].any()
    assert not flags[0]
