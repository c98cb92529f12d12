"""Atomic puts, locks, digests and the guard of a data root."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from basis_pipeline.domain.errors import ConfigError, StorageError
from basis_pipeline.storage.data_root import DataRoot
from basis_pipeline.storage.digests import table_digest, text_digest
from basis_pipeline.storage.files import exclusive_lock, put_bytes


def test_a_file_appears_whole_with_its_folders(tmp_path: Path) -> None:
    put_bytes(tmp_path / "a/b/c.json", b"one")
    put_bytes(tmp_path / "a/b/c.json", b"two")
    assert (tmp_path / "a/b/c.json").read_bytes() == b"two"
    assert [path.name for path in (tmp_path / "a/b").iterdir()] == ["c.json"]


def test_a_put_that_fails_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    """A limit on file size stands for a full disk: the write itself fails in the middle."""
    put_bytes(tmp_path / "kept.bin", b"old")
    script = f"""
        import resource, signal
        from pathlib import Path
        from basis_pipeline.domain.errors import StorageError
        from basis_pipeline.storage.files import put_bytes
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))
        try:
            put_bytes(Path({str(tmp_path / "kept.bin")!r}), b"n" * 100_000)
        except StorageError as error:
            print(error)
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=True, capture_output=True, text=True)
    assert "cannot write" in ended.stdout
    assert "kept.bin" in ended.stdout
    assert (tmp_path / "kept.bin").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["kept.bin"]


def test_a_path_below_a_file_is_a_storage_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot write .*Remedy"):
        put_bytes(tmp_path / "file/x", b"")


def test_a_second_holder_of_a_lock_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "locks/mode.lock"
    with (
        exclusive_lock(path, purpose="a backtest of btc_basis"),
        pytest.raises(StorageError, match=r"STORE-002.*a backtest of btc_basis is already running"),
        exclusive_lock(path, purpose="a backtest of btc_basis"),
    ):
        pytest.fail("two holders at once")
    with exclusive_lock(path, purpose="again"):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "mode.lock"
    script = f"""
        import sys, time
        from pathlib import Path
        from basis_pipeline.storage.files import exclusive_lock
        with exclusive_lock(Path({str(path)!r}), purpose="x"):
            print("held", flush=True)
            time.sleep(60)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StorageError, match="already running"), exclusive_lock(path, purpose="a second"):
            pytest.fail("two holders at once")
        holder.kill()
        holder.wait()
        with exclusive_lock(path, purpose="after the kill"):
            pass


COLUMN = st.lists(st.one_of(st.none(), st.floats(allow_nan=False)), max_size=20)


@given(COLUMN, st.integers(0, 20))
def test_chunks_do_not_change_a_digest(values: list[float | None], cut: int) -> None:
    whole = pa.table({"value": pa.array(values, pa.float64())})
    parts = pa.concat_tables([whole.slice(0, cut), whole.slice(cut)])
    assert table_digest(parts) == table_digest(whole)


@given(st.lists(st.one_of(st.none(), st.text(max_size=5)), max_size=10))
def test_dictionary_encoding_does_not_change_a_digest(values: list[str | None]) -> None:
    plain = pa.table({"key": pa.array(values, pa.string())})
    encoded = pa.table({"key": pa.array(values, pa.string()).dictionary_encode()})
    assert table_digest(plain) == table_digest(encoded)


def column(values: list[float | None], name: str = "value", kind: pa.DataType | None = None) -> pa.Table:
    return pa.table({name: pa.array(values, kind or pa.float64())})


@pytest.mark.parametrize(
    "changed",
    [
        column([1.0, 2.0, None, 0.0, 5.0]),
        column([1.0, 2.0, None, -0.0]),
        column([1.0, 2.0, 0.0, 0.0]),
        column([2.0, 1.0, None, 0.0]),
        column([1.0, 2.0, float("nan"), 0.0]),
        column([1.0, 2.0000000000000004, None, 0.0]),
        column([1.0, 2.0, None, 0.0], "other"),
        column([1, 2, None, 0], kind=pa.int64()),
    ],
    ids=["a row more", "sign of zero", "null or zero", "order", "null or NaN", "last bit", "name", "type"],
)
def test_any_change_changes_a_digest(changed: pa.Table) -> None:
    assert table_digest(changed) != table_digest(column([1.0, 2.0, None, 0.0]))


@given(st.lists(st.text(max_size=4), max_size=4), st.lists(st.text(max_size=4), max_size=4))
def test_lists_of_texts_do_not_collide(one: list[str], other: list[str]) -> None:
    assert (text_digest(*one) == text_digest(*other)) is (one == other)


def claim_own(root: DataRoot) -> None:
    root.claim("sample", root.path / "raw")


def claim_vendor(root: DataRoot) -> None:
    root.claim("vendor", root.path.parent / "vendor")


@pytest.mark.parametrize(("first", "second"), [(claim_own, claim_vendor), (claim_vendor, claim_own)])
def test_a_root_takes_one_source_only(
    first: Callable[[DataRoot], None], second: Callable[[DataRoot], None], tmp_path: Path
) -> None:  # decisions: Data roots
    root = DataRoot(tmp_path / "root")
    first(root)
    info = root.info
    first(root)
    assert root.info == info, "claiming again changes nothing"
    with pytest.raises(ConfigError, match=r"holds .* data from .*it cannot take .*BASIS_DATA_DIR"):
        second(root)


def test_a_root_knows_where_its_raw_files_are(tmp_path: Path) -> None:
    root = DataRoot(tmp_path / "root")
    assert root.raw == tmp_path / "root/raw"
    assert root.info is None
    claim_vendor(root)
    assert root.raw == tmp_path / "vendor"


def test_a_broken_root_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "root.json").write_text("{")
    with pytest.raises(StorageError, match=r"root\.json is not readable"):
        _ = DataRoot(tmp_path).info
