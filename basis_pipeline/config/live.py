"""What a live session may do: `configs/live.yaml`, and the BASIS_LIVE_TRADING__* and credential variables.

Everything that can cost money is off until a variable says otherwise, and every refusal names that variable.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from pydantic import Field

from basis_pipeline.config.fields import Model, NotNegative, Positive
from basis_pipeline.config.loading import read_model
from basis_pipeline.config.variables import CREDENTIALS, ENDPOINT, SWITCHES_PREFIX, credentials_prefix
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.secret import Secret
from basis_pipeline.live_journal.halts import EmergencyPolicy

GAS_TANK_ETH = 0.1
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


class ToleranceFile(Model):
    relative: Annotated[float, Field(ge=0.0, le=0.01)] = 1e-4
    usdt: NotNegative = 1.0


class AddressFile(Model):
    """Where one token is sent for one venue; `network` as the client library spells it, for example ERC20."""

    network: str
    address: str
    tag: str = ""


class TransfersFile(Model):
    """Transfers between venues.

    Attributes:
        expected_minutes: how long one usually takes; a replay through the backtest engine lets them arrive after it.
        overdue_minutes: one that has not arrived by then is reported.
        addresses: the only ones that funds are sent to, by venue and token.
    """

    expected_minutes: Annotated[float, Field(gt=0.0, le=10_080.0)] = 30.0
    overdue_minutes: Annotated[float, Field(gt=0.0, le=10_080.0)] = 120.0
    addresses: dict[str, dict[str, AddressFile]] = Field(default={})


class LiveFile(Model):
    """The keys of configs/live.yaml.

    Attributes:
        emergency: also at the loss limit, where nobody waits for a redemption queue.
        held_values_seconds: how long a lending book is reported on at the last values while nobody says newer ones;
            0: its ticks are skipped like those of every other mode.
    """

    interval_seconds: Annotated[float, Field(ge=0.1, le=3_600.0)] = 60.0
    maximum_price_age_seconds: Positive = 120.0
    drift: Annotated[float, Field(ge=0.0, le=0.05)] = 1e-3
    largest_receipt: Annotated[float, Field(ge=0.0, le=1.0)] = 0.05
    unexplained_alert: Annotated[float, Field(ge=0.0, le=0.05)] = 1e-4
    minimum_free_mb: NotNegative = 100.0
    emergency: Literal[EmergencyPolicy.FREEZE, EmergencyPolicy.EXIT_FULL] = EmergencyPolicy.FREEZE
    tolerance: ToleranceFile = ToleranceFile()
    transfers: TransfersFile = TransfersFile()
    gas_tank_eth: Annotated[float, Field(ge=0.0, le=10.0)] = GAS_TANK_ETH
    order_deadline_seconds: Annotated[float, Field(ge=20.0, le=600.0)] = 120.0
    max_gas_price_gwei: Positive = 100.0
    largest_swap_loss: Annotated[float, Field(gt=0.0, le=0.1)] = 0.005
    largest_swap_gap: Annotated[float, Field(gt=0.0, le=0.5)] = 0.01
    largest_swap_discount: Annotated[float, Field(gt=0.0, le=0.5)] = 0.05
    request_timeout_seconds: Annotated[float, Field(gt=0.0, le=60.0)] = 10.0
    publish_seconds: NotNegative = 3_600.0
    held_values_seconds: NotNegative = 3_600.0


class LiveSwitches(msgspec.Struct, frozen=True):
    """The BASIS_LIVE_TRADING__* variables, typed; see SWITCHES. `endpoints` are by venue."""

    enabled: bool
    read_only: bool
    max_trade_size_usd: float
    max_transfer_size_usd: float
    emergency_stop_loss: float
    heartbeat_timeout: float
    endpoints: dict[str, str]


def load_live(config_dir: Path) -> LiveFile:
    """configs/live.yaml, or the defaults where there is none."""
    file = config_dir / "live.yaml"
    return read_model(LiveFile, file) if file.is_file() else LiveFile()


def read_switches(variables: Mapping[str, str], environment: str) -> LiveSwitches:
    """ConfigError for a value that cannot be read, or an endpoint that is not allowed."""
    given = {
        name.removeprefix(SWITCHES_PREFIX): value
        for name, value in variables.items()
        if name.startswith(SWITCHES_PREFIX)
    }
    endpoints = {n.removeprefix(ENDPOINT).lower(): given.pop(n) for n in list(given) if n.startswith(ENDPOINT)}
    for venue, url in endpoints.items():
        _check_endpoint(venue, url, environment)
    return LiveSwitches(
        enabled=_flag(given, "ENABLED", default=False),
        read_only=_flag(given, "READ_ONLY", default=True),
        max_trade_size_usd=_positive(given, "MAX_TRADE_SIZE_USD", 100.0),
        max_transfer_size_usd=_positive(given, "MAX_TRANSFER_SIZE_USD", 100.0),
        emergency_stop_loss=_positive(given, "EMERGENCY_STOP_LOSS_PCT", 0.15, largest=1.0),
        heartbeat_timeout=_positive(given, "HEARTBEAT_TIMEOUT_SECONDS", 300.0),
        endpoints=endpoints,
    )


def credentials(variables: Mapping[str, str], environment: str, venue: str) -> dict[str, Secret]:
    """What the client of `venue` needs, by field; ConfigError naming every variable that is missing."""
    if venue not in CREDENTIALS:
        raise ConfigError(f"there is no live client for {venue}.", remedy=f"known are {', '.join(CREDENTIALS)}.")
    names = {field: credentials_prefix(environment) + end for field, end in CREDENTIALS[venue].items()}
    if missing := [name for name in names.values() if not variables.get(name)]:
        raise ConfigError(
            f"credentials of {venue} are missing: {', '.join(missing)}.",
            code="CONFIG-003",
            remedy=f"set them in the environment; BASIS_ENVIRONMENT is {environment}.",
        )
    return {field: Secret(variables[name]) for field, name in names.items()}


def _check_endpoint(venue: str, url: str, environment: str) -> None:
    name = f"{SWITCHES_PREFIX}{ENDPOINT}{venue.upper()}"
    if environment == "prod":
        raise ConfigError(
            f"{name} is set, and production talks to {venue} itself and to nobody else.",
            remedy=f"unset {name}, or use BASIS_ENVIRONMENT=staging.",
        )
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.hostname not in LOOPBACK_HOSTS:
        raise ConfigError(
            f"{name} does not name a server on loopback: {environment} never talks to other hosts than the venue's "
            "own demo or test network.",
            remedy=f"write it as http://127.0.0.1:<port>, or unset {name}.",
        )


def _flag(given: Mapping[str, str], name: str, *, default: bool) -> bool:
    text = given.get(name, str(default)).lower()
    if text not in ("true", "false"):
        raise ConfigError(f"{SWITCHES_PREFIX}{name} is {text!r}, neither true nor false.")
    return text == "true"


def _positive(given: Mapping[str, str], name: str, default: float, *, largest: float = float("inf")) -> float:
    text = given.get(name, str(default))
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0.0 < value <= largest or value == float("inf"):
        bound = f" up to {largest:g}" if largest < float("inf") else ""
        raise ConfigError(f"{SWITCHES_PREFIX}{name} is {text!r}, not a number above 0{bound}.")
    return value
