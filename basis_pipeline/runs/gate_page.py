"""The page about all quality gates, docs/gates.md, made from their declarations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from basis_pipeline.domain.evidence import GateDescription
from basis_pipeline.runs.records import data_gate_descriptions, gate_descriptions, live_gate_descriptions

_INTRODUCTION = """# Quality gates

Made by `basis gates --markdown`; the declarations are in `basis_pipeline/gates/declared_*.py` and
`basis_pipeline/market_data/gates_of_*.py`. For each gate the tests plant a defect that it has to find.

`basis gates MODE` shows the verdicts on a mode's months; `--check` exits 1 where one failed or is stale. In the Dagster
UI the gates on months are the checks of a mode's asset, those on market data the checks `ingested` and `reliable` of
its dataset, with every finding by the name it has here. Verdicts are kept in the manifest of their month, which is
sealed: the next month, the report, the catalogue and every query refuse a month whose manifest or files were changed.

"""
_MONTHS = """## Months of backtests

Judged before a month is published. A failed ERROR gate keeps the month under `results/rejected/` and stops the months
after it; a violated WARN gate is shown beside the month. Limits are keys of `configs/modes/<mode>.yaml`; a month that
was judged by other gates or other limits than today's is stale.

"""
_LIVE = """## Months of live records

Judged when a month is published, the running one included. Real money is never hidden: a live month is published with
whatever verdict, and its page and `basis live MODE --status` say so. Gates that backtests have too are the same.

"""
_DATA = """## Market data

Judged at ingestion. ERROR: the file or series is not taken and what was published before stays, or, for one month of a
series, runs that need the month refuse it. WARN: it was handled, and whoever uses the figures should know.

"""


def gates_markdown() -> str:
    """All gates with title, purpose, computation, default limit and the keys that set it."""
    months, live, data = gate_descriptions(), live_gate_descriptions(), data_gate_descriptions()
    parts = [_INTRODUCTION, _MONTHS, *_table(months), "\n", _LIVE, *_table(live), "\n", _DATA, *_table(data)]
    return "".join(parts)


def _table(gates: Iterable[GateDescription]) -> Iterator[str]:
    gates = list(gates)
    datasets = any(gate.datasets for gate in gates)
    head = ("gate", "", "what holds", "protects from", "computed", "limit", "set by", *(("of",) if datasets else ()))
    yield _line(head)
    yield _line("---" for _ in head)
    for gate in gates:
        cells = [f"`{gate.name}`", gate.severity.upper(), gate.title, gate.protects_from, gate.computed]
        cells += [gate.threshold, ", ".join(f"`{key}`" for key in gate.configured) or "fixed"]
        yield _line([*cells, *([", ".join(gate.datasets).replace("*", "all")] if datasets else [])])


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"
