"""While another process publishes, and dies publishing, every query sees each month whole, as one run wrote it."""

from __future__ import annotations

import pickle
import signal
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
import pickle, sys, time
from itertools import cycle
from pathlib import Path
from basis_pipeline.results.store import ResultsStore

store = ResultsStore(Path(sys.argv[1]))
for manifest, tables, state in cycle(pickle.loads(Path(sys.argv[2]).read_bytes())):
    began = time.monotonic()
    store.publish_month(manifest, tables, state)
    print("published", flush=True)
    time.sleep(max(0.2, 2 * (time.monotonic() - began)))
"""
"""It rests twice as long as it works, so that a query on a busy machine has the same chance as on a quiet one."""
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


def start(store: ResultsStore, content: Path) -> subprocess.Popen[str]:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(store.base), str(content)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "published\n"
    return writer


def read_until_a_month_changes(store: ResultsStore, known: set[tuple[object, ...]]) -> None:
    """At least five queries, and on until one of them saw another run's month than the first did."""
    first: set[tuple[object, ...]] = set()
    deadline = time.monotonic() + 120
    for reads in count(1):
        found = signatures(store)
        assert [row[0] for row in found] == list(MONTHS)
        assert set(found) <= known
        first = first or set(found)
        if reads >= 5 and set(found) != first:
            return
        assert time.monotonic() < deadline, "no month ever changed under the reader"


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
        writer = start(store, content)
        try:
            read_until_a_month_changes(store, known)
            time.sleep(0.013 * kill)
        finally:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
            writer.stdout.close()  # type: ignore[union-attr]
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
