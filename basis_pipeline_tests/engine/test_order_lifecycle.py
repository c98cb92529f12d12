"""The per-order state machine: every transition of R11 is allowed and no other one is."""

from __future__ import annotations

from itertools import product

import pytest

from basis_pipeline.domain.orders import OrderState
from basis_pipeline.engine.execution_manager import OrderLifecycle

ALLOWED = {
    ("idle", "routing"),
    ("idle", "skipped"),
    ("routing", "executing"),
    ("routing", "failure"),
    ("executing", "reconciling"),
    ("executing", "failure"),
    ("executing", "system_failure"),
    ("reconciling", "success"),
    ("reconciling", "retry"),
    ("reconciling", "system_failure"),
    ("retry", "reconciling"),
    ("retry", "system_failure"),
}
"""R11, and SKIPPED; written out here so that a change of the table in the code is noticed."""


def lifecycle_in(state: OrderState) -> OrderLifecycle:
    lifecycle = OrderLifecycle()
    lifecycle.trail.append(state)
    return lifecycle


@pytest.mark.parametrize(("before", "after"), list(product(OrderState, OrderState)))
def test_a_transition_is_allowed_exactly_where_r11_draws_it(before: OrderState, after: OrderState) -> None:
    lifecycle = lifecycle_in(before)
    if (before.value, after.value) in ALLOWED:
        lifecycle.to(after)
        assert lifecycle.state is after
    else:
        with pytest.raises(AssertionError, match=f"{before} cannot become {after}"):
            lifecycle.to(after)
        assert lifecycle.state is before


@pytest.mark.parametrize("end", ["success", "failure", "system_failure", "skipped"])
def test_nothing_follows_an_end_state(end: str) -> None:
    assert not {after for before, after in ALLOWED if before == end}
