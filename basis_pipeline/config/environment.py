"""The environment variables this project reads, once, at start-up. Secrets come only from here and are never logged."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.storage.locations import Location, location_of

VARIABLES = {
    "BASIS_DATA_DIR": "data root: a folder, or s3://bucket/prefix, for one source of data (default data/sample)",
    "BASIS_RAW_DIR": "folder of vendor files to ingest (default <data root>/raw)",
    "BASIS_CONFIG_DIR": "folder with venues/, share_classes/, modes/ and data/ (default configs)",
    "BASIS_RPC_URL": "Ethereum endpoint of `basis download`; it may hold a key and is never shown",
    "BASIS_POSTGRES_URL": "database of the Dagster instance with --profile cluster: postgresql+psycopg2://...",
    "BASIS_ENVIRONMENT": "dev, staging or prod; picks venue clients of live sessions, backtests have none",
    "BASIS_EXECUTION_MODE": "backtest, or live, which only `basis live` accepts",
    "BASIS_REPORTS_URL": "where `basis serve` answers, for links in the UI; `basis dev` sets it (default none)",
    "BASIS_UI_URL": "address of the Dagster UI in notices (`basis dev` sets it)",
}
_PREFIXES = ("BASIS_LIVE_TRADING__", "BASIS_DEV__", "BASIS_STAGING__", "BASIS_PROD__", "BASIS_ML_", "BASIS_NOTIFY_")
_CHOICES = {
    "BASIS_ENVIRONMENT": ("dev", "staging", "prod"),
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
    given = {key: value for key, value in (variables or os.environ).items() if key.startswith("BASIS_")}
    for key in given:
        if key not in VARIABLES and not key.startswith(_PREFIXES):
            nearest = difflib.get_close_matches(key, VARIABLES, n=1)
            hint = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(VARIABLES)}."
            raise ConfigError(f"environment variable {key} is not known.", remedy=hint)
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
