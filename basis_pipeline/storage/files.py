"""Atomic puts and exclusive locks, in a folder or in a bucket, with errors a person can act on."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from basis_pipeline.domain.errors import StorageError
from basis_pipeline.storage.locations import Location
from basis_pipeline.storage.s3_bucket import Bucket
from basis_pipeline.storage.s3_lease import lease
from basis_pipeline.storage.s3_path import S3Path

_REMEDIES = {
    errno.ENOSPC: "free disk space, then run the same command again; earlier results are untouched.",
    errno.EDQUOT: "free disk space, then run the same command again; earlier results are untouched.",
    errno.EFBIG: "raise the file size limit of this process, then run the same command again.",
    errno.EROFS: "point BASIS_DATA_DIR at a writable folder.",
    errno.EACCES: "make the folder writable or point BASIS_DATA_DIR elsewhere.",
    errno.EPERM: "make the folder writable or point BASIS_DATA_DIR elsewhere.",
}


@contextmanager
def storage_errors(path: Location) -> Iterator[None]:
    """Turn an OSError while writing `path` into a StorageError that names the path and the remedy."""
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "check the path and its permissions.")
        raise StorageError(f"cannot write {path}: {error.strerror or error}.", remedy=remedy) from error


def put_bytes(path: Location, content: bytes) -> None:
    """Write `content` to `path` so that a reader sees the old file or the new one, never a part.

    In a folder that takes fsync and rename, in a bucket it is what one request does.
    """
    if isinstance(path, S3Path):
        path.write_bytes(content)
    else:
        _put_file(path, content)


def _put_file(path: Path, content: bytes) -> None:
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def exclusive_lock(path: Location, *, purpose: str, wait: bool = False) -> AbstractContextManager[None]:
    """Hold a lock on `path` while the block runs.

    In a folder the kernel releases it, even after SIGKILL; in a bucket the lease of a killed process runs out.

    Raises:
        StorageError: another process holds it and `wait` is false.
    """
    if isinstance(path, S3Path):
        return lease(Bucket(path.bucket), path.key, purpose=purpose, wait=wait)
    return _file_lock(path, purpose=purpose, wait=wait)


@contextmanager
def _file_lock(path: Path, *, purpose: str, wait: bool) -> Iterator[None]:
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise StorageError(
                f"{purpose} is already running (lock {path}).",
                code="STORE-002",
                remedy="wait for the other run to end, or stop it.",
            ) from error
        yield
    finally:
        os.close(descriptor)
