"""Quality gates as asset checks: one unpartitioned check per gate, with a table of all months of the record.

Partitioned checks would read SKIPPED for every month of a range run. A check never stops a later run, so what keeps
successors of a rejected month from running is that nothing is published for it (see `backtests`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import dagster as dg

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
    return dg.AssetCheckResult(
        check_name=gate.name,
        passed=not violated,
        severity=dg.AssetCheckSeverity.ERROR if failed else dg.AssetCheckSeverity.WARN,
        description=_told(violated) if violated else f"{len(verdicts)} months passed",
        metadata={
            "threshold": dg.MetadataValue.text(verdicts[-1].result.threshold),
            "months": dg.MetadataValue.table([_row(verdict) for verdict in verdicts]),
        },
    )


def _told(violated: Sequence[GateVerdict]) -> str:
    last = violated[-1]
    more = f" (and {len(violated) - 1} more months)" if len(violated) > 1 else ""
    return f"{last.month}: {last.result.message}{more}"


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
        f"**{gate.title}.**\n\nProtects from {gate.protects_from}.\n\n"
        f"* computed: {gate.computed}\n* threshold: {gate.threshold}\n* a violation {consequence}"
    )


def _blocks(gate: GateDescription) -> bool:
    return gate.severity is GateSeverity.ERROR
