"""One asset per model that is trained here: its signals, month by month, and what they were worth out of sample."""

from collections.abc import Sequence

import dagster as dg

from basis_pipeline.config.wiring import WiredMode
from basis_pipeline.defs.failures import refusals
from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline.domain.evidence import Estimate
from basis_pipeline.runs.signals import CANDLES, SignalMonth, signals_version, train_signals, warm_up


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
            months, learnt = train_signals(opened, model), warm_up(opened, model)
        shown = sum(month.evidence.skill is not None and month.evidence.skill.shown for month in months)
        return dg.MaterializeResult(
            data_version=dg.DataVersion(signals_version(opened, model)),
            metadata={
                "months": len(months),
                "warm-up, without a prediction": f"{learnt[0]} to {learnt[-1]}",
                "months trained now": sum(month.trained for month in months),
                "months with skill": shown,
                "out of sample": dg.MetadataValue.table([_row(month) for month in months]),
            },
        )

    return signals


def modes_signals(wired: WiredMode, models: Sequence[str]) -> list[str]:
    """The asset of the model that a mode follows, if it is trained here."""
    series = wired.frame_spec.signals
    return [signals_name(series.venue)] if series and series.venue in models else []


def _row(month: SignalMonth) -> dg.TableRecord:
    evidence, skill = month.evidence, month.evidence.skill
    return dg.TableRecord(
        {
            "month": month.month,
            "trained on": f"{evidence.training_months[0]} … {evidence.training_months[1]}",
            "rows": evidence.rows,
            "AUC": _told(skill.auc) if skill else "",
            "hit rate": _told(skill.hit_rate) if skill else "",
            "edge before costs, bp": round(skill.edge.value * 1e4, 2) if skill else 0.0,
            "skill": "too few outcomes" if skill is None else "shown" if skill.shown else "none",
        }
    )


def _told(estimate: Estimate) -> str:
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"
