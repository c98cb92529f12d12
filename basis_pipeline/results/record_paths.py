"""Names of records, and the hive paths that they are published at."""

from __future__ import annotations

import re

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.evidence import Source
from basis_pipeline.domain.timeline import parse_month

STANDING = "standing"
"""What SQL calls the record that is no experiment; no experiment may be called so."""

LIVE_PREFIX = "live-"
"""Names of live records begin with it; no experiment's does."""

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")


def live_record(environment: str) -> str:
    """Name of the record of live sessions in an environment."""
    return f"{LIVE_PREFIX}{environment}"


def check_source(experiment: str | None, source: Source) -> None:
    """ConfigError where the name of a record says another source than it has."""
    if (experiment or "").startswith(LIVE_PREFIX) is not (source is Source.LIVE):
        raise ConfigError(
            f"{experiment or STANDING!r} cannot be the name of a {source} record.",
            remedy=f"names that begin with {LIVE_PREFIX!r} are those of live records.",
        )


def record_path(mode: str, experiment: str | None = None) -> str:
    """Hive path of a record; ConfigError for a name that cannot be a folder."""
    for kind, name in (("mode", mode), ("experiment", experiment)):
        if name is not None and not _NAME.match(name):
            raise ConfigError(f"{kind} {name!r} is not a name.", remedy="use letters, digits, '_', '-' and '.'.")
    if experiment == STANDING:
        raise ConfigError(f"experiment {experiment!r} would be taken for the standing record.", remedy="rename it.")
    return f"experiment={experiment}/mode={mode}" if experiment else f"mode={mode}"


def month_path(mode: str, month: str, experiment: str | None = None) -> str:
    """Hive path of a month; ConfigError for a name or month that cannot be one."""
    return f"{record_path(mode, experiment)}/month={parse_month(month)}"
