"""The use case `ingest`: raw vendor files become validated market data of a data root."""

from __future__ import annotations

from pathlib import Path

from basis_pipeline.domain.progress import ProgressCallback
from basis_pipeline.market_data.corrections import load_corrections
from basis_pipeline.market_data.reports import DatasetSummary, FileReport, IngestReport, SeriesReport
from basis_pipeline.storage.data_root import DataRoot
from basis_pipeline.storage.files import exclusive_lock

__all__ = ["DatasetSummary", "FileReport", "IngestReport", "SeriesReport", "ingest"]


def ingest(root: DataRoot, raw: Path, *, config_dir: Path, progress: ProgressCallback | None = None) -> IngestReport:
    """Read every vendor file below `raw` and publish what changed below `root.validated`.

    A broken file stops its own series only, and what was published of it stays. The report names everything; the caller
    exits 1 if `report.errors` is not empty. `progress` is called as (what, done, total): for files, then for series.

    Raises:
        ConfigError: the root belongs to another source of data, or a file in `config_dir`/data is wrong.
        DataError: `raw` does not exist.
        StorageError: another ingestion runs, or something cannot be written; earlier publications stay whole.
    """
    from basis_pipeline.market_data.ingestion import Ingestion  # noqa: PLC0415 - pandas, and only to ingest

    corrections = load_corrections(config_dir)
    with exclusive_lock(root.path / "ingest.lock", purpose="ingestion"):
        kind = root.info.kind if root.info else "vendor"
        ingestion = Ingestion(raw, root.validated, corrections, progress or _silent)
        root.claim(kind, raw)
        return ingestion.run()


def _silent(_what: str, _done: int, _total: int) -> None:
    return
