"""The use case behind `make dev`: the Dagster UI of one data root, on loopback only (it has no authentication)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import yaml

from basis_pipeline.config.wiring import wire_mode
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.runs.profiles import SETTINGS, instance_settings
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.files import put_bytes

LOOPBACK = "127.0.0.1"
DEFAULT_PORT = 3000
LOCATIONS = Path("workspace.yaml")
"""Read from the working directory, which is the project's, as the settings are."""

_PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class UiServer:
    """A UI that is ready to be started: its address, and the instance it keeps its runs in."""

    workspace: Workspace
    home: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def run(self) -> int:
        """Serve until Ctrl-C, SIGTERM, or the server's own end; return its exit code, 0 if it was asked to stop."""
        # In a session of its own: a Ctrl-C at the terminal reaches this process only, which passes it on once.
        # In the instance's folder: Dagster warns of a dagster.yaml in the working directory that it does not use.
        with (
            _stoppable(),
            subprocess.Popen(  # noqa: S603 - this interpreter, and arguments made here
                self._command(), cwd=self.home, env=self._environment(), start_new_session=True
            ) as server,
        ):
            try:
                return server.wait()
            except KeyboardInterrupt:
                _stop(server)
                return 0

    def _command(self) -> list[str]:
        quiet = ["-W", "ignore:Function `dev_command` is superseded"]  # by `dg dev`, which needs another package
        where = ["--workspace", str(LOCATIONS.resolve()), "--host", LOOPBACK, "--port", str(self.port)]
        return [sys.executable, *quiet, "-m", "dagster", "dev", *where]

    def _environment(self) -> dict[str, str]:
        """Absolute paths: run processes need not start in this directory."""
        workspace = self.workspace
        paths = {
            "DAGSTER_HOME": self.home,
            "BASIS_DATA_DIR": workspace.root.path,
            "BASIS_CONFIG_DIR": workspace.config.path,
            **({"BASIS_RAW_DIR": workspace.raw_dir} if workspace.raw_dir else {}),
        }
        return {**os.environ, **{name: str(path.resolve()) for name, path in paths.items()}}


def prepare_ui(workspace: Workspace, port: int | None = None, profile: str | None = None) -> UiServer:
    """Write the instance file of the data root and find a port: `port`, else 3000 or, where that is taken, a free one.

    The settings are those of `dagster.yaml` without its storage, which is the instance's own folder unless `profile`
    names another.

    Raises:
        ConfigError: `port` is taken, the working directory is not the project's, the file of a mode is wrong, or the
            profile cannot be used.
        StorageError: the data root is not writable.
    """
    for file in (SETTINGS, LOCATIONS):
        if not file.is_file():
            raise ConfigError(f"there is no {file} in {Path.cwd()}.", remedy="run this in the folder that holds it.")
    for mode in workspace.config.modes():
        wire_mode(workspace.config, mode)
    home = workspace.root.dagster.resolve()
    settings = yaml.safe_dump(instance_settings(workspace.config.path, profile), sort_keys=False)
    put_bytes(home / SETTINGS.name, f"# written by `basis dev`\n{settings}".encode())
    return UiServer(workspace, home, _port(port))


def _port(wanted: int | None) -> int:
    for port in (wanted,) if wanted else (DEFAULT_PORT, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise ConfigError(f"port {wanted} of {LOOPBACK} is taken.", remedy="choose another --port.")


@contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM means the same as Ctrl-C, and neither is ignored: shells start background jobs that ignore them."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Ask once, then end everything the server started."""
    server.send_signal(signal.SIGINT)
    try:
        server.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
