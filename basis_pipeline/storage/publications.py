"""Published generations: tables first, then one atomic put of a manifest that names them.

Layout below `base` (market data and results alike)::

    <table>/<partition>/<generation>-<bytes>.parquet   partition = hive path, e.g. mode=btc_basis/month=2024-01
    <document>/<partition>/<generation>-<bytes>.json   what goes with it and is no table, e.g. a checkpoint
    _manifests/<partition>.json                        the only thing that makes those files visible

A generation is named by its content, so publishing the same content twice leaves the same files. A file is also named
by its bytes: Parquet of equal content is not always the same bytes, and a file that a reader may know is never written
over. Readers take file lists from manifests, never from globs; a killed writer leaves the earlier generation whole.
Nothing here needs a rename of a folder, so the scheme also holds on object storage.

A manifest is sealed by a digest of itself and states the checksum of every file it names. Whoever reads is refused
what was changed since it was published; against somebody who also writes the right digests there is no protection.
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

MANIFEST_VERSION = 2
"""2 has a seal and checksums; manifests of version 1 have neither."""


class PublishedFile(msgspec.Struct, frozen=True):
    """One file of a generation.

    Attributes:
        path: relative to the store's base.
        rows: 0 for a document.
        digest: of the content, which is what a generation is named by.
        checksum: SHA-256 (hex) of the bytes; empty in a manifest of version 1.
    """

    table: str
    path: str
    rows: int
    digest: str
    checksum: str = ""


class Publication(msgspec.Struct, frozen=True):
    """The manifest of one partition. `body` is what the publisher wants to keep with it (gates, digests, sources).

    `seal` is the digest of everything else in the manifest.
    """

    partition: str
    generation: str
    files: tuple[PublishedFile, ...]
    body: dict[str, Any]
    version: int = MANIFEST_VERSION
    seal: str = ""

    def sealed(self) -> Publication:
        """The same with its seal."""
        unsealed = msgspec.structs.replace(self, seal="")
        return msgspec.structs.replace(
            self, seal=hashlib.sha256(msgspec.json.encode(unsealed, order="sorted")).hexdigest()
        )

    @property
    def intact(self) -> bool:
        """Nothing in the manifest was changed since it was written; not known of version 1, which has no seal."""
        return self.version < MANIFEST_VERSION or self.seal == self.sealed().seal

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
        previous = self.find(partition)
        there = self._intact_files(previous) if previous and previous.generation == generation else {}
        files = tuple(
            there.get(name) or self._put(name, f"{partition}/{generation}", digests[name], content)
            for name, content in {**tables, **documents}.items()
        )
        publication = Publication(partition, generation, files, dict(body)).sealed()
        put_bytes(self._manifest_path(partition), msgspec.json.format(msgspec.json.encode(publication), indent=1))
        if previous:
            self._delete_superseded(previous, keep={entry.path for entry in files})
        self._delete_leftovers(publication)
        return publication

    def find(self, partition: str) -> Publication | None:
        """The manifest of `partition`, or None if nothing was published.

        Raises:
            StorageError: it is not readable, or was changed since it was written.
        """
        path = self._manifest_path(partition)
        try:
            found = msgspec.json.decode(path.read_bytes(), type=Publication)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise StorageError(
                f"manifest {path} is not readable: {error}.", code="STORE-003", remedy="delete it and re-run its month."
            ) from error
        if not found.intact:
            raise StorageError(
                f"manifest {path} was changed since it was published: its seal is broken.",
                code="STORE-006",
                remedy="put the original back, or delete it and re-run its month.",
            )
        return found

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
            return pq.read_table(pa.BufferReader(self.read_bytes(publication, table)), columns=columns)
        except pa.ArrowInvalid as error:
            raise StorageError(
                f"{path} is named by its manifest but cannot be read: {error}.",
                code="STORE-004",
                remedy="re-run the month or the ingestion that wrote it.",
            ) from error

    def read_document(self, publication: Publication, name: str) -> bytes:
        """Content of a document; raise StorageError if it is gone or has changed since it was published."""
        return self.read_bytes(publication, name)

    def read_bytes(self, publication: Publication, name: str) -> bytes:
        """A file of a publication as it is stored; StorageError if it is gone or changed since it was published."""
        entry = publication.file(name)
        path = self.base / entry.path
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise StorageError(
                f"{path} is named by its manifest but is gone.",
                code="STORE-004",
                remedy="re-run the month or the ingestion that wrote it.",
            ) from error
        if entry.checksum and hashlib.sha256(content).hexdigest() != entry.checksum:
            raise StorageError(
                f"{path} has changed since it was published.",
                code="STORE-004",
                remedy="re-run the month or the ingestion that wrote it.",
            )
        return content

    def verify(self, publication: Publication) -> None:
        """Raise StorageError if any file of the publication is gone or changed since it was published."""
        for entry in publication.files:
            self.read_bytes(publication, entry.table)

    def withdraw(self, partition: str) -> None:
        """Remove a publication: its manifest first, then its files."""
        if found := self.find(partition):
            self._manifest_path(partition).unlink()
            self._delete_superseded(found, keep=set())

    def _put(self, name: str, stem: str, digest: str, content: pa.Table | bytes) -> PublishedFile:
        if isinstance(content, bytes):
            kind, rows, written = "json", 0, content
        else:
            kind, rows, written = "parquet", content.num_rows, _parquet(content)
        checksum = hashlib.sha256(written).hexdigest()
        path = f"{name}/{stem}-{checksum[:8]}.{kind}"
        put_bytes(self.base / path, written)
        return PublishedFile(name, path, rows, digest, checksum)

    def _intact_files(self, publication: Publication) -> dict[str, PublishedFile]:
        """Files that are as they were published, by table: nobody who reads them is disturbed."""
        return {entry.table: entry for entry in publication.files if self._is_intact(entry)}

    def _is_intact(self, entry: PublishedFile) -> bool:
        path = self.base / entry.path
        return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == entry.checksum

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
