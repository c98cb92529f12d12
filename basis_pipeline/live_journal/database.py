"""One SQLite file with one table that is only ever added to.

WAL with full synchronisation: an entry is on the disk when `append` returns, whatever kills the process next. Triggers
refuse to change or delete an entry; a partial unique index refuses to decide the same thing twice.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Self

from basis_pipeline.domain.errors import StateError, StorageError

SCHEMA_VERSION = 1
_SCHEMA = (
    "create table about (key text primary key, value text not null) without rowid",
    """create table entries (
        number integer primary key autoincrement,
        written_at integer not null,
        kind text not null,
        key text not null,
        payload blob not null
    )""",
    "create unique index decided_once on entries (kind, key) where kind in ('intent', 'facts', 'income')",
    "create index by_kind on entries (kind, number)",
    "create trigger never_changed before update on entries begin select raise(abort, 'the journal only grows'); end",
    "create trigger never_deleted before delete on entries begin select raise(abort, 'the journal only grows'); end",
)


class Kind(StrEnum):
    """What an entry records; `key` is what it is about."""

    SESSION = "session"
    INTENT = "intent"
    SENT = "sent"
    FACTS = "facts"
    INCOME = "income"
    TRANSFER = "transfer"
    TICK = "tick"
    STATE = "state"
    ACTION = "action"
    HALT = "halt"
    ADJUSTMENT = "adjustment"
    PULSE = "pulse"
    DELAYS = "delays"


class Entry(NamedTuple):
    """`written_at` is wall-clock microseconds UTC."""

    number: int
    written_at: int
    kind: Kind
    key: str
    payload: bytes


class Mark(NamedTuple):
    """An entry without its payload."""

    number: int
    written_at: int
    key: str


class JournalDatabase:
    """The file. One process writes; any number may read.

    Raises:
        StorageError: STORE-001 the file cannot be written (disk full, read-only).
        StateError: JOURNAL-001 it is no journal of this schema version, or belongs to another record.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def open(cls, path: Path, *, belongs_to: str) -> Self:
        """Open or create the journal at `path`; `belongs_to` names the mode and environment it is for."""
        with _readable(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, isolation_level=None)
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = full")
            _create(connection, belongs_to)
        journal = cls(path, connection)
        journal._check(belongs_to)
        return journal

    @classmethod
    def read(cls, path: Path) -> Self:
        """Open an existing journal read-only, as the status page and replays do."""
        if not path.is_file():
            raise StateError(
                f"there is no journal {path}.", code="JOURNAL-001", remedy="start a session with `basis live MODE`."
            )
        with _readable(path):
            journal = cls(path, sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None))
            journal._check_version()
        return journal

    def about(self, key: str) -> str:
        row = self._connection.execute("select value from about where key = ?", (key,)).fetchone()
        return str(row[0]) if row else ""

    def append(self, written_at: int, kind: Kind, key: str, payload: bytes) -> bool:
        """Write one entry durably; False if an entry that may exist only once is there already."""
        try:
            with _readable(self.path):
                self._connection.execute(
                    "insert into entries (written_at, kind, key, payload) values (?, ?, ?, ?)",
                    (written_at, kind.value, key, payload),
                )
        except sqlite3.IntegrityError:
            return False
        return True

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is appended inside the block is on the disk as a whole, or not at all."""
        with _readable(self.path):
            self._connection.execute("begin immediate")
        try:
            yield
            with _readable(self.path):
                self._connection.execute("commit")
        finally:
            if self._connection.in_transaction:
                self._connection.execute("rollback")

    def entries(self, *kinds: Kind, after: int = 0) -> Iterator[Entry]:
        """Entries of the given kinds (all if none is given) with a number above `after`, in order."""
        wanted = [kind.value for kind in (kinds or tuple(Kind))]
        marks = ", ".join("?" * len(wanted))
        rows = self._connection.execute(
            f"select number, written_at, kind, key, payload from entries "  # noqa: S608 (only question marks)
            f"where kind in ({marks}) and number > ? order by number",
            (*wanted, after),
        )
        for number, written_at, kind, key, payload in rows:
            yield Entry(number, written_at, Kind(kind), key, payload)

    def marks(self, kind: Kind) -> Iterator[Mark]:
        """Entries of a kind in order, without what they say: cheap however large that is."""
        rows = self._connection.execute(
            "select number, written_at, key from entries where kind = ? order by number", (kind.value,)
        )
        return map(Mark._make, rows)

    def find(self, kind: Kind, key: str) -> Entry | None:
        """The first entry of `kind` about `key`."""
        return self._one("kind = ? and key = ? order by number", kind.value, key)

    def last(self, kind: Kind) -> Entry | None:
        return self._one("kind = ? order by number desc", kind.value)

    @property
    def size(self) -> int:
        """Number of the last entry."""
        row = self._connection.execute("select max(number) from entries").fetchone()
        return int(row[0] or 0)

    def latest(self, kind: Kind, count: int) -> list[Entry]:
        """The last `count` entries of `kind`, oldest first."""
        rows = self._connection.execute(
            "select number, written_at, kind, key, payload from entries where kind = ? order by number desc limit ?",
            (kind.value, count),
        ).fetchall()
        return [Entry(row[0], row[1], Kind(row[2]), row[3], row[4]) for row in reversed(rows)]

    def last_below(self, kind: Kind, number: int) -> Entry | None:
        """The last entry of `kind` whose key is a number below `number`."""
        below = "kind = ? and cast(key as integer) < cast(? as integer) order by number desc"
        return self._one(below, kind.value, str(number))

    def last_about(self, kind: Kind, key: str) -> Entry | None:
        """The last entry of `kind` about `key`."""
        return self._one("kind = ? and key = ? order by number desc", kind.value, key)

    def close(self) -> None:
        self._connection.close()

    def _one(self, condition: str, *values: str) -> Entry | None:
        query = f"select number, written_at, kind, key, payload from entries where {condition} limit 1"  # noqa: S608
        row = self._connection.execute(query, values).fetchone()
        return Entry(row[0], row[1], Kind(row[2]), row[3], row[4]) if row else None

    def _check(self, belongs_to: str) -> None:
        self._check_version()
        if (owner := self.about("belongs_to")) != belongs_to:
            raise StateError(
                f"{self.path} is the journal of {owner}, not of {belongs_to}.",
                code="JOURNAL-001",
                remedy="a mode has one journal per environment; check BASIS_ENVIRONMENT and the data root.",
            )

    def _check_version(self) -> None:
        version = self.about("schema_version")
        if version != str(SCHEMA_VERSION):
            raise StateError(
                f"{self.path} has journal schema {version!r}, this version writes {SCHEMA_VERSION}.",
                code="JOURNAL-001",
                remedy="finish with the version that wrote it, or move it away to begin a new record.",
            )


def _create(connection: sqlite3.Connection, belongs_to: str) -> None:
    """The schema of a new file, in one transaction: two processes that start together make one journal."""
    connection.execute("begin exclusive")
    if not connection.execute("select 1 from sqlite_master where name = 'about'").fetchone():
        for statement in _SCHEMA:
            connection.execute(statement)
        about = {"schema_version": str(SCHEMA_VERSION), "belongs_to": belongs_to, "journal_id": secrets.token_hex(5)}
        connection.executemany("insert into about values (?, ?)", about.items())
    connection.execute("commit")


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into errors that name the file and the remedy."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise
    except sqlite3.DatabaseError as error:
        full = "full" in str(error)
        raise StorageError(
            f"cannot use the journal {path}: {error}.",
            remedy="free disk space; nothing was sent since."
            if full
            else "check the path, its permissions, its content.",
        ) from error
    except OSError as error:
        raise StorageError(f"cannot use the journal {path}: {error}.", remedy="check the path.") from error
