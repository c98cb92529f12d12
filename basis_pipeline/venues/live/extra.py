"""The client libraries are not part of the plain installation: one message where one is missing."""

from __future__ import annotations

import importlib

from basis_pipeline.domain.errors import ConfigError


def need(module: str) -> None:
    """ConfigError naming the command that installs `module`, if it cannot be imported."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"live sessions need {error.name}, which is not installed.",
            remedy="pip install -e '.[live]' -c constraints.txt",
        ) from None
