"""One account at a fake exchange, reached by the real client library exactly as a session reaches it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from requests import PreparedRequest, Response

from basis_pipeline.domain.secret import Secret
from basis_pipeline.venues.live.ccxt_exchange import CcxtExchange
from basis_pipeline.venues.live.clients import live_exchange
from basis_pipeline.venues.live.transport import Redirect
from basis_pipeline_tests.fakes.binance import BinanceSkin
from basis_pipeline_tests.fakes.bybit import BybitSkin
from basis_pipeline_tests.fakes.exchange import FakeExchange
from basis_pipeline_tests.fakes.okx import PASSPHRASE, OkxSkin
from basis_pipeline_tests.fakes.server import FakeServer

KEY, SECRET = "the-key-of-a-test", "the-secret-of-a-test"
SKINS: dict[str, Any] = {"binance": BinanceSkin, "bybit": BybitSkin, "okx": OkxSkin}
EXCHANGES = tuple(SKINS)
KEYS = {
    "binance": {"spot_key": KEY, "spot_secret": SECRET, "futures_key": KEY, "futures_secret": SECRET},
    "bybit": {"key": KEY, "secret": SECRET},
    "okx": {"key": KEY, "secret": SECRET, "passphrase": PASSPHRASE},
}


class _Patience(Redirect):
    """A minute for an answer that comes, however busy the machine is; a second for one that is known not to."""

    def __init__(self, server: FakeServer) -> None:
        super().__init__(server.url)
        self._server = server

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        silent = self._server.will_be_silent(request.method or "", urlsplit(request.url or "").path)
        return super().send(request, *args, **kwargs | {"timeout": 1.0 if silent else 60.0})


@dataclass
class Account:
    name: str
    books: FakeExchange
    skin: Any
    server: FakeServer

    def exchange(self) -> CcxtExchange:
        """A new client of it, as of a process of its own; requests are not spaced out."""
        keys = {field: Secret(value) for field, value in KEYS[self.name].items()}
        made = live_exchange(self.name, "prod", keys, endpoint=self.server.url)
        made._client.session.mount("https://", _Patience(self.server))
        made._client.rateLimit = 0.1
        return made

    @property
    def cash(self) -> float:
        """USDT over all wallets of the account."""
        wallets = {id(wallet): wallet for wallet in (self.books.spot, self.books.margin, *self.books.leaves)}
        return sum(wallet["USDT"] for wallet in wallets.values())


@contextmanager
def account(
    name: str,
    *,
    usdt: float = 100_000.0,
    margin: float = 0.0,
    at: int = 0,
    opens: type[FakeExchange] = FakeExchange,
) -> Iterator[Account]:
    """BTC costs 50,000 and ETH 2,500 there."""
    books = opens()
    books.list_coin("BTC", 50_000.0)
    books.list_coin("ETH", 2_500.0, contract=0.1)
    books.now = at
    skin = SKINS[name](books, KEY, SECRET)
    books.spot["USDT"] += usdt
    books.margin["USDT"] += margin
    with FakeServer(skin) as server:
        yield Account(name, books, skin, server)
