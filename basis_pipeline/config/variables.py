"""Every environment variable that this project reads, by name; one that is misspelt is never taken for absent.

A line that never had an effect (a credential, a limit of live trading) would look like one that has.
"""

from __future__ import annotations

from collections.abc import Iterable

from basis_pipeline.config.spelling import nearest
from basis_pipeline.domain.errors import ConfigError

PREFIX = "BASIS_"
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
ENVIRONMENTS = ("dev", "staging", "prod")

SWITCHES_PREFIX = "BASIS_LIVE_TRADING__"
ENDPOINT = "ENDPOINT_"
SWITCHES = {
    "ENABLED": "true lets `basis live` start (default false)",
    "READ_ONLY": "false lets it send orders (default true: every order is refused and recorded)",
    "MAX_TRADE_SIZE_USD": "largest order (default 100)",
    "MAX_TRANSFER_SIZE_USD": "largest transfer between venues (default 100)",
    "EMERGENCY_STOP_LOSS_PCT": "drawdown at which trading stops for good, as a fraction (default 0.15)",
    "HEARTBEAT_TIMEOUT_SECONDS": "without a completed tick for this long the session fails (default 300)",
    "ENDPOINT_<VENUE>": "a server on loopback to talk to instead of the venue, for drills; never in prod",
}
CREDENTIALS = {
    "binance": {
        "spot_key": "BINANCE_SPOT_API_KEY",
        "spot_secret": "BINANCE_SPOT_SECRET",
        "futures_key": "BINANCE_FUTURES_API_KEY",
        "futures_secret": "BINANCE_FUTURES_SECRET",
    },
    "bybit": {"key": "BYBIT_API_KEY", "secret": "BYBIT_SECRET"},
    "okx": {"key": "OKX_API_KEY", "secret": "OKX_SECRET", "passphrase": "OKX_PASSPHRASE"},
}
"""By venue: what its client needs, and the end of the variable that has it."""
WALLET = ("RPC_URL", "SEND_URL", "PRIVATE_KEY", "EXECUTOR_ADDRESS", "NETWORK")
"""Ends of the variables that name a wallet on a chain."""

_BREAKER = f"{SWITCHES_PREFIX}CIRCUIT_BREAKER_ENABLED"
_FREE = ("BASIS_ML_", "BASIS_NOTIFY_")
"""Names that begin like this are up to whoever writes the files that refer to them."""


def credentials_prefix(environment: str) -> str:
    """How the variables begin that hold the API keys of an environment."""
    return f"BASIS_{environment.upper()}__CEX__"


def wallet_prefix(environment: str) -> str:
    """How the variables begin that name the wallet of an environment."""
    return f"BASIS_{environment.upper()}__ALCHEMY__"


def check_names(names: Iterable[str]) -> None:
    """Refuse the first `BASIS_*` name that nothing reads; ConfigError with the nearest that exists, never a value."""
    groups = _groups()
    known = {prefix + end for prefix, ends in groups.items() for end in ends}
    for name in sorted(names):
        if name == _BREAKER:
            raise ConfigError(
                f"environment variable {_BREAKER} is not taken: the circuit breakers (limits of risk, emergency "
                "stop, comparison with the venues) cannot be switched off.",
                remedy=f"unset it; {SWITCHES_PREFIX}EMERGENCY_STOP_LOSS_PCT says at which loss trading stops.",
            )
        if name.startswith(PREFIX) and name not in known and not name.startswith(_FREE):
            raise ConfigError(f"environment variable {name} is not known.", remedy=f"{_meant(name, groups)}")


def _groups() -> dict[str, list[str]]:
    """Known names by what they begin with."""
    switches = [switch for switch in SWITCHES if not switch.startswith(ENDPOINT)]
    groups = {
        PREFIX: [name.removeprefix(PREFIX) for name in VARIABLES],
        SWITCHES_PREFIX: switches + [ENDPOINT + venue.upper() for venue in CREDENTIALS],
    }
    for environment in ENVIRONMENTS:
        groups[credentials_prefix(environment)] = [end for ends in CREDENTIALS.values() for end in ends.values()]
        groups[wallet_prefix(environment)] = list(WALLET)
    return groups


def _meant(name: str, groups: dict[str, list[str]]) -> str:
    """Among the names of its group; where it begins like none of them, among all."""
    prefix = max(filter(name.startswith, groups), key=len)
    everything = [begin.removeprefix(PREFIX) + end for begin, ends in groups.items() for end in ends]
    ends = everything if prefix == PREFIX else groups[prefix]
    return nearest(name.removeprefix(prefix), ends, prefix=prefix)
