"""A downloaded month on disk: the file, and beside it where it comes from and how far it reaches.

The file is put first and the provenance, which has its digest, second. A process that dies in between leaves a file
that its provenance does not vouch for: such a month is fetched again. There is no other state.
"""

from __future__ import annotations

import csv
import hashlib
import io
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from basis_pipeline.domain.timeline import iso, to_micros
from basis_pipeline.market_data.dataset_types import PROVENANCE_SUFFIX
from basis_pipeline.market_data.downloads.targets import Target
from basis_pipeline.storage.files import put_bytes

Rows = dict[int, tuple[str, ...]]
"""Texts of the value columns by stamp (microseconds UTC)."""


class Request(msgspec.Struct, frozen=True):
    """One thing that was asked for: `url` (nothing secret), what for, digest of an archive, rows it gave."""

    url: str
    asked: str
    rows: int
    sha256: str = ""


class Provenance(msgspec.Struct, frozen=True):
    """`<file>.provenance.json`.

    Attributes:
        series: dataset, venue and symbol.
        month: YYYY-MM.
        through: exclusive end of what was asked for, ISO; the month's end where it is complete.
        rows: in the file.
        missing: steps before `through` that the vendor does not have.
        sha256: of the file.
        requests: in order.
    """

    series: str
    month: str
    through: str
    rows: int
    missing: int
    sha256: str
    requests: tuple[Request, ...]


@dataclass(frozen=True)
class Held:
    """A month that is on disk as its provenance says, whole up to `through` (exclusive, microseconds)."""

    target: Target
    content: bytes
    provenance: Provenance

    @property
    def through(self) -> int:
        return _micros(self.provenance.through)

    def rows(self) -> Rows:
        """What is in the file; most months are complete, and nobody looks."""
        shape = self.target.shape
        reader = csv.DictReader(io.StringIO(self.content.decode()))
        return {_micros(row[shape.stamp]): tuple(row[name] for name in shape.values) for row in reader}


@dataclass(frozen=True)
class Fetched:
    """What a source gave for a range."""

    rows: Rows
    requests: tuple[Request, ...]


def number_text(value: object) -> str:
    """One text for one number, wherever it comes from: the shortest that reads back as the same float64."""
    return "" if value is None else repr(float(str(value)))


def load(raw: Path, target: Target) -> Held | None:
    """The month if it is there and as its provenance says, else None."""
    path = raw / target.path
    try:
        content = path.read_bytes()
        provenance = msgspec.json.decode(_beside(path).read_bytes(), type=Provenance)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    if hashlib.sha256(content).hexdigest() != provenance.sha256:
        return None
    return Held(target, content, provenance)


def save(raw: Path, target: Target, rows: Rows, through: int, requests: tuple[Request, ...]) -> Provenance:
    """Put the month and its provenance, each atomically."""
    content = _text(target, rows).encode()
    provenance = Provenance(
        series=str(target.key),
        month=target.month,
        through=iso(through),
        rows=len(rows),
        missing=max(0, target.steps(target.start, through) - len(rows)),
        sha256=hashlib.sha256(content).hexdigest(),
        requests=requests,
    )
    path = raw / target.path
    put_bytes(path, content)
    put_bytes(_beside(path), msgspec.json.format(msgspec.json.encode(provenance), indent=1))
    return provenance


def _text(target: Target, rows: Rows) -> str:
    shape, out = target.shape, io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow((shape.stamp, *shape.values, *shape.constants))
    writer.writerows((iso(stamp), *rows[stamp], *shape.constants.values()) for stamp in sorted(rows))
    return out.getvalue()


def _beside(path: Path) -> Path:
    return path.with_name(path.name + PROVENANCE_SUFFIX)


def _micros(text: str) -> int:
    return to_micros(datetime.fromisoformat(text))
