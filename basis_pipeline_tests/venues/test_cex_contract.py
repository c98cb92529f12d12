"""What every exchange does, simulated or live: the obligations of `Venue`, on all of them (domain.protocols)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from basis_pipeline.domain.deltas import DeltaSource
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import Action, ExecutionHandshake, HandshakeStatus, Operation, Order, Side
from basis_pipeline.domain.protocols import SettlementKind, Venue
from basis_pipeline.domain.records import Positions
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.engine.position_monitor import PositionMonitor
from basis_pipeline.engine.reconciliation import check_conservation
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.venues.live.cex import LiveCex
from basis_pipeline_tests.builders import START, Moment, snapshot
from basis_pipeline_tests.engine.faulty import RecordingClock
from basis_pipeline_tests.fakes.accounts import EXCHANGES, Account, account
from basis_pipeline_tests.live.stage import mode_at

MOMENT = Moment(prices={"BTC": 50_000.0})


@dataclass
class Place:
    """One exchange and the book that goes with it; `account` is the real thing behind a live one."""

    settings: EngineSettings
    venue: Venue
    account: Account | None
    number: Iterator[int]

    def slot(self, symbol: str) -> int:
        return self.settings.universe.slot(f"{self.venue.name}:{symbol}")

    @property
    def market(self) -> MarketSnapshot:
        return snapshot(self.settings, START, MOMENT)

    def order(self, operation: Operation, quantity: float, side: Side, **rest: Any) -> Order:
        slot = self.slot("BaseToken:BTC" if operation is Operation.SPOT_TRADE else "Perp:BTCUSDT")
        return Order(
            venue=self.venue.name, operation=operation, slot=slot, counter_slot=self.slot("BaseToken:USDT"),
            quantity=quantity, side=side, action=Action.ENTRY_FULL, operation_id=next(self.number), **rest,
        )  # fmt: skip

    def opening(self) -> Positions:
        quantities = [0.0] * len(self.settings.universe)
        quantities[self.slot("BaseToken:USDT")] = 100_000.0
        return Positions(tuple(quantities), (0.0,) * len(quantities))


@pytest.fixture(params=["simulated", *EXCHANGES])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "simulated":
        mode = mode_at("binance")
        (venue,) = (venue for venue in mode.engine_config().venues if venue.name == "binance")
        yield Place(mode.settings, venue, None, itertools.count(1))
        return
    mode = mode_at(request.param)
    with account(request.param, usdt=100_000.0, at=START) as made:
        journal = LiveJournal.open(tmp_path / "j.sqlite", belongs_to="btc_basis@dev", now=itertools.count(1).__next__)
        live = LiveCex(made.exchange(), mode.settings, journal, RecordingClock(), since=0, max_notional=1e9)
        yield Place(mode.settings, live, made, itertools.count(1))
        journal.close()


def book(place: Place, before: Positions, answer: ExecutionHandshake) -> Positions:
    """Apply an answer; it must conserve value and leave what the venue says we hold."""
    assert answer.status is HandshakeStatus.CONFIRMED, answer.error_message
    after = PositionMonitor(place.settings.universe, before, 0).update_state(START, answer.deltas, answer.operation_id)
    check_conservation(answer, before, after, place.market, place.settings)
    held = place.venue.positions(after)
    assert {slot: after.quantities[slot] for slot in held} == pytest.approx(held, abs=1e-7)
    return after


def test_orders_fill_conserve_value_and_leave_what_the_venue_says(place: Place) -> None:
    held = place.opening()
    for what in (
        place.order(Operation.SPOT_TRADE, 1.2, Side.BUY),
        place.order(Operation.PERP_TRADE, 1.1, Side.SELL),
        place.order(Operation.PERP_TRADE, 0.3, Side.BUY, reduce_only=True),
        place.order(Operation.SPOT_TRADE, 0.4, Side.SELL),
    ):
        held = book(place, held, place.venue.execute(what, held, place.market))
    assert held.quantities[place.slot("Perp:BTCUSDT")] == pytest.approx(-0.8)


def test_a_fill_is_worse_than_the_price_by_its_slippage_and_pays_its_fee(place: Place) -> None:
    held = place.opening()
    answer = place.venue.execute(place.order(Operation.PERP_TRADE, 1.0, Side.SELL), held, place.market)
    assert answer.price is not None and 49_900.0 < answer.price < 50_000.0
    assert answer.slippage == pytest.approx(50_000.0 - answer.price)
    assert answer.fee == pytest.approx(0.0005 * answer.price)


@pytest.mark.parametrize("case", ["too small", "more than there is", "nothing to reduce"])
def test_what_is_refused_has_a_reason_and_no_deltas(place: Place, case: str) -> None:
    what = {
        "too small": place.order(Operation.PERP_TRADE, 1e-5, Side.SELL),
        "more than there is": place.order(Operation.SPOT_TRADE, 9.0, Side.BUY),
        "nothing to reduce": place.order(Operation.PERP_TRADE, 0.5, Side.BUY, reduce_only=True),
    }[case]
    held = place.opening()
    answer = place.venue.execute(what, held, place.market)
    assert answer.status is HandshakeStatus.FAILED
    assert answer.deltas == () and answer.error_code and answer.error_message
    assert place.venue.positions(held)[place.slot("BaseToken:USDT")] == 100_000.0


def test_a_short_is_paid_the_funding_rate_on_its_mark_notional(place: Place) -> None:
    held = place.opening()
    held = book(place, held, place.venue.execute(place.order(Operation.PERP_TRADE, 1.0, Side.SELL), held, place.market))
    if place.account is not None:
        place.account.books.now += 1_000_000
        place.account.books.pay_funding("BTCUSDT", 0.0001)
    paying = Moment(prices={"BTC": 50_000.0}, funding={place.venue.name: 0.0001})
    market = snapshot(place.settings, START + 1_000_000, paying)
    (delta,) = place.venue.settle(SettlementKind.FUNDING, held, market)
    assert (delta.slot, delta.source) == (place.slot("BaseToken:USDT"), DeltaSource.FUNDING)
    assert delta.amount == pytest.approx(1.0 * 50_000.0 * 0.0001)
