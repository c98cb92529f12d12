"""Whether published months are what a run would give today."""

from __future__ import annotations

from basis_pipeline import __version__
from basis_pipeline.config.wiring import WiredMode
from basis_pipeline.domain.evidence import DataUsage, SeriesUsage
from basis_pipeline.domain.timeline import month_end, month_start
from basis_pipeline.market_data.frame_rewards import reward_months_read
from basis_pipeline.market_data.frame_series import Window, months_read
from basis_pipeline.market_data.requirements import FrameSpec, requirements
from basis_pipeline.market_data.validated import ValidatedStore
from basis_pipeline.runs.months import stale_months
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.digests import text_digest


def data_version(config_digest: str, usage: DataUsage, *, predecessor: str | None) -> str:
    """Digest of everything a month is a function of: configuration, data slices, engine, predecessor."""
    return text_digest(config_digest, __version__, predecessor or "", *slices_of(usage))


def slices_of(usage: DataUsage) -> list[str]:
    """The published slices of market data that were read, as `dataset/venue/symbol@month=generation`."""
    return [
        f"{series.name}@{month}={generation}"
        for series in usage.series
        for month, generation in sorted(series.generations.items())
    ]


def outdated_months(workspace: Workspace, wired: WiredMode) -> list[str]:
    """Months of the standing record from the first on whose predecessor, data, configuration or engine changed."""
    results, mode = workspace.results, wired.name
    months, stale = results.months(mode), stale_months(results, mode)
    for number, month in enumerate(months):
        manifest = results.manifest(mode, month)
        usage = usage_today(workspace.validated, wired.frame_spec, month)
        today = data_version(wired.settings.config_digest, usage, predecessor=manifest.predecessor)
        if month in stale or manifest.data_version != today:
            return months[number:]
    return []


def usage_today(validated: ValidatedStore, spec: FrameSpec, month: str) -> DataUsage:
    """What a frame of `spec` would read of every series today; one without this month is not read at all."""
    window, rewards = Window(month_start(month), month_end(month), spec.step), spec.rewards
    series = []
    for ref in (required.series for required in requirements(spec)):
        paid = ref in rewards.values()
        months = reward_months_read(window) if paid else months_read(ref, window)
        found = validated.generations(ref.dataset, ref.venue, ref.symbol, months)
        if month in found or paid:
            series.append(SeriesUsage(ref.dataset, ref.venue, ref.symbol, rows=0, generations=found))
    return DataUsage(tuple(series))
