"""`make drill` as a newcomer meets it: it ends by itself or by Ctrl-C, and everything is where it says."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from basis_pipeline_tests.live.drill import MARK, clean
from basis_pipeline_tests.live.process import KEY, PATIENCE_SECONDS, SECRET
from basis_pipeline_tests.ports import free_port

ROOT = Path(__file__).parents[2]


def start(folder: Path, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "basis_pipeline_tests.live.drill", str(folder), "--seconds", str(seconds)]
    command += ["--port", str(free_port())]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def status(folder: Path) -> dict[str, object]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BASIS_")}
    given = kept | {"BASIS_DATA_DIR": str(folder), "BASIS_ENVIRONMENT": "staging"}
    command = [sys.executable, "-m", "basis_pipeline", "live", "btc_basis", "--status"]
    said = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=True).stdout
    return json.loads(said)


def left_running(folder: Path) -> list[str]:
    """Processes that work on the root."""
    own = [path for path in Path("/proc").glob("[0-9]*") if path.stat().st_uid == os.getuid()]
    return [path.name for path in own if str(folder).encode() in _environment(path)]


def _environment(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""


@pytest.mark.slow(seconds=40)
def test_a_drill_trades_is_published_and_compared_and_leaves_nothing_running(tmp_path: Path) -> None:
    folder = tmp_path / "drill"
    process = start(folder, 18.0)
    said, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, said
    assert "made up" in said.splitlines()[0]
    assert re.search(r"order +buy [\d.]+ BTC spot", said) and re.search(r"order +sell [\d.]+ BTC perp", said)
    assert re.search(r"funding +[+-]\d", said), "eight hours of candles have passed"
    assert len(re.findall(r"equity 9\d,\d{3}\.\d\d USDT", said)) >= 3
    for name in ("Report", "Comparison"):
        [page] = re.findall(rf"^{name}: +(\S+)$", said, re.MULTILINE)
        assert Path(page).is_file()
    told = status(folder)
    assert (told["orders"], told["open_intents"]) == (2, [])
    assert told["recent"][0]["what"] == "stopped"  # type: ignore[index]
    log = (folder / "session.log").read_text()
    assert KEY not in said + log and SECRET not in said + log
    assert left_running(folder) == []


@pytest.mark.slow(seconds=40)
def test_ctrl_c_ends_it_between_orders(tmp_path: Path) -> None:
    folder = tmp_path / "drill"
    process = start(folder, 0.0)
    assert process.stdout is not None
    said = ""
    while "equity" not in said and (line := process.stdout.readline()):
        said += line
    with pytest.raises(SystemExit, match="another drill is running"):
        clean(folder)
    process.send_signal(signal.SIGINT)
    rest, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0, said + rest
    assert "stopped: asked to by SIGINT" in rest and "Comparison:" in rest
    assert left_running(folder) == []


def test_only_what_a_drill_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").touch()
    with pytest.raises(SystemExit, match="not made by a drill"):
        clean(tmp_path)
    assert (tmp_path / "precious.txt").is_file()
    again = tmp_path / "again"
    clean(again)
    (again / "results").mkdir()
    clean(again)
    assert [path.name for path in again.iterdir()] == [MARK]
