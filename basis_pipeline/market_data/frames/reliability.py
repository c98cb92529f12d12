"""Which published months an ingestion says must not be used, and the refusal of whoever computes with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from basis_pipeline.domain.errors import DataError
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.frames.requirements import SeriesRef
from basis_pipeline.market_data.validated import ValidatedStore

HOLE = "funding_hole"
"""Settlements that are missing and may not be guessed: refused at the steps they are missing from, not by month."""


def barring(store: ValidatedStore, ref: SeriesRef, months: Iterable[str]) -> Iterator[tuple[str, Finding]]:
    """Month and finding of every reason why one of the published among `months` must not be used."""
    for month in months:
        body = store.published_body(ref.dataset, ref.venue, ref.symbol, month)
        for finding in body.findings if body else ():
            if finding.severity == "ERROR" and finding.rule != HOLE:
                yield month, finding


def require_reliable(store: ValidatedStore, ref: SeriesRef, months: Iterable[str]) -> None:
    """Refuse months of which the ingestion said that they must not be used.

    Raises:
        DataError: the first of them, with the finding that says why.
    """
    for month, finding in barring(store, ref, months):
        raise DataError(
            f"{ref} must not be used in {month}: {finding}",
            remedy="mend its files and ingest them, or choose other months.",
        )
