"""The client of an action follows from (execution mode, environment, venue, operation), here and nowhere else.

::

    backtest                      simulator (wired by `config`; this module refuses)
    live, dev or staging          the venue's demo or test network; or a server on loopback, for drills
    live, prod                    the venue
    spot and perps of Binance     a key each; the other venues have one key for both

A client whose hosts do not fit its environment is refused after it is built, whatever was configured.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.secret import Secret
from basis_pipeline.venues.live.ccxt_exchange import CcxtExchange
from basis_pipeline.venues.live.dialects import Binance, Dialect
from basis_pipeline.venues.live.dialects_unified import Bybit, Okx
from basis_pipeline.venues.live.extra import need
from basis_pipeline.venues.live.transport import Redirect

if TYPE_CHECKING:
    import ccxt

DIALECTS: dict[str, type[Dialect]] = {"binance": Binance, "bybit": Bybit, "okx": Okx}
PRODUCTION = "prod"
_TEST_WORDS = ("testnet", "demo", "sandbox")


def live_exchange(
    venue: str,
    environment: str,
    credentials: Mapping[str, Secret],
    *,
    endpoint: str | None = None,
    timeout: float = 10.0,
) -> CcxtExchange:
    """The account at `venue` that sessions of `environment` trade.

    Args:
        venue: as in position keys.
        environment: dev, staging or prod.
        credentials: by field, as `config.live.credentials` reads them.
        endpoint: loopback server that gets the requests instead; never in prod.
        timeout: seconds that one request may take.

    Raises:
        ConfigError: there is no client for the venue, or its hosts do not fit the environment.
    """
    need("ccxt")
    dialect: Dialect = DIALECTS[venue]()
    client = _client(dialect, credentials, timeout)
    if environment != PRODUCTION:
        dialect.use_test_network(client)
    check_hosts(client, dialect, environment)
    if endpoint:
        dialect.complete(client)
        client.session.mount("https://", Redirect(endpoint))
    return CcxtExchange(client, dialect)


def check_hosts(client: ccxt.Exchange, dialect: Dialect, environment: str) -> None:
    """Refuse production hosts outside production, and test hosts in it."""
    hosts = _hosts(client)
    if environment == PRODUCTION:
        if wrong := sorted(host for host in hosts if any(word in host for word in _TEST_WORDS)):
            raise ConfigError(f"production would talk to a test network of {dialect.name}: {', '.join(wrong)}.")
        return
    if hosts & _hosts(type(client)()) and not dialect.marked_as_test(client):
        raise ConfigError(
            f"{environment} would talk to production of {dialect.name}.",
            remedy="use BASIS_ENVIRONMENT=prod if real money is meant.",
        )


def _client(dialect: Dialect, credentials: Mapping[str, Secret], timeout: float) -> ccxt.Exchange:
    import ccxt  # noqa: PLC0415 - 1.3 s, and no backtest needs it

    kind = getattr(ccxt, dialect.name)
    options: dict[str, Any] = {
        "timeout": round(timeout * 1_000),
        "options": dict(dialect.client_options),
        "has": {"fetchCurrencies": False},  # asks the account for its networks; nothing here needs them
    }
    if "spot_key" in credentials:
        return _two_keys(kind, credentials)(options)
    options |= {"apiKey": credentials["key"].reveal(), "secret": credentials["secret"].reveal()}
    if "passphrase" in credentials:
        options["password"] = credentials["passphrase"].reveal()
    return kind(options)


def _two_keys(kind: type[ccxt.Exchange], credentials: Mapping[str, Secret]) -> type[ccxt.Exchange]:
    """A client that signs requests to the futures API with the futures key, all others with the spot key."""

    class TwoKeys(kind):  # type: ignore[misc]
        def sign(self, path: str, api: Any = "public", *args: Any, **kwargs: Any) -> Any:
            wallet = "futures" if str(api).startswith("fapi") else "spot"
            self.apiKey = credentials[f"{wallet}_key"].reveal()
            self.secret = credentials[f"{wallet}_secret"].reveal()
            return super().sign(path, api, *args, **kwargs)

        def check_required_credentials(self, error: bool = True) -> bool:
            return True

    return TwoKeys


def _hosts(client: ccxt.Exchange) -> frozenset[str]:
    """Hosts of everything the client may call."""
    named = {"hostname": client.hostname or ""}
    return frozenset(str(urlsplit(url.format(**named)).hostname) for url in _texts(client.urls["api"]))


def _texts(node: Any) -> list[str]:
    if isinstance(node, dict):
        return [text for child in node.values() for text in _texts(child)]
    return [str(node)]
