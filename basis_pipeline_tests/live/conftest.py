"""What most tests of live sessions begin with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from basis_pipeline.runs.live.parts import Alert
from basis_pipeline_tests.live.stage import Stage, stage


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Stage]:
    """At Binance."""
    with stage(tmp_path) as made:
        yield made


@pytest.fixture
def told(there: Stage) -> list[Alert]:
    """Alerts of every session on the stage."""
    alerts: list[Alert] = []
    there.options = {"tell": alerts.append}
    return alerts
