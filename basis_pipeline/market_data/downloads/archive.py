"""Binance's public archive: zips of a month or a day, each with a `.CHECKSUM` beside it.

Layout of the archive: github.com/binance/binance-public-data. Spot stamps are microseconds from 2025-01-01 on and
milliseconds before; files of USD-M futures have a header line, spot files have none.
"""

from __future__ import annotations

import csv
import hashlib
import io
import zipfile
from collections.abc import Iterator

import requests

from basis_pipeline.domain.errors import DownloadError
from basis_pipeline.domain.timeline import DAY, HOUR, SECOND, from_micros
from basis_pipeline.market_data.downloads.month_files import Fetched, Request, Rows, number_text
from basis_pipeline.market_data.downloads.settings import Url
from basis_pipeline.market_data.downloads.targets import Target
from basis_pipeline.market_data.downloads.transport import shown

_KLINES = {
    "spot_candles_1h": ("spot", "klines", "1h"),
    "perp_candles_1h": ("futures/um", "klines", "1h"),
    "perp_candles_5m": ("futures/um", "klines", "5m"),
    "mark_candles_1h": ("futures/um", "markPriceKlines", "1h"),
}
_FIRST_MICROSECOND_STAMP = 10**14
"""Milliseconds reach this in the year 5138, microseconds did in 1973."""


class Archive:
    """Months and days of Binance, checked against the published digests."""

    def __init__(self, session: requests.Session, base_url: Url) -> None:
        self._session, self._base = session, base_url.rstrip("/")

    def month(self, target: Target) -> Fetched | None:
        """The whole month, or None where the archive does not have it."""
        return self._rows(target, self._url(target, "monthly", target.month))

    def day(self, target: Target, day: int) -> Fetched | None:
        """The day that begins at `day` (microseconds), or None. There are no days of funding."""
        if target.key.dataset == "funding_rates":
            return None
        return self._rows(target, self._url(target, "daily", f"{from_micros(day):%Y-%m-%d}"))

    def _url(self, target: Target, period: str, date: str) -> str:
        symbol = target.key.symbol
        if target.key.dataset == "funding_rates":
            return f"{self._base}/data/futures/um/{period}/fundingRate/{symbol}/{symbol}-fundingRate-{date}.zip"
        market, kind, bar = _KLINES[target.key.dataset]
        return f"{self._base}/data/{market}/{period}/{kind}/{symbol}/{bar}/{symbol}-{bar}-{date}.zip"

    def _rows(self, target: Target, url: str) -> Fetched | None:
        content = self._get(url)
        if content is None:
            return None
        content, digest = self._verified(url, content)
        lines = _lines(url, content)
        rows = _settlements(target, url, lines) if target.key.dataset == "funding_rates" else _bars(target, lines)
        inside = {stamp: row for stamp, row in rows.items() if target.start <= stamp < target.end}
        return Fetched(inside, (Request(shown(url), "archive", len(inside), digest),))

    def _verified(self, url: str, content: bytes) -> tuple[bytes, str]:
        """Content whose digest is the published one; fetched once more if it is not at first."""
        for _ in range(2):
            published = self._get(f"{url}.CHECKSUM")
            if published is None:
                raise DownloadError(
                    f"{shown(url)} has no .CHECKSUM beside it.", remedy="run the same command again later."
                )
            expected, digest = published.decode(errors="replace")[:64], hashlib.sha256(content).hexdigest()
            if digest == expected:
                return content, digest
            content = self._get(url) or b""
        raise DownloadError(
            f"{shown(url)} was fetched twice and its sha256 is {digest}, where {url.rpartition('/')[2]}.CHECKSUM says "
            f"{expected}; nothing of it was kept.",
            remedy="run the same command again later; if it stays so, the vendor's file is damaged.",
        )

    def _get(self, url: str) -> bytes | None:
        answer = self._session.get(url)
        if answer.status_code == requests.codes.not_found:
            return None
        if not answer.ok:
            raise DownloadError(
                f"{shown(url)}: HTTP {answer.status_code} {answer.reason}.",
                remedy="check binance.archive_url in configs/downloads.yaml.",
            )
        return answer.content


def _lines(url: str, content: bytes) -> list[list[str]]:
    """Rows of the one CSV in a zip, without its header."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as zipped:
            (name,) = zipped.namelist()
            text = zipped.read(name).decode()
    except (zipfile.BadZipFile, ValueError, EOFError) as error:
        raise DownloadError(
            f"{shown(url)} is no whole zip of one CSV: {error}.", remedy="run the same command again later."
        ) from error
    lines = list(csv.reader(io.StringIO(text)))
    return lines[1:] if lines and not lines[0][0].isdigit() else lines


def _bars(target: Target, lines: list[list[str]]) -> Rows:
    """Open time and the five values after it, written as the API's are; the volume of a mark means nothing."""
    mark = target.key.dataset == "mark_candles_1h"
    return {
        _micros(int(line[0])): (*map(number_text, line[1:5]), "" if mark else number_text(line[5])) for line in lines
    }


def _settlements(target: Target, url: str, lines: list[list[str]]) -> Rows:
    """calc_time, funding_interval_hours, last_funding_rate; stamps to the second: they are some milliseconds late."""
    for line in lines:
        if int(line[1]) * HOUR != target.shape.step:
            raise DownloadError(
                f"{shown(url)}: {target.key.symbol} settles every {line[1]} h, {target.shape.step // HOUR} h are "
                "configured.",
                remedy="correct binance.funding_interval_hours in configs/downloads.yaml, or leave the symbol out.",
            )
    return {(_micros(int(line[0])) + SECOND // 2) // SECOND * SECOND: (number_text(line[2]),) for line in lines}


def _micros(stamp: int) -> int:
    return stamp if stamp >= _FIRST_MICROSECOND_STAMP else stamp * 1000


def days_between(start: int, end: int) -> Iterator[int]:
    """00:00 of every day that [start, end) touches."""
    return iter(range(start // DAY * DAY, end, DAY))
