"""One asset per model that is trained here: its signals, month by month, and what they were worth out of sample."""

from collections.abc import Sequence

import dagster as dg

from basis_pipeline.config.wiring import WiredMode
from basis_pipeline.defs.failures import refusals
from basis_pipeline.defs.metadata import Metadata
from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline.domain.evidence import Estimate
from basis_pipeline.runs.signals import CANDLES, SignalMonth, signals_version, train_signals, warm_up
from basis_pipeline.runs.workspace import Workspace

_COLUMNS = [
    dg.TableColumn(name)
    for name in ("month", "trained on", "rows", "AUC", "hit rate", "edge before costs, bp", "skill")
]


def signals_name(model: str) -> str:
    return f"{model}_signals"


def signals_asset(model: str, description: str) -> dg.AssetsDefinition:
    """Trains what changed; a month whose candles, model file and code are the same is left alone."""

    @dg.asset(
        name=signals_name(model),
        group_name="models",
        description=f"{description}\n\nThe model of a month has seen earlier months only. A signal is stamped with the "
        "bar open at which it may be acted on.",
        kinds={"python", "parquet"},
        owners=["team:quant-research"],
        deps=[CANDLES],
        pool="market_data",
    )
    def signals(workspace: WorkspaceResource) -> dg.MaterializeResult[None]:
        with refusals():
            opened = workspace.open()
            months = train_signals(opened, model)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(signals_version(opened, model)),
            metadata=signals_metadata(opened, model, months),
        )

    return signals


def signals_metadata(workspace: Workspace, model: str, months: Sequence[SignalMonth]) -> Metadata:
    """What `months` of signals are, and what they were worth out of sample."""
    learnt = warm_up(workspace, model)
    shown = sum(month.evidence.skill is not None and month.evidence.skill.shown for month in months)
    return {
        "months": dg.MetadataValue.int(len(months)),
        "warm-up, without a prediction": dg.MetadataValue.text(f"{learnt[0]} to {learnt[-1]}" if learnt else "none"),
        "months trained now": dg.MetadataValue.int(sum(month.trained for month in months)),
        "months with skill": dg.MetadataValue.int(shown),
        "out of sample": dg.MetadataValue.table([_row(month) for month in months], dg.TableSchema(_COLUMNS)),
    }


def modes_signals(wired: WiredMode, models: Sequence[str]) -> list[str]:
    """The asset of the model that a mode follows, if it is trained here."""
    series = wired.frame_spec.signals
    return [signals_name(series.venue)] if series and series.venue in models else []


def _row(month: SignalMonth) -> dg.TableRecord:
    evidence, skill = month.evidence, month.evidence.skill
    cells = (
        month.month,
        f"{evidence.training_months[0]} … {evidence.training_months[1]}",
        f"{evidence.rows:,}",
        _told(skill.auc) if skill else "",
        _told(skill.hit_rate) if skill else "",
        f"{skill.edge.value * 1e4:.2f}" if skill else "",
        "too few outcomes" if skill is None else "shown" if skill.shown else "none",
    )
    return dg.TableRecord(dict(zip((column.name for column in _COLUMNS), cells, strict=True)))


def _told(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"
