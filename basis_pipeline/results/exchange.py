"""A whole record is exchanged for the one that was run aside by one atomic put, however many months it has.

::

    results/replacement/                 the new record, published month by month while the old one stays visible
    results/_exchanges/<record>.json     from this put on every reader is sent to the new record

What follows is only housekeeping: the months are published in their place, those beyond them are withdrawn, the
pointer is removed. A process killed in between leaves the pointer, so readers still see the new record whole, and the
next run of the mode ends the housekeeping before it does anything else. Readers look at the pointer before and after
they read, and read again if it came or went: otherwise they could find months of both records, or only some of one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from basis_pipeline.storage.files import put_bytes, storage_errors
from basis_pipeline.storage.locations import Location
from basis_pipeline.storage.publications import Publication, PublicationStore


class Exchange:
    """Reads records from where they are valid, and exchanges them.

    A record is named by its hive path, the partitions of its months begin with it. Paths in publications are always
    relative to the base of `standing`, below which `aside` lies in `folder`.
    """

    def __init__(self, standing: PublicationStore, folder: str) -> None:
        self._standing = standing
        self._folder = folder
        self._aside = PublicationStore(standing.base / folder)
        self._pointers = standing.base / "_exchanges"

    def find(self, record: str, partition: str) -> Publication | None:
        """The valid publication of one month of a record."""
        while True:
            pending = self._is_pending(record)
            found = self._aside.find(partition) if pending else self._standing.find(partition)
            if pending == self._is_pending(record):
                return self._placed(found) if found and pending else found

    def partitions(self, record: str) -> list[str]:
        """Partitions of the valid months of a record, in order."""
        while True:
            pending = self._is_pending(record)
            found = (self._aside if pending else self._standing).partitions(f"{record}/month=")
            if pending == self._is_pending(record):
                return found

    def publications(self) -> list[Publication]:
        """All valid publications, in partition order; of every record as it was at one moment."""
        while True:
            pending = self._pending()
            found = list(self._publications(pending))
            if pending == self._pending():
                return found

    def _publications(self, pending: Sequence[str]) -> Iterator[Publication]:
        aside = [f"{record}/" for record in pending]
        places = [(path, self._standing) for path in self._standing.partitions() if not path.startswith(tuple(aside))]
        places += [(path, self._aside) for record in aside for path in self._aside.partitions(record)]
        for partition, store in sorted(places, key=lambda place: place[0]):
            if found := store.find(partition):
                yield self._placed(found) if store is self._aside else found

    def exchange(self, record: str) -> None:
        """Make what was published aside the record; `settle` is to follow."""
        put_bytes(self._pointer(record), msgspec.json.encode(self._aside.partitions(f"{record}/month=")))

    def discard(self, record: str) -> None:
        """Remove what was published aside and is not valid."""
        if not self._is_pending(record):
            for partition in self._aside.partitions(f"{record}/month="):
                self._aside.withdraw(partition)

    def settle(self, record: str) -> list[str]:
        """End the housekeeping of an exchange that was made, and return its partitions; none if there was none."""
        if not self._is_pending(record):
            return []
        kept = self._aside.partitions(f"{record}/month=")
        for partition in kept:
            self._move(partition)
        for partition in set(self._standing.partitions(f"{record}/month=")) - set(kept):
            self._standing.withdraw(partition)
        with storage_errors(self._pointer(record)):
            self._pointer(record).unlink()
        self.discard(record)
        return kept

    def _move(self, partition: str) -> None:
        if found := self._aside.find(partition):
            tables = [file.table for file in found.files if file.path.endswith(".parquet")]
            documents = [file.table for file in found.files if not file.path.endswith(".parquet")]
            self._standing.publish(
                partition,
                {table: self._aside.read(found, table) for table in tables},
                found.body,
                {name: self._aside.read_document(found, name) for name in documents},
            )

    def _placed(self, found: Publication) -> Publication:
        files = tuple(msgspec.structs.replace(file, path=f"{self._folder}/{file.path}") for file in found.files)
        return msgspec.structs.replace(found, files=files)

    def _is_pending(self, record: str) -> bool:
        return self._pointer(record).is_file()

    def _pending(self) -> list[str]:
        within = len(f"{self._pointers}/")
        return sorted(str(path)[within:].removesuffix(".json") for path in self._pointers.rglob("*.json"))

    def _pointer(self, record: str) -> Location:
        return self._pointers / f"{record}.json"
