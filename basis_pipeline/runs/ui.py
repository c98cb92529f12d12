"""The use case behind `make dev`: the Dagster UI of one data root, on loopback only (it has no authentication)."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import yaml

from basis_pipeline.config.environment import read_environment
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.runs.live.lock import is_running
from basis_pipeline.runs.loopback import LOOPBACK, free_port, handled_by, stoppable, uninterrupted
from basis_pipeline.runs.profiles import SETTINGS, instance_settings
from basis_pipeline.runs.report_server import ReportServer, open_report_server, serving
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.files import put_bytes
from basis_pipeline.storage.locations import Location

DEFAULT_PORT = 3000
LOCATIONS = Path("workspace.yaml")
"""Read from the working directory, which is the project's, as the settings are."""

_PATIENCE_SECONDS = 20.0
_SESSION_SECONDS = 180.0
"""More than the longest an order is waited for."""

_LOG = logging.getLogger("basis.ui")


@dataclass(frozen=True)
class UiServer:
    """A UI that is ready to be started: its address, the instance it keeps its runs in, and the pages it links to."""

    workspace: Workspace
    home: Path
    port: int
    reports: ReportServer

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def run(self) -> int:
        """Serve until Ctrl-C, SIGTERM, or the server's own end; return its exit code, 0 if it was asked to stop."""
        # In a session of its own: a Ctrl-C at the terminal reaches this process only, which passes it on once.
        # In the instance's folder: Dagster warns of a dagster.yaml in the working directory that it does not use.
        server = None
        try:
            with stoppable(), serving(self.reports):
                with uninterrupted():
                    server = subprocess.Popen(  # noqa: S603 - this interpreter, and arguments made here
                        self._command(), cwd=self.home, env=self._environment(), start_new_session=True
                    )
                return server.wait()
        except KeyboardInterrupt:
            if server:
                _stop(server)
            return 0
        finally:
            if server:
                _end_runs(server, self.workspace)

    def _command(self) -> list[str]:
        quiet = ["-W", "ignore:Function `dev_command` is superseded"]  # by `dg dev`, which needs another package
        where = ["--workspace", str(LOCATIONS.resolve()), "--host", LOOPBACK, "--port", str(self.port)]
        return [sys.executable, *quiet, "-m", "dagster", "dev", *where]

    def _environment(self) -> dict[str, str]:
        """Absolute paths: run processes need not start in this directory."""
        workspace = self.workspace
        paths: dict[str, Location] = {
            "DAGSTER_HOME": self.home,
            "BASIS_DATA_DIR": workspace.root.path,
            "BASIS_CONFIG_DIR": workspace.config.path,
            **({"BASIS_RAW_DIR": workspace.raw_dir} if workspace.raw_dir else {}),
        }
        absolute = {name: str(path.resolve()) for name, path in paths.items()}
        return {**os.environ, **absolute, "BASIS_REPORTS_URL": self.reports.url, "BASIS_UI_URL": self.url}


def prepare_ui(workspace: Workspace, port: int | None = None, profile: str | None = None) -> UiServer:
    """Write the instance file of the data root and find a port: `port`, else 3000 or, where that is taken, a free one.

    The settings are those of `dagster.yaml` without its storage, which is the instance's own folder unless `profile`
    names another.

    Raises:
        ConfigError: `port` is taken, the working directory is not the project's, or the profile cannot be used.
        StorageError: the data root is not writable.
    """
    for file in (SETTINGS, LOCATIONS):
        if not file.is_file():
            raise ConfigError(f"there is no {file} in {Path.cwd()}.", remedy="run this in the folder that holds it.")
    home = workspace.root.dagster.resolve()
    settings = yaml.safe_dump(instance_settings(workspace.config.path, profile), sort_keys=False)
    put_bytes(home / SETTINGS.name, f"# written by `basis dev`\n{settings}".encode())
    return UiServer(workspace, home, free_port(port, DEFAULT_PORT), open_report_server(workspace))


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Ask once, then end it, however often this process is asked meanwhile."""
    with handled_by(lambda _number, _frame: None):
        server.terminate()  # not SIGINT: Python answers that with a traceback until Dagster handles both alike
        try:
            server.wait(_PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()


def _end_runs(server: subprocess.Popen[bytes], workspace: Workspace) -> None:
    """Runs outlive the server, and nobody would look after them: interrupt them. They are started again with the UI.

    Live sessions stop between orders, which is waited for.
    """
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)
    environment, end = read_environment().environment, time.monotonic() + _SESSION_SECONDS
    trading = [mode for mode in workspace.config.modes() if is_running(workspace, mode, environment)]
    if trading:
        _LOG.warning("live sessions of %s stop between orders; this waits for them", ", ".join(trading))
    while any(is_running(workspace, mode, environment) for mode in trading) and time.monotonic() < end:
        time.sleep(0.2)
