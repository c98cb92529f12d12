"""What a command costs before it does anything, as a ratio to an empty interpreter: CPU medians taken in turn."""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile

COMMANDS = {
    "empty interpreter": ("-c", "pass"),
    "import dagster": ("-c", "import dagster"),
    "basis --help": ("-m", "basis_pipeline", "--help"),
    "basis modes": ("-m", "basis_pipeline", "modes"),
    "basis gates": ("-m", "basis_pipeline", "gates"),
    "basis query 'select 1'": ("-m", "basis_pipeline", "query", "select 1"),
    "basis live MODE, refused": ("-m", "basis_pipeline", "live", "btc_basis"),
    "Dagster code location": ("-c", "import basis_pipeline.definitions"),
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=5)
    options = arguments.parse_args()
    spent: dict[str, list[float]] = {name: [] for name in COMMANDS}
    with tempfile.TemporaryDirectory() as root:
        for _ in range(options.runs):
            for name, command in COMMANDS.items():
                spent[name].append(cpu_seconds(command, root))
    medians = {name: statistics.median(seconds) for name, seconds in spent.items()}
    base = medians["empty interpreter"]
    print(f"CPU medians of {options.runs} processes each, in turn; an empty data root")
    for name, seconds in medians.items():
        print(f"  {name:26s} {seconds:6.3f} s  {seconds / base:6.1f} x empty interpreter")


def cpu_seconds(command: tuple[str, ...], root: str) -> float:
    """User and system time of one process of this interpreter, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"BASIS_DATA_DIR": root}
    subprocess.run([sys.executable, *command], env=environment, capture_output=True, check=False)  # noqa: S603 - ours
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
