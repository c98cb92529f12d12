"""Fill a data root with the synthetic sample, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from basis_pipeline.domain.errors import ConfigError, StorageError
from basis_pipeline.domain.progress import ProgressCallback
from basis_pipeline.market_data.sample import DEFAULT_ASSETS, VERSION, file_names, generate
from basis_pipeline.storage.data_root import DataRoot
from basis_pipeline.storage.files import exclusive_lock, put_bytes, storage_errors
from basis_pipeline.storage.locations import Location

_RECORD = "sample.json"


class SampleRecord(msgspec.Struct, frozen=True):
    """`<root>/sample.json`: the arguments of the sample in raw/ and its files, relative to raw/.

    `complete` is false while they are being written: a killed run leaves a record of what it may have left behind.
    """

    first_month: str
    months: int
    seed: int
    assets: tuple[str, ...]
    version: int
    files: tuple[str, ...]
    complete: bool = True
    stress: tuple[str, ...] = ()


@dataclass(frozen=True)
class SampleSummary:
    """What `make_sample_data` found or made; `written` is false where the sample was there already."""

    raw: Path
    record: SampleRecord
    written: bool


def make_sample_data(
    root: DataRoot,
    *,
    first_month: str = "2024-01",
    months: int = 12,
    seed: int = 7,
    assets: Sequence[str] = DEFAULT_ASSETS,
    stress: Sequence[str] = (),
    replace: bool = False,
    progress: ProgressCallback | None = None,
) -> SampleSummary:
    """Write the sample to `<root>/raw`, unless the same arguments and generator version wrote it before.

    Files that people added to raw/ stay.

    Args:
        root: an empty data root, or one that holds sample data.
        first_month: `YYYY-MM`.
        months: length, at least 1.
        seed: of all random factors.
        assets: coins with exchange files.
        stress: `YYYY-MM=episode` texts.
        replace: a finished sample of other arguments may go; what a killed run left behind always may.
        progress: called after every file with its name, the number done and the total.

    Raises:
        ConfigError: the root is no folder, or holds data of another source, or a sample that is not to be replaced,
            or an argument is out of range.
        StorageError: the folder cannot be written, or an ingestion of this root is running.
    """
    names = file_names(first_month=first_month, months=months, seed=seed, assets=assets, stress=stress)
    asked = SampleRecord(first_month, months, seed, tuple(assets), VERSION, tuple(names), stress=tuple(sorted(stress)))
    raw = root.own_raw
    root.claim("sample", raw)
    with exclusive_lock(root.path / "ingest.lock", purpose="ingestion or sample generation"):
        found = _read(root.path / _RECORD)
        if found == asked and all((raw / name).is_file() for name in names):
            return SampleSummary(raw, asked, written=False)
        if found and found.complete and not replace:
            _refuse_another(raw, found, asked)
        for name in found.files if found else ():
            with storage_errors(raw / name):
                (raw / name).unlink(missing_ok=True)
        _put(root.path / _RECORD, msgspec.structs.replace(asked, complete=False))
        generate(
            raw, first_month=first_month, months=months, seed=seed, assets=assets, stress=stress, progress=progress
        )
        _put(root.path / _RECORD, asked)
    return SampleSummary(raw, asked, written=True)


def has_sample(root: DataRoot) -> bool:
    """Whether the root has a finished sample, of whatever arguments."""
    found = _read(root.path / _RECORD)
    return found is not None and found.complete


def _refuse_another(raw: Path, found: SampleRecord, asked: SampleRecord) -> None:
    """ConfigError if the arguments differ; the same sample with a file missing is just completed."""
    arguments = ("first_month", "months", "seed", "assets", "stress", "version")
    differing = [name for name in arguments if getattr(found, name) != getattr(asked, name)]
    if not differing:
        return
    was = ", ".join(f"{name} {_text(getattr(found, name))} (asked {_text(getattr(asked, name))})" for name in differing)
    there = [name for name in found.files if (raw / name).is_file()]
    gone = sorted(set(there) - set(asked.files))
    lost = f", {len(gone)} of them for good: {', '.join(gone[:3])}{', ...' if len(gone) > 3 else ''}" if gone else ""
    raise ConfigError(
        f"{raw} holds another sample: {was}. Its {len(there)} files would be replaced{lost}.",
        remedy="use --replace to discard it, or set BASIS_DATA_DIR to another folder.",
    )


def _text(argument: object) -> str:
    return " ".join(map(str, argument)) or "none" if isinstance(argument, tuple) else str(argument)


def _put(path: Location, record: SampleRecord) -> None:
    put_bytes(path, msgspec.json.format(msgspec.json.encode(record), indent=1))


def _read(path: Location) -> SampleRecord | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=SampleRecord)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise StorageError(
            f"{path} is not readable: {error}.", remedy="delete it and run the command again."
        ) from error
