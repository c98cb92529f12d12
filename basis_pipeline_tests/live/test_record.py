"""What happened in a live session is in its journal: all of it, once, and nowhere else."""

from __future__ import annotations

import gc
from pathlib import Path

import pyarrow as pa
import pytest

from basis_pipeline.domain.records import ChainSnapshot
from basis_pipeline.domain.run_log import RunLog
from basis_pipeline.live_journal.database import JournalDatabase, Kind
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.results.build import build_tables
from basis_pipeline.runs.live.record import TickRecord, joined_log, tick_records
from basis_pipeline.runs.live.recovery import FOUND
from basis_pipeline.storage.digests import table_digest
from basis_pipeline_tests.builders import START
from basis_pipeline_tests.live.faults import KilledError, dying, dying_at
from basis_pipeline_tests.live.stage import MINUTE, Stage, stage


def records(there: Stage) -> list[TickRecord]:
    journal = LiveJournal(JournalDatabase.read(there.path), there.clock.wall)
    return [record for _, record in tick_records(journal)]


def tables(there: Stage, log: RunLog | None = None) -> dict[str, pa.Table]:
    settings = there.mode.settings
    venues = [account.venue for account in settings.margin_accounts]
    return build_tables(log or joined_log(records(there)), settings.universe, venues)


def test_tables_from_the_journal_are_those_of_a_log_that_was_kept_in_memory(there: Stage) -> None:
    session, kept = there.session(), RunLog()
    session.start()
    assert session.engine is not None
    there.books.now += MINUTE
    kept.commits, kept.closings = list(records(there)[0].commits), [0]
    kept.deltas, kept.events = list(records(there)[0].deltas), list(records(there)[0].events)
    for price in (50_000.0, 50_100.0, 49_000.0, 64_000.0, 64_100.0):
        there.books.set_price("BTC", price)
        log = session.engine.event_logger.log
        session.tick()
        kept.closings += [index + len(kept.commits) for index in log.closings]
        for name in ("commits", "deltas", "orders", "events"):
            getattr(kept, name).extend(getattr(log, name))
        there.books.now += MINUTE
    assert len(kept.orders) > 2, "it was rebalanced"
    ours, theirs = tables(there), tables(there, kept)
    assert {name: table_digest(table) for name, table in ours.items()} == {
        name: table_digest(table) for name, table in theirs.items()
    }
    assert ours["timesteps"].num_rows == 6


def test_memory_does_not_grow_with_ticks(there: Stage) -> None:
    def snapshots(minutes: int) -> int:
        session = there.session()
        session.run(until=there.books.now + minutes * MINUTE)
        assert session.engine is not None
        log = session.engine.log
        assert log.commits == log.deltas == log.orders == log.events == log.closings == []
        assert log.moments.steps == log.moments.chains == log.moments.orders == []
        return sum(type(thing) is RunLog for thing in gc.get_objects())

    assert snapshots(3) >= snapshots(30)


@pytest.mark.parametrize("entry", range(12, 15))
def test_a_tick_whose_record_was_not_written_is_recorded_once(there: Stage, entry: int) -> None:
    with pytest.raises(KilledError):
        there.session(database=dying(entry, after=False)).run(until=START + 3 * MINUTE)
    there.session().run(until=there.books.now + 2 * MINUTE)
    booked = [entry.result.order.operation_id for record in records(there) for entry in record.orders]
    intended = [entry.key for entry in there.entries(Kind.INTENT)]
    assert sorted(booked) == list(range(1, len(intended) + 1))
    reasons = [entry.reason for record in records(there) for entry in record.orders]
    assert reasons[:2] == (["no position yet"] * 2 if entry == 14 else [FOUND] * 2)
    assert len(there.entries(Kind.TICK)) == len(there.entries(Kind.STATE))


def test_an_order_that_the_venue_refused_before_the_end_is_recorded_as_refused(there: Stage) -> None:
    there.books.fill_fraction.append(0.0)
    with pytest.raises(KilledError):
        there.session(database=dying_at(Kind.FACTS, after=True)).run(until=START + MINUTE)
    there.session().start()
    [first] = [entry for record in records(there) for entry in record.orders]
    assert (first.reason, first.result.state, first.result.order.operation_id) == (FOUND, "failure", 1)


WHEN = ("sequence",)


def without(table: pa.Table, *columns: str) -> list[dict[str, object]]:
    return table.drop_columns(list(columns)).to_pylist()


def test_a_session_that_was_killed_has_the_tables_of_one_that_was_not(tmp_path: Path) -> None:
    """The market does not move while it is down, so all that may differ is the numbering of its commits."""
    lives = []
    for killed in (False, True):
        (folder := tmp_path / str(killed)).mkdir()
        with stage(folder) as there:
            if killed:
                with pytest.raises(KilledError):
                    there.session(database=dying(19, after=False)).run(until=START + 5 * MINUTE)
                assert there.books.now == START + MINUTE
            there.session().run(until=START + 5 * MINUTE)
            lives.append(tables(there))
    whole, restarted = lives
    assert whole["timesteps"].num_rows == restarted["timesteps"].num_rows == 5
    for name in ("positions", "pnl_attribution", "orders"):
        assert table_digest(whole[name]) == table_digest(restarted[name]), name
    for name in ("timesteps", "deltas"):
        assert without(whole[name], *WHEN) == without(restarted[name], *WHEN), name


def test_the_record_holds_every_snapshot_once(there: Stage) -> None:
    there.session().run(until=START + 3 * MINUTE)
    there.session().run(until=there.books.now + 3 * MINUTE)
    commits: list[ChainSnapshot] = joined_log(records(there)).commits
    assert [commit.sequence for commit in commits] == list(range(1, len(commits) + 1))
