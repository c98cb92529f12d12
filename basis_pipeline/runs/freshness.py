"""Whether published months are what a run would give today."""

from __future__ import annotations

from basis_pipeline.config.wiring import WiredMode
from basis_pipeline.domain.behaviour import BEHAVIOUR
from basis_pipeline.domain.evidence import DataUsage, SeriesUsage
from basis_pipeline.domain.timeline import month_end, month_start
from basis_pipeline.gates.registry import describe
from basis_pipeline.market_data.frames.reliability import barring
from basis_pipeline.market_data.frames.requirements import FrameSpec, requirements
from basis_pipeline.market_data.frames.rewards import reward_months_read
from basis_pipeline.market_data.frames.series import Window, months_read
from basis_pipeline.market_data.validated import ValidatedStore
from basis_pipeline.results.store import MonthManifest
from basis_pipeline.runs.months import stale_months
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.digests import text_digest


def data_version(config_digest: str, usage: DataUsage, *, predecessor: str | None) -> str:
    """Digest of everything a month is a function of: configuration, data slices, engine, predecessor (generation)."""
    return text_digest(config_digest, BEHAVIOUR, predecessor or "", *slices_of(usage))


def slices_of(usage: DataUsage) -> list[str]:
    """The published slices of market data that were read, as `dataset/venue/symbol@month=generation`."""
    return [
        f"{series.name}@{month}={generation}"
        for series in usage.series
        for month, generation in sorted(series.generations.items())
    ]


def versions_today(workspace: Workspace, wired: WiredMode) -> dict[str, str]:
    """By published month of the standing record the data version that a run from the first stale month would give it.

    It is the published one exactly where the month is current and its data may still be used. A stale month's version
    depends on those before it, so that it changes again when what makes it stale does.
    """
    results, mode = workspace.results, wired.name
    months, broken = results.months(mode), stale_months(results, mode)
    versions, before = dict[str, str](), None
    for month in months:
        published = results.get(mode, month)
        if broken and month == broken[0]:
            before = f"not the month before {month}"
        usage = usage_today(workspace.validated, wired.frame_spec, month)
        versions[month] = data_version(wired.settings.config_digest, usage, predecessor=before)
        if _judged_otherwise(published.manifest, wired):
            versions[month] = text_digest(versions[month], "judged by other gates")
        if refused := _refused(workspace.validated, wired.frame_spec, month):
            versions[month] = text_digest(versions[month], *refused)
        current = versions[month] == published.manifest.data_version
        before = published.generation if current else versions[month]
    return versions


def outdated_months(workspace: Workspace, wired: WiredMode) -> list[str]:
    """Months of the standing record from the first whose predecessor, data, configuration, engine or gates changed."""
    versions = versions_today(workspace, wired)
    for number, (month, version) in enumerate(versions.items()):
        if workspace.results.manifest(wired.name, month).data_version != version:
            return list(versions)[number:]
    return []


def _judged_otherwise(manifest: MonthManifest, wired: WiredMode) -> bool:
    """Another set of gates, or other limits, than the month would be judged by today."""
    today = {(gate.name, gate.threshold) for gate in describe(wired.profile.thresholds)}
    return {(verdict.gate, verdict.threshold) for verdict in manifest.gates} != today


def _refused(validated: ValidatedStore, spec: FrameSpec, month: str) -> list[str]:
    """Why a run would refuse the data of `month` today: what is found later condemns what was published before."""
    series = (required.series for required in requirements(spec))
    return [f"{ref}: {finding}" for ref in series for _, finding in barring(validated, ref, [month])]


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
