"""What can be asked of published records: summaries, verdicts, exports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from basis_pipeline.config.wiring import WiredMode, wire_mode
from basis_pipeline.domain.errors import ConfigError, StateError
from basis_pipeline.domain.evidence import GateDescription, GateResult, GateStatus
from basis_pipeline.gates.registry import Summary, describe, describe_live, summary
from basis_pipeline.market_data.gates import DATA_GATES
from basis_pipeline.results.export import export_csv
from basis_pipeline.results.metrics import Metric
from basis_pipeline.results.ranges import RANGE_TABLES, range_metrics
from basis_pipeline.runs.backtest import MonthOutcome
from basis_pipeline.runs.freshness import outdated_months
from basis_pipeline.runs.months import stale_months
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.locations import Location

__all__ = [
    "GateDescription",
    "GateVerdict",
    "RecordSummary",
    "check_names",
    "data_gate_descriptions",
    "export",
    "gate_descriptions",
    "gate_verdicts",
    "live_gate_descriptions",
    "published_outcome",
    "stale",
    "summarise",
]

YIELDS = ("pnl_funding", "pnl_supply_yield", "pnl_staking_yield", "pnl_staking_rewards", "pnl_borrow_costs")
"""Metrics that add up to what a book was paid for holding it."""


@dataclass(frozen=True)
class RecordSummary:
    """One line about a record.

    Attributes:
        mode, experiment: which record; `experiment` is None for the standing one.
        first, last, months: the months it covers.
        metrics: all figures of the whole range by name (see results.metrics).
        gates: passed, warned and failed over all months.
        stale: months that do not continue the published month before them or, in a standing record, changed otherwise.
        share_class: currency of the figures.
    """

    mode: str
    experiment: str | None
    first: str
    last: str
    months: int
    metrics: Mapping[str, float | None]
    gates: Summary
    stale: tuple[str, ...]
    share_class: str

    @property
    def income(self) -> float:
        """Funding and yields, share class."""
        return sum(self.metrics.get(name) or 0.0 for name in YIELDS)

    @property
    def costs(self) -> float:
        """Fees, slippage and gas, share class, negative = paid."""
        return self.metrics.get("pnl_transaction_costs") or 0.0


def summarise(workspace: Workspace, mode: str, experiment: str | None = None) -> RecordSummary:
    """Figures of all published months of a record; StateError if there are none."""
    results = workspace.results
    months = results.months(mode, experiment)
    if not months:
        raise StateError(f"nothing is published for {mode} in {results.base}.", remedy=f"run `basis backtest {mode}`.")
    manifests = [results.manifest(mode, month, experiment) for month in months]
    tables = [{name: results.read_month(mode, month, name, experiment) for name in RANGE_TABLES} for month in months]
    metrics = range_metrics(tables, opening=manifests[0].predecessor is None)
    gates = [result for manifest in manifests for result in manifest.gates]
    return RecordSummary(
        mode=mode,
        experiment=experiment,
        first=months[0],
        last=months[-1],
        months=len(months),
        metrics={metric.metric: metric.value for metric in metrics},
        gates=summary(gates),
        stale=tuple(stale(workspace, mode, experiment)),
        share_class=manifests[-1].share_class,
    )


def published_outcome(workspace: Workspace, mode: str, month: str) -> MonthOutcome:
    """A month of the standing record as the run that published it saw it, of its tables only `timesteps`."""
    results = workspace.results
    published = results.get(mode, month)
    metrics = results.read(published, "metrics").to_pylist()
    steps = results.read(published, "timesteps")
    return MonthOutcome(published, tuple(Metric(**row) for row in metrics), {"timesteps": steps})


def export(
    workspace: Workspace,
    mode: str,
    *,
    out: Path | None = None,
    zipped: bool = False,
    experiment: str | None = None,
    months: Sequence[str] | None = None,
) -> Location:
    """Write every table of a record, or of some of its months, as CSV; return the folder or the zip."""
    check_names(workspace, mode, experiment)
    folder = out or workspace.root.results / "exports"
    return export_csv(workspace.results, mode, out=folder, months=months, zipped=zipped, experiment=experiment)


def stale(workspace: Workspace, mode: str, experiment: str | None = None) -> list[str]:
    """Published months that have to be run again. Of experiments and modes without a file only the chain is checked."""
    if experiment or mode not in workspace.config.modes():
        return stale_months(workspace.results, mode, experiment)
    return outdated_months(workspace, wire_mode(workspace.config, mode))


@dataclass(frozen=True)
class GateVerdict:
    """One gate on one month. `kept` says where: `published`, or `rejected` and not part of the record."""

    month: str
    kept: str
    result: GateResult

    @property
    def failed(self) -> bool:
        return self.result.status is GateStatus.FAILED


def gate_descriptions(wired: WiredMode | None = None) -> list[GateDescription]:
    """Every gate on months in words, with the limits of a mode or, without one, the default limits."""
    return describe(wired.profile.thresholds if wired else None)


def live_gate_descriptions() -> list[GateDescription]:
    """Every gate on months of live records in words."""
    return describe_live()


def data_gate_descriptions() -> list[GateDescription]:
    """Every gate on market data in words."""
    return list(DATA_GATES)


def gate_verdicts(workspace: Workspace, mode: str) -> list[GateVerdict]:
    """Verdicts on all published and rejected months of a mode, in month order.

    Raises:
        StateError: there is none.
        StorageError: a manifest or a file of the record was changed since it was published.
    """
    check_names(workspace, mode)
    for month in workspace.results.months(mode):
        workspace.results.publications.verify(workspace.results.get(mode, month).publication)
    verdicts = [
        GateVerdict(month, kept, result)
        for kept, store in (("published", workspace.results), ("rejected", workspace.results.rejected))
        for month in store.months(mode)
        for result in store.manifest(mode, month).gates
    ]
    if not verdicts:
        raise StateError(f"nothing is published for {mode}.", remedy=f"run `basis backtest {mode}`.")
    return sorted(verdicts, key=lambda verdict: (verdict.month, verdict.kept))


def check_names(workspace: Workspace, mode: str, experiment: str | None = None) -> None:
    """Raise ConfigError for a mode that is neither configured nor published, or an experiment that is not there."""
    results = workspace.results
    wanted = {"mode": (mode, {*workspace.config.modes(), *results.modes(), *results.rejected.modes()})}
    if experiment is not None:
        wanted["experiment"] = (experiment, {*results.experiments(), *results.rejected.experiments()})
        wanted["mode"][1].update(results.modes(experiment))
    for kind, (name, known) in wanted.items():
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            raise ConfigError(f"there is no {kind} {name!r}.", remedy=f"known are {listed}.")
