"""The obligations of `Venue` (domain.protocols), and the places they are held against.

A place is a book, the venues that hold it, and orders that must and must not go through. `test_contract.py` has the
simulated ones and the exchanges, `chain/test_venue_contract.py` the contracts on a local chain.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from basis_pipeline.config.wiring import WiredMode
from basis_pipeline.domain.deltas import DeltaSource
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import Action, ExecutionHandshake, HandshakeStatus, Operation, Order, Side
from basis_pipeline.domain.protocols import SettlementKind, Venue
from basis_pipeline.domain.records import Positions
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.engine.position_monitor import PositionMonitor
from basis_pipeline.engine.reconciliation import check_conservation
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.venues.faults import FaultyVenue
from basis_pipeline.venues.live.cex import LiveCex
from basis_pipeline_tests.builders import START, Moment, snapshot, wired
from basis_pipeline_tests.engine.faulty import RecordingClock
from basis_pipeline_tests.fakes.accounts import Account, account
from basis_pipeline_tests.live.stage import mode_at

ORDER_PATHS = {"binance": "/order", "bybit": "/order/create", "okx": "/trade/order"}
LOOK_UPS = {"binance": "/order", "bybit": "/order/realtime", "okx": "/trade/order"}
ETH, LST = "wallet:BaseToken:ETH", "etherfi:LST:weETH"
COLLATERAL, DEBT = "aave_v3:aToken:aweETH", "aave_v3:debtToken:debtWETH"


@dataclass
class Place:
    """One book and its venues.

    Attributes:
        held: what the book holds now; `book` moves it on.
        at: the market at this moment.
        fills: orders that go through, one after the other.
        refusals: orders that do not, the first one before, the others whenever they come.
        worlds_orders: how many orders or transactions the world behind a live venue has seen; 0 of a simulated one.
    """

    settings: EngineSettings
    venues: Mapping[str, Venue]
    held: Positions
    at: Callable[[], MarketSnapshot]
    fills: tuple[Order, ...] = ()
    refusals: Mapping[str, Order] = field(default_factory=dict)
    worlds_orders: Callable[[], int] = lambda: 0
    simulated: bool = True
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def execute(self, order: Order) -> ExecutionHandshake:
        return self.venues[order.venue].execute(order, self.held, self.at())

    def after(self, answer: ExecutionHandshake) -> Positions:
        monitor = PositionMonitor(self.settings.universe, self.held, 0)
        return monitor.update_state(START, answer.deltas, answer.operation_id)

    def book(self, answer: ExecutionHandshake) -> None:
        """Book an answer; it must conserve value and leave what the venues say they hold."""
        assert answer.status is HandshakeStatus.CONFIRMED, answer.error_message
        after = self.after(answer)
        check_conservation(answer, self.held, after, self.at(), self.settings)
        self.held = after
        self.agrees()

    def agrees(self) -> None:
        for venue in self.venues.values():
            real = venue.positions(self.held)
            ours = {slot: self.held.quantities[slot] for slot in real}
            assert ours == pytest.approx(real, rel=1e-9, abs=1e-7), venue.name


@dataclass
class ExchangePlace(Place):
    """One exchange; `account` is the real thing behind a live one."""

    name: str = ""
    made: Account | None = None
    clock: RecordingClock = field(default_factory=RecordingClock)

    @property
    def venue(self) -> Any:
        return self.venues[self.name]

    @property
    def account(self) -> Account:
        assert self.made is not None, "nothing real is behind a simulated venue"
        return self.made

    def slot(self, symbol: str) -> int:
        return self.settings.universe.slot(f"{self.name}:{symbol}")

    @property
    def market(self) -> MarketSnapshot:
        return self.at()

    def order(self, operation: Operation, quantity: float, side: Side | None, **rest: Any) -> Order:
        slot = self.slot("BaseToken:BTC" if operation is Operation.SPOT_TRADE else "Perp:BTCUSDT")
        return Order(
            venue=self.name, operation=operation, slot=slot, counter_slot=self.slot("BaseToken:USDT"),
            quantity=quantity, side=side, action=Action.ENTRY_FULL, operation_id=next(self.numbers), **rest,
        )  # fmt: skip


class VenueContract:
    """What every venue does, simulated or live. A subclass has the fixture `place`."""

    def test_what_goes_through_conserves_value_and_leaves_what_the_venues_say(self, place: Place) -> None:
        for number, order in enumerate(place.fills, start=1):
            answer = place.execute(order)
            assert answer.operation_id == order.operation_id
            assert answer.status is HandshakeStatus.CONFIRMED, answer.error_message
            assert 0.0 < answer.filled <= order.quantity * (1.0 + 1e-9)
            assert answer.executed_at is not None
            assert answer.simulated is place.simulated
            place.book(answer)
            assert place.worlds_orders() == (0 if place.simulated else number), "one order, sent once"

    def test_an_answer_touches_declared_slots_only(self, place: Place) -> None:
        for order in place.fills:
            answer = place.execute(order)
            assert answer.deltas
            assert {delta.slot for delta in answer.deltas} <= set(range(len(place.settings.universe)))
            assert all(delta.operation_id == order.operation_id for delta in answer.deltas if delta.price is not None)
            place.book(answer)

    def test_what_is_refused_is_an_answer_with_a_reason_and_changes_nothing(self, place: Place) -> None:
        before = {name: dict(venue.positions(place.held)) for name, venue in place.venues.items()}
        for case, order in place.refusals.items():
            answer = place.execute(order)
            assert answer.status is HandshakeStatus.FAILED, case
            assert answer.operation_id == order.operation_id
            assert (answer.deltas, answer.filled, answer.price, answer.executed_at) == ((), 0.0, None, None), case
            assert (answer.fee, answer.slippage, answer.gas) == (0.0, 0.0, 0.0), case
            assert answer.error_code and answer.error_message, case
        after = {name: dict(venue.positions(place.held)) for name, venue in place.venues.items()}
        for name, held in before.items():
            assert after[name] == pytest.approx(held, rel=1e-12, abs=1e-12), name
        place.agrees()

    def test_a_refusal_in_between_does_not_disturb_what_follows(self, place: Place) -> None:
        for order, (_, refused) in itertools.zip_longest(place.fills, place.refusals.items(), fillvalue=(None, None)):
            if isinstance(refused, Order):
                assert place.execute(refused).status is HandshakeStatus.FAILED
            if isinstance(order, Order):
                place.book(place.execute(order))

    def test_each_venue_reports_its_own_slots_and_all_of_them(self, place: Place) -> None:
        keys = [instrument.key.venue for instrument in place.settings.universe]
        for name, venue in place.venues.items():
            assert venue.name == name
            reported = venue.positions(place.held)
            assert {keys[slot] for slot in reported} <= {name}
            assert set(reported) >= {
                slot for slot, owner in enumerate(keys) if owner == name and place.held.quantities[slot]
            }

    def test_a_venue_says_what_it_takes_and_what_it_settles(self, place: Place) -> None:
        for order in place.fills:
            assert order.operation in place.venues[order.venue].operations
        assert all(isinstance(kind, SettlementKind) for venue in place.venues.values() for kind in venue.settles)

    def test_settling_has_no_memory(self, place: Place) -> None:
        for order in place.fills:
            place.book(place.execute(order))
        market = place.at()
        for venue in place.venues.values():
            for kind in sorted(venue.settles):
                once = venue.settle(kind, place.held, market)
                assert venue.settle(kind, place.held, market) == once
                assert all(delta.source in DeltaSource for delta in once)


@contextmanager
def place_at(venue: str, folder: Path, *, wrapped: bool = False) -> Iterator[ExchangePlace]:
    """100,000 USDT at an exchange behind its real client, where BTC costs 50,000."""
    mode = mode_at(venue)
    with account(venue, usdt=100_000.0, at=START) as made:
        journal = LiveJournal.open(folder / "j.sqlite", belongs_to="btc_basis@dev", now=itertools.count(1).__next__)
        clock = RecordingClock()
        live: Venue = LiveCex(made.exchange(), mode.settings, journal, clock, since=START, max_notional=1e9)
        there = _exchange(mode, venue, FaultyVenue(live) if wrapped else live)
        there.made, there.clock, there.simulated = made, clock, False
        there.worlds_orders = lambda: len(made.books.orders)
        yield there
        journal.close()


def simulated_exchange(venue: str, *, wrapped: bool = False) -> ExchangePlace:
    mode = mode_at(venue)
    (simulated,) = (made for made in mode.engine_config().venues if made.name == venue)
    return _exchange(mode, venue, FaultyVenue(simulated) if wrapped else simulated)


def _exchange(mode: WiredMode, name: str, venue: Venue) -> ExchangePlace:
    settings = mode.settings
    market = snapshot(settings, START, Moment(prices={"BTC": 50_000.0}))
    there = ExchangePlace(settings, {name: venue}, _opening(settings, f"{name}:BaseToken:USDT", 100_000.0),
                          lambda: market, name=name)  # fmt: skip
    there.fills = (
        there.order(Operation.SPOT_TRADE, 1.2, Side.BUY),
        there.order(Operation.PERP_TRADE, 1.1, Side.SELL),
        there.order(Operation.PERP_TRADE, 0.3, Side.BUY, reduce_only=True),
        there.order(Operation.SPOT_TRADE, 0.4, Side.SELL),
        there.order(Operation.PERP_TRADE, 0.8, Side.BUY, reduce_only=True),
    )
    there.refusals = {
        "nothing": there.order(Operation.SPOT_TRADE, 0.0, Side.BUY),
        "less than nothing": there.order(Operation.PERP_TRADE, -1.0, Side.BUY),
        "no side": there.order(Operation.SPOT_TRADE, 0.1, None),
        "less than a lot": there.order(Operation.PERP_TRADE, 1e-5, Side.SELL),
        "spot below the smallest value": there.order(Operation.SPOT_TRADE, 1e-5, Side.BUY),
        "more spot than cash buys": there.order(Operation.SPOT_TRADE, 9.0, Side.BUY),
        "more spot than there is": there.order(Operation.SPOT_TRADE, 9.0, Side.SELL),
        "more perps than margin carries": there.order(Operation.PERP_TRADE, 900.0, Side.SELL),
        "selling the cash": Order(
            venue=name, operation=Operation.SPOT_TRADE, slot=there.slot("BaseToken:USDT"),
            counter_slot=there.slot("BaseToken:USDT"), quantity=100.0, side=Side.SELL, action=Action.ENTRY_FULL,
            operation_id=next(there.numbers),
        ),
    }  # fmt: skip
    return there


def _opening(settings: EngineSettings, key: str, quantity: float) -> Positions:
    quantities = [0.0] * len(settings.universe)
    quantities[settings.universe.slot(key)] = quantity
    return Positions(tuple(quantities), (0.0,) * len(quantities))


def chain_orders(settings: EngineSettings) -> tuple[tuple[Order, ...], dict[str, Order]]:
    """What a wallet with 40 ETH can do one after the other, and what it cannot do at any time."""
    numbers = itertools.count(1)

    def order(operation: Operation, venue: str, slots: tuple[str, str], quantity: float) -> Order:
        slot, counter = (settings.universe.slot(key) for key in slots)
        return Order(
            venue=venue, operation=operation, slot=slot, counter_slot=counter, quantity=quantity,
            action=Action.ENTRY_FULL, operation_id=next(numbers), side=Side.SELL if venue == "curve" else None,
        )  # fmt: skip

    fills = (
        order(Operation.STAKE, "etherfi", (ETH, LST), 20.8),
        order(Operation.SUPPLY, "aave_v3", (LST, COLLATERAL), 12.0),
        order(Operation.BORROW, "aave_v3", (DEBT, ETH), 5.0),
        order(Operation.REPAY, "aave_v3", (DEBT, ETH), 2.0),
        order(Operation.WITHDRAW, "aave_v3", (COLLATERAL, LST), 3.5),
        order(Operation.SWAP, "curve", (LST, ETH), 4.0),
    )
    refusals = {
        "a debt that was never made": order(Operation.REPAY, "aave_v3", (DEBT, ETH), 900.0),
        "nothing": order(Operation.STAKE, "etherfi", (ETH, LST), 0.0),
        "less than nothing": order(Operation.SUPPLY, "aave_v3", (LST, COLLATERAL), -1.0),
        "more than there is": order(Operation.STAKE, "etherfi", (ETH, LST), 1_000.0),
        "collateral that was never supplied": order(Operation.WITHDRAW, "aave_v3", (COLLATERAL, LST), 900.0),
        "tokens nobody holds": order(Operation.SWAP, "curve", (LST, ETH), 900.0),
        "tokens nobody holds, supplied": order(Operation.SUPPLY, "aave_v3", (LST, COLLATERAL), 900.0),
    }
    return fills, refusals


def simulated_chain() -> Place:
    mode = wired("eth_leveraged", {"error_policy": "retry"})
    settings = mode.settings
    prices = {"ETH": 2_500.0}
    market = snapshot(settings, START, Moment(prices=prices, ratio={"weETH": 1.04}, gas=10.0))
    fills, refusals = chain_orders(settings)
    venues = {venue.name: venue for venue in mode.engine_config().venues}
    return Place(settings, venues, _opening(settings, ETH, 40.0), lambda: market, fills, refusals)
