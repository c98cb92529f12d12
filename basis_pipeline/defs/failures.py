"""Expected errors as Dagster shows them: what is wrong, what to do, no retry (the same run would fail again)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from basis_pipeline.domain.errors import BasisError
from basis_pipeline.storage.locations import Location


def failure(error: BasisError, rejected_report: Location | None = None) -> dg.Failure:
    """The failure to raise; `rejected_report` is the page of a month that a gate kept from being published."""
    metadata: dict[str, dg.MetadataValue] = {"code": dg.MetadataValue.text(error.code)}
    if error.remedy:
        metadata["remedy"] = dg.MetadataValue.text(error.remedy)
    if rejected_report:
        metadata["rejected month"] = dg.MetadataValue.path(str(rejected_report))
    return dg.Failure(str(error), metadata, allow_retries=False)


@contextmanager
def refusals() -> Iterator[None]:
    """Turn an expected error of the block into a failure without retry."""
    try:
        yield
    except BasisError as error:
        raise failure(error) from error
