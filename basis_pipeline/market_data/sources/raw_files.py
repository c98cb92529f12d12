"""Raw files on disk: their identity, and a look at the head that recognition needs. Nothing is interpreted here."""

from __future__ import annotations

import csv
import hashlib
import json
import os
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from basis_pipeline.domain.errors import DataError
from basis_pipeline.market_data.findings import RawFileError, reject

TABULAR = (".csv", ".feather", ".parquet")
UNREADABLE = "unreadable"
"""Stands for the digest of a file that is there and cannot be read."""
_HEAD_BYTES = 65_536
_BOM = b"\xef\xbb\xbf"


class RawFile(msgspec.Struct, frozen=True):
    """One file of the raw folder.

    Attributes:
        name: path relative to that folder, posix.
        modified: when it was written last before it was hashed (nanoseconds, as the file system says).
    """

    path: Path
    name: str
    sha256: str
    size: int
    modified: int = 0

    @classmethod
    def at(cls, path: Path, raw: Path) -> RawFile:
        """The file at `path`.

        Raises:
            RawFileError: it is no regular file, a link to nothing, or may not be read.
        """
        name = path.relative_to(raw).as_posix()
        try:
            if not path.is_file():
                raise _no_file(name, "a link to nothing" if path.is_symlink() else "no regular file")
            before = path.stat()
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            return cls(path, name, digest, before.st_size, before.st_mtime_ns)
        except OSError as error:
            raise _no_file(name, f"a file that cannot be read ({error.strerror})") from error


class FileHead(msgspec.Struct, frozen=True):
    """What can be told about a file without reading its rows.

    Attributes:
        columns: header of a CSV, columns of a feather or parquet schema, keys of a JSON object.
        first: first data row of a CSV by column; empty for other formats and for a header without rows.
        comments: `# key: value` lines before a CSV header.
        header_line: 1-based line of a CSV header.
        crlf: lines end in CR LF.
        bom: the file starts with a UTF-8 byte order mark.
    """

    columns: tuple[str, ...]
    first: dict[str, str] = {}
    comments: dict[str, str] = {}
    header_line: int = 1
    crlf: bool = False
    bom: bool = False


def require_unchanged(file: RawFile) -> None:
    """Refuse a file that was written to since it was hashed: its rows are not those that its digest stands for.

    Raises:
        RawFileError: it has another size or time than it had, or is gone.
    """
    try:
        now = file.path.stat()
    except OSError as error:
        raise _no_file(file.name, f"a file that cannot be read ({error.strerror})") from error
    if (now.st_size, now.st_mtime_ns) != (file.size, file.modified):
        remedy = "ingest again when whatever writes it is done."
        raise reject("changed_file", "was written to while it was ingested.", remedy=remedy, file=file.name)


def files_below(raw: Path) -> list[Path]:
    """Everything below `raw` that is no folder, in order; links to folders are followed, each folder once.

    Raises:
        DataError: a folder cannot be listed. What is in it would pass for deleted otherwise.
    """

    def fail(error: OSError) -> None:
        raise DataError(
            f"raw folder {error.filename} cannot be listed: {error.strerror}.",
            remedy="allow reading it, or take it out of the raw folder.",
        ) from error

    found, seen = list[Path](), set[Path]()
    for folder, subfolders, names in os.walk(raw, onerror=fail, followlinks=True):
        here = Path(folder).resolve()
        if here in seen:
            subfolders.clear()
            continue
        seen.add(here)
        found += [Path(folder, name) for name in names]
    return sorted(found)


def _no_file(name: str, what: str) -> RawFileError:
    remedy = "restore the file and allow reading it, or take it out of the raw folder."
    return reject("unreadable_file", f"is {what}.", remedy=remedy, file=name)


def cut_in_last_line(file: RawFile) -> bool:
    """Whether a CSV ends without a line end: complete downloads have one."""
    if file.path.suffix != ".csv":
        return False
    with file.path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) not in b"\r\n"


def read_head(file: RawFile) -> FileHead:
    """Look at the head of `file`.

    Raises:
        RawFileError: the file is empty, cut off, or not of the format that its suffix promises.
    """
    if file.size == 0:
        raise reject("empty_file", "the file has no bytes.", remedy="download it again.", file=file.name)
    if file.path.suffix == ".csv":
        return _csv_head(file)
    try:
        if file.path.suffix == ".json":
            content = json.loads(file.path.read_bytes())
            return FileHead(tuple(content) if isinstance(content, dict) else ())
        schema = pq.read_schema(file.path) if file.path.suffix == ".parquet" else _feather_schema(file.path)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise unreadable(file, error) from error
    return FileHead(tuple(schema.names))


_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars", "\0": "zeros, as in UTF-16"}


def other_separator(head: FileHead) -> str:
    """What separates the columns of a CSV instead of commas, in words; empty if it is commas, or one column."""
    header = ",".join(head.columns)
    return next((words for sign, words in _SEPARATORS.items() if sign in header), "")


def unreadable(file: RawFile, error: Exception, row: int | None = None) -> Exception:
    """The error to raise where a parser gave up on `file`."""
    reason = " ".join(str(error).split())[:300]
    message = f"the file is corrupt or cut off: {reason}"
    return reject("unreadable_file", message, remedy="download it again.", file=file.name, row=row)


def _feather_schema(path: Path) -> pa.Schema:
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).schema


def _csv_head(file: RawFile) -> FileHead:
    with file.path.open("rb") as stream:
        head = stream.read(_HEAD_BYTES)
    try:
        text = head.removeprefix(_BOM).decode("utf-8", errors="strict" if file.size <= _HEAD_BYTES else "ignore")
    except UnicodeDecodeError as error:
        raise unreadable(file, error) from error
    lines = text.splitlines()
    comments = [line for line in lines if line.startswith("#")]
    rows = list(csv.reader(lines[len(comments) : len(comments) + 2]))
    header = tuple(rows[0]) if rows else ()
    first = dict(zip(header, rows[1], strict=False)) if len(rows) > 1 else {}
    return FileHead(
        header, first, dict(map(_comment, comments)), len(comments) + 1, crlf=b"\r\n" in head, bom=head.startswith(_BOM)
    )


def _comment(line: str) -> tuple[str, str]:
    key, _, value = line.lstrip("# ").partition(":")
    return key.strip().lower(), value.strip()
