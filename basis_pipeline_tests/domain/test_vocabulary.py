"""Keys, time, errors and slippage: the vocabulary that everything else is written in."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta, timezone
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from basis_pipeline.domain import errors
from basis_pipeline.domain.errors import BasisError, ConfigError, DataError, DataGapError, PositionError, SystemFailure
from basis_pipeline.domain.position_keys import Instrument, PositionKey, PositionType, Universe
from basis_pipeline.domain.timeline import (
    HOUR,
    from_micros,
    iso,
    month_end,
    month_of,
    month_start,
    months_between,
    parse_month,
    shift_month,
    to_micros,
)
from basis_pipeline.domain.venue_rules import SlippageCurve, gas_cost

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1))  # noqa: DTZ001 - hypothesis wants naive bounds


@given(MOMENTS)
def test_moments_survive_microseconds(naive: datetime) -> None:
    moment = naive.replace(tzinfo=UTC)
    assert from_micros(to_micros(moment)) == moment
    assert month_start(month_of(to_micros(moment))) <= to_micros(moment) < month_end(month_of(to_micros(moment)))


def test_a_zone_is_converted_and_a_naive_moment_refused() -> None:
    taipei = datetime(2024, 1, 1, 8, tzinfo=timezone(timedelta(hours=8)))
    assert iso(to_micros(taipei)) == "2024-01-01T00:00:00Z"
    with pytest.raises(ValueError, match="no time zone"):
        to_micros(datetime(2024, 1, 1))  # noqa: DTZ001 - the naive moment to refuse


def test_the_midnight_step_belongs_to_the_new_month() -> None:  # decisions: A month
    assert month_of(month_start("2024-03")) == "2024-03"
    assert month_of(month_start("2024-03") - HOUR) == "2024-02"
    assert (month_end("2024-02") - month_start("2024-02")) // HOUR == 29 * 24


def test_months_are_counted_across_years() -> None:
    assert months_between("2023-11", "2024-02") == ["2023-11", "2023-12", "2024-01", "2024-02"]
    assert months_between("2024-02", "2024-01") == []
    assert shift_month("2024-01", -1) == "2023-12"


@pytest.mark.parametrize("text", ["2024-13", "2024-00", "2024-1", "24-01", "2024-01-01", ""])
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"--from .* is not a month.*YYYY-MM"):
        parse_month(text, name="--from")


@pytest.mark.parametrize("text", ["", "a:b", "a:BaseToken", ":BaseToken:x", "a:BaseToken:", "a:BaseToken:b:c", "a b c"])
def test_a_key_has_three_parts(text: str) -> None:  # R26
    with pytest.raises(ConfigError, match="venue:position_type:symbol"):
        PositionKey.parse(text)


def test_a_key_is_case_sensitive_and_survives_its_text() -> None:
    with pytest.raises(ConfigError, match="unknown type 'basetoken'"):
        PositionKey.parse("wallet:basetoken:USDT")
    key = PositionKey.parse("aave_v3:debtToken:debtWETH")
    assert PositionKey.parse(str(key)) == key
    assert Instrument(key, "WETH", "ETH").sign == -1.0


def universe(*keys: str) -> Universe:
    return Universe(Instrument(key, key.symbol, key.symbol) for key in map(PositionKey.parse, keys))


def test_a_position_declared_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="declared twice: wallet:BaseToken:ETH"):
        universe("wallet:BaseToken:ETH", "wallet:BaseToken:ETH")


def test_an_undeclared_key_names_the_nearest() -> None:
    declared = universe("wallet:BaseToken:ETH", "binance:Perp:ETHUSDT")
    with pytest.raises(PositionError, match=r"POS-002.*binance:perp:ETHUSDT.*did you mean binance:Perp:ETHUSDT"):
        declared.slot("binance:perp:ETHUSDT")
    assert declared.slots_of(PositionType.PERP) == (1,)
    assert declared.find("x:Perp:y") is None


ALL_ERRORS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BasisError)]


@pytest.mark.parametrize("kind", ALL_ERRORS, ids=lambda kind: kind.__name__)
def test_an_error_survives_a_process_boundary(kind: type[BasisError]) -> None:
    error = kind("file a.yaml: key b", code="X-001", remedy="do c.")
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(copy) is kind
    assert (copy.message, copy.code, copy.remedy, str(copy)) == (error.message, "X-001", "do c.", str(error))
    assert str(error) == "[X-001] file a.yaml: key b Remedy: do c."


def test_error_codes_are_one_area_each() -> None:
    assert len({kind.default_code for kind in ALL_ERRORS}) == len(ALL_ERRORS)
    assert issubclass(DataGapError, DataError)


def test_a_system_failure_is_no_exception_and_keeps_its_results() -> None:
    failure = SystemFailure("positions differ", ("first", "second"))
    assert not isinstance(failure, Exception)
    copy = pickle.loads(pickle.dumps(failure))  # noqa: S301 - our own bytes
    assert (copy.reason, copy.completed, str(copy)) == ("positions differ", ("first", "second"), str(failure))


CURVE = SlippageCurve((10_000.0, 100_000.0, 1_000_000.0), (2.0, 3.0, 6.0))


@pytest.mark.parametrize(
    ("notional", "basis_points"),
    [(0.0, 2.0), (9_999.0, 2.0), (10_000.0, 2.0), (31_622.7766, 2.5), (100_000.0, 3.0), (316_227.766, 4.5),
     (1_000_000.0, 6.0), (10_000_000.0, 9.0)],
)  # fmt: skip
def test_slippage_is_log_linear_clamped_below_and_extrapolated_above(notional: float, basis_points: float) -> None:
    assert CURVE.fraction(notional) == pytest.approx(basis_points * 1e-4, rel=1e-8)
    assert CURVE.extrapolates(notional) is (notional > 1_000_000.0)


@given(st.floats(1.0, 1e8), st.floats(1.0, 1e8))
def test_a_larger_order_never_slips_less(one: float, other: float) -> None:
    assert CURVE.fraction(min(one, other)) <= CURVE.fraction(max(one, other)) * (1.0 + 1e-12)


def test_one_point_is_a_constant() -> None:
    assert SlippageCurve((10_000.0,), (3.0,)).fraction(1e9) == pytest.approx(3e-4)


def test_between_points_the_logarithm_of_the_size_counts() -> None:
    size = 66_333.33
    assert CURVE.fraction(size) == pytest.approx((2.0 + log(size / 1e4) / log(10)) * 1e-4, rel=1e-12)


def test_gas_is_units_times_gwei() -> None:  # supply at the median of 5.3 gwei
    assert gas_cost(250_000, 5.3) == pytest.approx(0.001325)
