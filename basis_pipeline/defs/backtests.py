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
from basis_pipeline.defs.jobs import NEW_WARNINGS
from basis_pipeline.defs.metadata import month_metadata, page_link
from basis_pipeline.defs.partitions import PREVIOUS_MONTH
from basis_pipeline.defs.provenance import Tags, code_version, content_version, inputs_name, observe_inputs, provenance
from basis_pipeline.defs.published import published_metadata
from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline.domain.errors import BasisError, ConfigError
from basis_pipeline.runs.backtest import MonthOutcome, MonthRejectedError
from basis_pipeline.runs.reports import write_rejected_report
from basis_pipeline.runs.standing import new_warnings, plan_months, warned_gates
from basis_pipeline.runs.workspace import Workspace

Events = Iterator[dg.MaterializeResult[None] | dg.AssetMaterialization | dg.AssetObservation | dg.AssetCheckResult]


def backtest_asset(wired: WiredMode, months: dg.MonthlyPartitionsDefinition) -> dg.AssetsDefinition:
    """The standing record of one mode. It takes no run config: what it does is in the mode's file."""

    @dg.asset(
        name=wired.name,
        group_name=f"backtests_{wired.file.strategy.shape}",
        description=mode_description(wired),
        metadata=mode_metadata(wired),
        kinds={"python", "parquet"},
        owners=["team:quant-research"],
        tags={"basis/share_class": wired.file.share_class, "basis/asset": wired.file.asset},
        code_version=code_version(wired.settings.config_digest),
        partitions_def=months,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[inputs_name(wired.name), dg.AssetDep(wired.name, partition_mapping=PREVIOUS_MONTH)],
        check_specs=gate_specs(wired.name),
        pool=f"mode_{wired.name}",
    )
    def backtest(context: dg.AssetExecutionContext, workspace: WorkspaceResource) -> Events:
        opened, done = workspace.open(), list[MonthOutcome]()
        try:
            warned = warned_gates(opened, wired.name)
            plan = plan_months(opened, wired.name, context.partition_keys, run_id=context.run.run_id)
            for series in plan.blocked:
                context.log.warning(str(series))
            for outcome in plan.run():
                done.append(outcome)
                context.log.info(f"{wired.name} {outcome.month} is published")
        except BasisError as error:
            yield from _stopped(context.instance, opened, wired.name, done, error)
        for outcome in done:
            context.add_asset_metadata(published_metadata(outcome), partition_key=outcome.month)
        if news := new_warnings(warned, {outcome.month: outcome.gates for outcome in done}):
            context.instance.add_run_tags(context.run.run_id, {NEW_WARNINGS: news})
        yield dg.MaterializeResult(tags=_provenance(context.instance, done))
        yield from gate_results(opened, wired.name)

    return backtest


def broken_mode(mode: str, error: ConfigError, months: dg.MonthlyPartitionsDefinition) -> dg.AssetsDefinition:
    """What stands for a mode whose file is wrong: the other modes load, and this one says why it does not run."""

    @dg.asset(
        name=mode,
        group_name="broken_modes",
        description=f"**This mode cannot run: its file is wrong.**\n\n{error}\n\nMend the file, then reload the "
        "definitions. What is published of it stays.",
        kinds={"yaml"},
        owners=["team:quant-research"],
        partitions_def=months,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=f"mode_{mode}",
    )
    def broken() -> None:
        raise failure(error) from error

    return broken


def _provenance(instance: dg.DagsterInstance, done: Sequence[MonthOutcome]) -> Tags:
    """Tags of months that a run just published, after the versions of their inputs."""
    manifest = done[0].published.manifest
    made_of = {outcome.month: outcome.published.manifest.data_version for outcome in done}
    position = observe_inputs(instance, manifest.mode, made_of)
    content = content_version(outcome.published for outcome in done)
    return provenance(manifest.mode, manifest.config_digest, content, position)


def _stopped(
    instance: dg.DagsterInstance, workspace: Workspace, mode: str, done: Sequence[MonthOutcome], error: BasisError
) -> Events:
    """Report the months that were published before the error, and what the gates say of the one they reject; fail.

    Dagster materializes the partitions of a run only when it succeeds, so those that stand are reported one by one.
    A rejected month is only observed: its figures can be looked at, and its partition stays failed.
    """
    for outcome in done:
        tags = _provenance(instance, [outcome])
        yield dg.AssetMaterialization(mode, partition=outcome.month, metadata=published_metadata(outcome), tags=tags)
    if not isinstance(error, MonthRejectedError):
        yield from gate_results(workspace, mode) if done else ()
        raise failure(error) from error
    yield dg.AssetObservation(mode, partition=error.outcome.month, metadata=month_metadata(error.outcome))
    yield from gate_results(workspace, mode, rejected=error.outcome.month)
    raise failure(error, page_link(workspace, write_rejected_report(workspace, mode))) from error
