"""Exclusive locks on object storage, which has none: leases.

A lease is an object that is created by a conditional write (`If-None-Match: *`: of several writers the store lets one
win), rewritten by its holder every few seconds, and deleted at the end. A holder that is killed stops rewriting it; by
the clock of the store it grows old, and the next one takes it over by another conditional write (`If-Match`).

A holder that was merely held up must not go on afterwards. It therefore gives up well before anybody may take its lease
over, and from then on every write of its process to the bucket is refused (`require_leases`).
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import msgspec

from basis_pipeline.domain.errors import StorageError
from basis_pipeline.storage.s3_bucket import Bucket, StoredObject
from basis_pipeline.storage.s3_client import ConditionError

RENEW_SECONDS = 8.0
TRUST_SECONDS = 24.0
"""A holder that could not renew its lease for so long stops writing."""
EXPIRE_SECONDS = 40.0
"""A lease that was not renewed for so long may be taken over. The difference covers requests under way."""
_POLL_SECONDS = 1.0


class Holder(msgspec.Struct, frozen=True):
    """Content of a lease: who holds it, for people and for the holder to recognise its own."""

    token: str
    host: str
    process: int
    renewals: int = 0


class Lease:
    """One held lease, renewed by a thread of its own until `release`."""

    def __init__(self, bucket: Bucket, key: str, holder: Holder, etag: str, since: float) -> None:
        self.bucket = bucket
        self.key = key
        self._holder, self._etag, self._renewed = holder, etag, since
        self._taken, self._done = False, threading.Event()
        self._thread = threading.Thread(target=self._renew_until_done, name=f"lease {key}", daemon=True)
        self._thread.start()

    @property
    def is_held(self) -> bool:
        """Whether this process may rely on it: not taken over, and renewed lately."""
        return not self._taken and time.monotonic() - self._renewed < TRUST_SECONDS

    def release(self) -> None:
        """Stop renewing, and delete it if it is still this process's own."""
        self._done.set()
        self._thread.join()
        if self.is_held:
            self.bucket.delete(self.key)

    def _renew_until_done(self) -> None:
        while not self._taken and not self._done.wait(RENEW_SECONDS):
            try:
                self._renew()
            except StorageError:
                continue  # The store may be back for the next renewal; if not, `is_held` ends by the clock.

    def _renew(self) -> None:
        since = time.monotonic()
        following = msgspec.structs.replace(self._holder, renewals=self._holder.renewals + 1)
        try:
            self._etag = self.bucket.put_if(self.key, msgspec.json.encode(following), replacing=self._etag)
        except ConditionError:
            # Either it is another's by now, or the answer to our own write was lost and it was sent again.
            own = _own(self.bucket, self.key, following.token)
            self._taken = own is None
            if own is None:
                return
            self._etag = own.etag
        self._holder, self._renewed = following, since


_held: set[Lease] = set()


def require_leases(bucket: str) -> None:
    """StorageError if this process works under a lease in `bucket` that it can no longer rely on."""
    for lease in tuple(_held):
        if lease.bucket.name == bucket and not lease.is_held:
            raise StorageError(
                f"the lock s3://{bucket}/{lease.key} was lost: it could not be renewed in time, and another process "
                "may hold it. Nothing more is written.",
                code="STORE-002",
                remedy="run the same command again; what was published is whole.",
            )


@contextmanager
def lease(bucket: Bucket, key: str, *, purpose: str, wait: bool) -> Iterator[None]:
    """Hold the lease `key` while the block runs.

    Raises:
        StorageError: another process holds it and `wait` is false, or the store ignores the conditions of writes.
    """
    held = _acquire(bucket, key, purpose=purpose, wait=wait)
    _held.add(held)
    try:
        yield
    finally:
        _held.discard(held)
        held.release()


def _acquire(bucket: Bucket, key: str, *, purpose: str, wait: bool) -> Lease:
    holder = Holder(uuid4().hex, socket.gethostname(), os.getpid())
    while True:
        since = time.monotonic()
        found = _read(bucket, key)
        if found is None or found.age_seconds > EXPIRE_SECONDS:
            try:
                etag = bucket.put_if(key, msgspec.json.encode(holder), replacing=found.etag if found else None)
            except ConditionError:
                found = _read(bucket, key)
            else:
                _require_conditions(bucket, key)
                return Lease(bucket, key, holder, etag, since)
        if not wait:
            raise _already_held(bucket, key, found, purpose)
        time.sleep(_POLL_SECONDS)


def _require_conditions(bucket: Bucket, key: str) -> None:
    """A store that ignores conditions would let any number of processes hold a lease: refuse to work on it."""
    try:
        bucket.put_if(key, b"", replacing=None)
    except ConditionError:
        return
    bucket.delete(key)
    raise StorageError(
        f"the store of s3://{bucket.name} ignores conditional writes (If-None-Match): nothing keeps two writers apart.",
        code="STORE-007",
        remedy="use a version of it that honours them.",
    )


def _read(bucket: Bucket, key: str) -> StoredObject | None:
    try:
        return bucket.get(key)
    except FileNotFoundError:
        return None


def _own(bucket: Bucket, key: str, token: str) -> StoredObject | None:
    found = _read(bucket, key)
    holder = _holder(found) if found else None
    return found if holder and holder.token == token else None


def _holder(found: StoredObject) -> Holder | None:
    try:
        return msgspec.json.decode(found.content, type=Holder)
    except msgspec.DecodeError:
        return None


def _already_held(bucket: Bucket, key: str, found: StoredObject | None, purpose: str) -> StorageError:
    holder = _holder(found) if found else None
    who = (
        f", process {holder.process} on {holder.host}, renewed {found.age_seconds:.0f} s ago"
        if found and holder
        else ""
    )
    return StorageError(
        f"{purpose} is already running (lock s3://{bucket.name}/{key}{who}).",
        code="STORE-002",
        remedy=f"wait for the other run to end, or stop it; its lock is free {EXPIRE_SECONDS:.0f} s later.",
    )
