"""HTTP as every client here does it: paced, retried within bounds, whole bodies only, nothing secret in a message."""

from __future__ import annotations

import email.utils
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit, urlunsplit

import requests
from requests.adapters import HTTPAdapter
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from basis_pipeline.domain.errors import DownloadError
from basis_pipeline.market_data.downloads.settings import Http

Sleep = Callable[[float], None]
_BACK_OFF = (418, 429)
_PASSING = (500, 502, 503, 504)


class SourceDownError(DownloadError):
    """A server does not answer, or does not want to for now: asking it for the next file is of no use."""


class _TryAgainError(Exception):
    def __init__(self, reason: str, after: float = 0.0) -> None:
        self.reason, self.after = reason, after
        super().__init__(reason)


class PoliteAdapter(HTTPAdapter):
    """Sends requests one by one at a bounded pace, and again where that may help.

    Args:
        http: limits.
        requests_per_second: pace; the next request waits until it is due.
        base_url: scheme, host and path prefix to send requests to instead of the ones in their URL.
        secret: the URL holds a key: messages name its host only.
        sleep: how waiting is done.
    """

    def __init__(
        self,
        http: Http,
        requests_per_second: float,
        *,
        base_url: str | None = None,
        secret: bool = False,
        sleep: Sleep = time.sleep,
    ) -> None:
        super().__init__()
        self._http, self._spacing = http, 1.0 / requests_per_second
        self._base, self._secret, self._sleep = base_url, secret, sleep
        self._due = 0.0
        if secret:
            # At DEBUG this library writes the path of every request, and the key is in it.
            logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)

    def send(  # noqa: PLR0917 - the signature of the library
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """The answer, its body read; an answer of 4xx is the caller's to judge.

        Raises:
            SourceDownError: no usable answer within the attempts, or a longer pause was asked for than is allowed.
        """
        self._redirect(request)
        request.headers["User-Agent"] = self._http.user_agent
        retrying = Retrying(
            retry=retry_if_exception_type(_TryAgainError),
            stop=stop_after_attempt(self._http.attempts),
            wait=self._pause,
            sleep=self._sleep,
            reraise=True,
        )
        reason = ""
        try:
            return retrying(self._once, request, verify, cert, proxies)
        except _TryAgainError as last:
            reason = last.reason
        # Raised outside the handler: what is chained to a library's error would carry the URL along.
        raise SourceDownError(
            f"{self._place(request)}: {reason}, {self._http.attempts} times in a row.",
            remedy="check the network and the base URL in configs/downloads.yaml, then run the same command again.",
        )

    def _once(
        self,
        request: requests.PreparedRequest,
        verify: bool | str,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None,
        proxies: Mapping[str, str] | None,
    ) -> requests.Response:
        self._pace()
        problem = ""
        try:
            response = super().send(request, True, self._http.timeout_seconds, verify, cert, proxies)
            # Read here, where a body that was cut off can be asked for again.
            _ = response.content
        except requests.RequestException as error:
            problem = _reason(error)
        if problem:
            raise _TryAgainError(problem)
        if response.status_code in (*_BACK_OFF, *_PASSING):
            after = self._asked_pause(request, response)
            raise _TryAgainError(f"HTTP {response.status_code} {response.reason}", after)
        return response

    def _asked_pause(self, request: requests.PreparedRequest, response: requests.Response) -> float:
        after = retry_after(response.headers.get("Retry-After", ""), datetime.now(UTC))
        if after > self._http.longest_wait_seconds:
            raise SourceDownError(
                f"{self._place(request)}: HTTP {response.status_code}, asks to wait {after:.0f} s; at most "
                f"{self._http.longest_wait_seconds:.0f} s are waited here.",
                remedy="run the same command again after that time; what is complete is not fetched again.",
            )
        return after

    def _pause(self, state: RetryCallState) -> float:
        """Seconds before the next attempt: what the server asked for, at least a growing pause of our own."""
        own = wait_exponential_jitter(multiplier=0.5, max=self._http.longest_wait_seconds, jitter=0.5)(state)
        error = state.outcome.exception() if state.outcome else None
        return max(own, error.after) if isinstance(error, _TryAgainError) else own

    def _pace(self) -> None:
        now = time.monotonic()
        if self._due > now:
            self._sleep(self._due - now)
        self._due = max(now, self._due) + self._spacing

    def _redirect(self, request: requests.PreparedRequest) -> None:
        if self._base:
            given, base = urlsplit(str(request.url)), urlsplit(self._base)
            path = base.path.rstrip("/") + given.path
            request.url = urlunsplit((base.scheme, base.netloc, path, given.query, ""))

    def _place(self, request: requests.PreparedRequest) -> str:
        return shown(str(request.url), secret=self._secret)


def retry_after(header: str, now: datetime) -> float:
    """Seconds that a Retry-After header (seconds or an HTTP date) asks for; 0 where it says nothing readable."""
    if header.strip().isdigit():
        return float(header)
    try:
        return max(0.0, (email.utils.parsedate_to_datetime(header) - now).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def shown(url: str, *, secret: bool = False) -> str:
    """A URL for messages and files: without user and password, and without path and query where these hold a key."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}/…" if secret else urlunsplit((parts.scheme, host, parts.path, parts.query, ""))


def session(adapter: PoliteAdapter) -> requests.Session:
    """A session whose requests all go through `adapter`."""
    made = requests.Session()
    made.trust_env = False  # no credentials from a .netrc
    for scheme in ("https://", "http://"):
        made.mount(scheme, adapter)
    return made


def _reason(error: requests.RequestException) -> str:
    """What went wrong, without the library's text: that repeats the URL."""
    if isinstance(error, requests.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError):
        return "the body was cut off"
    if isinstance(error, requests.exceptions.SSLError):
        return "the certificate was refused"
    return "no connection" if isinstance(error, requests.ConnectionError) else type(error).__name__
