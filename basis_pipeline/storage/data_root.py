"""A data root: one folder for one source of data, with everything derived from it.

::

    <root>/root.json       kind (sample | vendor), source, created
    <root>/raw/            vendor files, unless root.json points elsewhere
    <root>/validated/      Parquet by dataset
    <root>/results/        Parquet by result table, reports, checkpoints, the DuckDB catalogue
    <root>/dagster/        the Dagster instance

A root in a bucket (`s3://bucket/prefix`) has root.json, validated/ and results/ there. Vendor files are read from a
folder in any case, and the Dagster instance needs one: data/s3/<bucket>/<prefix>/dagster in the working directory.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from basis_pipeline.domain.errors import ConfigError, StorageError
from basis_pipeline.storage.files import put_bytes
from basis_pipeline.storage.locations import Location
from basis_pipeline.storage.s3_path import S3Path

RootKind = Literal["sample", "vendor"]


class RootInfo(msgspec.Struct, frozen=True):
    kind: RootKind
    source: str
    created: str


class DataRoot:
    """Paths below one root, and the guard that two sources are never mixed in it."""

    def __init__(self, path: Location) -> None:
        self.path = path
        self.validated = path / "validated"
        self.results = path / "results"
        self.dagster = _local(path) / "dagster"
        self.live = _local(path) / "live"

    @property
    def info(self) -> RootInfo | None:
        """What root.json says, or None before the first ingestion."""
        file = self.path / "root.json"
        try:
            return msgspec.json.decode(file.read_bytes(), type=RootInfo)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise StorageError(f"{file} is not readable: {error}.", remedy="restore or delete it.") from error

    @property
    def raw(self) -> Path:
        """The folder that raw files are read from."""
        info = self.info
        return self.own_raw if info is None or info.source == "raw" else Path(info.source)

    @property
    def own_raw(self) -> Path:
        """The folder for raw files inside this root; ConfigError where the root is no folder."""
        if isinstance(self.path, Path):
            return self.path / "raw"
        raise ConfigError(
            f"data root {self.path} has no folder of raw files: vendor files are read from this machine.",
            remedy="name their folder with BASIS_RAW_DIR or --raw.",
        )

    def claim(self, kind: RootKind, raw: Path) -> RootInfo:
        """Tie this root to `raw`, or confirm that it already is.

        Raises:
            ConfigError: the root belongs to another source; both are named.
        """
        own = (self.path / "raw").resolve()
        source = "raw" if raw.resolve() == own else str(raw.resolve())
        info = self.info
        if info is None:
            info = RootInfo(kind, source, datetime.now(UTC).isoformat(timespec="seconds"))
            put_bytes(self.path / "root.json", msgspec.json.format(msgspec.json.encode(info), indent=1))
        elif (info.kind, info.source) != (kind, source):
            raise ConfigError(
                f"data root {self.path} holds {info.kind} data from {info.source!r}; it cannot take {kind} data "
                f"from {source!r} as well.",
                remedy="set BASIS_DATA_DIR to another folder, or delete this one.",
            )
        return info


def _local(path: Location) -> Path:
    """The folder of this machine for what cannot be in a bucket."""
    return Path("data", "s3", path.bucket, path.key) if isinstance(path, S3Path) else path
