"""A copy of the repository in which the commands of a page run as a newcomer would type them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from basis_pipeline.results.sql.catalog import rebuild_catalogue
from basis_pipeline.results.store import ResultsStore
from basis_pipeline.runs.queries import query
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline_tests.docs.pages import ROOT, Fence

COPIED = ("basis_pipeline", "basis_pipeline_tests", "benchmarks", "configs", "deploy", "docs")
TOOLS = ("pytest", "dagster", "dg", "ruff", "mypy", "lint-imports")
SECONDS, SLOW_SECONDS = 600, 1_800

_BORDERS = re.compile(r"[\u2500-\u257f|]+")
_ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
_ELISION = re.compile(r"\.\.\.|…")


@dataclass(frozen=True)
class Checkout:
    """Folder with the repository's files, `.venv/bin` in place, and perhaps a sample root."""

    folder: Path

    def execute(self, fence: Fence) -> None:
        """Do with the fence what its language and its comment say; AssertionError if it does not hold."""
        if fence.file:
            target = self.folder / fence.file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(fence.text + "\n", encoding="utf-8")
        elif fence.language == "sql":
            answer = query(Workspace(self.folder / "data" / "sample", self.folder / "configs"), fence.text)
            assert answer.num_rows > 0, f"{fence}: the query has no row"
        elif fence.language == "console":
            for command, expected in sessions(fence.text):
                assert_shown(expected, self._run(["bash", "-euo", "pipefail", "-c", command], fence), f"{fence}")
        else:
            interpreter = ["bash", "-euo", "pipefail", "-c"] if fence.language == "sh" else ["python", "-c"]
            self._run([*interpreter, fence.text], fence)

    def _run(self, command: list[str], fence: Fence) -> str:
        process = subprocess.Popen(
            command,
            cwd=self.folder,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            output, _ = process.communicate(timeout=SLOW_SECONDS if fence.slow else SECONDS)
        finally:
            _end_group(process)
        code = process.returncode
        assert code == fence.exit_code, f"{fence}: exit code {code}, not {fence.exit_code}:\n{command[-1]}\n{output}"
        assert "Traceback" not in output, f"{fence}:\n{output}"
        return output

    def _environment(self) -> dict[str, str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("BASIS_", "PYTEST_", "COV_"))}
        return clean | {
            "PATH": f"{self.folder / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(self.folder),
            "PYTHONUNBUFFERED": "1",
        }


def _end_group(process: subprocess.Popen[str]) -> None:
    """Nothing that a page started outlives it."""
    try:
        os.killpg(process.pid, 9)
    except ProcessLookupError:
        return
    finally:
        process.wait()


def make_checkout(folder: Path, sample_root: Path | None) -> Checkout:
    """Copy the repository to `folder`, and `sample_root` to `data/sample` in it."""
    folder.mkdir()
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name)
    for file in ROOT.iterdir():
        if file.is_file() and file.name != ".git":
            shutil.copy2(file, folder / file.name)
    _make_environment(folder / ".venv")
    if sample_root is not None:
        copy = folder / "data" / "sample"
        shutil.copytree(sample_root, copy, copy_function=_copy)
        rebuild_catalogue(ResultsStore(copy / "results"))
    return Checkout(folder)


def _copy(source: str, target: str) -> None:
    """Parquet files are never changed in place, so that a link is as good as a copy."""
    if source.endswith(".parquet"):
        os.link(source, target)
    else:
        shutil.copy2(source, target)


def _make_environment(venv: Path) -> None:
    """Commands of this interpreter, and the marks by which `make` knows that nothing has to be installed."""
    (venv / "bin").mkdir(parents=True)
    python = Path(sys.executable)
    commands = {"python": f"{python}", "basis": f"{python} -m basis_pipeline"}
    commands |= {tool: str(path) for tool in TOOLS if (path := python.with_name(tool)).exists()}
    for name, command in commands.items():
        script = venv / "bin" / name
        script.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        script.chmod(0o755)
    for mark in (".ready", ".ready-dev"):
        (venv / mark).touch()


def sessions(text: str) -> Iterator[tuple[str, list[str]]]:
    """Commands of a console fence, each with the lines shown below it."""
    command: str | None = None
    shown: list[str] = []
    continued = False
    for line in text.splitlines():
        if continued:
            command, continued = f"{command}\n{line}", line.endswith("\\")
        elif line.startswith("$ "):
            if command is not None:
                yield command, shown
            command, shown, continued = line[2:], [], line.endswith("\\")
        else:
            assert command is not None, f"output before the first command: {line!r}"
            shown.append(line)
    assert command is not None, "a console fence has commands: lines that begin with `$ `"
    yield command, shown


def assert_shown(expected: list[str], output: str, where: str) -> None:
    """Every expected line is in the output, in this order; blanks and borders do not count, `…` is anything."""
    plain, at = _plain(output), 0
    for line in filter(str.strip, map(_plain, expected)):
        parts = [re.escape(part.strip()) for part in _ELISION.split(line)]
        found = re.search(".*?".join(parts), plain[at:], re.DOTALL)
        assert found, f"{where}: {line!r} is not shown (in this place) in\n{output}"
        at += found.end()


def _plain(text: str) -> str:
    return " ".join(_BORDERS.sub(" ", _ESCAPES.sub("", text)).split())
