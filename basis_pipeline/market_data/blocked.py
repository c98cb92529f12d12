"""Series that the last ingestion could not take: `validated/_blocked.json`, so that whoever reads them later knows."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from basis_pipeline.domain.errors import StorageError
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.storage.files import put_bytes, storage_errors
from basis_pipeline.storage.locations import Location

_NAME = "_blocked.json"


class BlockedSeries(msgspec.Struct, frozen=True):
    """A series whose published data are older than its files, and the errors that say why."""

    key: SeriesKey
    findings: tuple[Finding, ...]

    def __str__(self) -> str:
        reasons = "; ".join(map(str, self.findings))
        return f"{self.key}: its last ingestion was blocked, what was published before is used: {reasons}"


def load_blocked(validated: Location) -> tuple[BlockedSeries, ...]:
    """What the last ingestion blocked; empty if nothing.

    Raises:
        StorageError: the record is not readable.
    """
    path = validated / _NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=tuple[BlockedSeries, ...])
    except FileNotFoundError:
        return ()
    except msgspec.DecodeError as error:
        remedy = "delete it and ingest again."
        raise StorageError(f"{path} is not readable: {error}.", code="STORE-003", remedy=remedy) from error


def save_blocked(validated: Location, blocked: Sequence[BlockedSeries]) -> None:
    """Replace the record; without blocked series there is none."""
    path = validated / _NAME
    if blocked:
        put_bytes(path, msgspec.json.format(msgspec.json.encode(blocked), indent=1))
        return
    with storage_errors(path):
        path.unlink(missing_ok=True)
