"""Candles and settled funding of Binance, Bybit and OKX through ccxt, page by page.

Pages are ranges of time that overlap by one row, so that none can be lost between two of them. ccxt's own retries and
paging stay off: both are done here, where they are bounded. Funding is the realised rate (OKX: `realizedRate`).
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from basis_pipeline.domain.errors import ConfigError, DownloadError
from basis_pipeline.domain.timeline import HOUR, MINUTE, SECOND, iso
from basis_pipeline.market_data.downloads.month_files import Fetched, Request, Rows, number_text
from basis_pipeline.market_data.downloads.settings import Exchange, Http
from basis_pipeline.market_data.downloads.targets import Target
from basis_pipeline.market_data.downloads.transport import PoliteAdapter, Sleep

_MILLI = 1000
_TIMEFRAMES = {HOUR: "1h", 5 * MINUTE: "5m"}
_MARKET_TYPES = {"binance": ["spot", "linear"], "bybit": ["spot", "linear"], "okx": ["spot", "swap"]}


class ExchangeClient:
    """One exchange. It connects, and imports ccxt, when it is asked for the first time.

    Args:
        name: binance, bybit or okx.
        settings: pace, page sizes, host.
        http: limits of requests.
        sleep: how waiting is done.
    """

    def __init__(self, name: str, settings: Exchange, http: Http, sleep: Sleep = time.sleep) -> None:
        self._name, self._settings, self._http, self._sleep = name, settings, http, sleep
        self._client: Any = None

    def fetch(self, target: Target, start: int, end: int) -> Fetched:
        """Rows of [start, end), microseconds; bars that are not over by `end` have no stamp in it.

        Raises:
            SourceDownError: the exchange does not answer.
            DownloadError: it refuses, knows no such symbol, or settles funding at other times than configured.
        """
        size = self._settings.page_settlements if _is_funding(target) else self._settings.page_bars
        rows: Rows = {}
        requests = []
        for first, last in pages(start, end, target.shape.step, size):
            page = self._page(target, first, last, size)
            self._require_agreement(target, rows, page)
            rows |= {stamp: row for stamp, row in page.items() if start <= stamp < end}
            requests.append(Request(f"ccxt {self._name}", f"{iso(first)}/{iso(last)}", len(page)))
        if _is_funding(target):
            self._require_interval(target, rows)
        return Fetched(rows, tuple(requests))

    def _page(self, target: Target, first: int, last: int, size: int) -> Rows:
        """Rows stamped first to last, both included."""
        client, ccxt = self._connected(), _ccxt()
        since, until = first // _MILLI, last // _MILLI
        try:
            if _is_funding(target):
                return _settlements(client.fetch_funding_rate_history(*self._funding_query(target, since, until, size)))
            price = {"price": "mark"} if target.key.dataset == "mark_candles_1h" else {}
            # OKX takes an exclusive end from `since` and the limit; the others an inclusive one.
            ends = {} if self._name == "okx" else {"until": until}
            frame = _TIMEFRAMES[target.shape.step]
            return _bars(client.fetch_ohlcv(_market(target), frame, since, size, {**price, **ends}), bool(price))
        except ccxt.BaseError as error:
            raise DownloadError(
                f"{target}: {self._name} answers {type(error).__name__}: {str(error)[:300]}.",
                remedy="check symbol and host in configs/downloads.yaml; some exchanges refuse some countries.",
            ) from error

    def _funding_query(self, target: Target, since: int, until: int, size: int) -> tuple[str, int, int, dict[str, int]]:
        # ccxt knows no `until` for OKX, whose own word for an exclusive end is `after`.
        ends = {"after": until + 1} if self._name == "okx" else {"until": until}
        return _market(target), since, size, ends

    def _connected(self) -> Any:
        if self._client is None:
            options = {"fetchMarkets": {"types": _MARKET_TYPES[self._name]}, "maxRetriesOnFailure": 0}
            client = getattr(_ccxt(), self._name)({"enableRateLimit": False, "options": options})
            # The transport is redirected, never `urls`: ccxt finds its error classes by the real host.
            adapter = PoliteAdapter(
                self._http, self._settings.requests_per_second, base_url=self._settings.api_url, sleep=self._sleep
            )
            client.session.mount("https://", adapter)
            self._client = client
        return self._client

    def _require_agreement(self, target: Target, rows: Rows, page: Rows) -> None:
        """What two pages both have is over and must be the same in both."""
        if changed := [stamp for stamp, row in page.items() if rows.get(stamp, row) != row]:
            raise DownloadError(
                f"{target}: {self._name} gives {iso(min(changed))} as {rows[min(changed)]} and then as "
                f"{page[min(changed)]}.",
                remedy="run the same command again; nothing of this month was kept.",
            )

    def _require_interval(self, target: Target, rows: Rows) -> None:
        off = [stamp for stamp in rows if stamp % target.shape.step]
        if off:
            raise DownloadError(
                f"{target}: {self._name} settled at {iso(min(off))}, which is not on the configured interval of "
                f"{target.shape.step // HOUR} h.",
                remedy=f"correct {self._name}.funding_interval_hours in configs/downloads.yaml.",
            )


def pages(start: int, end: int, step: int, size: int) -> Iterator[tuple[int, int]]:
    """First and last stamp, both included, of pages of at most `size` steps over [start, end)."""
    first = -(-start // step) * step
    while first < end:
        last = min(first + (size - 1) * step, end - 1)
        yield first, last
        if last + step >= end:
            return
        first = last  # once more: overlapping pages lose nothing between them


def _ccxt() -> ModuleType:
    """Imported where it is used only: it takes 1.3 s and 77 MiB, and belongs to an extra."""
    try:
        return importlib.import_module("ccxt")
    except ImportError as error:
        raise ConfigError("ccxt is not installed.", remedy="pip install -e '.[download]'.") from error


def _is_funding(target: Target) -> bool:
    return target.key.dataset == "funding_rates"


def _market(target: Target) -> str:
    """Unified name of a USDT market: BTC/USDT, or BTC/USDT:USDT for the linear perpetual."""
    base = target.key.symbol.removesuffix("USDT")
    return f"{base}/USDT" if target.key.dataset.startswith("spot") else f"{base}/USDT:USDT"


def _bars(candles: list[list[float | None]], mark: bool) -> Rows:
    """Volume is left empty for marks: it is computed, not traded, and some exchanges put other things there."""
    return {
        int(stamp or 0) * _MILLI: (*map(number_text, prices), "" if mark else number_text(volume))
        for stamp, *prices, volume in candles
    }


def _settlements(history: list[dict[str, object]]) -> Rows:
    """Rates by settlement, to the second: stamps are some milliseconds late."""
    rows: Rows = {}
    for settled in history:
        micros = int(str(settled["timestamp"])) * _MILLI
        rows[(micros + SECOND // 2) // SECOND * SECOND] = (number_text(settled["fundingRate"]),)
    return rows
