"""An ingested raw folder and the questions that tests ask of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from basis_pipeline.domain.timeline import month_start
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.reports import FileReport, IngestReport, SeriesReport
from basis_pipeline.market_data.sources.raw_files import FileHead, RawFile, read_head
from basis_pipeline.market_data.validated import ValidatedStore
from basis_pipeline.runs.ingest import ingest
from basis_pipeline.storage.data_root import DataRoot

CONFIGS = Path(__file__).parents[2] / "configs"
_EVER = month_start("2010-01"), month_start("2040-01")


@dataclass(frozen=True)
class World:
    raw: Path
    root: DataRoot
    report: IngestReport

    @property
    def store(self) -> ValidatedStore:
        return ValidatedStore(self.root.validated)

    def series(self, dataset: str, venue: str, symbol: str) -> SeriesReport:
        return next(one for one in self.report.series if one.key == SeriesKey(dataset, venue, symbol))

    def finding(self, rule: str, dataset: str, venue: str, symbol: str) -> Finding:
        """The one finding of a rule for a series."""
        found = [one for one in self.series(dataset, venue, symbol).findings if one.rule == rule]
        assert len(found) == 1, (rule, found)
        return found[0]

    def frame(self, dataset: str, venue: str, symbol: str) -> pd.DataFrame:
        return self.store.read(dataset, venue, symbol, *_EVER).to_pandas()

    def quarantined(self, dataset: str, venue: str, symbol: str) -> pd.DataFrame:
        """The quarantine of all months."""
        publications = self.store.publications(dataset)
        tables = [
            publications.read(one, file.table).to_pandas()
            for one in publications.publications(f"venue={venue}/symbol={symbol}/")
            for file in one.files
            if file.table == f"_quarantine/{dataset}"
        ]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()

    def file(self, name: str) -> FileReport:
        """The report of the one file whose path ends in `name`."""
        return next(file for file in self.report.files if file.path.endswith(name))

    def heads(self) -> dict[str, FileHead]:
        """Heads of all CSV files by name."""
        return {p.name: read_head(RawFile.at(p, self.raw)) for p in sorted(self.raw.rglob("*.csv"))}


def ingest_into(raw: Path, folder: Path) -> World:
    root = DataRoot(folder)
    return World(raw, root, ingest(root, raw, config_dir=CONFIGS))


def stamps(frame: pd.DataFrame) -> np.ndarray:
    """The timestamps of a published table as int64 microseconds."""
    return frame["timestamp"].to_numpy().astype("datetime64[us]").astype(np.int64)
