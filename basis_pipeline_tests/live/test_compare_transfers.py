"""The record of sessions at three exchanges beside its replay, which is wired as each of them was."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from basis_pipeline.config.loading import ConfigFolder
from basis_pipeline.config.wiring import wire_mode
from basis_pipeline.domain.errors import StateError
from basis_pipeline.domain.orders import Operation
from basis_pipeline.live_journal.database import JournalDatabase, Kind
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.results.live_differences.differences import TRANSFERS, Execution, LiveDifferences
from basis_pipeline.runs.live.compare import compare_live
from basis_pipeline.runs.live.record import begin_record, journal_path, session_abouts
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.builders import CONFIGS, START
from basis_pipeline_tests.live.fleet import MINUTE, THREE, Fleet, fleet, spread_over, without_addresses

MODE = "btc_basis"


def workspace(folder: Path) -> Workspace:
    """Its live.yaml lists no address and expects 30 minutes."""
    return Workspace(folder / "root", CONFIGS)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Fleet]:
    with fleet(tmp_path) as made:
        made.path = journal_path(workspace(tmp_path), MODE, "dev")
        yield made


def compared(folder: Path) -> LiveDifferences:
    return compare_live(workspace(folder), MODE, "dev").differences


def orders(found: LiveDifferences, operation: Operation) -> tuple[list[Execution], list[Execution]]:
    """Of the session and of its replay."""
    pairs = found.pairs
    live = [pair.live for pair in pairs if pair.live and pair.live.operation == operation]
    return live, [pair.backtest for pair in pairs if pair.backtest and pair.backtest.operation == operation]


def expects(there: Fleet, minutes: float) -> None:
    transfers = there.live.transfers.model_copy(update={"expected_minutes": minutes})
    there.live = there.live.model_copy(update={"transfers": transfers})


def test_both_lives_move_funds_and_their_differences_close(there: Fleet, tmp_path: Path) -> None:
    """Two withdrawals at the entry, funding of 1 bp, 20,000 USDT up, two withdrawals to lift the margins again."""
    there.live_for(60)
    for account in there.accounts.values():
        account.books.pay_funding("BTCUSDT", 0.0001)
        account.books.set_price("BTC", 70_000.0)
    there.live_for(60)
    found = compared(tmp_path)
    sent, again = orders(found, Operation.TRANSFER)
    assert (len(sent), len(again)) == (4, 4)
    assert [order.quantity for order in again] == pytest.approx([order.quantity for order in sent], rel=1e-3)
    assert all(pair.live is not None and pair.backtest is not None for pair in found.pairs)
    fees, funding, price = found.item(TRANSFERS), found.item("funding_pnl"), found.item("delta_pnl")
    assert (fees.live, fees.backtest) == pytest.approx((-4.0, -4.0), abs=1e-9), "1 USDT each"
    assert (funding.live, funding.backtest) == pytest.approx((6.65, 6.65), abs=1e-9), "1.33 BTC x 50,000 x 0.0001"
    assert price.live == pytest.approx(-0.001 * 1.33 * 20_000.0, rel=1e-9), "of the fee that was kept in BTC"
    assert price.backtest == pytest.approx(0.0, abs=1e-9)
    assert abs(found.unnamed) < 1e-9
    assert found.difference == pytest.approx(sum(item.difference for item in found.items), abs=1e-9)
    assert found.difference == pytest.approx(there.last_state.pnl.equity - found.backtest[-1], abs=1e-9)


def test_transfers_of_the_replay_take_what_the_session_expected(there: Fleet, tmp_path: Path) -> None:
    expects(there, 5.0)
    there.live_for(20)
    bought, again = orders(compared(tmp_path), Operation.SPOT_TRADE)
    assert {order.decided for order in again} == {START + 5 * MINUTE}
    assert {order.decided for order in bought} == {START + 4 * MINUTE}, "the network takes less"


def test_a_session_that_may_move_funds_follows_one_that_may_not(tmp_path: Path) -> None:
    """20,000 USDT up while nothing may be moved, then addresses are listed: so it is in the replay."""
    placed = {"binance": 83_500.0, "bybit": 9_900.0, "okx": 6_600.0}
    with fleet(tmp_path, usdt=placed) as there:
        there.path = journal_path(workspace(tmp_path), MODE, "dev")
        listed = there.live
        without_addresses(there)
        there.live_for(3)
        for account in there.accounts.values():
            account.books.set_price("BTC", 70_000.0)
        there.live_for(3)
        resumed = there.clock.wall()
        there.live = listed
        there.live_for(60)
        found = compared(tmp_path)
    sent, again = orders(found, Operation.TRANSFER)
    assert sent and {order.decided for order in sent} == {resumed}
    assert [(order.decided, order.outcome) for order in again] == [(resumed, "success")] * len(sent)
    assert [order.quantity for order in again] == pytest.approx([order.quantity for order in sent], rel=1e-2)
    assert abs(found.unnamed) < 1e-9


class OlderVersion(JournalDatabase):
    """A journal whose sessions do not say how they moved funds."""

    def append(self, written_at: int, kind: Kind, key: str, payload: bytes) -> bool:
        if kind is Kind.SESSION:
            about = json.loads(zlib.decompress(payload))
            del about["linked"], about["transfer_latency"], about["gas_tank"]
            payload = zlib.compress(json.dumps(about).encode())
        return super().append(written_at, kind, key, payload)


def test_a_journal_that_does_not_say_how_funds_moved_is_read_all_the_same(there: Fleet, tmp_path: Path) -> None:
    there.live_for(10, database=OlderVersion)
    there_is = session_abouts(LiveJournal(there.reading(), there.clock.wall))
    assert [(about.linked, about.transfer_latency, about.gas_tank) for about in there_is] == [(None, 0, 0.1)]
    found = compared(tmp_path)
    _, again = orders(found, Operation.TRANSFER)
    assert [order.decided for order in again] == [START, START], "as venue files say: at once"
    assert abs(found.unnamed) < 1e-9


def test_a_record_of_other_slots_is_refused_by_their_keys(there: Fleet, tmp_path: Path) -> None:
    """Without the receivables of funds in transit every number behind them would be another position's."""
    there.live_for(2)
    plain = wire_mode(ConfigFolder(CONFIGS), MODE, spread_over(THREE)).settings.universe.instruments
    journal = LiveJournal(JournalDatabase.open(there.path, belongs_to=f"{MODE}@dev"), there.clock.wall)
    begin_record(journal, replace(session_abouts(journal)[-1], instruments=plain))
    journal.close()
    with pytest.raises(StateError, match="wallet:Receivable:USDT, binance:Receivable:USDT, ") as refused:
        compared(tmp_path)
    assert refused.value.code == "STATE-003"
