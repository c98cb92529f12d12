"""Requests that fail: what is tried again, how often, how long is waited, and what is said."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests

from basis_pipeline.market_data.downloads.settings import Http
from basis_pipeline.market_data.downloads.transport import (
    PoliteAdapter,
    SourceDownError,
    retry_after,
    session,
    shown,
)
from basis_pipeline_tests.market_data.downloads.server import Vendor, cut_off, serving, status

HTTP = Http(user_agent="basis-pipeline test", timeout_seconds=60, attempts=3, longest_wait_seconds=60)
PAGE = "/api/v3/exchangeInfo"


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Vendor, str]]:
    vendor = Vendor()
    with serving(vendor) as url:
        yield vendor, url


@pytest.fixture
def vendor(served: tuple[Vendor, str]) -> Vendor:
    served[0].faults.clear()
    served[0].paths.clear()
    return served[0]


@pytest.fixture
def url(served: tuple[Vendor, str]) -> str:
    return served[1]


def get(url: str, naps: list[float], pace: float = 100.0) -> requests.Response:
    return session(PoliteAdapter(HTTP, pace, sleep=naps.append)).get(f"{url}{PAGE}")


@pytest.mark.parametrize("code", [429, 418])
def test_the_pause_that_the_server_asks_for_is_kept(vendor: Vendor, url: str, code: int) -> None:
    vendor.plant(PAGE, status(code, Retry_After="17"))
    naps: list[float] = []
    assert get(url, naps).ok
    assert max(naps) == 17.0
    assert vendor.asked(PAGE) == 2


def test_a_pause_longer_than_allowed_ends_it_at_once(vendor: Vendor, url: str) -> None:
    vendor.plant(PAGE, status(418, Retry_After="259200"))
    naps: list[float] = []
    with pytest.raises(SourceDownError, match=r"HTTP 418, asks to wait 259200 s; at most 60 s"):
        get(url, naps)
    assert vendor.asked(PAGE) == 1
    assert not naps


def test_a_body_that_is_cut_off_is_asked_for_again(vendor: Vendor, url: str) -> None:
    vendor.plant(PAGE, cut_off)
    assert get(url, []).json()["symbols"]
    assert vendor.asked(PAGE) == 2


def test_attempts_are_bounded_and_the_last_reason_is_named(vendor: Vendor, url: str) -> None:
    vendor.plant(PAGE, cut_off, times=99)
    with pytest.raises(SourceDownError, match=rf"{PAGE}: the body was cut off, 3 times in a row"):
        get(url, [])
    assert vendor.asked(PAGE) == 3


def test_pauses_grow(vendor: Vendor, url: str) -> None:
    vendor.plant(PAGE, status(503), times=2)
    naps: list[float] = []
    get(url, naps)
    own = [nap for nap in naps if nap >= 0.5]
    assert len(own) == 2
    assert 0.5 <= own[0] <= 1.0 <= own[1] <= 1.5


def test_other_refusals_are_not_tried_again(vendor: Vendor, url: str) -> None:
    vendor.plant(PAGE, status(451))
    assert get(url, []).status_code == 451
    assert vendor.asked(PAGE) == 1


def test_requests_keep_their_pace(vendor: Vendor, url: str) -> None:
    naps: list[float] = []
    polite = session(PoliteAdapter(HTTP, 0.1, sleep=naps.append))
    for _ in range(3):
        polite.get(f"{url}{PAGE}")
    assert len(naps) == 2
    assert 9.0 < naps[0] <= 10.0 < 19.0 < naps[1] <= 20.0
    assert vendor.agents == {"basis-pipeline test"}


def test_a_key_in_the_url_is_in_no_message_no_cause_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    hidden = session(PoliteAdapter(HTTP, 100.0, secret=True, sleep=lambda _: None))
    with pytest.raises(SourceDownError, match="no connection, 3 times in a row") as caught:
        # Port 9 of loopback: nobody answers.
        hidden.post("http://user:s3cr3t@127.0.0.1:9/v3/s3cr3t?key=s3cr3t", json={})
    error: BaseException | None = caught.value
    while error:
        assert "s3cr3t" not in f"{error} {error!r}"
        error = error.__cause__ or error.__context__
    assert "s3cr3t" not in caplog.text


def test_shown_urls_have_no_password() -> None:
    assert shown("https://me:pw@host.example/data/x.zip?a=1") == "https://host.example/data/x.zip?a=1"
    assert shown("https://host.example/v3/key", secret=True) == "https://host.example/…"


def test_retry_after_is_seconds_or_a_date() -> None:
    now = datetime(2025, 1, 1, 12, 0, 0, tzinfo=UTC)
    assert retry_after("120", now) == 120.0
    assert retry_after("Wed, 01 Jan 2025 12:01:30 GMT", now) == 90.0
    assert retry_after("Wed, 01 Jan 2025 11:00:00 GMT", now) == 0.0
    assert retry_after("soon", now) == 0.0
