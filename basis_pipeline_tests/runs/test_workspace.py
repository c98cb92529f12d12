"""A workspace is of backtests only."""

from __future__ import annotations

import pytest

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.runs.workspace import Workspace


def test_live_execution_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASIS_EXECUTION_MODE", "live")
    with pytest.raises(ConfigError, match=r"BASIS_EXECUTION_MODE=live is not possible here.*unset it"):
        Workspace.from_environment()
