"""The page about the gates is what the declarations say, and every limit can be set where it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from basis_pipeline.domain.evidence import GateSeverity
from basis_pipeline.gates.evidence import CONFIGURED_BY, GateThresholds
from basis_pipeline.runs.gate_page import gates_markdown
from basis_pipeline.runs.records import data_gate_descriptions, gate_descriptions, live_gate_descriptions
from basis_pipeline_tests.builders import wired

PAGE = Path(__file__).parents[2] / "docs" / "gates.md"
TOLERANCES = {"closing_tolerance", "fold_tolerance"}
LIVE_LIMITS = {"unexplained_day", "live_residual", "skipped_ticks"}
"""Of live months: the same for every mode."""


def test_the_page_is_current() -> None:
    assert PAGE.read_text().rstrip() == gates_markdown().rstrip(), "run `basis gates --markdown > docs/gates.md`"


def test_names_of_gates_on_months_and_on_data_are_different() -> None:
    names = [gate.name for gate in (*gate_descriptions(), *data_gate_descriptions())]
    assert len(names) == len(set(names))
    assert not {gate.name for gate in live_gate_descriptions()} & {gate.name for gate in data_gate_descriptions()}
    assert {gate.severity for gate in data_gate_descriptions()} == set(GateSeverity)


def test_every_limit_that_is_not_a_tolerance_has_a_key() -> None:
    assert CONFIGURED_BY.keys() | TOLERANCES | LIVE_LIMITS == set(GateThresholds.__struct_fields__)


@pytest.mark.parametrize(
    ("limit", "mode", "value"),
    [
        ("delta_warn", "btc_basis", 0.03),
        ("delta_breach", "btc_basis", 0.06),
        ("margin_derisk", "btc_basis", 0.21),
        ("margin_emergency", "btc_basis", 0.13),
        ("health_derisk", "eth_leveraged", 1.13),
        ("health_emergency", "eth_leveraged", 1.06),
        ("fills_budget", "btc_basis", 0.01),
        ("carry_bound", "btc_basis", -0.02),
        ("growth_tolerance", "pure_lending_usdt", 2e-4),
        ("price_profit", "btc_basis", 0.02),
    ],
)
def test_the_key_of_a_limit_sets_it(limit: str, mode: str, value: float) -> None:
    overrides: dict[str, Any] = {CONFIGURED_BY[limit]: value}
    profile = wired(mode, overrides).profile
    assert getattr(profile.thresholds, limit) == value
    changed = {
        name
        for name in GateThresholds.__struct_fields__
        if getattr(profile.thresholds, name) != getattr(wired(mode).profile.thresholds, name)
    }
    assert changed == {limit}
