"""While another process publishes, and dies publishing, every query sees each month whole, as one run wrote it."""

from __future__ import annotations

import pickle
import select
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest

from basis_pipeline.domain.errors import StorageError
from basis_pipeline.results.sql.catalog import query
from basis_pipeline.results.store import ResultsStore
from basis_pipeline_tests.results.conftest import MONTHS, book_months, manifest
from basis_pipeline_tests.results.synthetic import BasisBook

WRITER = """
import pickle, sys
from itertools import cycle
from pathlib import Path
from basis_pipeline.results.store import ResultsStore

store = ResultsStore(Path(sys.argv[1]))
for (manifest, tables, state), _ in zip(cycle(pickle.loads(Path(sys.argv[2]).read_bytes())), sys.stdin):
    store.publish_month(manifest, tables, state)
    print("published", flush=True)
"""
"""It publishes a month per line that it is sent."""
SIGNATURE = """
select t.month, t.steps, round(t.pnl, 6), round(p.value, 6), round(m.profit, 6), round(a.pnl, 6), d.deltas
from (select month, count(*) as steps, sum(step_pnl) as pnl from timesteps group by month) t
join (select month, sum(value_usd) as value from positions group by month) p using (month)
join (select month, max(value) filter (metric = 'profit') as profit from metrics group by month) m using (month)
join (select month, sum(pnl) as pnl from pnl_attribution group by month) a using (month)
join (select month, count(*) as deltas from deltas group by month) d using (month)
order by month
"""
"""One row per month over five tables: of one run, or it is not among the known ones."""


def signatures(store: ResultsStore) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in query(store, SIGNATURE).to_pylist()]


class Writer:
    """Publishes beside the queries, one month at a time however fast either of them is."""

    def __init__(self, store: ResultsStore, content: Path) -> None:
        command = [sys.executable, "-c", WRITER, str(store.base), str(content)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None and self._process.stdout is not None
        self._orders, self._answers = self._process.stdin, self._process.stdout
        self._order()
        assert self._answers.readline() == b"published\n", "it has started"
        self._order()

    def goes_on(self) -> None:
        """It is asked for the next month if it is done with the last."""
        if select.select([self._answers], [], [], 0)[0]:
            assert self._answers.readline() == b"published\n"
            self._order()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._orders.close()
        self._answers.close()

    def _order(self) -> None:
        self._orders.write(b"next\n")
        self._orders.flush()


def read_until_a_month_changes(store: ResultsStore, known: set[tuple[object, ...]], writer: Writer) -> None:
    """At least five queries, and on until one of them saw another run's month than the first did."""
    first: set[tuple[object, ...]] = set()
    deadline = time.monotonic() + 300
    for reads in count(1):
        found = signatures(store)
        assert [row[0] for row in found] == list(MONTHS)
        assert set(found) <= known
        first = first or set(found)
        if reads >= 5 and set(found) != first:
            return
        assert time.monotonic() < deadline, "no month ever changed under the reader"
        writer.goes_on()


@pytest.mark.slow
def test_queries_see_whole_months_while_a_writer_publishes_and_is_killed(tmp_path: Path, store: ResultsStore) -> None:
    runs = {seed: book_months(BasisBook("2024-01", seed=seed)) for seed in (7, 8)}
    known: set[tuple[object, ...]] = set()
    for seed, months in runs.items():
        alone = ResultsStore(tmp_path / f"alone-{seed}")
        for month, tables, state in months:
            alone.publish_month(manifest(month), tables, state)
        known.update(signatures(alone))
    assert len(known) == 2 * len(MONTHS), "the two runs differ in every month"
    content = tmp_path / "content"
    content.write_bytes(
        pickle.dumps([(manifest(month), tables, state) for m in runs.values() for month, tables, state in m])
    )
    for kill in range(4):
        writer = Writer(store, content)
        try:
            read_until_a_month_changes(store, known, writer)
            time.sleep(0.013 * kill)
        finally:
            writer.kill()
        found = signatures(store)
        assert [row[0] for row in found] == list(MONTHS)
        assert set(found) <= known


def test_a_file_that_a_manifest_names_and_that_is_gone_is_an_error_with_the_month(store: ResultsStore) -> None:
    [lost] = store.base.glob("timesteps/mode=btc_basis/month=2024-02/*.parquet")
    lost.unlink()
    with pytest.raises(StorageError, match="mode=btc_basis/month=2024-02") as refused:
        query(store, "select count(*) from timesteps")
    assert refused.value.code == "STORE-004"
    assert refused.value.remedy == "re-run 2024-02."
