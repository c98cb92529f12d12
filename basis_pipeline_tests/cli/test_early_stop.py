"""A service that is asked to stop in its first moments ends as asked, whatever it was about to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from basis_pipeline_tests.ports import free_port

_ASKED_AFTER = """
import os, signal, sys, threading
from basis_pipeline.cli import main
sys.argv[0] = "basis"
seconds = float(sys.argv.pop(1))
threading.Timer(seconds, os.kill, (os.getpid(), getattr(signal, sys.argv.pop(1)))).start()
main()
"""

_ASKED_WITH_A_SERVER = """
import os, pathlib, signal, sys, threading, time
from basis_pipeline.cli import main
def ask(seconds):
    while not any(path.read_text() for path in pathlib.Path("/proc/self/task").glob("*/children")):
        time.sleep(0.01)
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=ask, args=[float(sys.argv.pop(1))], daemon=True).start()
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("seconds", [0.02, 0.1, 0.3, 0.7, 1.5])
@pytest.mark.parametrize("command", [("dev",), ("live", "btc_basis")], ids=["dev", "live"])
def test_a_service_asked_to_stop_at_once_ends_with_zero_or_with_its_own_refusal(
    tmp_path: Path, command: tuple[str, ...], seconds: float, number: str
) -> None:
    """`live` is not enabled here: what is not stopped in time is refused as ever, and never a traceback."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BASIS_")}
    arguments = command if command[0] == "live" else (*command, "--port", str(free_port()))
    process = subprocess.run(
        [sys.executable, "-c", _ASKED_AFTER, str(seconds), number, *arguments],
        env=kept | {"BASIS_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    said = process.stdout + process.stderr
    assert "Traceback" not in said
    assert process.returncode == 0 or (command[0] == "live" and "CONFIG-004" in said), said


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.0, 0.2, 0.5, 1.0])
def test_a_server_that_has_only_begun_to_import_itself_ends_without_a_traceback(tmp_path: Path, seconds: float) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BASIS_")}
    process = subprocess.run(
        [sys.executable, "-c", _ASKED_WITH_A_SERVER, str(seconds), "dev", "--port", str(free_port())],
        env=kept | {"BASIS_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert "Traceback" not in process.stdout + process.stderr
