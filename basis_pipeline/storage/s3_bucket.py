"""One bucket of an object store, by the few requests this project makes of it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from basis_pipeline.storage.s3_client import client, translated_errors


class StoredObject(NamedTuple):
    """An object, its version, and since when it has been there by the clock of the store."""

    content: bytes
    etag: str
    age_seconds: float


class Listing(NamedTuple):
    """What lies directly below a prefix: objects and common prefixes, whole keys without a slash at the end."""

    files: tuple[str, ...]
    folders: tuple[str, ...]


@dataclass(frozen=True)
class Bucket:
    """Requests to one bucket; all of them raise what `s3_client.translated_errors` names."""

    name: str

    def get(self, key: str) -> StoredObject:
        """Content of an object; FileNotFoundError if there is none."""
        with translated_errors(f"cannot read {self._address(key)}"):
            answer = client().get_object(Bucket=self.name, Key=key)
            content = bytes(answer["Body"].read())
        now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        written: datetime = answer["LastModified"]
        return StoredObject(content, str(answer["ETag"]), (now - written).total_seconds())

    def has(self, key: str) -> bool:
        """Whether an object has exactly this key; asked by a listing, since HEAD cannot tell a missing bucket."""
        return self._written(key) is not None

    def written_at(self, key: str) -> float:
        """When an object was last written, in seconds since 1970; FileNotFoundError if there is none."""
        if written := self._written(key):
            return written.timestamp()
        raise FileNotFoundError(errno.ENOENT, "there is no such object", self._address(key))

    def put(self, key: str, content: bytes) -> None:
        """Write an object: a reader sees the old content or the new one, never a part."""
        with translated_errors(f"cannot write {self._address(key)}"):
            client().put_object(Bucket=self.name, Key=key, Body=content)

    def put_if(self, key: str, content: bytes, *, replacing: str | None) -> str:
        """Write an object that must not exist yet (None), or must still have the version `replacing`.

        Returns:
            The new version.

        Raises:
            ConditionError: somebody else wrote it.
        """
        condition = {"IfNoneMatch": "*"} if replacing is None else {"IfMatch": replacing}
        with translated_errors(f"cannot write {self._address(key)}"):
            return str(client().put_object(Bucket=self.name, Key=key, Body=content, **condition)["ETag"])

    def delete(self, key: str) -> None:
        """Remove an object; one that is not there is no error."""
        with translated_errors(f"cannot delete {self._address(key)}"):
            client().delete_object(Bucket=self.name, Key=key)

    def keys(self, prefix: str) -> Iterator[str]:
        """Keys of all objects that start with `prefix`, in order."""
        with translated_errors(f"cannot list {self._address(prefix)}"):
            for page in client().get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix):
                yield from (str(entry["Key"]) for entry in page.get("Contents", ()))

    def listing(self, prefix: str) -> Listing:
        """What lies directly below `prefix`, which ends with a slash."""
        files, folders = [], []
        with translated_errors(f"cannot list {self._address(prefix)}"):
            pages = client().get_paginator("list_objects_v2").paginate(Bucket=self.name, Prefix=prefix, Delimiter="/")
            for page in pages:
                files += [str(entry["Key"]) for entry in page.get("Contents", ())]
                folders += [str(entry["Prefix"]).removesuffix("/") for entry in page.get("CommonPrefixes", ())]
        return Listing(tuple(files), tuple(folders))

    def _written(self, key: str) -> datetime | None:
        with translated_errors(f"cannot list {self._address(key)}"):
            found = client().list_objects_v2(Bucket=self.name, Prefix=key, MaxKeys=1).get("Contents", ())
        written: dict[str, datetime] = {entry["Key"]: entry["LastModified"] for entry in found}
        return written.get(key)

    def _address(self, key: str) -> str:
        return f"s3://{self.name}/{key}"
