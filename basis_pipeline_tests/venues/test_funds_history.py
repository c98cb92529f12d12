"""Withdrawals and deposits are found whatever their age, though histories answer for a stretch of time only."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from basis_pipeline.venues.live.funds import Destination, Withdrawal, WithdrawalFate, WithdrawalQuery
from basis_pipeline_tests.builders import START
from basis_pipeline_tests.fakes.accounts import EXCHANGES, Account, account
from basis_pipeline_tests.fakes.network import Deposit, FakeNetwork

DAY = 86_400_000_000
ADDRESS = "0x" + "12" * 20


@pytest.fixture(params=EXCHANGES)
def at(request: pytest.FixtureRequest) -> Iterator[Account]:
    with account(request.param, at=START) as made:
        made.books.opens_deposits(ADDRESS, FakeNetwork())
        made.books.allowed |= {ADDRESS}
        yield made


@pytest.mark.parametrize("named", [True, False], ids=["by its reference", "by ours"])
@pytest.mark.parametrize("days", [0, 6, 8, 29, 31, 89])
def test_a_withdrawal_is_found_after_days(at: Account, days: int, named: bool) -> None:
    funds = at.exchange().funds
    funds.make_room("USDT", 101.0)
    reference = funds.withdraw(Withdrawal("bp1", "USDT", 100.0, 1.0, Destination("ERC20", ADDRESS)))
    at.books.now += days * DAY + 60_000_000
    status = funds.find(WithdrawalQuery("bp1", reference if named else "", "USDT", 100.0, START))
    assert status is not None
    assert (status.reference, status.amount, status.fate) == (reference, 100.0, WithdrawalFate.SENT)


@pytest.mark.parametrize("days", [0, 29, 31, 89])
def test_a_deposit_is_found_after_days(at: Account, days: int) -> None:
    """Our own withdrawal to our own address."""
    funds = at.exchange().funds
    funds.make_room("USDT", 101.0)
    funds.withdraw(Withdrawal("bp1", "USDT", 100.0, 1.0, Destination("ERC20", ADDRESS)))
    at.books.now += 600_000_000
    assert funds.deposits("USDT", START)[0].amount == 100.0
    at.books.now += days * DAY
    assert [line.amount for line in funds.deposits("USDT", START)] == [100.0]


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_deposit_is_found_among_hundreds_of_earlier_and_later_ones(name: str) -> None:
    """Pages have 50 lines at Bybit, 100 at OKX, 1,000 at Binance; one a day, so that they are on many stretches."""
    with account(name, at=START) as at:
        for number in range(250):
            for twin in range(5):
                line = Deposit(f"d{number}-{twin}", "USDT", 1.0 + number, ADDRESS, f"0x{number:x}{twin}", at.books.now)
                at.books.deposits.append(line)
            at.books.now += DAY
        found = at.exchange().funds.deposits("USDT", START)
        assert sorted(line.amount for line in found) == [1.0 + number for number in range(250) for _ in range(5)]
        assert len({line.reference for line in found}) == 1_250


def test_a_withdrawal_whose_reference_was_lost_is_found_behind_fifty_others() -> None:
    """Bybit's history does not tell our id: it is recognised by its amount."""
    with account("bybit", at=START) as at:
        at.books.opens_deposits(ADDRESS, FakeNetwork())
        at.books.allowed |= {ADDRESS}
        funds, there = at.exchange().funds, Destination("ERC20", ADDRESS)
        ours = funds.withdraw(Withdrawal("bp1", "USDT", 100.0, 1.0, there))
        for number in range(60):
            funds.withdraw(Withdrawal(f"bq{number}", "USDT", 200.0 + number, 1.0, there))
        status = funds.find(WithdrawalQuery("bp1", "", "USDT", 100.0, START))
        assert status is not None and status.reference == ours
