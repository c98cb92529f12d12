"""Quality gates as asset checks: one unpartitioned check per gate, with a table of all months of the record.

Partitioned checks would read SKIPPED for every month of a range run. A check never stops a later run, so what keeps
successors of a rejected month from running is that nothing is published for it (see `backtests`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import dagster as dg

from basis_pipeline.defs.metadata import Metadata
from basis_pipeline.domain.evidence import GateSeverity, GateStatus
from basis_pipeline.runs.records import GateDescription, GateVerdict, gate_descriptions, gate_verdicts
from basis_pipeline.runs.workspace import Workspace


def gate_specs(mode: str) -> list[dg.AssetCheckSpec]:
    return [
        dg.AssetCheckSpec(gate.name, asset=mode, blocking=_blocks(gate), description=_described(gate))
        for gate in gate_descriptions()
    ]


def gate_results(workspace: Workspace, mode: str, rejected: str | None = None) -> Iterator[dg.AssetCheckResult]:
    """The verdicts on every published month of `mode`, and on the month that this run saw rejected, by gate."""
    verdicts = [
        verdict
        for verdict in gate_verdicts(workspace, mode)
        if verdict.kept == "published" or verdict.month == rejected
    ]
    for gate in gate_descriptions():
        # Months that were published before there was such a gate have no verdict.
        if found := [verdict for verdict in verdicts if verdict.result.gate == gate.name]:
            yield _result(gate, found)


def _result(gate: GateDescription, verdicts: Sequence[GateVerdict]) -> dg.AssetCheckResult:
    violated = [verdict for verdict in verdicts if verdict.result.status is not GateStatus.PASSED]
    failed = any(verdict.failed for verdict in violated)
    latest_first = sorted(verdicts, key=lambda verdict: verdict.month, reverse=True)
    shown = sorted(latest_first, key=lambda verdict: verdict.result.status is GateStatus.PASSED)
    metadata: Metadata = {
        "limit": dg.MetadataValue.text((violated or verdicts)[-1].result.threshold),
        "months": dg.MetadataValue.table([_row(verdict) for verdict in shown]),
    }
    if violated:
        # The UI sorts by name, and this is to be read first.
        metadata |= {"action": dg.MetadataValue.md(_remedy(gate, violated[-1]))}
    return dg.AssetCheckResult(
        check_name=gate.name,
        passed=not violated,
        severity=dg.AssetCheckSeverity.ERROR if failed else dg.AssetCheckSeverity.WARN,
        description=_told(violated) if violated else f"{len(verdicts)} months passed",
        metadata=metadata,
    )


def _told(violated: Sequence[GateVerdict]) -> str:
    """Month, what was found, what it was held against."""
    last = violated[-1]
    more = f" Also {', '.join(verdict.month for verdict in violated[:-1])}." if len(violated) > 1 else ""
    return f"{last.month}: {last.result.message}; limit: {last.result.threshold}.{more}"


def _remedy(gate: GateDescription, verdict: GateVerdict) -> str:
    """A rejected month is not published and has a page of its own; a warning leaves everything as it is."""
    if not verdict.failed:
        return (
            f"{verdict.month} is published. Judge whether its figures can be relied on: protects from {_set_by(gate)}"
        )
    return (
        f"{verdict.month} is **not published** and later months do not run. Its page is linked from the failed run "
        f"(`rejected month`), its tables are below `results/rejected/`. Find the cause there, mend data or "
        f"configuration, and materialize {verdict.month} again: protects from {_set_by(gate)}"
    )


def _set_by(gate: GateDescription) -> str:
    keys = ", ".join(f"`{key}`" for key in gate.configured)
    return f"{gate.protects_from}." + (f" The limit is set by {keys} in the mode's file." if keys else "")


def _row(verdict: GateVerdict) -> dg.TableRecord:
    found = verdict.result
    return dg.TableRecord(
        {
            "month": verdict.month,
            "status": found.status.value,
            "value": "" if found.value is None else f"{found.value:.3g}",
            "found": found.message,
            "kept": verdict.kept,
        }
    )


def _described(gate: GateDescription) -> str:
    consequence = "keeps the month from being published" if _blocks(gate) else "is shown beside the month"
    return (
        f"**{gate.title}.**\n\nProtects from {_set_by(gate)}\n\n"
        f"* computed: {gate.computed}\n* limit: {gate.threshold}\n* a violation {consequence}"
    )


def _blocks(gate: GateDescription) -> bool:
    return gate.severity is GateSeverity.ERROR
