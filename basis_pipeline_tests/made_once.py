"""Folders that are dear to make, made once for all workers of a test run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from basis_pipeline.storage.files import exclusive_lock


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder `name` of this test run as `make` leaves it; read-only by convention: write into a copy.

    Whoever asks first makes it; the other workers of a distributed run wait for it. What one that failed has left is
    made anew, so that each tells the same cause.
    """
    own = factory.getbasetemp()
    folder = (own.parent if os.environ.get("PYTEST_XDIST_WORKER") else own) / name
    with exclusive_lock(folder.with_suffix(".lock"), purpose=f"making {name}", wait=True):
        if not (ready := folder.with_suffix(".ready")).exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            ready.touch()
    return folder
