"""Expected errors as Dagster shows them: what is wrong, what to do, no retry (the same run would fail again)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from basis_pipeline.domain.errors import BasisError
from basis_pipeline.runs.backtest import MonthRejectedError

CODE, REMEDY, MONTH, GATE = "code", "remedy", "month", "gate"
"""Labels of the metadata of a failure."""


def failure(error: BasisError, rejected_report: dg.MetadataValue | None = None) -> dg.Failure:
    """The failure to raise; `rejected_report` links to the page of a month that a gate kept from being published."""
    metadata: dict[str, dg.MetadataValue] = {CODE: dg.MetadataValue.text(error.code)}
    if error.remedy:
        metadata[REMEDY] = dg.MetadataValue.text(error.remedy)
    if isinstance(error, MonthRejectedError):
        metadata[MONTH] = dg.MetadataValue.text(error.outcome.month)
        metadata[GATE] = dg.MetadataValue.text(error.gate)
    if rejected_report:
        metadata["rejected month"] = rejected_report
    return dg.Failure(str(error), metadata, allow_retries=False)


@contextmanager
def refusals() -> Iterator[None]:
    """Turn an expected error of the block into a failure without retry."""
    try:
        yield
    except BasisError as error:
        raise failure(error) from error
