"""The answers of the cookbook, and the published files by themselves."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from basis_pipeline.results.sql.catalog import query
from basis_pipeline.results.store import ResultsStore
from basis_pipeline_tests.docs.pages import COOKBOOK

Rows = list[dict[str, object]]


class Answers:
    """The cookbook's queries answered, and the published files by themselves."""

    def __init__(self, results: Path) -> None:
        self.results = results

    @cache  # noqa: B019 - one object per test run
    def ask(self, sql: str) -> pa.Table:
        return query(ResultsStore(self.results), sql)

    def to(self, question: str, number: int = 0) -> Rows:
        """Rows of the answer to the `number`th query below the heading that begins so."""
        text = COOKBOOK.read_text(encoding="utf-8")
        [section] = [part for part in re.split(r"^### ", text, flags=re.MULTILINE) if part.startswith(question)]
        return self.ask(re.findall(r"```sql\n(.*?)```", section, re.DOTALL)[number]).to_pylist()

    def read(self, table: str, mode: str = "btc_basis", experiment: str = "") -> pd.DataFrame:
        """All months of a table as pandas reads them, `month` from the folder's name."""
        folder = self.results / table / (f"experiment={experiment}" if experiment else "") / f"mode={mode}"
        parts = []
        for month in sorted(folder.iterdir()):
            [file] = month.glob("*.parquet")
            found = pq.read_table(file, partitioning=None).to_pandas()
            parts.append(found.assign(month=month.name.removeprefix("month=")))
        frame = pd.concat(parts, ignore_index=True)
        for name in frame.columns:
            if isinstance(frame[name].dtype, pd.CategoricalDtype):
                frame[name] = frame[name].astype(str)
        return frame


def grown(steps: pd.DataFrame) -> pd.DataFrame:
    """Index of a record from its opening, whose first flow is the capital, step by step in a plain loop."""
    index, before, path = 1.0, float(steps["flow"][0]), []
    for pnl, equity in zip(steps["step_pnl"], steps["equity_share_class"], strict=True):
        index *= 1.0 + pnl / before
        path.append(index)
        before = equity
    return steps.assign(index=path)
