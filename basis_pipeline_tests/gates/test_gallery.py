"""Every gate passes clean months and finds each defect of its gallery."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from basis_pipeline.domain.evidence import GateResult, GateSeverity, GateStatus
from basis_pipeline.gates.registry import GATES, evaluate
from basis_pipeline_tests.gates.books import FlowingBook, RollingBook
from basis_pipeline_tests.gates.defects import in_part, in_table
from basis_pipeline_tests.gates.exhibits import Exhibit, clean
from basis_pipeline_tests.gates.gallery import GALLERY
from basis_pipeline_tests.gates.gallery_signals import CLEAN
from basis_pipeline_tests.gates.months import basis_months, lending_month

_GATES = {gate.name: gate for gate in GATES}


@pytest.mark.parametrize("month", ["opening", "following", "lending"])
def test_a_clean_month_passes_every_gate(month: str) -> None:
    assert [result for result in evaluate(clean(month)) if result.status is not GateStatus.PASSED] == []


def test_deposits_and_a_full_withdrawal_trip_no_gate() -> None:
    assert [result for result in evaluate(lending_month(FlowingBook)) if result.status is not GateStatus.PASSED] == []


def test_a_roll_in_the_first_step_of_a_month_trips_no_gate() -> None:
    _, rolled = basis_months(RollingBook)
    assert [result for result in evaluate(rolled) if result.status is not GateStatus.PASSED] == []


@pytest.mark.parametrize("hours", [1, 2, 100])
def test_an_open_month_may_end_where_its_data_end(hours: int) -> None:
    results = evaluate(lending_month(hours=hours))
    assert [result for result in results if result.status is not GateStatus.PASSED] == []


@pytest.mark.parametrize("exhibit", GALLERY, ids=lambda exhibit: f"{exhibit.gate}: {exhibit.label}")
def test_a_planted_defect_is_found(exhibit: Exhibit) -> None:
    results = {result.gate: result for result in evaluate(exhibit.defect(clean(exhibit.month)))}
    severity = _GATES[exhibit.gate].severity
    assert results[exhibit.gate].status is (GateStatus.FAILED if severity is GateSeverity.ERROR else GateStatus.WARNED)
    assert exhibit.says in results[exhibit.gate].message
    decoded = msgspec.json.decode(msgspec.json.encode(list(results.values())), type=list[GateResult])
    assert [result.status for result in decoded] == [result.status for result in results.values()]


def test_the_gallery_covers_the_whole_registry() -> None:
    assert {exhibit.gate for exhibit in GALLERY} == set(_GATES)
    assert len(_GATES) == len(GATES)


def test_signals_with_skill_that_were_trained_before_their_month_trip_no_gate() -> None:
    told = evaluate(replace(clean("opening"), signals=CLEAN))
    assert [result for result in told if result.status is not GateStatus.PASSED] == []


def test_a_mode_may_start_flat_only_where_its_configuration_says_so() -> None:
    """R56 is about the first loop; that a directional book does nothing for a month is still worth a warning."""
    idle = in_part("profile", directional=True)(in_table("orders", lambda _: [])(clean("opening")))
    allowed = in_part("profile", flat_start_allowed=True)(idle)
    for evidence, status in ((idle, GateStatus.FAILED), (allowed, GateStatus.PASSED)):
        results = {result.gate: result for result in evaluate(evidence)}
        assert results["first_loop_action"].status is status
        assert results["no_order_in_month"].status is GateStatus.WARNED
    assert "allow_flat_start" in results["first_loop_action"].message
