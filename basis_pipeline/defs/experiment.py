"""The `experiment` job: one mode with overrides, over months of its own, beside the standing record."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import dagster as dg
from pydantic import Field, create_model

from basis_pipeline.config.loading import parse_overrides
from basis_pipeline.config.models import ModeFile
from basis_pipeline.defs.failures import failure, refusals
from basis_pipeline.defs.metadata import page_link, record_metadata
from basis_pipeline.defs.partitions import FIRST_MONTH
from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline.domain.timeline import shift_month
from basis_pipeline.runs.backtest import MonthRejectedError, plan_backtest
from basis_pipeline.runs.compare import ComparisonReport, compare_with_standing, written
from basis_pipeline.runs.records import summarise
from basis_pipeline.runs.reports import write_rejected_report, write_reports
from basis_pipeline.runs.workspace import Workspace

EXPERIMENT = "experiment"
_OP = "run_experiment"
_TAGS = {"basis/kind": "backtest"}


class ExperimentConfig(dg.Config):
    """What is typed in the Launchpad. All of it is shown; nothing hides behind an empty value."""

    mode: str = Field(default="", description="The mode that is varied: a file of configs/modes.")
    name: str = Field(
        default="launchpad",
        description="Name that its results are found under, in SQL as experiments.* and by `basis compare`. One that "
        "another experiment has is refused.",
    )
    replace: bool = Field(default=False, description="true: takes the place of an experiment of the same name.")
    first_month: str = Field(
        default=FIRST_MONTH, description="First month, YYYY-MM: the experiment opens at its start with its capital."
    )
    last_month: str = Field(default=shift_month(FIRST_MONTH, 2), description="Last month, YYYY-MM, included.")
    capital: float = Field(
        default=0.0, description="Capital to begin with, in the mode's share class: USDT, ETH or BTC, not dollars."
    )
    overrides: list[str] = Field(
        default=[],
        description="Keys of the mode's file to set otherwise, each as key=value: `strategy.spot_fraction=0.5`, "
        "`margin_ratio.derisk=0.3`. Empty: only capital and months differ.",
    )

    def all_overrides(self) -> Mapping[str, Any]:
        return {"initial_capital": self.capital} | parse_overrides(self.overrides)


def experiment_jobs(modes: Sequence[ModeFile]) -> list[dg.JobDefinition]:
    """`experiment`, whose Launchpad opens with the first mode, and the same with a preset per mode to pick there."""
    if not modes:
        return []
    config_type = _config_type(modes)
    capital = {mode.mode: mode.initial_capital for mode in modes}

    @dg.op(
        name=_OP,
        config_schema=config_type.to_fields_dict(),
        description="Run the months, publish them beside the standing record, write the page.",
    )
    def run(context: dg.OpExecutionContext, workspace: WorkspaceResource) -> None:
        _run(context, config_type(**context.op_config), workspace.open())

    @dg.graph(name=EXPERIMENT, description="One mode with overrides, beside its standing record, which stays as it is.")
    def experiment() -> None:
        run()

    @dg.static_partitioned_config(partition_keys=list(capital))
    def preset(mode: str) -> Mapping[str, Any]:
        return _typed(config_type(mode=mode, capital=capital[mode]))

    return [
        experiment.to_job(config=_typed(config_type()), tags=_TAGS),
        experiment.to_job(
            name=f"{EXPERIMENT}_presets",
            config=preset,
            tags=_TAGS,
            description="The same with a preset per mode: pick it as a partition in the Launchpad, edit, run.",
        ),
    ]


def _typed(config: ExperimentConfig) -> dict[str, Any]:
    """Run configuration as Dagster wants it."""
    return {"ops": {_OP: {"config": config.model_dump()}}}


def _config_type(modes: Sequence[ModeFile]) -> type[ExperimentConfig]:
    """The configuration with the names of the modes as its only choices, the first of them preset."""
    first, fields = modes[0], ExperimentConfig.model_fields
    names: Any = Literal[tuple(mode.mode for mode in modes)]
    return create_model(
        "Experiment",
        __base__=ExperimentConfig,
        mode=(names, Field(default=first.mode, description=fields["mode"].description)),
        capital=(float, Field(default=first.initial_capital, description=fields["capital"].description)),
    )


def _run(context: dg.OpExecutionContext, config: ExperimentConfig, workspace: Workspace) -> None:
    with refusals():
        plan = plan_backtest(
            workspace,
            config.mode,
            first=config.first_month,
            last=config.last_month,
            overrides=config.all_overrides(),
            experiment=config.name,
            replace=config.replace,
            run_id=context.run_id,
        )
        try:
            for outcome in plan.run():
                context.log.info(f"{config.mode} {outcome.month} of {config.name} is published")
        except MonthRejectedError as error:
            rejected = write_rejected_report(workspace, config.mode, config.name)
            raise failure(error, page_link(workspace, rejected)) from error
        page = write_reports(workspace, config.mode, config.name)
        record = summarise(workspace, config.mode, config.name)
        compared = compare_with_standing(workspace, config.mode, config.name)
    metadata = {"page": page_link(workspace, page), **_compared(workspace, compared), **record_metadata(record)}
    context.log_event(dg.AssetMaterialization([EXPERIMENT, config.name, config.mode], metadata=metadata))


def _compared(workspace: Workspace, report: ComparisonReport | None) -> dict[str, dg.MetadataValue]:
    """The experiment beside the standing record, over the months that both have."""
    if report is None:
        return {}
    found = report.comparison
    columns = ("figure", *found.names)
    figures = [
        (row.title, *(written(row.form, value, found.currency) for value in row.values)) for row in report.figures
    ]
    differing = [(one.key, *(value or "" for value in one.values)) for one in report.differences]
    return {
        "compared with the standing record": page_link(workspace, report.page),
        "figures": _rows(columns, figures),
        "configured differently": _rows(("key", *found.names), differing),
    }


def _rows(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> dg.MetadataValue:
    schema = dg.TableSchema([dg.TableColumn(name) for name in columns])
    return dg.MetadataValue.table([dg.TableRecord(dict(zip(columns, row, strict=True))) for row in rows], schema)
