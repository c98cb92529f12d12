"""What a session does not send: to addresses that are not listed, with keys that may not, more than is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from basis_pipeline.domain.errors import ConfigError, OrderError
from basis_pipeline_tests.live.fleet import (
    THREE,
    Fleet,
    fleet,
    holds_what_the_venues_hold,
    is_entered,
    said,
    without_addresses,
)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Fleet]:
    with fleet(tmp_path) as made:
        yield made


def test_an_address_that_the_target_does_not_name_stops_the_session_before_anything_is_sent(there: Fleet) -> None:
    there.books("bybit").deposit_address = "0xsomebodyElse"
    with pytest.raises(OrderError, match=r"TRANSFER-002.*bybit.*0xsomebodyElse.*0xbyb1t.*nothing is sent"):
        there.session()
    assert not there.network.withdrawals


def test_an_address_that_changes_while_a_session_runs_gets_nothing(there: Fleet) -> None:
    session = there.session()
    session.start()
    there.books("bybit").deposit_address = "0xsomebodyElse"
    session.tick()
    assert "bybit says that USDT on ERC20 is to be sent to 0xsomebodyElse" in said(there)
    assert not there.network.withdrawals


def test_a_key_that_may_not_withdraw_is_refused_before_anything_is_planned(there: Fleet) -> None:
    there.books("okx").may_withdraw = False
    with pytest.raises(ConfigError, match=r"TRANSFER-003.*key of okx may not withdraw"):
        there.session()


def test_an_account_that_withdraws_to_known_addresses_only_says_so(there: Fleet) -> None:
    there.books("binance").allowed.clear()
    there.live_for(1)
    holds_what_the_venues_hold(there)
    assert not there.network.withdrawals
    assert "not permitted" in said(there)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [("READ_ONLY", "true", "read only"), ("MAX_TRANSFER_SIZE_USD", "9000", "above the largest one allowed, 9000")],
)
def test_what_nobody_has_allowed_is_not_sent(there: Fleet, name: str, value: str, reason: str) -> None:
    there.variables[f"BASIS_LIVE_TRADING__{name}"] = value
    there.live_for(1)
    assert not there.network.withdrawals
    assert reason in said(there)


def test_withdrawals_that_are_closed_are_waited_for(there: Fleet) -> None:
    there.books("binance").withdrawals_open = False
    there.live_for(2)
    assert not there.network.withdrawals
    assert "lets no USDT be withdrawn" in said(there)
    there.books("binance").withdrawals_open = True
    there.live_for(8)
    holds_what_the_venues_hold(there)
    is_entered(there)


SPREAD = {"binance": 83_400.0, "bybit": 10_000.0, "okx": 6_700.0}


def test_without_addresses_funds_that_are_spread_already_are_used_where_they_are(tmp_path: Path) -> None:
    with fleet(tmp_path, usdt=SPREAD) as there:
        without_addresses(there)
        assert "no address of theirs" in there.transfers.notice
        assert "83.3% at binance, 10.0% at bybit, 6.7% at okx" in there.transfers.notice
        there.live_for(3)
        holds_what_the_venues_hold(there)
        is_entered(there)
        assert not there.network.withdrawals


def test_without_addresses_funds_at_one_venue_open_nothing_and_say_why(there: Fleet) -> None:
    without_addresses(there)
    there.live_for(3)
    assert not any(account.books.orders for account in there.accounts.values())
    assert "declined: perp_trade of 0.399 would take bybit:BaseToken:USDT" in said(there)


def test_demo_networks_say_at_once_that_they_move_nothing(there: Fleet) -> None:
    there.environment = "staging"
    assert there.transfers.linked == frozenset()
    assert "demo and test networks withdraw nothing" in there.transfers.notice
    there.variables |= {f"BASIS_LIVE_TRADING__ENDPOINT_{name.upper()}": "http://127.0.0.1:1" for name in THREE}
    assert there.transfers.linked == frozenset(THREE), "servers on loopback do"
