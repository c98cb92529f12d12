"""The use case `download`: bring the raw folder up to date from where market data are published."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from basis_pipeline.config.environment import read_environment
from basis_pipeline.config.loading import read_model
from basis_pipeline.domain.errors import BasisError, ConfigError, DataError
from basis_pipeline.domain.progress import ProgressCallback
from basis_pipeline.domain.timeline import SECOND, month_of, months_between, parse_month
from basis_pipeline.market_data.downloads.fetching import Client, Outcome, clients, fetch_month, state
from basis_pipeline.market_data.downloads.settings import FILE, Downloads
from basis_pipeline.market_data.downloads.targets import Selection, Target, select
from basis_pipeline.market_data.downloads.transport import SourceDownError
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.files import exclusive_lock

__all__ = ["DownloadReport", "Outcome", "Selection", "download", "is_configured", "plan_download"]

Note = Callable[[Outcome], None]


@dataclass(frozen=True)
class DownloadReport:
    """One outcome per month and series, in the order they were done."""

    raw: Path
    outcomes: tuple[Outcome, ...]

    @property
    def failed(self) -> tuple[Outcome, ...]:
        return self._with("failed")

    @property
    def missing(self) -> tuple[Outcome, ...]:
        """Months that their vendors do not have."""
        return self._with("missing")

    @property
    def changed(self) -> tuple[Outcome, ...]:
        return (*self._with("fetched"), *self._with("extended"))

    def counts(self) -> Counter[str]:
        return Counter(outcome.status for outcome in self.outcomes)

    def _with(self, status: str) -> tuple[Outcome, ...]:
        return tuple(outcome for outcome in self.outcomes if outcome.status == status)


def is_configured(workspace: Workspace) -> bool:
    """Whether schedules and assets may download: `enabled` in downloads.yaml, and a root that holds no sample.

    Raises:
        ConfigError: the file is there and wrong.
    """
    if not (workspace.config.path / FILE).is_file():
        return False
    info = workspace.root.info
    return _settings(workspace).enabled and (info is None or info.kind == "vendor")


def plan_download(
    workspace: Workspace,
    selection: Selection | None = None,
    *,
    first: str | None = None,
    last: str | None = None,
    now: int | None = None,
) -> DownloadReport:
    """What `download` would do: months that are `kept`, and months that are `due`. Nobody is asked, nothing written.

    Raises:
        ConfigError: as `download`.
    """
    now = now or _now()
    targets = _targets(workspace, selection or Selection(), first, last, now)
    return DownloadReport(workspace.raw, tuple(state(workspace.raw, target, now) for target in targets))


def download(
    workspace: Workspace,
    selection: Selection | None = None,
    *,
    first: str | None = None,
    last: str | None = None,
    progress: ProgressCallback | None = None,
    note: Note | None = None,
    now: int | None = None,
) -> DownloadReport:
    """Fetch what is configured and not there yet into `<raw>/downloads`, month by month.

    A month that fails is reported and the others go on; a source that does not answer is not asked again. Interrupted
    at any time, it goes on from the files on disk.

    Args:
        workspace: its raw folder takes the files.
        selection: what of the configuration; default everything.
        first: month, default `first_month` of the configuration.
        last: month, included; default the current one.
        progress: called as (what, done, total) after every month.
        note: called with every outcome as it comes.
        now: what counts as the present, microseconds UTC; default the clock.

    Raises:
        ConfigError: the root holds the sample, an argument or downloads.yaml is wrong.
        StorageError: a download or ingestion of this root is running, or a file cannot be written.
    """
    now = now or _now()
    targets = _targets(workspace, selection or Selection(), first, last, now)
    settings = _settings(workspace)
    workspace.root.claim("vendor", workspace.raw)
    sources = clients(settings, read_environment().rpc_url, now)
    outcomes = []
    with exclusive_lock(workspace.root.path / "ingest.lock", purpose="ingestion or download"):
        for done, outcome in enumerate(_outcomes(workspace.raw, targets, sources, now), start=1):
            outcomes.append(outcome)
            if note:
                note(outcome)
            if progress:
                progress(str(outcome.target), done, len(targets))
    return DownloadReport(workspace.raw, tuple(outcomes))


def _outcomes(raw: Path, targets: list[Target], sources: dict[str, Client], now: int) -> Iterator[Outcome]:
    down: dict[str, BasisError] = {}
    for target in targets:
        if (dead := down.get(target.source)) and state(raw, target, now).status == "due":
            yield Outcome(target, "failed", error=dead)
            continue
        try:
            yield fetch_month(raw, target, sources[target.source], now)
        except (SourceDownError, ConfigError) as error:
            down[target.source] = error
            yield Outcome(target, "failed", error=error)
        except DataError as error:
            yield Outcome(target, "failed", error=error)


def _targets(workspace: Workspace, selection: Selection, first: str | None, last: str | None, now: int) -> list[Target]:
    info = workspace.root.info
    if info and info.kind == "sample":
        raise ConfigError(
            f"data root {workspace.root.path} holds the synthetic sample; real data do not go into it.",
            remedy="set BASIS_DATA_DIR to another folder, for example data/real.",
        )
    settings = _settings(workspace)
    current = month_of(now)
    begin = parse_month(first or settings.first_month, name="the first month")
    end = parse_month(last or current, name="the last month")
    if end > current:
        raise ConfigError(f"the last month {end} is not there yet; the current one is {current}.")
    if begin > end:
        raise ConfigError(f"the first month {begin} is after the last, {end}.")
    months = months_between(begin, end)
    return [Target(source, key, month, shape) for source, key, shape in select(settings, selection) for month in months]


def _settings(workspace: Workspace) -> Downloads:
    return read_model(Downloads, workspace.config.path / FILE)


def _now() -> int:
    return int(time.time() * SECOND)
