"""Published generations: tables first, then one atomic put of a manifest that names them.

Layout below `base` (market data and results alike)::

    <table>/<partition>/<generation>.parquet      partition = hive path, e.g. mode=btc_basis/month=2024-01
    <document>/<partition>/<generation>.json      what goes with it and is no table, e.g. a checkpoint
    _manifests/<partition>.json                   the only thing that makes those files visible

A generation is named by its content, so publishing the same content twice leaves the same files. Readers take file
lists from manifests, never from globs; a killed writer leaves the earlier generation whole. Nothing here needs a
rename of a folder, so the scheme also holds on object storage.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from basis_pipeline.domain.errors import StorageError
from basis_pipeline.storage.digests import table_digest, text_digest
from basis_pipeline.storage.files import put_bytes, storage_errors
from basis_pipeline.storage.locations import Location

MANIFEST_VERSION = 1


class PublishedFile(msgspec.Struct, frozen=True):
    """One file of a generation. `path` is relative to the store's base; a document has no rows."""

    table: str
    path: str
    rows: int
    digest: str


class Publication(msgspec.Struct, frozen=True):
    """The manifest of one partition. `body` is what the publisher wants to keep with it (gates, digests, sources)."""

    partition: str
    generation: str
    files: tuple[PublishedFile, ...]
    body: dict[str, Any]
    version: int = MANIFEST_VERSION

    def file(self, table: str) -> PublishedFile:
        for entry in self.files:
            if entry.table == table:
                return entry
        raise StorageError(f"partition {self.partition} has no table {table!r}.", code="STORE-003")


class PublicationStore:
    """Publishes and reads partitions below one base folder.

    Stores that share a base keep their manifests in folders of their own (`manifests`, relative to the base).
    """

    def __init__(self, base: Location, manifests: str = "_manifests") -> None:
        self.base = base
        self._manifests = base / manifests

    def publish(
        self,
        partition: str,
        tables: Mapping[str, pa.Table],
        body: Mapping[str, Any],
        documents: Mapping[str, bytes] | None = None,
    ) -> Publication:
        """Make `tables` and `documents` (JSON) the content of `partition` at once, in this order, manifest last.

        The earlier generation is deleted afterwards. Writers of one partition are kept apart by their caller's lock.

        Raises:
            StorageError: disk full or folder not writable; the earlier generation is then still whole.
        """
        documents = documents or {}
        digests = {name: table_digest(table) for name, table in tables.items()}
        digests |= {name: hashlib.sha256(content).hexdigest() for name, content in documents.items()}
        generation = text_digest(*(f"{name}={digest}" for name, digest in sorted(digests.items())))[:16]
        files = tuple(
            PublishedFile(name, f"{name}/{partition}/{generation}.parquet", table.num_rows, digests[name])
            for name, table in tables.items()
        ) + tuple(PublishedFile(name, f"{name}/{partition}/{generation}.json", 0, digests[name]) for name in documents)
        for entry in files:
            content = documents[entry.table] if entry.table in documents else _parquet(tables[entry.table])
            put_bytes(self.base / entry.path, content)
        publication = Publication(partition, generation, files, dict(body))
        previous = self.find(partition)
        put_bytes(self._manifest_path(partition), msgspec.json.format(msgspec.json.encode(publication), indent=1))
        if previous:
            self._delete_superseded(previous, keep={entry.path for entry in files})
        self._delete_leftovers(publication)
        return publication

    def find(self, partition: str) -> Publication | None:
        """The manifest of `partition`, or None if nothing was published."""
        path = self._manifest_path(partition)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Publication)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise StorageError(
                f"manifest {path} is not readable: {error}.", code="STORE-003", remedy="delete it and re-run its month."
            ) from error

    def partitions(self, prefix: str = "") -> list[str]:
        """Published partitions whose path starts with `prefix`, in order; reads no manifest."""
        folder = self._manifests / prefix.rpartition("/")[0]
        within = len(f"{self._manifests}/")
        partitions = (str(path)[within:].removesuffix(".json") for path in folder.rglob("*.json"))
        found = (partition for partition in partitions if partition.startswith(prefix))
        return sorted(found, key=lambda partition: partition.split("/"))

    def publications(self, prefix: str = "") -> Iterator[Publication]:
        """All publications whose partition path starts with `prefix`, in partition order."""
        for partition in self.partitions(prefix):
            if found := self.find(partition):
                yield found

    def read(self, publication: Publication, table: str, columns: list[str] | None = None) -> pa.Table:
        """Read one table of a publication (hive keys are not columns of it)."""
        path = self.base / publication.file(table).path
        try:
            return pq.read_table(pa.BufferReader(path.read_bytes()), columns=columns)
        except (FileNotFoundError, pa.ArrowInvalid) as error:
            raise StorageError(
                f"{path} is named by its manifest but cannot be read: {error}.",
                code="STORE-004",
                remedy="re-run the month or the ingestion that wrote it.",
            ) from error

    def read_document(self, publication: Publication, name: str) -> bytes:
        """Content of a document; raise StorageError if it is gone or has changed since it was published."""
        entry = publication.file(name)
        path = self.base / entry.path
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise StorageError(f"{path} is named by its manifest but is gone.", code="STORE-004") from error
        if hashlib.sha256(content).hexdigest() != entry.digest:
            raise StorageError(
                f"{path} has changed since it was published.", code="STORE-004", remedy="re-run its month."
            )
        return content

    def verify(self, publication: Publication) -> list[str]:
        """Names of tables whose content no longer has the digest the manifest states."""
        tables = [file for file in publication.files if file.path.endswith(".parquet")]
        return [file.table for file in tables if table_digest(self.read(publication, file.table)) != file.digest]

    def withdraw(self, partition: str) -> None:
        """Remove a publication: its manifest first, then its files."""
        if found := self.find(partition):
            self._manifest_path(partition).unlink()
            self._delete_superseded(found, keep=set())

    def _manifest_path(self, partition: str) -> Location:
        return self._manifests / f"{partition}.json"

    def _delete_leftovers(self, publication: Publication) -> None:
        """Remove what killed writers of this partition left: files half written, and whole ones that nothing names."""
        named = {self.base / entry.path for entry in publication.files}
        found = {path for folder in {path.parent for path in named} for path in folder.iterdir() if path.is_file()}
        half_written = self._manifest_path(publication.partition).parent.glob(".*.tmp")
        for leftover in (*(found - named), *half_written):
            with storage_errors(leftover):
                leftover.unlink(missing_ok=True)

    def _delete_superseded(self, previous: Publication, keep: set[str]) -> None:
        for entry in previous.files:
            if entry.path not in keep:
                with storage_errors(self.base / entry.path):
                    (self.base / entry.path).unlink(missing_ok=True)


def _parquet(table: pa.Table) -> bytes:
    buffer = BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()
