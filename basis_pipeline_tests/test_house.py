"""The rules of the house, so that they need no reviewer."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "basis_pipeline").rglob("*.py"))
TESTS = sorted((ROOT / "basis_pipeline_tests").rglob("*.py"))
LONGEST_MODULE, LONGEST_FUNCTION = 300, 40


def names(path: Path) -> str:
    return str(path.relative_to(ROOT))


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Each function with its number of lines, decorators and docstring not counted."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = ast.get_docstring(node) is not None
            docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
            yield f"{names(path)}:{node.lineno} {node.name}", (node.end_lineno or 0) - node.lineno + 1 - docstring


def test_modules_and_functions_are_short() -> None:
    assert len(MODULES) > 100, "the package was found"
    long_modules = [names(path) for path in MODULES if len(path.read_text().splitlines()) > LONGEST_MODULE]
    assert not long_modules
    assert not [name for path in MODULES for name, lines in functions(path) if lines > LONGEST_FUNCTION]
    assert not [names(path) for path in TESTS if len(path.read_text().splitlines()) > LONGEST_MODULE]


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        names(path)
        for path in MODULES
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not silent


def imported(path: Path) -> set[str]:
    """Top-level names of the packages a module imports, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


PURE = ("domain", "engine", "strategies", "venues/simulated")
OUTSIDE = {
    "pandas",
    "pyarrow",
    "duckdb",
    "logging",
    "socket",
    "http",
    "urllib",
    "requests",
    "aiohttp",
    "random",
    "time",
}


@pytest.mark.parametrize("folder", PURE)
def test_the_core_knows_no_data_frame_no_database_no_network_no_clock(folder: str) -> None:
    modules = sorted((ROOT / "basis_pipeline" / folder).rglob("*.py"))
    assert modules
    assert not {names(path): found for path in modules if (found := imported(path) & OUTSIDE)}


def test_only_defs_and_definitions_import_the_orchestrator() -> None:
    allowed = ("basis_pipeline/defs/", "basis_pipeline/definitions")
    assert not [names(path) for path in MODULES if "dagster" in imported(path) and not names(path).startswith(allowed)]


def test_the_import_contracts_hold() -> None:
    """Layers, independent siblings and forbidden packages as pyproject.toml states them."""
    linter = Path(sys.executable).with_name("lint-imports")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        [linter, "--no-cache"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


MACHINE = re.compile(r"(?<![\w./])/(?:home|Users|work|root|mnt|opt|srv)/[A-Za-z0-9_.-]+/")
REGISTRY = re.compile(
    "|".join((r"pypi\.", r"pythonhosted\.", r"npmjs\.", r"npmmirror\.", r"(?:index|extra-index)-url", r"\.jfrog\."))
)


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in tracked():
        if path == Path(__file__) or path.suffix in (".parquet", ".bin", ".png", ".ico"):
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{names(path)}: {line.strip():.100}" for line in text.splitlines() if pattern.search(line)]
    return found


def test_no_tracked_file_names_a_folder_of_one_machine() -> None:
    assert not lines_with(MACHINE)


def test_no_tracked_file_names_a_package_registry() -> None:
    assert not lines_with(REGISTRY)


def test_no_market_data_are_tracked() -> None:
    data = [names(path) for path in tracked() if path.suffix in (".parquet", ".csv", ".duckdb", ".bin")]
    assert not data


def test_nothing_unfinished_is_in_the_package() -> None:
    unfinished = re.compile(r"\b(TODO|FIXME|XXX|NotImplemented(?:Error)?)\b")
    assert not [names(path) for path in MODULES if unfinished.search(path.read_text())]


def test_no_exception_is_swallowed() -> None:
    """`except Exception` and bare `except` hide defects; `except BaseException` only to clean up and raise again."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = node.type.id if isinstance(node.type, ast.Name) else ("" if node.type is None else "named")
            where = f"{names(path)}:{node.lineno}"
            assert caught not in ("", "Exception"), where
            if caught == "BaseException":
                assert isinstance(node.body[-1], ast.Raise), where
