"""The job `live_compare`: what a live record and a backtest of the same ticks differ by; `basis live-compare` there."""

from collections.abc import Sequence
from typing import Any, Literal

import dagster as dg
from pydantic import Field, create_model

from basis_pipeline.config.environment import read_environment
from basis_pipeline.config.wiring import WiredMode
from basis_pipeline.defs.failures import refusals
from basis_pipeline.defs.metadata import Metadata, page_link
from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline.results.live_differences.text import COLUMNS, rows, summary
from basis_pipeline.runs.live.compare import LiveComparison, compare_live
from basis_pipeline.runs.workspace import Workspace

LIVE_COMPARE = "live_compare"
_OP = "replay_and_compare"
_TAGS = {"basis/kind": "backtest"}


class LiveCompareConfig(dg.Config):
    """What is typed in the Launchpad; whose record it is, BASIS_ENVIRONMENT says."""

    mode: str = Field(description="Whose live record is lived again, for example btc_basis.")


def live_compare_jobs(modes: Sequence[WiredMode]) -> list[dg.JobDefinition]:
    """One job whose Launchpad lets choose among the modes; none where there is no mode."""
    if not modes:
        return []
    names: Any = Literal[tuple(mode.name for mode in modes)]
    description = LiveCompareConfig.model_fields["mode"].description
    typed = create_model("LiveCompare", __base__=LiveCompareConfig, mode=(names, Field(description=description)))
    environment = read_environment().environment

    @dg.op(
        name=_OP,
        config_schema=typed.to_fields_dict(),
        description="Replay the journal through the backtest engine: same start, same ticks, the market it saw.",
    )
    def compare(context: dg.OpExecutionContext, workspace: WorkspaceResource) -> None:
        mode, opened = typed(**context.op_config).mode, workspace.open()
        with refusals():
            made = compare_live(opened, mode, environment)
        context.log_event(
            dg.AssetMaterialization(["live", environment, mode, "differences"], metadata=_metadata(opened, made))
        )

    @dg.graph(name=LIVE_COMPARE)
    def live_compare() -> None:
        compare()

    return [
        live_compare.to_job(
            config={"ops": {_OP: {"config": {"mode": modes[0].name}}}},
            tags=_TAGS,
            description=f"What a live record of {environment} and a backtest of the same ticks differ by: fees, "
            "slippage, delays, every source of profit. Choose the mode in the Launchpad; its session may run on.",
        )
    ]


def _metadata(workspace: Workspace, made: LiveComparison) -> Metadata:
    """Numbers are plotted over runs by the UI."""
    found = made.differences
    records = [dg.TableRecord(dict(zip(COLUMNS, row, strict=True))) for row in rows(found)]
    schema = dg.TableSchema([dg.TableColumn(name) for name in COLUMNS])
    return {
        "page": page_link(workspace, made.page),
        "summary": dg.MetadataValue.text(summary(found)),
        "differences": dg.MetadataValue.table(records, schema),
        f"difference ({found.currency})": dg.MetadataValue.float(found.difference),
        "difference (bp)": dg.MetadataValue.float(float(found.gaps_bp[-1])),
        "widest gap (bp)": dg.MetadataValue.float(found.widest_bp),
    }
