"""The contract of `Venue` (domain.protocols) held against simulated venues, wrapped ones, and exchanges.

The venues on a chain pass the same suite in `chain/test_venue_contract.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from basis_pipeline.domain.deltas import DeltaSource
from basis_pipeline.domain.orders import HandshakeStatus, Operation, Side
from basis_pipeline.domain.protocols import SettlementKind
from basis_pipeline.venues.faults import FaultyVenue, keep_silent
from basis_pipeline_tests.builders import START, Moment, snapshot
from basis_pipeline_tests.fakes.accounts import EXCHANGES
from basis_pipeline_tests.fakes.server import Fault
from basis_pipeline_tests.venues.contract import (
    LOOK_UPS,
    ORDER_PATHS,
    ExchangePlace,
    Place,
    VenueContract,
    place_at,
    simulated_chain,
    simulated_exchange,
)

SIMULATED = [f"simulated {name}" for name in EXCHANGES]


@pytest.fixture(params=[*SIMULATED, "wrapped simulated binance", *EXCHANGES, "wrapped binance"])
def exchange(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ExchangePlace]:
    *words, name = request.param.split()
    if "simulated" in words:
        yield simulated_exchange(name, wrapped="wrapped" in words)
        return
    with place_at(name, tmp_path, wrapped="wrapped" in words) as made:
        yield made


@pytest.fixture(params=EXCHANGES)
def live(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ExchangePlace]:
    with place_at(request.param, tmp_path) as made:
        yield made


class TestExchanges(VenueContract):
    @pytest.fixture
    def place(self, exchange: ExchangePlace) -> Place:
        return exchange


class TestSimulatedChain(VenueContract):
    @pytest.fixture
    def place(self) -> Place:
        return simulated_chain()


def test_a_fill_is_worse_than_the_price_by_its_slippage_and_pays_its_fee(exchange: ExchangePlace) -> None:
    answer = exchange.execute(exchange.order(Operation.PERP_TRADE, 1.0, Side.SELL))
    rate = exchange.settings.venues[exchange.name].trades[exchange.slot("Perp:BTCUSDT")].taker_fee
    assert answer.price is not None and 49_900.0 < answer.price < 50_000.0
    assert answer.slippage == pytest.approx(50_000.0 - answer.price)
    assert answer.fee == pytest.approx((rate if exchange.simulated else 0.0005) * answer.price)


def test_what_is_filled_is_whole_lots_and_never_more_than_ordered(exchange: ExchangePlace) -> None:
    """A simulated venue refuses the rest of a lot, an exchange is sent the whole lots in it."""
    answer = exchange.execute(exchange.order(Operation.PERP_TRADE, 0.12345, Side.SELL))
    if exchange.simulated:
        assert (answer.status, answer.error_code) == (HandshakeStatus.FAILED, "EXEC-009")
    else:
        assert answer.filled == pytest.approx(0.123, rel=1e-12)
        exchange.book(answer)


def test_reducing_never_opens_the_other_side(exchange: ExchangePlace) -> None:
    nothing = exchange.execute(exchange.order(Operation.PERP_TRADE, 0.5, Side.BUY, reduce_only=True))
    assert nothing.status is HandshakeStatus.FAILED and nothing.deltas == ()
    exchange.book(exchange.execute(exchange.order(Operation.PERP_TRADE, 0.4, Side.SELL)))
    answer = exchange.execute(exchange.order(Operation.PERP_TRADE, 0.5, Side.BUY, reduce_only=True))
    if answer.status is HandshakeStatus.CONFIRMED:
        exchange.book(answer)
    assert -0.4 <= exchange.venue.positions(exchange.held)[exchange.slot("Perp:BTCUSDT")] <= 0.0


def test_a_short_is_paid_the_funding_rate_on_its_mark_notional(exchange: ExchangePlace) -> None:
    exchange.book(exchange.execute(exchange.order(Operation.PERP_TRADE, 1.0, Side.SELL)))
    if exchange.made is not None:
        exchange.made.books.now += 1_000_000
        exchange.made.books.pay_funding("BTCUSDT", 0.0001)
    paying = Moment(prices={"BTC": 50_000.0}, funding={exchange.name: 0.0001})
    market = snapshot(exchange.settings, START + 1_000_000, paying)
    (delta,) = exchange.venue.settle(SettlementKind.FUNDING, exchange.held, market)
    assert (delta.slot, delta.source) == (exchange.slot("BaseToken:USDT"), DeltaSource.FUNDING)
    assert delta.amount == pytest.approx(1.0 * 50_000.0 * 0.0001)
    assert exchange.venue.settle(SettlementKind.FUNDING, exchange.held, market) == (delta,)


def test_a_partial_fill_is_confirmed_with_what_was_filled(live: ExchangePlace) -> None:
    live.account.books.fill_fraction.append(0.25)
    answer = live.execute(live.order(Operation.PERP_TRADE, 0.4, Side.SELL))
    assert (answer.status, answer.filled) == (HandshakeStatus.CONFIRMED, pytest.approx(0.1))
    live.book(answer)


def test_an_outcome_that_nobody_knows_is_pending_and_books_nothing(exchange: ExchangePlace) -> None:
    what = exchange.order(Operation.PERP_TRADE, 0.4, Side.SELL)
    if exchange.made is None:
        answer = FaultyVenue(exchange.venue, answers={1: keep_silent}).execute(what, exchange.held, exchange.market)
    else:
        exchange.made.server.faults.append(Fault(ORDER_PATHS[exchange.name], "reset", "after"))
        exchange.made.server.faults += [Fault(LOOK_UPS[exchange.name], "reset", "before", method="GET")] * 90
        answer = exchange.execute(what)
        assert exchange.worlds_orders() == 1
    assert answer.status is HandshakeStatus.PENDING
    assert (answer.deltas, answer.filled, answer.error_code) == ((), 0.0, "VEN-004")


def test_a_faulty_wrapper_with_its_faults_off_is_the_venue(tmp_path: Path) -> None:
    plain, wrapped = simulated_exchange("binance"), simulated_exchange("binance", wrapped=True)
    for ours, theirs in zip(plain.fills, wrapped.fills, strict=True):
        answer = plain.execute(ours)
        assert wrapped.execute(theirs) == replace(answer, operation_id=theirs.operation_id)
        plain.book(answer)
        wrapped.held = plain.held
    assert START > 0
