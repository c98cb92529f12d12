"""What the gates say: values against arithmetic, worst timestamps, limits, severities, words."""

from __future__ import annotations

import string
from dataclasses import replace

import msgspec
import pytest

from basis_pipeline.domain.errors import GateError
from basis_pipeline.domain.evidence import GateResult, GateSeverity, GateStatus
from basis_pipeline.domain.records import Category
from basis_pipeline.domain.timeline import HOUR, YEAR, month_end, month_start
from basis_pipeline.gates.declared_live import LIVE_GATES
from basis_pipeline.gates.evidence import GateThresholds, MonthEvidence
from basis_pipeline.gates.registry import GATES, describe, evaluate, first_failure, summary
from basis_pipeline_tests.gates.bookkeeping import BASIS, COIN
from basis_pipeline_tests.gates.books import BasisBook, MintedOneToOne
from basis_pipeline_tests.gates.defects import Defect, add, at, both, in_part, in_series, in_table, where
from basis_pipeline_tests.gates.exhibits import category_row, clean, position_row
from basis_pipeline_tests.gates.months import SERIES, lending_month

HOUR_300 = "2024-01-13T12:00:00Z"
LIMITS = GateThresholds()


def judged(gate: str, evidence: MonthEvidence) -> GateResult:
    return next(result for result in evaluate(evidence) if result.gate == gate)


def equity_at(hour: int) -> float:
    return float(clean("opening").tables["timesteps"]["equity_usd"][hour].as_py())


@pytest.mark.parametrize(
    ("gate", "defect", "value"),
    [
        ("delta_band", in_table("timesteps", at(300, net_delta_usd=-6_000.0, equity_usd=100_000.0)), 0.06),
        ("delta_drift", in_table("timesteps", at(300, net_delta_usd=3_000.0, equity_usd=100_000.0)), 0.03),
        ("margin_floor", in_table("timesteps", at(300, min_margin_ratio=0.07)), 0.07),
        ("margin_derisk", in_table("timesteps", at(300, min_margin_ratio=0.17)), 0.17),
        ("health_factor_floor", in_table("timesteps", at(300, min_health_factor=1.01)), 1.01),
        ("health_factor_derisk", in_table("timesteps", at(300, min_health_factor=1.1)), 1.1),
        ("no_negative_quantity", in_table("positions", at(position_row(300, COIN), quantity=-2.5)), -2.5),
        ("positions_fold", in_table("positions", add(position_row(300, COIN), quantity=-0.3)), 0.3 / 1.5),
    ],
)
def test_the_worst_value_and_its_timestamp_are_named(gate: str, defect: Defect, value: float) -> None:
    result = judged(gate, defect(clean("opening")))
    assert result.value == pytest.approx(value, rel=1e-12)
    assert HOUR_300 in result.message


def test_a_residual_is_measured_against_equity() -> None:
    spoilt = in_table("pnl_attribution", add(category_row(300, Category.RESIDUAL), pnl_usd=2.0))(clean("opening"))
    result = judged("attribution_closes", spoilt)
    assert result.value == pytest.approx(2.0 / equity_at(300), rel=1e-3)
    assert "USD" in result.message


@pytest.mark.parametrize(
    ("gate", "column", "limit"),
    [
        ("margin_floor", "min_margin_ratio", LIMITS.margin_emergency),
        ("margin_derisk", "min_margin_ratio", LIMITS.margin_derisk),
        ("health_factor_floor", "min_health_factor", LIMITS.health_emergency),
        ("health_factor_derisk", "min_health_factor", LIMITS.health_derisk),
    ],
)
def test_a_value_exactly_at_its_limit_passes(gate: str, column: str, limit: float) -> None:
    at_limit = in_table("timesteps", at(300, **{column: limit}))(clean("opening"))
    assert judged(gate, at_limit).status is GateStatus.PASSED


def test_delta_exactly_at_the_band_passes_and_directional_modes_have_none() -> None:
    at_limit = in_table("timesteps", at(300, net_delta_usd=5_000.0, equity_usd=100_000.0))(clean("opening"))
    assert judged("delta_band", at_limit).status is GateStatus.PASSED
    far_off = in_table("timesteps", at(300, net_delta_usd=90_000.0))
    directional = both(far_off, in_part("profile", market_neutral=False))(clean("opening"))
    assert judged("delta_band", directional).value is None


def test_a_coin_share_class_is_judged_by_its_excess_delta() -> None:
    net_only = in_table("timesteps", where(lambda _: True, net_delta_usd=90_000.0))
    coin = both(net_only, in_part("profile", coin_share_class=True))(clean("opening"))
    assert judged("delta_band", coin).status is GateStatus.PASSED


@pytest.mark.parametrize("gate", ["margin_floor", "margin_derisk"])
def test_commits_between_closings_are_reported_and_not_judged(gate: str) -> None:
    second_margin_row = where(lambda row: row["sequence"] == 4 and row["dimension"] == "margin_ratio", value=0.01)
    result = judged(gate, in_table("risk", second_margin_row)(clean("opening")))
    assert result.status is GateStatus.PASSED
    assert "over all commits 0.01 at 2024-01-01T00:00:00Z" in result.message


@pytest.mark.parametrize("month", ["following", "lending"])
def test_a_book_that_only_holds_is_told_and_not_warned_of(month: str) -> None:
    result = judged("no_order_in_month", in_table("orders", lambda _: [])(clean(month)))
    assert result.status is GateStatus.PASSED
    assert result.message.startswith("0 successful orders")


def test_limits_come_from_the_configuration() -> None:
    on_chain = in_part("profile", thresholds=GateThresholds(margin_derisk=0.7))
    result = judged("margin_derisk", on_chain(clean("opening")))
    assert (result.status, result.threshold) == (GateStatus.WARNED, ">= 0.7")


def test_the_carry_is_funding_a_year_over_average_equity() -> None:
    """Settlements at 00, 08 and 16 UTC, each short quantity x mark x 1e-4; 1.5 BTC before hour 300 closes 0.1."""
    start, book = month_start("2024-01"), BasisBook(BASIS, "btc_basis", "2024-01")
    stamps = range(start + 8 * HOUR, month_end("2024-01"), 8 * HOUR)
    funding = sum((1.5 if stamp <= start + 300 * HOUR else 1.4) * book.prices(stamp)[1] * 1e-4 for stamp in stamps)
    equities = clean("opening").tables["timesteps"]["equity_share_class"].to_pylist()
    carry = funding / (sum(equities) / 744) * YEAR / (744 * HOUR)
    assert judged("carry_bound", clean("opening")).value == pytest.approx(carry, rel=1e-12)


def test_lending_is_compared_at_midnight_stamps() -> None:
    """30 days at 6e-6 an hour on 99,995; the last 23 hours are not compared, for their index is not observed."""
    earned = 99_995.0 * ((1.0 + 6e-6) ** 720 - 1.0)
    largest = 99_995.0 * (1.0 + 6e-6) ** 743
    assert (
        f"earned {earned / largest:.4%} of equity before costs until 2024-01-31"
        in judged("lending_growth", clean("lending")).message
    )
    wrong_at_noon = in_table("timesteps", add(743, equity_share_class=1_000.0))(clean("lending"))
    assert judged("lending_growth", wrong_at_noon).status is GateStatus.PASSED


def test_a_balance_minted_one_to_one_shows_as_the_index_it_was_not_divided_by() -> None:
    largest = 1.05 * 99_995.0 * (1.0 + 6e-6) ** 743
    assert judged("lending_growth", lending_month(MintedOneToOne)).value == pytest.approx(0.05 * 99_995.0 / largest)


def test_a_fill_at_its_budget_passes() -> None:
    result = judged("fills_budget", in_series(0, rows=740, filled=37)(clean("opening")))
    assert (result.status, result.value) == (GateStatus.PASSED, 0.05)


def test_optional_series_may_be_used_or_not() -> None:
    used = in_part("profile", required_series=SERIES[:1], optional_series=SERIES[1:])
    unused = in_part("profile", optional_series=("marks_1h/binance/BTCUSDT",))
    for permitted in (used, unused):
        assert judged("data_completeness", permitted(clean("opening"))).status is GateStatus.PASSED


def test_a_liquidation_is_a_finding_in_an_experiment_and_a_failure_in_the_record() -> None:
    liquidated = in_table("deltas", at(20, source="liquidation"))(clean("opening"))
    assert judged("liquidation", liquidated).status is GateStatus.FAILED
    experiment = judged("liquidation", replace(liquidated, experiment=True))
    assert (experiment.status, experiment.severity) == (GateStatus.WARNED, GateSeverity.WARN)
    other = in_table("timesteps", at(300, min_margin_ratio=0.1))(replace(clean("opening"), experiment=True))
    assert judged("margin_floor", other).status is GateStatus.FAILED


def test_a_second_run_of_the_same_month_has_the_same_digest() -> None:
    again = lending_month()
    assert again.digest == clean("lending").digest
    assert judged("determinism_digest", replace(again, second_digest=again.digest)).status is GateStatus.PASSED
    moved = in_table("timesteps", add(5, equity_usd=1e-9))(again)
    assert moved.digest != again.digest
    assert in_part("state", sequence=9)(again).digest != again.digest


def test_the_first_failure_and_the_counts_are_those_of_the_results() -> None:
    assert first_failure(evaluate(clean("opening"))) is None
    warned = in_series(1, proxied=3)
    failed = in_table("timesteps", at(300, min_margin_ratio=0.1))
    results = evaluate(both(warned, failed)(clean("opening")))
    assert first_failure(results).gate == "margin_floor"  # type: ignore[union-attr]
    assert summary(results) == (
        len(GATES) - 4,
        2,
        2,
    )  # proxied funding and the derisk level warn, the ratio is none of its positions


def test_a_month_without_a_timestep_cannot_be_judged() -> None:
    with pytest.raises(GateError, match="month 2024-01 of btc_basis has no timestep"):
        in_table("timesteps", lambda _: [])(clean("opening"))


def test_every_gate_is_declared_in_full_and_names_the_limits_it_uses() -> None:
    for gate in (*GATES, *LIVE_GATES):
        assert all((gate.title, gate.protects_from, gate.computed, gate.threshold)), gate.name
        used = {name for _, name, _, _ in string.Formatter().parse(gate.threshold) if name}
        assert used == set(gate.configured), gate.name
    named = {name for gate in (*GATES, *LIVE_GATES) for name in gate.configured}
    assert named == set(GateThresholds.__struct_fields__)


def test_the_description_has_the_numbers_filled_in() -> None:
    described = {gate.name: gate for gate in describe(GateThresholds(delta_breach=0.07))}
    assert described["delta_band"].threshold == "<= 7.0% of equity"
    assert list(described) == [gate.name for gate in GATES]
    assert msgspec.json.encode(list(described.values()))


def test_equity_before_the_first_step_is_that_of_the_checkpoint() -> None:
    share, usd = clean("following").ledgers
    closed = clean("opening").tables["timesteps"]
    assert share.equity_before[0] == closed["equity_share_class"][-1].as_py()
    assert usd.equity_before[0] == closed["equity_usd"][-1].as_py() != share.equity_before[0]
    assert clean("opening").ledgers[0].equity_before[0] == 0.0
