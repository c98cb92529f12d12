"""Atomic file puts and exclusive locks, with errors a person can act on."""

from __future__ import annotations

import errno
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from basis_pipeline.domain.errors import StorageError

_REMEDIES = {
    errno.ENOSPC: "free disk space, then run the same command again; earlier results are untouched.",
    errno.EDQUOT: "free disk space, then run the same command again; earlier results are untouched.",
    errno.EFBIG: "raise the file size limit of this process, then run the same command again.",
    errno.EROFS: "point BASIS_DATA_DIR at a writable folder.",
    errno.EACCES: "make the folder writable or point BASIS_DATA_DIR elsewhere.",
    errno.EPERM: "make the folder writable or point BASIS_DATA_DIR elsewhere.",
}


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an OSError while writing `path` into a StorageError that names the path and the remedy."""
    try:
        yield
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "check the path and its permissions.")
        raise StorageError(f"cannot write {path}: {error.strerror or error}.", remedy=remedy) from error


def put_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a reader sees the old file or the new one, never a part (fsync + rename)."""
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


@contextmanager
def exclusive_lock(path: Path, *, purpose: str, wait: bool = False) -> Iterator[None]:
    """Hold an advisory lock on `path` while the block runs; released by the kernel even after SIGKILL.

    Raises:
        StorageError: another process holds it and `wait` is false.
    """
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
