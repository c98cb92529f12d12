"""The environment variables this project reads, once, at start-up. Secrets come only from here and are never logged."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from basis_pipeline.config.variables import ENVIRONMENTS, check_names
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.storage.locations import Location, location_of

_CHOICES = {
    "BASIS_ENVIRONMENT": ENVIRONMENTS,
    "BASIS_EXECUTION_MODE": ("backtest", "live"),
}


@dataclass(frozen=True)
class Environment:
    """Where things are, and what kind of session this is."""

    data_dir: Location
    raw_dir: Path | None
    config_dir: Path
    environment: str = "dev"
    execution_mode: str = "backtest"
    rpc_url: str | None = field(default=None, repr=False)
    reports_url: str = ""


def read_environment(variables: Mapping[str, str] | None = None) -> Environment:
    """Read and validate the variables; ConfigError names an unknown `BASIS_*` variable or a bad value."""
    given = os.environ if variables is None else variables
    check_names(given)
    for key, choices in _CHOICES.items():
        if key in given and given[key] not in choices:
            raise ConfigError(f"{key}={given[key]!r} is not one of {', '.join(choices)}.")
    raw = given.get("BASIS_RAW_DIR")
    return Environment(
        data_dir=location_of(given.get("BASIS_DATA_DIR", "data/sample")),
        raw_dir=Path(raw) if raw else None,
        config_dir=Path(given.get("BASIS_CONFIG_DIR", "configs")),
        environment=given.get("BASIS_ENVIRONMENT", "dev"),
        execution_mode=given.get("BASIS_EXECUTION_MODE", "backtest"),
        rpc_url=given.get("BASIS_RPC_URL") or None,
        reports_url=_url(given.get("BASIS_REPORTS_URL", "")),
    )


def _url(text: str) -> str:
    if text and not text.startswith(("http://", "https://")):
        raise ConfigError(f"BASIS_REPORTS_URL={text!r} is not a URL.", remedy="write it as http://host:port.")
    return text.rstrip("/")
