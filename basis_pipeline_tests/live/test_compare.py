"""A live record beside its replay: the differences are those of a hand calculation, and they close."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from basis_pipeline.domain.errors import ConfigError, StateError
from basis_pipeline.results.live_differences.differences import FEES, FLOWS, SLIPPAGE, LiveDifferences
from basis_pipeline.results.reports.comparison import load_comparison
from basis_pipeline.runs.live.compare import compare_live
from basis_pipeline.runs.live.record import journal_path
from basis_pipeline.runs.live.results import publish_live
from basis_pipeline.runs.queries import query
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.builders import CONFIGS, START
from basis_pipeline_tests.live.faults import KilledError, dying
from basis_pipeline_tests.live.stage import MINUTE, Stage, at, stage

MODE = "btc_basis"


def workspace(folder: Path) -> Workspace:
    return Workspace(folder / "root", CONFIGS)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Stage]:
    with stage(tmp_path) as made:
        made.path = journal_path(workspace(tmp_path), MODE, "dev")
        yield made


def lives(there: Stage) -> None:
    """Entry at 50,000, one funding payment, then 10% up, in two sessions."""
    there.session().run(until=START + 3 * MINUTE)
    there.books.now += MINUTE
    there.books.pay_funding("BTCUSDT", 0.0001)
    there.session().run(until=there.books.now + 3 * MINUTE)
    there.books.set_price("BTC", 55_000.0)
    there.session().run(until=there.books.now + 3 * MINUTE)


@pytest.fixture
def found(there: Stage, tmp_path: Path) -> LiveDifferences:
    lives(there)
    return compare_live(workspace(tmp_path), MODE, "dev").differences


QUANTITY, PRICE = 1.331, 50_000.0
BOUGHT, SOLD = 2.822351268260791e-4, 3.8246102649414406e-4
"""Slippage of the replay: of the fill price, spot bought and perp sold, for 66,550 USDT by the slippage tables."""


def test_fees_and_slippage_are_those_of_the_fills(found: LiveDifferences) -> None:
    """The fake fills 2 bp away, 10 bp fee on spot and 5 bp on perps; the replay pays what its tables say."""
    bought, sold = PRICE * 1.0002, PRICE * 0.9998
    fees, slippage = found.item(FEES), found.item(SLIPPAGE)
    assert fees.live == pytest.approx(-QUANTITY * (bought * 0.001 + sold * 0.0005), rel=1e-9)
    lost = QUANTITY * 0.999 * 10.0 + QUANTITY * 10.0
    assert slippage.live == pytest.approx(-lost, rel=1e-9), "of the coins that arrived: the fee was kept in BTC"
    [first, second] = found.pairs
    assert first.live is not None and first.backtest is not None and second.backtest is not None
    dear, cheap = first.backtest.price or 0.0, second.backtest.price or 0.0
    assert (dear / PRICE - 1.0) / (dear / PRICE) == pytest.approx(BOUGHT, rel=1e-6)
    assert fees.backtest == pytest.approx(-QUANTITY * (dear * 0.001 + cheap * 0.0005), rel=1e-9)
    assert slippage.backtest == pytest.approx(-QUANTITY * ((dear - PRICE) + (PRICE - cheap)), rel=1e-9)
    assert first.price_difference_bp == pytest.approx((bought / dear - 1.0) * 1e4, rel=1e-9)


def test_what_prices_did_is_the_fee_that_was_kept_in_the_coin(found: LiveDifferences) -> None:
    """0.1% of 1.331 BTC are missing from the live spot leg; 5,000 USDT higher that is 6.655 USDT."""
    delta = found.item("delta_pnl")
    assert delta.live == pytest.approx(-0.001331 * 5_000.0, rel=1e-6)
    assert delta.backtest == pytest.approx(0.0, abs=1e-6)


def test_funding_of_the_replay_is_what_the_venue_paid(found: LiveDifferences) -> None:
    funding = found.item("funding_pnl")
    assert funding.live == pytest.approx(QUANTITY * PRICE * 0.0001, rel=1e-9)
    assert funding.backtest == pytest.approx(funding.live, rel=1e-9)


def test_the_differences_close(found: LiveDifferences) -> None:
    costs = found.item(FEES).difference + found.item(SLIPPAGE).difference
    assert found.difference == pytest.approx(costs - 0.001331 * 5_000.0, abs=1e-6)
    assert found.difference == pytest.approx(sum(item.difference for item in found.items), abs=1e-9)
    assert abs(found.unnamed) < 1e-9 and found.item(FLOWS).live == 100_000.0
    assert found.counts() == (2, 2)
    assert max(abs(day.widest_bp) for day in found.days()) == found.widest_bp
    assert found.widest_bp == pytest.approx(abs(costs) / float(found.backtest[0]) * 1e4, rel=1e-3)


def test_it_is_kept_as_tables_and_as_a_page(there: Stage, tmp_path: Path) -> None:
    lives(there)
    root = workspace(tmp_path)
    made = compare_live(root, MODE, "dev")
    sql = "select record, sum(difference) as difference from live_differences where mode = $mode group by 1"
    [row] = query(root, sql, {"mode": MODE}).to_pylist()
    assert row == {"record": "live-dev", "difference": pytest.approx(made.differences.difference)}
    [last] = query(root, "from live_equity_differences order by timestamp desc limit 1").to_pylist()
    assert last["difference"] == pytest.approx(made.differences.difference)
    orders = query(root, "from live_order_differences order by decided, operation_id_live").to_pylist()
    assert [(row["filled_live"], row["filled_backtest"], row["outcome_live"]) for row in orders] == [
        (1.331, 1.331, "success")
    ] * 2
    assert orders[0]["delay"] == 0.0, "the fake fills at once"
    page = made.page.read_text()
    assert "live-dev against its replay" in page and "trading fees" in page


def test_a_loss_that_nobody_explains_is_named_and_is_the_whole_difference(there: Stage, tmp_path: Path) -> None:
    there.session().run(until=START + 2 * MINUTE)
    before = compare_live(workspace(tmp_path), MODE, "dev").differences.difference
    there.books.now += MINUTE
    there.books.spot["USDT"] -= 20.0
    there.session().run(until=there.books.now + 2 * MINUTE)
    found = compare_live(workspace(tmp_path), MODE, "dev").differences
    missing = [item for item in found.items if item.name in ("unexplained", "residual")]
    assert sum(item.difference for item in missing) == pytest.approx(-20.0, abs=1e-6)
    assert found.difference == pytest.approx(before - 20.0, abs=1e-6)


def test_an_order_found_at_a_start_stands_beside_the_one_of_the_replay(there: Stage, tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        there.session(database=dying(13, after=False)).run(until=START + 3 * MINUTE)
    there.books.now += MINUTE
    there.session().run(until=there.books.now + 3 * MINUTE)
    found = compare_live(workspace(tmp_path), MODE, "dev").differences
    first = found.pairs[0]
    assert first.live is not None and first.backtest is not None
    assert (first.live.decided, first.backtest.decided) == (START, START + MINUTE)
    assert first.live.filled == first.backtest.filled == 1.331
    assert abs(found.unnamed) < 1e-9


def test_a_configuration_of_today_that_is_another_one_is_refused(there: Stage, tmp_path: Path) -> None:
    assert at("binance")["reserve_fraction"] == 0.0
    there.overrides = {**at("binance"), "strategy.spot_fraction": 0.5}
    there.session().run(until=START + MINUTE)
    with pytest.raises(StateError, match="configured in another way"):
        compare_live(workspace(tmp_path), MODE, "dev")


def test_a_live_record_is_not_compared_as_an_experiment(there: Stage, tmp_path: Path) -> None:
    lives(there)
    root = workspace(tmp_path)
    publish_live(root, MODE, "dev")
    with pytest.raises(ConfigError, match=r"`basis live-compare btc_basis` replays it"):
        load_comparison(root.results, MODE, ["live-dev"])
