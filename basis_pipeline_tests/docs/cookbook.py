"""The answers in docs/cookbook.md; `make cookbook` writes them anew."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from basis_pipeline.results.sql.catalog import query
from basis_pipeline.results.store import ResultsStore
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.docs.checkout import make_checkout
from basis_pipeline_tests.docs.pages import COOKBOOK, ROOT, fences
from basis_pipeline_tests.sample_runs import ingest_sample, run_sample

_ANSWERED = re.compile(r"(```sql\n(.*?)```\n\n<!-- answer -->\n```text\n).*?(```)", re.DOTALL)


def shown(answer: pa.Table) -> str:
    """The answer in columns of equal width."""
    rows = [answer.column_names, *([_cell(value) for value in row.values()] for row in answer.to_pylist())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
    return "\n".join(lines) + "\n"


def _cell(value: object) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def answered(text: str, ask: Callable[[str], pa.Table]) -> str:
    """The page with every answer replaced by that of `ask`."""
    return _ANSWERED.sub(lambda found: f"{found[1]}{shown(ask(found[2]))}{found[3]}", text)


def main() -> None:
    """Run the sample and the page's experiment in a folder of their own, and write the answers into the page."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace(Path(folder) / "root", ROOT / "configs")
        ingest_sample(workspace)
        run_sample(workspace)
        checkout = make_checkout(Path(folder) / "checkout", Path(folder) / "root")
        for fence in fences(COOKBOOK):
            if fence.language == "sh":
                checkout.execute(fence)
        store = ResultsStore(checkout.folder / "data" / "sample" / "results")
        page = answered(COOKBOOK.read_text(encoding="utf-8"), lambda sql: query(store, sql))
        COOKBOOK.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
