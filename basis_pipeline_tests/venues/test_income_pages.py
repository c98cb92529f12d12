"""Funding is complete however many lines of it there are, and whatever else the account was paid."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from basis_pipeline_tests.builders import START
from basis_pipeline_tests.fakes.accounts import EXCHANGES, Account, account

HOUR = 3_600_000_000


@pytest.fixture(params=EXCHANGES)
def at(request: pytest.FixtureRequest) -> Iterator[Account]:
    with account(request.param, at=START) as made:
        yield made


def test_ten_days_of_hourly_funding_are_found_whole(at: Account) -> None:
    """Bybit pays hourly where rates are extreme: 168 lines a week, of which a page shows 100."""
    at.books.perps["BTCUSDT"] = (-1.0, 50_000.0)
    paid = 0.0
    for _ in range(240):
        at.books.now += HOUR
        paid += at.books.pay_funding("BTCUSDT", 0.0001)
    lines = at.exchange().funding_since("BTC/USDT:USDT", START)
    assert len(lines) == 240
    assert sum(line.amount for line in lines) == pytest.approx(paid) == 240 * 5.0


def test_payments_for_another_instrument_hide_none_of_ours(at: Account) -> None:
    at.books.perps |= {"BTCUSDT": (-1.0, 50_000.0), "ETHUSDT": (-1.0, 2_500.0)}
    for _ in range(90):
        at.books.now += 8 * HOUR
        at.books.pay_funding("BTCUSDT", 0.0001)
        at.books.pay_funding("ETHUSDT", 0.0001)
    lines = at.exchange().funding_since("BTC/USDT:USDT", START)
    assert [line.symbol for line in lines] == ["BTC/USDT:USDT"] * 90
