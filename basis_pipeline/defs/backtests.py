"""One asset per mode, from one factory: months are partitions, each starts from the checkpoint of the one before.

A range of months is one run, in order. Per month: compute, judge by the gates, publish by one atomic manifest. A month
that a gate rejects is not published; months before it stand and are reported as materialized, later ones do not run.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from basis_pipeline.config.wiring import WiredMode
from basis_pipeline.defs.catalogue import mode_description, mode_metadata
from basis_pipeline.defs.failures import failure
from basis_pipeline.defs.gates import gate_results, gate_specs
from basis_pipeline.defs.metadata import Metadata, month_metadata
from basis_pipeline.defs.partitions import PREVIOUS_MONTH
from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline.defs.signals import modes_signals
from basis_pipeline.domain.errors import BasisError
from basis_pipeline.market_data.requirements import requirements
from basis_pipeline.runs.backtest import MonthRejectedError
from basis_pipeline.runs.records import write_rejected_report
from basis_pipeline.runs.standing import plan_months, record_version
from basis_pipeline.runs.workspace import Workspace

Events = Iterator[dg.MaterializeResult[None] | dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckResult]


def backtest_asset(
    wired: WiredMode, months: dg.MonthlyPartitionsDefinition, models: Sequence[str] = ()
) -> dg.AssetsDefinition:
    """The standing record of one mode. It takes no run config: what it does is in the mode's file.

    `models` are those trained here; a mode that follows one depends on its signals.
    """

    @dg.asset(
        name=wired.name,
        group_name=f"backtests_{wired.file.strategy.shape}",
        description=mode_description(wired),
        metadata=mode_metadata(wired),
        kinds={"python", "parquet"},
        owners=["team:quant-research"],
        tags={"basis/share_class": wired.file.share_class, "basis/asset": wired.file.asset},
        code_version=wired.settings.config_digest[:12],
        partitions_def=months,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[
            *_datasets(wired),
            *modes_signals(wired, models),
            dg.AssetDep(wired.name, partition_mapping=PREVIOUS_MONTH),
        ],
        check_specs=gate_specs(wired.name),
        pool=f"mode_{wired.name}",
    )
    def backtest(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> Events:
        opened, done = workspace.open(), dict[str, Metadata]()
        try:
            plan = plan_months(opened, wired.name, context.partition_keys, run_id=context.run.run_id)
            for series in plan.blocked:
                context.log.warning(str(series))
            for outcome in plan.run():
                done[outcome.month] = month_metadata(outcome)
                context.log.info(f"{wired.name} {outcome.month} is published")
        except BasisError as error:
            yield from _stopped(opened, wired.name, done, error)
        for month, metadata in done.items():
            context.add_asset_metadata(metadata, partition_key=month)
        yield dg.MaterializeResult(data_version=dg.DataVersion(record_version(opened, wired.name)))
        yield from gate_results(opened, wired.name)

    return backtest


def _datasets(wired: WiredMode) -> Sequence[str]:
    """Exactly the datasets the mode reads, each once."""
    return sorted({required.series.dataset for required in requirements(wired.frame_spec)})


def _stopped(workspace: Workspace, mode: str, done: dict[str, Metadata], error: BasisError) -> Events:
    """Report the months that were published before the error, and what the gates say of the one they reject; fail.

    Dagster materializes the partitions of a run only when it succeeds, so those that stand are reported one by one.
    A rejected month is only observed: its figures can be looked at, and its partition stays failed.
    """
    for month, metadata in done.items():
        yield dg.AssetMaterialization(mode, partition=month, metadata=metadata)
    if not isinstance(error, MonthRejectedError):
        yield from gate_results(workspace, mode) if done else ()
        raise failure(error) from error
    yield dg.AssetObservation(mode, partition=error.outcome.month, metadata=month_metadata(error.outcome))
    yield from gate_results(workspace, mode, rejected=error.outcome.month)
    raise failure(error, write_rejected_report(workspace, mode)) from error
