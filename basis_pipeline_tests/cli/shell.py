"""The `basis` command in processes of its own, each forked from one that has imported it: imports take a second."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Shell:
    """Runs the command in a data root of its own."""

    root: Path
    server: subprocess.Popen[str]

    def __call__(self, *arguments: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("BASIS_")}
        result = self._forked(arguments, clean | {"BASIS_DATA_DIR": str(self.root)} | environment)
        assert result.returncode == code, f"exit code {result.returncode}\n{result.stdout}\n{result.stderr}"
        assert "Traceback" not in result.stderr
        return result

    def _forked(self, arguments: tuple[str, ...], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        assert self.server.stdin is not None
        assert self.server.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            streams = [str(Path(folder) / name) for name in ("stdout", "stderr")]
            self.server.stdin.write(json.dumps([arguments, environment, streams]) + "\n")
            self.server.stdin.flush()
            ended = int(self.server.stdout.readline())
            said = [Path(stream).read_text(encoding="utf-8") for stream in streams]
        return subprocess.CompletedProcess(arguments, ended, *said)


@contextmanager
def command_server() -> Iterator[subprocess.Popen[str]]:
    """The process that others are forked from; it ends with its standard input."""
    with subprocess.Popen(
        [sys.executable, "-m", __name__],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        yield server


def _serve() -> None:
    """Run what each line of standard input asks for, and answer with its exit code."""
    main = _imported()
    for line in sys.stdin:
        arguments, environment, streams = json.loads(line)
        child = os.fork()
        if not child:
            _become(arguments, environment, streams)
            main()
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _imported() -> Callable[[], None]:
    """The command, after every import that a process of its own would do when it is called."""
    from basis_pipeline.cli.main import cli, main  # noqa: PLC0415 - what takes a second, and tests need none of it
    from basis_pipeline.market_data import ingestion  # noqa: F401, PLC0415
    from basis_pipeline.runs import sample_data  # noqa: F401, PLC0415

    context = click.Context(cli)
    for name in cli.list_commands(context):
        cli.get_command(context, name)
    return main


def _become(arguments: list[str], environment: dict[str, str], streams: list[str]) -> None:
    """A process as a shell would have started it."""
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["basis", *arguments]
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, stream in enumerate(streams, start=1):
        os.dup2(os.open(stream, os.O_WRONLY | os.O_CREAT), number)


if __name__ == "__main__":
    _serve()
