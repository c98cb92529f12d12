"""Where the files of a data root are: a folder of this machine, or a prefix in a bucket of an object store.

Stores take a `Location` and speak pathlib to it. A local root is a plain `Path`, so that nothing stands between it and
its files; `S3Path` has the same methods, as far as they make sense there. Where the two differ in kind, which is in
putting a file and in locking, `files` has the function for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from os.path import relpath
from pathlib import Path
from typing import TYPE_CHECKING

from basis_pipeline.storage.s3_client import arrow_filesystem
from basis_pipeline.storage.s3_path import SCHEME, S3Path

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

Location = Path | S3Path


def location_of(text: str) -> Location:
    """What a person wrote: `s3://bucket/prefix`, or the path of a folder.

    Raises:
        ConfigError: an S3 address without a bucket or a prefix.
    """
    return S3Path.parse(text) if text.startswith(SCHEME) else Path(text)


def arrow_files(files: Sequence[Location]) -> tuple[FileSystem | None, list[str]]:
    """What Arrow needs to open `files`, all of one root: their file system (None: this machine's) and their paths."""
    in_bucket = [path for path in files if isinstance(path, S3Path)]
    if in_bucket:
        return arrow_filesystem(), [f"{path.bucket}/{path.key}" for path in in_bucket]
    return None, [str(path) for path in files]


def is_below(path: Location, folder: Location) -> bool:
    """Whether `path` lies in `folder`, at any depth; both are resolved."""
    return str(path).startswith(f"{folder}/")


def written_at(path: Location) -> float:
    """When a file was last written, in seconds since 1970; in a bucket by the store's clock, in whole seconds."""
    return path.written_at() if isinstance(path, S3Path) else path.stat().st_mtime


def relative_link(target: Location, folder: Location) -> str:
    """How a page in `folder` refers to `target` of the same root."""
    return relpath(str(target), str(folder))
