"""Publishing months: atomic, repeatable, kept apart from rejected ones."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import msgspec
import pytest

from basis_pipeline.domain.errors import ConfigError, StateError, StorageError
from basis_pipeline.results.metrics import compute_metrics
from basis_pipeline.results.store import CHECKPOINT, ResultsStore, month_digest
from basis_pipeline.results.tables import ORDERS
from basis_pipeline_tests.results.conftest import MONTHS, book_months, manifest
from basis_pipeline_tests.results.synthetic import BasisBook

REPO = Path(__file__).parents[2]


def run_writer(results: ResultsStore, prelude: str) -> subprocess.CompletedProcess[str]:
    """Publish January of another book in a process of its own, after `prelude`."""
    code = f"""
    from pathlib import Path
    from basis_pipeline.results.store import ResultsStore
    from basis_pipeline_tests.results.conftest import book_months, manifest
    from basis_pipeline_tests.results.synthetic import BasisBook
    [(month, tables, state)] = book_months(BasisBook("2024-01", seed=8), ("2024-01",))
    {textwrap.indent(textwrap.dedent(prelude), "    ").strip()}
    ResultsStore(Path({str(results.base)!r})).publish_month(manifest("2024-01"), tables, state)
    """
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=REPO, capture_output=True, text=True, check=False
    )


def whole(results: ResultsStore) -> bool:
    """Every table and checkpoint of every month is there and has the digest its manifest states."""
    for month in results.all_months():
        results.checkpoint(month.manifest.mode, month.manifest.month, month.manifest.experiment)
        results.publications.verify(month.publication)
    return True


def test_what_was_published_is_read_back(store: ResultsStore, basis_months: list) -> None:
    assert store.modes() == ["btc_basis"]
    assert store.months("btc_basis") == list(MONTHS)
    month, tables, state = basis_months[1]
    assert store.read_month("btc_basis", month, "orders").equals(tables["orders"])
    assert store.checkpoint("btc_basis", month) == state
    found = store.manifest("btc_basis", month)
    assert msgspec.structs.replace(found, published_at="") == manifest(month)
    assert found.published_at


def test_columns_that_came_later_are_null_where_a_month_was_published_before(
    tmp_path: Path, basis_months: list
) -> None:
    month, tables, state = basis_months[0]
    results = ResultsStore(tmp_path)
    results.publish_month(manifest(month), tables | {"orders": tables["orders"].drop_columns(["notional"])}, state)
    orders = results.read_month("btc_basis", month, "orders")
    assert orders.column_names == ORDERS.names
    assert orders["notional"].null_count == orders.num_rows == tables["orders"].num_rows > 0
    assert orders["fee"].equals(tables["orders"]["fee"])
    figures = {metric.metric: metric.value for metric in compute_metrics(tables | {"orders": orders}, opening=True)}
    assert figures["turnover"] is None
    assert figures["orders"] == orders.num_rows


def test_a_month_published_before_a_column_that_is_never_null_is_refused(tmp_path: Path, basis_months: list) -> None:
    month, tables, state = basis_months[0]
    results = ResultsStore(tmp_path)
    results.publish_month(manifest(month), tables | {"orders": tables["orders"].drop_columns(["fee"])}, state)
    with pytest.raises(StateError, match=r"mode=btc_basis/month=2024-01 .* its table orders has no fee.*--reopen"):
        results.read_month("btc_basis", month, "orders")


def test_a_month_of_a_version_without_seals_is_refused_with_what_to_do(store: ResultsStore) -> None:
    path = store.base / "_manifests/mode=btc_basis/month=2024-02.json"
    path.write_text(path.read_text().replace('"version": 2', '"version": 1'))
    with pytest.raises(StorageError, match=r"STORE-006.*month=2024-02 .*version 1.*delete .* and run `basis run`"):
        list(store.all_months())


def test_the_same_run_published_twice_has_the_same_digest_and_leaves_the_same_files(store: ResultsStore) -> None:
    files = {path: path.stat().st_ino for path in store.base.rglob("*.parquet")}
    digest = month_digest(store.get("btc_basis", "2024-01"))
    [(month, tables, state)] = book_months(BasisBook("2024-01"), ("2024-01",))
    again = store.publish_month(manifest(month, run_id="run-2"), tables, state)
    assert month_digest(again) == digest
    assert set(store.base.rglob("*.parquet")) == set(files)


def test_another_run_replaces_its_own_month_only(store: ResultsStore) -> None:
    before = {month: store.get("btc_basis", month).generation for month in MONTHS}
    [(month, tables, state)] = book_months(BasisBook("2024-01", seed=8), ("2024-01",))
    store.publish_month(manifest(month), tables, state)
    after = {month: store.get("btc_basis", month).generation for month in MONTHS}
    assert {month for month in MONTHS if before[month] != after[month]} == {"2024-01"}
    assert len(list(store.base.glob("timesteps/mode=btc_basis/month=2024-01/*"))) == 1
    assert whole(store)


def test_no_result_table_knows_the_run_or_the_clock(store: ResultsStore) -> None:
    published = store.get("btc_basis", "2024-01")
    for name in ("run-1", published.manifest.published_at):
        for file in published.publication.files:
            if file.table != CHECKPOINT:
                table = store.read_month("btc_basis", "2024-01", file.table)
                assert name not in str(table.slice(0, 50).to_pylist())


def test_a_month_that_is_not_published_is_an_error_with_a_remedy(store: ResultsStore) -> None:
    with pytest.raises(StateError, match=r"btc_basis has no published month 2024-04.*run that month first"):
        store.checkpoint("btc_basis", "2024-04")
    assert store.find("btc_basis", "2024-04") is None


def test_a_changed_checkpoint_is_refused(store: ResultsStore) -> None:
    file = store.get("btc_basis", "2024-02").publication.file(CHECKPOINT)
    path = store.base / file.path
    path.write_bytes(path.read_bytes().replace(b'"operation_id"', b'"operation_iD"'))
    with pytest.raises(StateError, match=r"changed since it was published.*re-run 2024-02"):
        store.checkpoint("btc_basis", "2024-02")
    path.unlink()
    with pytest.raises(StateError, match=r"is gone.*re-run 2024-02"):
        store.checkpoint("btc_basis", "2024-02")


def test_names_that_cannot_be_folders_are_refused(store: ResultsStore) -> None:
    for mode, experiment in (("../x", None), ("btc_basis", "a/b"), ("", None)):
        with pytest.raises(ConfigError, match="is not a name"):
            store.find(mode, "2024-01", experiment)
    with pytest.raises(ConfigError, match="is not a month"):
        store.find("btc_basis", "2024-13")


def test_experiments_are_kept_apart_from_the_standing_record(store: ResultsStore, basis_months: list) -> None:
    month, tables, state = basis_months[0]
    store.publish_month(manifest(month, experiment="wide_band"), tables, state)
    assert store.experiments() == ["wide_band"]
    assert store.months("btc_basis", "wide_band") == ["2024-01"]
    assert store.months("btc_basis") == list(MONTHS)
    assert store.modes("wide_band") == ["btc_basis"]
    assert list(store.base.glob("deltas/experiment=wide_band/mode=btc_basis/month=2024-01/*.parquet"))


def test_a_rejected_month_is_kept_aside_until_the_month_is_published(tmp_path: Path, basis_months: list) -> None:
    results = ResultsStore(tmp_path)
    month, tables, state = basis_months[0]
    results.publish_rejected(manifest(month, run_id="first"), tables, state)
    results.publish_rejected(manifest(month, run_id="second"), tables, state)
    assert results.months("btc_basis") == []
    assert results.modes() == []
    assert results.rejected.manifest("btc_basis", month).run_id == "second"
    report = results.rejected.report_path("btc_basis")
    report.parent.mkdir(parents=True)
    report.write_text("what went wrong")
    results.publish_month(manifest(month), tables, state)
    assert results.rejected.months("btc_basis") == []
    assert not report.exists()
    assert not list((tmp_path / "rejected").rglob("*.parquet"))


@pytest.mark.slow
@pytest.mark.parametrize("puts", [1, 5, 9, 10])
def test_a_writer_killed_between_two_files_leaves_the_old_month_whole(store: ResultsStore, puts: int) -> None:
    before = store.get("btc_basis", "2024-01")
    killed = run_writer(
        store,
        f"""
        import os, signal
        from basis_pipeline.storage import publications
        real, done = publications.put_bytes, []
        def put(path, content):
            if len(done) == {puts}:
                os.kill(os.getpid(), signal.SIGKILL)
            done.append(path)
            real(path, content)
        publications.put_bytes = put
        """,
    )
    assert killed.returncode == -signal.SIGKILL
    assert store.get("btc_basis", "2024-01") == before
    assert whole(store)
    assert run_writer(store, "").returncode == 0
    assert store.get("btc_basis", "2024-01").generation != before.generation
    assert whole(store)


def test_a_file_system_that_takes_no_more_bytes_gives_one_clear_error(store: ResultsStore) -> None:
    before = store.get("btc_basis", "2024-01")
    failed = run_writer(
        store,
        """
        import resource, signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (8_192, 8_192))
        """,
    )
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith(
        "basis_pipeline.domain.errors.StorageError: [STORE-001] cannot write"
    )
    assert store.get("btc_basis", "2024-01") == before
    assert whole(store)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mount", "message"),
    [
        ("mount -t tmpfs -o size=100k none {base}/orders", "No space left on device.*free disk space"),
        ("mount -t tmpfs -o ro none {base}/orders", "Read-only file system.*writable folder"),
    ],
)
def test_a_full_disk_and_a_read_only_folder_name_the_remedy(store: ResultsStore, mount: str, message: str) -> None:
    probe = ["unshare", "--user", "--map-root-user", "--mount", "true"]
    if sys.platform != "linux" or subprocess.run(probe, capture_output=True, check=False).returncode:
        pytest.skip("this machine does not let a test mount a file system of its own")
    before = store.get("btc_basis", "2024-01")
    inner = f"""
    import subprocess
    subprocess.run({mount.format(base=store.base).split()!r}, check=True)
    subprocess.run(["dd", "if=/dev/zero", "of={store.base}/orders/filler", "bs=1k"], check=False)
    """
    program = textwrap.dedent(
        f"""
        import pathlib, subprocess, sys
        from basis_pipeline_tests.results.test_store import run_writer, ResultsStore
        done = run_writer(ResultsStore(pathlib.Path({str(store.base)!r})), {inner!r})
        sys.stderr.write(done.stderr)
        sys.exit(done.returncode)
        """
    )
    failed = subprocess.run(
        [*probe[:-1], sys.executable, "-c", program], cwd=REPO, capture_output=True, text=True, check=False
    )
    last = failed.stderr.splitlines()[-1]
    assert "StorageError: [STORE-001] cannot write" in last
    assert re.search(message, last)
    assert store.get("btc_basis", "2024-01") == before
    assert whole(store)
