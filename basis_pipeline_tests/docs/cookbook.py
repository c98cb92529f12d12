"""The answers in docs/cookbook.md, written anew: python -m basis_pipeline_tests.docs.cookbook <sample root>."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from basis_pipeline.results.catalog import query
from basis_pipeline.results.store import ResultsStore
from basis_pipeline_tests.docs.pages import COOKBOOK

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


def main(root: Path) -> None:
    store = ResultsStore(root / "results")
    COOKBOOK.write_text(answered(COOKBOOK.read_text(encoding="utf-8"), lambda sql: query(store, sql)), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
