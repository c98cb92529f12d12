"""What a perp was entered at decides what it has gained: book and exchange have to agree about that too (R35)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from basis_pipeline.domain.errors import StateError
from basis_pipeline.live_journal.halts import EmergencyPolicy
from basis_pipeline.runs.live.operator import acknowledge, emergency_stop
from basis_pipeline.runs.live.parts import Alert
from basis_pipeline_tests.fakes.accounts import EXCHANGES
from basis_pipeline_tests.live.stage import Stage, holds_what_the_venue_holds, stage
from basis_pipeline_tests.live.ticking import running, ticks


@pytest.fixture(params=EXCHANGES)
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path, request.param) as made:
        yield made


def reopens_by_hand(there: Stage, price: float) -> None:
    """Somebody closes the short and opens it again: the same size, its loss is cash now, its entry is the price."""
    quantity, entry = there.books.perps["BTCUSDT"]
    there.books.margin["USDT"] += quantity * (price - entry)
    there.books.perps["BTCUSDT"] = (quantity, price)


def worth(there: Stage) -> float:
    """What the account is worth, by the exchange's own books."""
    return there.account.cash + there.books.spot["BTC"] * there.books.markets[0].price + there.books.unrealised


def entry(there: Stage) -> float:
    return there.last_state.positions[f"{there.name}:Perp:BTCUSDT"].entry_price


def test_a_short_that_was_reopened_by_hand_closes_trading_and_is_taken_over_with_its_entry(
    there: Stage, told: list[Alert]
) -> None:
    """1.331 BTC from 49,990 to 55,000: 6,668 USDT were lost once, not in cash and again in what the perp has gained."""
    session = running(there)
    there.books.set_price("BTC", 55_000.0)
    reopens_by_hand(there, 55_000.0)
    ticks(there, session)
    assert [alert.what for alert in told if alert.what != "unexplained"] == ["large difference"]
    assert "49,990" in told[0].message and "55,000" in told[0].message
    acknowledge(there.path)
    ticks(there, session)
    assert entry(there) == pytest.approx(55_000.0)
    assert there.last_state.pnl.equity == pytest.approx(worth(there), abs=0.01)
    emergency_stop(there.path, EmergencyPolicy.EXIT_FULL)
    ticks(there, session, 2)
    assert "BTCUSDT" not in there.books.perps
    holds_what_the_venue_holds(there)
    assert there.last_state.pnl.equity == pytest.approx(worth(there), abs=0.01)


def test_an_entry_alone_that_differs_refuses_a_start_until_somebody_has_looked(there: Stage) -> None:
    """As of a record that begins in a backtest: the same size, opened by hand at another price."""
    running(there)
    quantity, _ = there.books.perps["BTCUSDT"]
    there.books.perps["BTCUSDT"] = (quantity, 42_000.0)
    with pytest.raises(StateError, match="LIVE-001"):
        running(there)
    session = there.session(acknowledged=True)
    session.start()
    assert entry(there) == pytest.approx(42_000.0)
    assert there.last_state.pnl.equity == pytest.approx(worth(there), abs=0.01)


def test_a_small_difference_is_adjusted_on_the_record_and_told(there: Stage, told: list[Alert]) -> None:
    """20 USDT on 1.331 BTC are 26.62 USDT of a book of 100,000, of which 100 may be adjusted in a day."""
    session = running(there)
    before = there.last_state.pnl.equity
    quantity, known = there.books.perps["BTCUSDT"]
    there.books.perps["BTCUSDT"] = (quantity, known + 20.0)
    ticks(there, session)
    assert [alert.what for alert in told if alert.what != "unexplained"] == ["perp adjusted"]
    assert entry(there) == pytest.approx(known + 20.0)
    assert there.last_state.pnl.equity == pytest.approx(before + 1.331 * 20.0, abs=0.01)
    ticks(there, session)
    assert len([alert for alert in told if alert.what == "perp adjusted"]) == 1


def test_what_somebody_added_is_taken_over_at_what_it_cost(there: Stage) -> None:
    """1.5 BTC more, sold at 60,000 and found at 60,500: their loss of 750 is in the book as it is at the exchange."""
    session = running(there)
    quantity, known = there.books.perps["BTCUSDT"]
    there.books.set_price("BTC", 60_500.0)
    there.books.perps["BTCUSDT"] = (quantity - 1.5, (quantity * known - 1.5 * 60_000.0) / (quantity - 1.5))
    ticks(there, session)
    acknowledge(there.path)
    emergency_stop(there.path)
    ticks(there, session)
    assert entry(there) == pytest.approx(there.books.perps["BTCUSDT"][1])
    assert there.last_state.pnl.equity == pytest.approx(worth(there), abs=0.01)
