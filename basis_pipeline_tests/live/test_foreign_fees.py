"""A fee in BNB, in a book that holds none: what it was worth is a cost, and the book's cash is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from basis_pipeline.domain.errors import SystemFailure
from basis_pipeline.domain.intents import Booking, ForeignFee
from basis_pipeline.domain.orders import Action, Operation, Order, Side
from basis_pipeline.domain.records import LIVE_CATEGORIES, Category
from basis_pipeline.live_journal.database import Kind
from basis_pipeline.results.live_differences.differences import FLOWS
from basis_pipeline.runs.live.compare import compare_live
from basis_pipeline.runs.live.fee_watch import COMPONENT
from basis_pipeline.runs.live.parts import Alert
from basis_pipeline.runs.live.record import journal_path
from basis_pipeline.runs.live.results import publish_live
from basis_pipeline.runs.queries import query
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.venues.live.booking import executed
from basis_pipeline.venues.live.exchange import Fill
from basis_pipeline_tests.builders import CONFIGS, START
from basis_pipeline_tests.live.faults import KilledError, dying_at
from basis_pipeline_tests.live.stage import MINUTE, Stage, holds_what_the_venue_holds, stage

QUANTITY, BOUGHT, SOLD = 1.331, 50_010.0, 49_990.0
"""BTC of the entry, and what the fake fills at while BTC costs 50,000."""
SPOT_BNB = QUANTITY * BOUGHT * 0.001 * 0.75 / 600.0
"""BNB for the purchase: a quarter off, at 600 USDT each."""
PERP_FEE = QUANTITY * SOLD * 0.0005
SLIPPAGE = QUANTITY * (10.0 + 10.0)


@pytest.fixture
def alerts() -> list[Alert]:
    return []


@pytest.fixture
def there(tmp_path: Path, alerts: list[Alert]) -> Iterator[Stage]:
    with stage(tmp_path) as made:
        made.path = journal_path(Workspace(tmp_path / "root", CONFIGS), "btc_basis", "dev")
        made.books.list_coin("BNB", 650.0)
        made.books.spot["BNB"] = 1.0
        made.books.fees_in_bnb = True
        made.options = {"tell": alerts.append}
        yield made


def costs(there: Stage) -> float:
    return dict(zip(LIVE_CATEGORIES, there.last_state.pnl.attribution, strict=True))[Category.TRANSACTION_COSTS]


def fees(there: Stage) -> list[ForeignFee]:
    lines = [entry for entry in there.entries(Kind.INCOME) if ":fee:" in entry.key]
    return [msgspec.json.decode(line.payload, type=ForeignFee) for line in lines]


def test_the_fee_is_a_cost_at_its_price_and_the_session_goes_on(there: Stage, alerts: list[Alert]) -> None:
    session = there.session()
    session.run(until=START + 3 * MINUTE)
    state = there.last_state
    assert 1.0 - there.books.spot["BNB"] == pytest.approx(SPOT_BNB, abs=1e-8)
    cost = SPOT_BNB * 650.0
    assert costs(there) == pytest.approx(-(SLIPPAGE + PERP_FEE + cost), abs=1e-5)
    assert state.pnl.equity == pytest.approx(100_000.0 - SLIPPAGE - PERP_FEE, abs=1e-5), "BNB was never part of it"
    assert state.pnl.cumulative == pytest.approx(state.pnl.equity - 100_000.0 - cost, abs=1e-5)
    holds_what_the_venue_holds(there)
    assert [(alert.what, alert.message[:9]) for alert in alerts] == [("fee in a foreign token", "[VEN-005]")]
    assert f"binance charged {SPOT_BNB:.6f}"[:-2] in alerts[0].message and "fees in the traded" in alerts[0].remedy
    assert session.engine is not None
    health = session.engine.health.health_of(COMPONENT)
    assert (health.state, session.engine.health.may_execute) == ("degraded", True)


def test_a_restart_books_nothing_twice_and_at_no_other_price(there: Stage) -> None:
    """Killed after the fee is in the journal and before a state contains it."""
    with pytest.raises(KilledError):
        there.session(database=dying_at(Kind.INCOME, after=True)).run(until=START + 5 * MINUTE)
    assert [fee.price for fee in fees(there)] == [650.0] and costs(there) > -(SLIPPAGE + PERP_FEE + 1.0)
    there.books.set_price("BNB", 6_500.0)
    for _ in range(3):
        there.session().run(until=there.books.now + 2 * MINUTE)
    assert [fee.price for fee in fees(there)] == [650.0]
    assert costs(there) == pytest.approx(-(SLIPPAGE + PERP_FEE + SPOT_BNB * 650.0), abs=1e-5)
    holds_what_the_venue_holds(there)


def test_an_order_that_was_found_after_a_restart_is_charged_too(there: Stage) -> None:
    with pytest.raises(KilledError):
        there.session(database=dying_at(Kind.FACTS, after=False)).run(until=START + 5 * MINUTE)
    there.session().run(until=there.books.now + 3 * MINUTE)
    assert fees(there)[0].amount == pytest.approx(SPOT_BNB, abs=1e-8)
    assert sum(fee.amount for fee in fees(there)) == pytest.approx(1.0 - there.books.spot["BNB"], abs=1e-8)
    holds_what_the_venue_holds(there)


def test_without_a_price_nothing_is_booked_and_the_session_says_why(there: Stage) -> None:
    there.books.markets = [market for market in there.books.markets if not market.symbol.startswith("BNB")]
    with pytest.raises(SystemFailure, match=r"VEN-005.*charged a fee in BNB and tells no price"):
        there.session().run(until=START + 30 * MINUTE)
    assert fees(there) == []


def test_results_and_the_replay_have_it(there: Stage, tmp_path: Path) -> None:
    there.session().run(until=START + 3 * MINUTE)
    root = Workspace(tmp_path / "root", CONFIGS)
    publish_live(root, "btc_basis", "dev")
    assert query(root, "from experiments.gates where status = 'failed'").to_pylist() == []
    sql = "select source, delta_amount from experiments.deltas where source in ('fee', 'deposit')"
    rows = {row["source"]: row["delta_amount"] for row in query(root, sql).to_pylist()}
    cost = pytest.approx(SPOT_BNB * 650.0, abs=1e-5)
    assert (-rows["fee"], rows["deposit"]) == (cost, cost)
    found = compare_live(root, "btc_basis", "dev").differences
    assert found.item(FLOWS).live == pytest.approx(100_000.0 + SPOT_BNB * 650.0, abs=1e-5)
    assert found.difference == pytest.approx(sum(item.difference for item in found.items), abs=1e-9)
    assert abs(found.unnamed) < 1e-9


def test_a_discount_token_that_runs_out_leaves_the_rest_to_a_token_of_the_book(there: Stage) -> None:
    """0.6 BTC paid with 0.0375 BNB, the last 0.4 with 0.0004 BTC."""
    universe = there.mode.settings.universe
    slot, cash = universe.slot("binance:BaseToken:BTC"), universe.slot("binance:BaseToken:USDT")
    buy = Order(
        operation_id=1, operation=Operation.SPOT_TRADE, venue="binance", slot=slot, counter_slot=cash, quantity=1.0,
        side=Side.BUY, action=Action.ENTRY_FULL,
    )  # fmt: skip
    fills = (Fill(0.6, 50_000.0, 0.0375, "BNB", 0.0, START), Fill(0.4, 50_000.0, 0.0004, "BTC", 0.0, START))
    facts = executed("binance", universe.instruments[slot], buy, "7", fills, {"BTC", "USDT"})
    assert (facts.fee, facts.fee_token) == (0.0004, "BTC")
    assert set(facts.bookings) == {
        Booking("binance:BaseToken:BTC", 1.0),
        Booking("binance:BaseToken:USDT", -50_000.0),
        Booking("binance:BaseToken:BNB", -0.0375),
        Booking("binance:BaseToken:BTC", -0.0004),
    }
