"""The connection to an S3-compatible object store, and what its refusals mean.

Endpoint, region and keys come from where every S3 client takes them, the `AWS_*` variables first of all
(`AWS_ENDPOINT_URL`, `AWS_DEFAULT_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`). boto3 and not `pyarrow.fs`:
locks need conditional writes, and a missing object has to be told from a refused request by its code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from basis_pipeline.domain.errors import ConfigError, StorageError

if TYPE_CHECKING:
    from pyarrow.fs import S3FileSystem

_KEYS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to keys that may list, read, write and delete there."
_REMEDIES = {
    "InvalidAccessKeyId": _KEYS,
    "SignatureDoesNotMatch": _KEYS,
    "AccessDenied": _KEYS,
    "ExpiredToken": "renew the session behind AWS_SESSION_TOKEN.",
    "NoSuchBucket": "create the bucket, or correct BASIS_DATA_DIR.",
    "InvalidBucketName": "correct BASIS_DATA_DIR.",
}
_MISSING = ("NoSuchKey", "404")
_REFUSED = ("PreconditionFailed", "ConditionalRequestConflict")
_ATTEMPTS, _CONNECT_SECONDS, _READ_SECONDS = 5, 5, 60


class ConditionError(Exception):
    """A conditional write was refused: the object is not what the writer thought it was."""


@cache
def client() -> Any:
    """The S3 client of this process; it may be used from several threads.

    Raises:
        ConfigError: boto3 is not installed, or the address of the store is none.
    """
    session = _session()
    from botocore.config import Config  # noqa: PLC0415 - an optional package
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        # Not every compatible store knows AWS's newer checksums; manifests have digests of their own.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    try:
        return session.client("s3", config=config)
    except (BotoCoreError, ValueError) as error:
        raise ConfigError(
            f"the object store cannot be addressed: {type(error).__name__}.",
            remedy="correct AWS_ENDPOINT_URL (http://host:port) and AWS_DEFAULT_REGION.",
        ) from None


@cache
def arrow_filesystem() -> S3FileSystem:
    """The same store with the same keys for Arrow, which fetches only the columns that a query asks for.

    Raises:
        StorageError: there are no keys.
    """
    from pyarrow.fs import S3FileSystem  # noqa: PLC0415 - starts the AWS runtime

    found = _session().get_credentials()
    if found is None:
        raise _no_keys("cannot read the object store")
    keys, store = found.get_frozen_credentials(), client().meta
    return S3FileSystem(
        access_key=keys.access_key,
        secret_key=keys.secret_key,
        session_token=keys.token,
        region=store.region_name,
        endpoint_override=store.endpoint_url,
        connect_timeout=_CONNECT_SECONDS,
        request_timeout=_READ_SECONDS,
    )


@contextmanager
def translated_errors(what: str) -> Iterator[None]:
    """Turn what the store answers while doing `what` into errors of this project; no message has a secret in it.

    Raises:
        FileNotFoundError: the object is not there.
        ConditionError: the condition of a write does not hold.
        StorageError: the store cannot be reached, or refuses.
    """
    client()
    from botocore import exceptions  # noqa: PLC0415 - an optional package

    try:
        yield
    except exceptions.ClientError as error:
        answer = error.response["Error"]
        code, message = answer["Code"], answer.get("Message") or ""
        if code in _MISSING:
            raise FileNotFoundError(what) from None
        if code in _REFUSED:
            raise ConditionError(what) from None
        remedy = _REMEDIES.get(code, "try again; the log of the store knows more.")
        raise _failed(f"{what} at {_endpoint()}: {code}. {message}", remedy) from None
    except (exceptions.NoCredentialsError, exceptions.PartialCredentialsError):
        raise _no_keys(what) from None
    except exceptions.BotoCoreError as error:
        remedy = "see that the store runs and that AWS_ENDPOINT_URL is its address."
        raise _failed(f"{what} at {_endpoint()}: {type(error).__name__}.", remedy) from None


def _failed(message: str, remedy: str) -> StorageError:
    return StorageError(message, code="STORE-007", remedy=remedy)


def _no_keys(what: str) -> StorageError:
    return _failed(f"{what}: no keys are set.", _KEYS)


def _endpoint() -> str:
    """Scheme, host and port of the store, without whatever else its address may hold."""
    parts = urlsplit(client().meta.endpoint_url)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")


@cache
def _session() -> Any:
    try:
        import boto3  # noqa: PLC0415 - an optional package
    except ImportError as error:
        remedy = "install it: pip install -c constraints.txt -e '.[cluster]'"
        raise ConfigError("a data root on object storage needs the package boto3.", remedy=remedy) from error
    return boto3.session.Session()
