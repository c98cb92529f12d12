"""A place in a bucket with the manners of `pathlib.Path`, as far as stores need them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.storage.s3_bucket import Bucket
from basis_pipeline.storage.s3_lease import require_leases

SCHEME = "s3://"


@dataclass(frozen=True, order=True)
class S3Path:
    """`s3://bucket/key`. A folder is a prefix: it exists while something is below it.

    It is plain data and can be sent to other processes; connections are made where they are needed. Every method that
    asks the store raises StorageError where it cannot be reached or refuses.

    Attributes:
        is_listed_file: what a listing said of it, which saves a request; None where it comes from no listing.
    """

    bucket: str
    key: str
    is_listed_file: bool | None = field(default=None, compare=False, repr=False)

    @classmethod
    def parse(cls, text: str) -> S3Path:
        """`s3://bucket/prefix` as a person types it; ConfigError without a bucket or a prefix."""
        bucket, _, key = text.removeprefix(SCHEME).partition("/")
        path = PurePosixPath(key.strip("/"))
        if not bucket or path == PurePosixPath() or ".." in path.parts:
            raise ConfigError(f"{text!r} is no data root.", remedy="write s3://bucket/prefix.")
        return cls(bucket, path.as_posix())

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.key}"

    def __truediv__(self, key: str, /) -> S3Path:
        return S3Path(self.bucket, f"{self.key}/{key}" if self.key else key)

    @property
    def name(self) -> str:
        return self.key.rpartition("/")[2]

    @property
    def parent(self) -> S3Path:
        return S3Path(self.bucket, self.key.rpartition("/")[0])

    def with_name(self, name: str) -> S3Path:
        return self.parent / name

    def relative_to(self, other: S3Path, /) -> PurePosixPath:
        return PurePosixPath(self.key).relative_to(other.key)

    def resolve(self) -> S3Path:
        return self

    def exists(self) -> bool:
        return self.is_file() or self.is_dir()

    def is_file(self) -> bool:
        return Bucket(self.bucket).has(self.key) if self.is_listed_file is None else self.is_listed_file

    def is_dir(self) -> bool:
        return next(Bucket(self.bucket).keys(f"{self.key}/"), None) is not None

    def iterdir(self) -> Iterator[S3Path]:
        """What is directly below, in no particular order; nothing where there is no such folder."""
        found = Bucket(self.bucket).listing(f"{self.key}/")
        yield from (replace(self, key=key, is_listed_file=True) for key in found.files)
        yield from (replace(self, key=key, is_listed_file=False) for key in found.folders)

    def glob(self, pattern: str, /) -> Iterator[S3Path]:
        """Names directly below that match one shell pattern."""
        return (path for path in self.iterdir() if fnmatchcase(path.name, pattern))

    def rglob(self, pattern: str, /) -> Iterator[S3Path]:
        """All objects below whose name matches; no folders, for there are none."""
        found = (replace(self, key=key, is_listed_file=True) for key in Bucket(self.bucket).keys(f"{self.key}/"))
        return (path for path in found if fnmatchcase(path.name, pattern))

    def written_at(self) -> float:
        """Seconds since 1970 by the store's clock; FileNotFoundError if there is no such object."""
        return Bucket(self.bucket).written_at(self.key)

    def read_bytes(self) -> bytes:
        """Content; FileNotFoundError if there is none."""
        return Bucket(self.bucket).get(self.key).content

    def write_bytes(self, content: bytes) -> None:
        """Replace the content at once; refused after a lock of this process was lost."""
        require_leases(self.bucket)
        Bucket(self.bucket).put(self.key, content)

    def unlink(self, missing_ok: bool = False) -> None:
        """Delete it; refused after a lock of this process was lost. A store does not say whether it was there."""
        require_leases(self.bucket)
        Bucket(self.bucket).delete(self.key)
