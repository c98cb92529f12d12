"""Keeps the instance true to what is on disk: the sensor `published_months` reports what was published without Dagster.

The record is the manifests below `results/`; `basis run` and `basis backtest` write it as runs of Dagster do. The
sensor is the only writer beside those runs: it ticks in the daemon, compares, and reports months, gates and pages that
the instance does not know, each once. It also observes the inputs of every month, which is what makes months stale in
the UI (see `provenance`). Market data are told of by `ingested_market_data`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from datetime import datetime

import dagster as dg

from basis_pipeline.config.wiring import WiredMode, wire_mode
from basis_pipeline.defs.gates import gate_results
from basis_pipeline.defs.jobs import is_being_written, months_job_name
from basis_pipeline.defs.metadata import Metadata, month_metadata, page_link
from basis_pipeline.defs.provenance import content_version, observe_inputs, provenance
from basis_pipeline.defs.reports import report_name
from basis_pipeline.defs.resources import WorkspaceResource
from basis_pipeline.domain.errors import BasisError
from basis_pipeline.results.sql.catalog import CATALOGUE
from basis_pipeline.results.store import PublishedMonth
from basis_pipeline.runs.backtest import MonthOutcome
from basis_pipeline.runs.freshness import versions_today
from basis_pipeline.runs.records import published_outcome
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.digests import text_digest
from basis_pipeline.storage.locations import Location, written_at

EVERY_SECONDS = 30
SECONDS_PER_TICK = 20.0
"""A tick has to end within a minute, also on a busy machine; what is left is reported by the next ones."""

_GENERATION = "generation"


def published_metadata(outcome: MonthOutcome) -> Metadata:
    """Figures of a month, and the generation by which the sensor knows that it is reported."""
    return {**month_metadata(outcome), _GENERATION: dg.MetadataValue.text(outcome.published.generation)}


def published_months(modes: Sequence[str]) -> dg.SensorDefinition:
    """The sensor over the records of `modes`."""

    @dg.sensor(
        name="published_months",
        minimum_interval_seconds=EVERY_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Reports months, gates and pages that were published without Dagster (`basis run`, `basis "
        "backtest`), and observes the inputs of all published months, so that stale ones are shown as such.",
    )
    def reports_published(context: dg.SensorEvaluationContext, workspace: WorkspaceResource) -> dg.SkipReason:
        opened, known = workspace.open(), json.loads(context.cursor or "{}")
        told, left, until = list[str](), False, time.monotonic() + SECONDS_PER_TICK
        for mode in modes:
            if left or is_being_written(context.instance, (months_job_name(mode),), (mode,)):
                continue
            try:
                record = _Record(context.instance, opened, mode)
                state = record.state()
                if known.get(mode) != state:
                    months, left = record.report(until)
                    told += [f"{mode} {months[0]} to {months[-1]}"] if months else []
                    known[mode] = "" if left else state
            except BasisError as error:
                context.log.warning(f"{mode} is not reported: {error}")
        if not left:
            _report_shared(context.instance, opened)
        context.update_cursor(json.dumps(known))
        return dg.SkipReason(f"reported {', '.join(told)}" if told else "everything that is published is known")

    return reports_published


class _Record:
    """The standing record of one mode on disk, and what the instance knows of it."""

    def __init__(self, instance: dg.DagsterInstance, workspace: Workspace, mode: str) -> None:
        self.instance, self.workspace, self.mode = instance, workspace, mode
        self.wired: WiredMode = wire_mode(workspace.config, mode)
        self.months = [workspace.results.get(mode, month) for month in workspace.results.months(mode)]

    def state(self) -> str:
        """Digest of all that is reported: what is published, what a run would read today, which pages there are."""
        generations = [f"{month.manifest.month}={month.generation}" for month in self.months]
        page = self.workspace.results.report_path(self.mode)
        written = str(written_at(page)) if page.exists() else ""
        return text_digest(*generations, *versions_today(self.workspace, self.wired).values(), written)

    def report(self, until: float) -> tuple[list[str], bool]:
        """Report the months that the instance does not know, then the rest; the months, and whether some are left.

        None is begun after `until` on the monotonic clock, but for the first: every tick gets further.
        """
        unknown, reported = [month for month in self.months if not self._is_known(month)], list[str]()
        for month in unknown:
            if reported and time.monotonic() > until:
                break
            self._report_month(month)
            reported.append(month.manifest.month)
        if reported:
            self._report_gates()
        observe_inputs(self.instance, self.mode, versions_today(self.workspace, self.wired))
        self._report_page()
        return reported, len(reported) < len(unknown)

    def _is_known(self, month: PublishedMonth) -> bool:
        wanted = dg.AssetRecordsFilter(dg.AssetKey(self.mode), asset_partitions=[month.manifest.month])
        for record in self.instance.fetch_materializations(wanted, limit=1).records:
            event = record.asset_materialization
            return event is not None and event.metadata.get(_GENERATION) == dg.MetadataValue.text(month.generation)
        return False

    def _report_month(self, published: PublishedMonth) -> None:
        manifest = published.manifest
        position = observe_inputs(self.instance, self.mode, {manifest.month: manifest.data_version})
        self.instance.report_runless_asset_event(
            dg.AssetMaterialization(
                self.mode,
                partition=manifest.month,
                metadata=published_metadata(published_outcome(self.workspace, self.mode, manifest.month)),
                tags=provenance(self.mode, manifest.config_digest, content_version([published]), position),
            )
        )

    def _report_gates(self) -> None:
        for result in gate_results(self.workspace, self.mode):
            evaluation = dg.AssetCheckEvaluation(
                asset_key=dg.AssetKey(self.mode),
                check_name=str(result.check_name),
                passed=result.passed,
                metadata=result.metadata,
                severity=result.severity,
                description=result.description,
            )
            self.instance.report_runless_asset_event(evaluation)

    def _report_page(self) -> None:
        page = self.workspace.results.report_path(self.mode)
        if _is_news(self.instance, report_name(self.mode), page, self.months):
            metadata = {"page": page_link(self.workspace, page)}
            self.instance.report_runless_asset_event(dg.AssetMaterialization(report_name(self.mode), metadata=metadata))


def _report_shared(instance: dg.DagsterInstance, workspace: Workspace) -> None:
    """The overview and the catalogue, which are of all modes."""
    overview, catalogue = workspace.results.overview_path, workspace.results.base / CATALOGUE
    months = [month for month in workspace.results.all_months() if month.manifest.experiment is None]
    for asset, path, label, link in (
        ("overview", overview, "page", page_link(workspace, overview)),
        ("catalogue", catalogue, "file", dg.MetadataValue.path(str(catalogue))),
    ):
        if _is_news(instance, asset, path, months):
            instance.report_runless_asset_event(dg.AssetMaterialization(asset, metadata={label: link}))


def _is_news(instance: dg.DagsterInstance, asset: str, path: Location, months: Sequence[PublishedMonth]) -> bool:
    """Whether the file is newer than all of `months`, and than what the instance knows of it."""
    if not months or not path.exists():
        return False
    written = written_at(path)
    if written < max(datetime.fromisoformat(month.manifest.published_at).timestamp() for month in months):
        return False
    known = instance.get_latest_materialization_event(dg.AssetKey(asset))
    return known is None or known.timestamp < written
