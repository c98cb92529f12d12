"""A generation is visible as a whole or not at all, and says when it has changed."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from basis_pipeline.domain.errors import StorageError
from basis_pipeline.storage import publications
from basis_pipeline.storage.digests import table_digest
from basis_pipeline.storage.publications import PublicationStore

PARTITION = "mode=btc_basis/month=2024-01"


def table(*values: float) -> pa.Table:
    return pa.table({"timestamp": pa.array(range(len(values)), pa.timestamp("us")), "value": pa.array(values)})


@pytest.fixture
def store(tmp_path: Path) -> PublicationStore:
    return PublicationStore(tmp_path)


def files(store: PublicationStore) -> list[str]:
    return sorted(str(path.relative_to(store.base)) for path in store.base.rglob("*") if path.is_file())


def test_what_was_published_is_read_back(store: PublicationStore) -> None:
    published = store.publish(PARTITION, {"risk": table(1.0, 2.0)}, {"gates": ["x"]}, {"state": b"{}"})
    assert store.find(PARTITION) == published
    assert store.read(published, "risk").equals(table(1.0, 2.0))
    assert store.read(published, "risk", columns=["value"]).column_names == ["value"]
    assert store.read_document(published, "state") == b"{}"
    assert published.body == {"gates": ["x"]}
    store.verify(published)


def test_equal_content_is_one_generation_and_leaves_the_same_files(store: PublicationStore) -> None:
    first = store.publish(PARTITION, {"risk": table(1.0)}, {})
    before = files(store)
    chunked = pa.concat_tables([table(1.0), table(1.0).slice(0, 0)])
    assert store.publish(PARTITION, {"risk": chunked}, {}).generation == first.generation
    assert files(store) == before


def test_equal_content_in_other_bytes_never_writes_over_a_file_that_a_reader_may_know(
    store: PublicationStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parquet of equal tables differs from one writing to the next; with one row group per row it surely does."""

    def in_other_bytes(content: pa.Table) -> bytes:
        buffer = BytesIO()
        pq.write_table(content, buffer, row_group_size=1)
        return buffer.getvalue()

    known = store.publish(PARTITION, {"risk": table(1.0, 2.0)}, {})
    monkeypatch.setattr(publications, "_parquet", in_other_bytes)
    again = store.publish(PARTITION, {"risk": table(1.0, 2.0)}, {})
    assert again.files == known.files, "what is there is left alone"

    damaged = store.base / known.files[0].path
    damaged.write_bytes(b"bit rot")
    mended = store.publish(PARTITION, {"risk": table(1.0, 2.0)}, {})
    assert mended.generation == known.generation and mended.files[0].path != known.files[0].path
    assert store.read(mended, "risk").equals(table(1.0, 2.0))
    assert not damaged.exists()

    monkeypatch.undo()
    store.publish(PARTITION, {"risk": table(9.0)}, {})
    store.publish(PARTITION, {"risk": table(1.0, 2.0)}, {})
    with pytest.raises(StorageError, match="is gone"):  # which a query starts over for; it is not "has changed"
        store.verify(mended)


def test_a_new_generation_replaces_the_old_and_nothing_else(store: PublicationStore) -> None:
    other = store.publish("mode=btc_basis/month=2024-02", {"risk": table(9.0)}, {})
    store.publish(PARTITION, {"risk": table(1.0), "gone": table(3.0)}, {})
    second = store.publish(PARTITION, {"risk": table(2.0)}, {})
    assert store.read(second, "risk").equals(table(2.0))
    assert store.read(other, "risk").equals(table(9.0))
    assert len([name for name in files(store) if name.endswith(".parquet")]) == 2
    assert [p.partition for p in store.publications("mode=btc_basis/")] == [PARTITION, "mode=btc_basis/month=2024-02"]


def test_a_generation_that_fails_half_way_leaves_the_old_one_whole(store: PublicationStore) -> None:
    old = store.publish(PARTITION, {"risk": table(1.0)}, {})
    (store.base / "second").write_text("a file where the folder of a table has to be")
    with pytest.raises(StorageError, match=r"cannot write .*second.*Remedy"):
        store.publish(PARTITION, {"risk": table(2.0), "second": table(2.0)}, {})
    assert store.find(PARTITION) == old
    assert store.read(old, "risk").equals(table(1.0))
    assert not [name for name in files(store) if name.endswith(".tmp")]


def test_a_writer_that_is_killed_before_the_manifest_changes_nothing(store: PublicationStore) -> None:
    """The process dies, without any clean-up, at the moment in which it would put the manifest."""
    old = store.publish(PARTITION, {"risk": table(1.0)}, {})
    script = f"""
        import os, signal
        import pyarrow as pa
        from pathlib import Path
        from basis_pipeline.storage import publications
        put = publications.put_bytes
        def killed(path, content):
            if "_manifests" in path.parts:
                os.kill(os.getpid(), signal.SIGKILL)
            put(path, content)
        publications.put_bytes = killed
        new = pa.table({{"value": pa.array([2.0])}})
        publications.PublicationStore(Path({str(store.base)!r})).publish({PARTITION!r}, {{"risk": new}}, {{}})
    """
    _run_until_killed(script)
    assert len([name for name in files(store) if name.endswith(".parquet")]) == 2, "the new table was there already"
    assert store.find(PARTITION) == old
    assert store.read(old, "risk").equals(table(1.0))


def test_what_a_writer_left_that_was_killed_after_the_manifest_goes_with_the_next_generation(
    store: PublicationStore,
) -> None:
    """The process dies after it put the manifest, before it deletes the earlier generation."""
    store.publish(PARTITION, {"risk": table(1.0)}, {}, {"state": b"{}"})
    below = store.publish(f"{PARTITION}/part=1", {"risk": table(7.0)}, {})
    script = f"""
        import os, signal
        import pyarrow as pa
        from pathlib import Path
        from basis_pipeline.storage.publications import PublicationStore
        PublicationStore._delete_superseded = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)
        new = pa.table({{"value": pa.array([2.0])}})
        PublicationStore(Path({str(store.base)!r})).publish({PARTITION!r}, {{"risk": new}}, {{}}, {{"state": b"[]"}})
    """
    _run_until_killed(script)
    assert len(files(store)) == 7, "both generations of a table and a document, and a partition below"
    last = store.publish(PARTITION, {"risk": table(3.0)}, {}, {"state": b"{}"})
    named = {entry.path for entry in (*last.files, *below.files)}
    assert {name for name in files(store) if not name.startswith("_manifests/")} == named


def _run_until_killed(script: str) -> None:
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False, capture_output=True)
    assert ended.returncode == -9


def test_a_table_that_was_changed_is_noticed(store: PublicationStore) -> None:
    published = store.publish(PARTITION, {"risk": table(1.0), "pnl": table(1.0)}, {})
    foreign = PublicationStore(store.base / "elsewhere").publish(PARTITION, {"risk": table(1.5)}, {})
    (store.base / published.file("risk").path).write_bytes(
        (store.base / "elsewhere" / foreign.file("risk").path).read_bytes()
    )
    for look in (lambda: store.verify(published), lambda: store.read(published, "risk", columns=["value"])):
        with pytest.raises(StorageError, match=r"STORE-004.*risk.*has changed.*re-run"):
            look()
    assert store.read(published, "pnl").equals(table(1.0))


@pytest.mark.parametrize(
    ("before", "after"),
    [('"gates": "failed"', '"gates": "passed"'), ('"rows": 1', '"rows": 2'), ("risk/mode", "other/mode")],
)
def test_a_manifest_that_was_changed_is_refused(store: PublicationStore, before: str, after: str) -> None:
    store.publish(PARTITION, {"risk": table(1.0)}, {"gates": "failed"})
    path = store.base / "_manifests" / f"{PARTITION}.json"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    with pytest.raises(StorageError, match=r"STORE-006.*2024-01\.json was changed.*delete it and re-run"):
        store.find(PARTITION)


def test_white_space_in_a_manifest_is_no_change(store: PublicationStore) -> None:
    published = store.publish(PARTITION, {"risk": table(1.0)}, {"value": 0.1 + 0.2, "text": "≤"})
    path = store.base / "_manifests" / f"{PARTITION}.json"
    path.write_text(path.read_text().replace("\n", "  \n"))
    assert store.find(PARTITION) == published


def test_a_document_that_was_changed_or_lost_is_refused(store: PublicationStore) -> None:
    published = store.publish(PARTITION, {}, {}, {"state": b"{}"})
    path = store.base / published.file("state").path
    path.write_bytes(b"{ }")
    with pytest.raises(StorageError, match=r"STORE-004.*has changed.*re-run"):
        store.read_document(published, "state")
    path.unlink()
    with pytest.raises(StorageError, match=r"STORE-004.*is gone"):
        store.read_document(published, "state")


@pytest.mark.parametrize("damage", [b"", b"PAR1 and nothing"])
def test_a_table_that_is_no_parquet_any_more_is_named(store: PublicationStore, damage: bytes) -> None:
    published = store.publish(PARTITION, {"risk": table(1.0)}, {})
    (store.base / published.file("risk").path).write_bytes(damage)
    with pytest.raises(StorageError, match=r"STORE-004.*has changed.*re-run"):
        store.read(published, "risk")


def test_a_broken_manifest_is_named(store: PublicationStore) -> None:
    store.publish(PARTITION, {"risk": table(1.0)}, {})
    (store.base / "_manifests" / f"{PARTITION}.json").write_text("{")
    with pytest.raises(StorageError, match=r"STORE-003.*manifest .*2024-01\.json is not readable"):
        store.find(PARTITION)


def test_a_table_that_was_never_published_is_named(store: PublicationStore) -> None:
    published = store.publish(PARTITION, {"risk": table(1.0)}, {})
    with pytest.raises(StorageError, match="has no table 'rsk'"):
        store.read(published, "rsk")


def test_what_is_withdrawn_is_gone(store: PublicationStore) -> None:
    store.publish(PARTITION, {"risk": table(1.0)}, {}, {"state": b"{}"})
    store.withdraw(PARTITION)
    assert store.find(PARTITION) is None
    assert files(store) == []
    store.withdraw(PARTITION)


def test_stores_of_one_base_keep_their_manifests_apart(tmp_path: Path) -> None:
    one, two = PublicationStore(tmp_path, "_manifests/a"), PublicationStore(tmp_path, "_manifests/b")
    one.publish("p", {"a": table(1.0)}, {})
    assert two.find("p") is None
    assert list(two.publications()) == []
    assert table_digest(one.read(next(one.publications()), "a")) == table_digest(table(1.0))
