"""Shells in data roots of each test's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from basis_pipeline_tests.cli.shell import Shell, command_server


@pytest.fixture(scope="session")
def shell_in() -> Iterator[Callable[[Path], Shell]]:
    """Make a shell in a data root."""
    with command_server() as server:
        yield lambda root: Shell(root, server)
