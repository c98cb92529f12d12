"""A record is exchanged whole: whenever the process ends, readers see all months of one record and none of another."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest

from basis_pipeline.domain.state import EngineState
from basis_pipeline.results import exchange
from basis_pipeline.results.record_paths import record_path
from basis_pipeline.results.sql.catalog import query
from basis_pipeline.results.store import ResultsStore, month_digest
from basis_pipeline.storage import publications
from basis_pipeline_tests.results.conftest import MONTHS, book_months, manifest
from basis_pipeline_tests.results.synthetic import BasisBook

MODE = "btc_basis"
LATER = (*MONTHS[1:], "2024-04")
Months = list[tuple[str, dict[str, pa.Table], EngineState]]


class KilledError(BaseException):
    """Ends the process at this point as far as the store can tell."""


def digests(results: ResultsStore) -> dict[str, str]:
    """By month; every file is read, and so are the views."""
    found = {}
    for month in results.months(MODE):
        published = results.get(MODE, month)
        results.publications.verify(published.publication)
        results.checkpoint(MODE, month)
        found[month] = month_digest(published)
    steps = query(results, "select distinct month from timesteps order by month")["month"].to_pylist()
    assert steps == list(found) == [month.manifest.month for month in results.all_months()]
    return found


@pytest.fixture(scope="module")
def other_months() -> Months:
    """Another record, of other months."""
    return book_months(BasisBook(LATER[0], seed=11), LATER)


@pytest.fixture
def prepared(store: ResultsStore, other_months: Months) -> ResultsStore:
    for month, tables, state in other_months:
        store.replacement.publish_month(manifest(month), tables, state)
    return store


def kill_at(number: int, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """From now on the process dies at the given put or removal of a file."""
    touched: list[Path] = []
    put, unlink = publications.put_bytes, Path.unlink

    def count(path: Path) -> None:
        touched.append(path)
        if len(touched) == number:
            raise KilledError

    def counted_put(path: Path, content: bytes) -> None:
        count(path)
        put(path, content)

    def counted_unlink(path: Path, missing_ok: bool = False) -> None:
        count(path)
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(publications, "put_bytes", counted_put)
    monkeypatch.setattr(exchange, "put_bytes", counted_put)
    monkeypatch.setattr(Path, "unlink", counted_unlink)
    return touched


@pytest.mark.parametrize("number", [1, 2, 9, 34, 35, 70])
def test_an_exchange_that_is_killed_has_happened_or_has_not(
    number: int, prepared: ResultsStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = digests(prepared), digests(prepared.replacement)
    with monkeypatch.context() as patch:
        touched = kill_at(number, patch)
        with pytest.raises(KilledError):
            prepared.exchange(MODE)
    assert len(touched) == number, "it was killed where it was meant to be"
    assert digests(prepared) == (before if number == 1 else after), "the first put decides"
    prepared.discard_replacement(MODE)
    assert digests(prepared) == (before if number == 1 else after), "what is valid is not discarded"
    prepared.settle(MODE)
    assert digests(prepared) == (before if number == 1 else after)
    assert not list((prepared.base / "_exchanges").rglob("*.json"))


@pytest.mark.parametrize("moment", ["exchanged", "settled"])
@pytest.mark.parametrize("nth", [1, 2, 3])
def test_who_reads_during_an_exchange_finds_one_record_whole(
    moment: str, nth: int, prepared: ResultsStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pointer comes, or goes with everything aside, just before the nth manifest is read."""
    record = record_path(MODE)
    wanted = digests(prepared.replacement)
    if moment == "settled":
        prepared._records.exchange(record)
    find, calls = publications.PublicationStore.find, list[str]()

    def interrupted(store: publications.PublicationStore, partition: str) -> publications.Publication | None:
        calls.append(partition)
        if len(calls) == nth:
            monkeypatch.undo()
            prepared._records.exchange(record) if moment == "exchanged" else prepared.settle(MODE)
        return find(store, partition)

    monkeypatch.setattr(publications.PublicationStore, "find", interrupted)
    assert {month.manifest.month: month_digest(month) for month in prepared.all_months()} == wanted
    assert len(calls) == nth, "it was interrupted where it was meant to be"
    assert prepared.months(MODE) == list(LATER)


def test_a_month_looked_up_while_its_record_is_settled_is_found(
    prepared: ResultsStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared._records.exchange(record_path(MODE))
    wanted, find = prepared.get(MODE, LATER[-1]).generation, publications.PublicationStore.find

    def interrupted(store: publications.PublicationStore, partition: str) -> publications.Publication | None:
        monkeypatch.undo()
        prepared.settle(MODE)
        return find(store, partition)

    monkeypatch.setattr(publications.PublicationStore, "find", interrupted)
    assert prepared.get(MODE, LATER[-1]).generation == wanted


def test_an_exchange_leaves_nothing_of_the_old_record_and_nothing_aside(
    prepared: ResultsStore, tmp_path: Path, other_months: Months
) -> None:
    prepared.exchange(MODE)
    fresh = ResultsStore(tmp_path / "fresh")
    for month, tables, state in other_months:
        fresh.publish_month(manifest(month), tables, state)

    def files(results: ResultsStore) -> set[str]:
        """Without the part that names the bytes: Parquet of equal content is not always the same bytes."""
        found = (path.relative_to(results.base).as_posix() for path in results.base.rglob("*") if path.is_file())
        return {re.sub(r"-[0-9a-f]{8}(?=\.\w+$)", "", path) for path in found}

    assert files(prepared) == files(fresh)
    assert prepared.months(MODE) == list(LATER)


def test_other_records_do_not_notice(prepared: ResultsStore, basis_months: Months) -> None:
    month, tables, state = basis_months[0]
    prepared.publish_month(manifest(month, experiment="try"), tables, state)
    prepared.publish_month(manifest(month, mode="btc_basis_2"), tables, state)
    others = [prepared.get(MODE, month, "try"), prepared.get("btc_basis_2", month)]
    prepared.exchange(MODE)
    assert [prepared.get(MODE, month, "try"), prepared.get("btc_basis_2", month)] == others
