"""The cookbook answered in a checkout of its own, once for all tests of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from basis_pipeline_tests.docs.answers import Answers
from basis_pipeline_tests.docs.checkout import make_checkout
from basis_pipeline_tests.docs.pages import COOKBOOK, fences


@pytest.fixture(scope="session")
def answers(sample_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answers]:
    checkout = make_checkout(tmp_path_factory.mktemp("cookbook") / "checkout", sample_root)
    for fence in fences(COOKBOOK):
        if fence.language == "sh":
            checkout.execute(fence)
    yield Answers(checkout.folder / "data" / "sample" / "results")
    shutil.rmtree(checkout.folder)
