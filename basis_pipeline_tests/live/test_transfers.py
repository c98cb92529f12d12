"""Funds between exchanges in a live session: sent once, booked when they arrive, never assumed (R18, R41, C24)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from basis_pipeline_tests.live.fleet import Fleet, fleet, holds_what_the_venues_hold


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Fleet]:
    with fleet(tmp_path) as made:
        yield made


def test_the_first_loop_sends_funds_and_enters_when_they_have_arrived(there: Fleet) -> None:
    """Margins of 30% and 20% of a third of the capital, then a quantity bought and sold short in the same parts."""
    there.live_for(1)
    holds_what_the_venues_hold(there)
    assert [w.amount for w in there.network.withdrawals] == pytest.approx([10_000.0, 20_000.0 / 3], abs=1e-5)
    assert there.in_transit == pytest.approx(50_000.0 / 3, abs=1e-5)
    assert there.last_state.pnl.equity == pytest.approx(100_000.0 - 2.0)
    assert not there.books("binance").orders
    there.live_for(6)
    holds_what_the_venues_hold(there)
    assert [there.short(name) for name in there.accounts] == [0.665, 0.399, 0.266]
    assert there.books("binance").spot["BTC"] == pytest.approx(1.33 * 0.999)
    assert len(there.network.withdrawals) == 2
