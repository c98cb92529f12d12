"""Which warnings of gates are news."""

from __future__ import annotations

from basis_pipeline.domain.evidence import GateResult, GateSeverity, GateStatus
from basis_pipeline.runs.standing import new_warnings, parse_warnings


def gates(*warned: str) -> list[GateResult]:
    found = [
        GateResult(name, GateSeverity.WARN, GateStatus.WARNED, value=1.0, threshold="0", message="") for name in warned
    ]
    return [
        *found,
        GateResult("other", GateSeverity.ERROR, GateStatus.PASSED, value=None, threshold="", message=""),
        GateResult("failing", GateSeverity.ERROR, GateStatus.FAILED, value=None, threshold="", message=""),
    ]


def test_a_month_that_is_run_again_is_compared_with_itself() -> None:
    before = {"2024-02": frozenset({"delta_drift"}), "2024-03": frozenset({"margin_derisk"})}
    assert new_warnings(before, {"2024-03": gates("margin_derisk")}) == ""
    assert new_warnings(before, {"2024-03": gates("margin_derisk", "delta_drift")}) == "2024-03 delta_drift"


def test_a_new_month_is_compared_with_the_one_before_it() -> None:
    before = {"2024-03": frozenset({"margin_derisk"})}
    assert new_warnings(before, {"2024-04": gates("margin_derisk")}) == ""
    run = {"2024-04": gates("a"), "2024-05": gates("a", "b"), "2024-06": gates()}
    assert new_warnings(before, run) == "2024-04 a; 2024-05 b"


def test_every_warning_of_a_first_month_is_news() -> None:
    assert new_warnings({}, {"2024-01": gates("b", "a")}) == "2024-01 a; 2024-01 b"


def test_what_is_written_is_read() -> None:
    assert parse_warnings("2024-01 a; 2024-02 b") == [("2024-01", "a"), ("2024-02", "b")]
    assert parse_warnings("") == []
