"""What every use case works on: one data root, one configuration folder."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from basis_pipeline.config.environment import read_environment
from basis_pipeline.config.loading import ConfigFolder
from basis_pipeline.config.variables import VARIABLES
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.settings import ExecutionMode
from basis_pipeline.market_data.validated import ValidatedStore
from basis_pipeline.results.store import ResultsStore
from basis_pipeline.results.sweeps.store import SWEEPS, SweepStore
from basis_pipeline.storage.data_root import DataRoot
from basis_pipeline.storage.locations import Location, location_of

__all__ = ["VARIABLES", "SystemClock", "Workspace", "WorkspaceAddress"]


class Workspace:
    """Paths and stores, opened once and passed to the functions of this package.

    `reports_url` is where a server shows the pages (see runs.report_server); empty where there is none.
    """

    def __init__(
        self, data_dir: Location, config_dir: Path, raw_dir: Path | None = None, reports_url: str = ""
    ) -> None:
        self.root = DataRoot(data_dir)
        self.config = ConfigFolder(config_dir)
        self.raw_dir = raw_dir
        self.reports_url = reports_url
        self.validated = ValidatedStore(self.root.validated)
        self.results = ResultsStore(self.root.results)
        self.sweeps = SweepStore(self.root.results / SWEEPS)

    @classmethod
    def from_environment(cls, *, live: bool = False) -> Workspace:
        """The workspace that the BASIS_* variables name; ConfigError for an unknown variable or a bad value.

        BASIS_EXECUTION_MODE=live is refused unless it is for a `live` session.
        """
        environment = read_environment()
        if environment.execution_mode != ExecutionMode.BACKTEST and not live:
            raise ConfigError(
                f"BASIS_EXECUTION_MODE={environment.execution_mode} is not possible here: every command but "
                "`basis live` works on backtests and simulated venues.",
                remedy="unset it, or set it to backtest.",
            )
        return cls(environment.data_dir, environment.config_dir, environment.raw_dir, environment.reports_url)

    @property
    def raw(self) -> Path:
        """Where vendor files are read from: BASIS_RAW_DIR, else what the root remembers."""
        return self.raw_dir or self.root.raw


class WorkspaceAddress(NamedTuple):
    """Where a workspace is, in words: what another process, on this machine or another, opens it from."""

    data_dir: str
    config_dir: str

    @classmethod
    def of(cls, workspace: Workspace) -> WorkspaceAddress:
        return cls(str(workspace.root.path.resolve()), str(workspace.config.path.resolve()))

    def open(self) -> Workspace:
        return Workspace(location_of(self.data_dir), Path(self.config_dir))


class SystemClock:
    """Real time, for phase timings and retries."""

    now = staticmethod(time.perf_counter)
    sleep = staticmethod(time.sleep)
