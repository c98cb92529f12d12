"""Settings of the Dagster instance: those of the project, and what a profile changes in them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from basis_pipeline.domain.errors import ConfigError

SETTINGS = Path("dagster.yaml")
POSTGRES_URL = "BASIS_POSTGRES_URL"

_OWN_FOLDER = ("storage", "local_artifact_storage", "compute_logs")
"""Kept in the instance's own folder unless a profile says otherwise."""
_SCHEME = "postgresql+psycopg2://"
_SECONDS = 10


def instance_settings(config_dir: Path, profile: str | None) -> Mapping[str, Any]:
    """The settings of `dagster.yaml` without its storage, with the keys that the profile sets in place of them.

    Raises:
        ConfigError: there is no such profile, or its database is not named, not reachable, or refuses.
    """
    settings = _load(SETTINGS)
    own = {key: value for key, value in settings.items() if key not in _OWN_FOLDER}
    if profile is None:
        return own
    file = config_dir / "profiles" / profile / SETTINGS
    if not file.is_file():
        known = sorted(found.parent.name for found in (config_dir / "profiles").glob(f"*/{SETTINGS}"))
        raise ConfigError(f"there is no profile {profile!r}.", remedy=f"known are {', '.join(known) or 'none'}.")
    changed = _load(file)
    if "postgres" in changed.get("storage", {}):
        _check_database()
    return {**own, **changed}


def _load(file: Path) -> dict[str, Any]:
    settings: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return settings


def _check_database() -> None:
    """One plain message here rather than a stack trace from each of Dagster's processes."""
    url = os.environ.get(POSTGRES_URL, "")
    if not url.startswith(_SCHEME):
        raise ConfigError(
            f"{POSTGRES_URL} does not begin with {_SCHEME}." if url else f"{POSTGRES_URL} is not set.",
            remedy=f"set it to {_SCHEME}user:password@host:5432/database; the driver has to be named.",
        )
    try:
        import psycopg2  # noqa: PLC0415 - an optional package
    except ImportError as error:
        remedy = "install it: pip install -c constraints.txt -e '.[cluster]'"
        raise ConfigError("this profile needs the packages dagster-postgres and psycopg2.", remedy=remedy) from error
    try:
        psycopg2.connect(url.replace(_SCHEME, "postgresql://", 1), connect_timeout=_SECONDS).close()
    except psycopg2.OperationalError as error:
        said = " ".join(str(error).split())
        remedy = f"start the database, or correct {POSTGRES_URL}."
        raise ConfigError(f"the database of {POSTGRES_URL} cannot be used: {said}", remedy=remedy) from None
