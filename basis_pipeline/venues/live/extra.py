"""The client libraries are not part of the plain installation: one message where one is missing."""

from __future__ import annotations

import importlib
from importlib.util import find_spec

from basis_pipeline.domain.errors import ConfigError


def need(module: str) -> None:
    """ConfigError naming the command that installs `module`, if it cannot be imported."""
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise _missing(str(error.name)) from None


def check_installed(module: str) -> None:
    """The same without importing it, which takes a second: for who only wants to know whether a session could start."""
    if find_spec(module) is None:
        raise _missing(module)


def _missing(name: str) -> ConfigError:
    return ConfigError(
        f"live sessions need {name}, which is not installed.", remedy="pip install -e '.[live]' -c constraints.txt"
    )
