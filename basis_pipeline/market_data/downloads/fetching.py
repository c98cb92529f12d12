"""One month from its source to its file: what is there is kept, what is open is continued, what fails is named."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from basis_pipeline.domain.errors import BasisError
from basis_pipeline.domain.timeline import DAY, MINUTE
from basis_pipeline.market_data.downloads.archive import Archive, days_between
from basis_pipeline.market_data.downloads.chain import ChainClient
from basis_pipeline.market_data.downloads.exchanges import ExchangeClient
from basis_pipeline.market_data.downloads.month_files import Fetched, Rows, load, save
from basis_pipeline.market_data.downloads.rpc import Rpc
from basis_pipeline.market_data.downloads.settings import Downloads
from basis_pipeline.market_data.downloads.targets import CHAIN, Target
from basis_pipeline.market_data.downloads.transport import PoliteAdapter, Sleep, session

Status = Literal["kept", "fetched", "extended", "missing", "failed", "due"]
"""kept: complete before. fetched: new. extended: an open month goes on. missing: the vendor has nothing of it.
failed: see `error`. due: would be fetched (a dry run)."""

_LAG = 10 * MINUTE
"""A bar or settlement younger than this may not be final yet at its source."""
_LATE = 2 * DAY
_ARCHIVED_BY_DAY = 62 * DAY
"""Younger months may be in the archive by day only."""


class Client(Protocol):
    def fetch(self, target: Target, start: int, end: int) -> Fetched:
        """Rows of [start, end)."""
        ...


@dataclass(frozen=True)
class Outcome:
    """What became of one month.

    Attributes:
        rows: in the file; 0 where there is none.
        missing: steps that the vendor does not have, up to where it was asked.
        revised: rows that the vendor gives otherwise than before; the new ones were written.
        error: why it failed.
    """

    target: Target
    status: Status
    rows: int = 0
    missing: int = 0
    revised: int = 0
    error: BasisError | None = None


class BinanceClient:
    """Archive of the month, else of its days, and the API for what neither has."""

    def __init__(self, archive: Archive, api: Client, now: int) -> None:
        self._archive, self._api, self._now = archive, api, now

    def fetch(self, target: Target, start: int, end: int) -> Fetched:
        if (start, end) == (target.start, target.end):
            month = self._archive.month(target)
            if month is not None:
                return month
        found = Fetched({}, ())
        since = start
        if target.end > self._now - _ARCHIVED_BY_DAY:
            for day in days_between(start, end):
                rows = self._archive.day(target, day) if day + DAY <= end else None
                if rows is not None:
                    found = _joined(found, self._between(target, since, day), rows)
                    since = day + DAY
        return _joined(found, self._between(target, since, end))

    def _between(self, target: Target, start: int, end: int) -> Fetched:
        return self._api.fetch(target, start, end) if start < end else Fetched({}, ())


def clients(settings: Downloads, rpc_url: str | None, now: int, sleep: Sleep = time.sleep) -> dict[str, Client]:
    """A client per source; none connects before it is asked. `rpc_url` may hold a key."""
    http = settings.http
    exchanges = {
        name: ExchangeClient(name, config, http, sleep)
        for name, config in (("binance", settings.binance), ("bybit", settings.bybit), ("okx", settings.okx))
    }
    binance = settings.binance
    files = session(PoliteAdapter(http, binance.archive_requests_per_second, sleep=sleep))
    url = rpc_url or settings.ethereum.rpc_url
    pace = settings.ethereum.requests_per_second
    rpc = (
        Rpc(session(PoliteAdapter(http, pace, secret=True, sleep=sleep)), url, settings.ethereum.blocks_per_request)
        if url
        else None
    )
    return {
        **exchanges,
        "binance": BinanceClient(Archive(files, binance.archive_url), exchanges["binance"], now),
        CHAIN: ChainClient(rpc, settings.ethereum),
    }


def state(raw: Path, target: Target, now: int) -> Outcome:
    """What a download would do with a month, without asking anybody."""
    held = load(raw, target)
    if held is None:
        return Outcome(target, "due")
    status: Status = "kept" if held.through >= _reach(target, now) else "due"
    return Outcome(target, status, held.provenance.rows, held.provenance.missing)


def fetch_month(raw: Path, target: Target, client: Client, now: int) -> Outcome:
    """Bring one month up to `now` (microseconds UTC).

    Raises:
        DownloadError, ConfigError: the source cannot give it; what was on disk is untouched.
        StorageError: the file cannot be written.
    """
    held, reach = load(raw, target), _reach(target, now)
    if held and held.through >= reach:
        return Outcome(target, "kept", held.provenance.rows, held.provenance.missing)
    before = held.rows() if held else {}
    # The last row once more: it shows whether the vendor still says the same.
    start = max(before, default=target.start)
    if start >= reach:
        return Outcome(target, "missing")
    fetched = client.fetch(target, start, reach)
    rows = before | fetched.rows
    if not rows:
        return Outcome(target, "missing", missing=target.steps(target.start, reach))
    requests = (*(held.provenance.requests if held else ()), *fetched.requests)
    written = save(raw, target, rows, _through(target, rows, reach, now), requests)
    revised = sum(before.get(stamp, row) != row for stamp, row in fetched.rows.items())
    return Outcome(target, "extended" if held else "fetched", written.rows, written.missing, revised)


def _reach(target: Target, now: int) -> int:
    """Exclusive end of what is final by now: bars that are over, settlements and state that are past."""
    step = target.shape.step
    over = (now - _LAG) // step * step
    # A candle is stamped at its open; everything else at the moment it tells of.
    return min(target.end, over if "_candles_" in target.key.dataset else over + step)


def _through(target: Target, rows: Rows, reach: int, now: int) -> int:
    """Where the month is whole to. A tail that is late at the vendor is asked for again until it is two days old."""
    end = max(rows) + target.shape.step
    return end if end < reach and reach > now - _LATE else reach


def _joined(*parts: Fetched) -> Fetched:
    rows = {stamp: row for part in parts for stamp, row in part.rows.items()}
    return Fetched(rows, tuple(request for part in parts for request in part.requests))
