"""What the simulated venues refuse, fill, settle and liquidate."""

from __future__ import annotations

from typing import Any

import pytest

from basis_pipeline.domain.deltas import DeltaSource
from basis_pipeline.domain.orders import Action, ExecutionHandshake, HandshakeStatus, Operation, Order, Side
from basis_pipeline.domain.protocols import SettlementKind
from basis_pipeline.domain.records import Positions
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline_tests.builders import START, Moment, frictionless, snapshot, wired

MODE = wired("btc_basis", {"component_config.position_monitor.position_subscriptions": ["binance:Perp:ETHUSDT"]})
SETTINGS: EngineSettings = MODE.settings
MOMENT = Moment(prices={"BTC": 50_000.0, "ETH": 2_500.0})
CASH, SPOT, SHORT, ETHER = (
    SETTINGS.universe.slot(key)
    for key in ("binance:BaseToken:USDT", "binance:BaseToken:BTC", "binance:Perp:BTCUSDT", "binance:Perp:ETHUSDT")
)
WALLET = SETTINGS.universe.slot("wallet:BaseToken:USDT")


def book(entries: dict[int, float] | None = None, **held: float) -> Positions:
    """Positions by the names used here: cash, spot, short, ether, wallet."""
    slots = {"cash": CASH, "spot": SPOT, "short": SHORT, "ether": ETHER, "wallet": WALLET}
    quantities, prices = [0.0] * len(SETTINGS.universe), [0.0] * len(SETTINGS.universe)
    for name, quantity in held.items():
        quantities[slots[name]] = quantity
    for slot, price in (entries or {SHORT: 50_000.0, ETHER: 2_500.0}).items():
        prices[slot] = price if quantities[slot] else 0.0
    return Positions(tuple(quantities), tuple(prices))


def order(operation: Operation, slot: int, quantity: float, side: Side | None = None, **rest: Any) -> Order:
    counter = rest.pop("counter", CASH)
    venue = rest.pop("venue", "binance")
    return Order(
        venue=venue, operation=operation, slot=slot, counter_slot=counter, quantity=quantity, side=side,
        action=Action.ENTRY_FULL, operation_id=7, **rest,
    )  # fmt: skip


def execute(what: Order, positions: Positions, moment: Moment = MOMENT) -> ExecutionHandshake:
    venues = {venue.name: venue for venue in MODE.engine_config().venues}
    return venues[what.venue].execute(what, positions, snapshot(SETTINGS, START, moment))


RICH = book(cash=100_000.0, spot=1.0, wallet=1_000.0)
REJECTED: list[tuple[str, Order, Positions, str]] = [
    ("nothing", order(Operation.SPOT_TRADE, SPOT, 0.0, Side.BUY), RICH, "EXEC-007"),
    ("a negative quantity", order(Operation.SPOT_TRADE, SPOT, -1.0, Side.BUY), RICH, "EXEC-007"),
    ("no side", order(Operation.SPOT_TRADE, SPOT, 0.1), RICH, "EXEC-007"),
    ("a slot that is not traded", order(Operation.SPOT_TRADE, CASH, 1.0, Side.BUY), RICH, "EXEC-007"),
    ("more spot than cash buys", order(Operation.SPOT_TRADE, SPOT, 2.0, Side.BUY), RICH, "EXEC-008"),
    ("cash for the price but not for the fee", order(Operation.SPOT_TRADE, SPOT, 2.0, Side.BUY),
     book(cash=100_040.0), "EXEC-008"),
    ("more spot than there is", order(Operation.SPOT_TRADE, SPOT, 1.00001, Side.SELL), RICH, "EXEC-008"),
    ("half a lot", order(Operation.PERP_TRADE, SHORT, 0.0015, Side.SELL), RICH, "EXEC-009"),
    ("below the minimum", order(Operation.PERP_TRADE, SHORT, 0.001, Side.SELL), RICH, "EXEC-010"),
    ("above the maximum", order(Operation.PERP_TRADE, SHORT, 1_001.0, Side.SELL), RICH, "EXEC-010"),
    ("reducing what is not there", order(Operation.PERP_TRADE, SHORT, 0.2, Side.BUY, reduce_only=True),
     book(cash=1e5, short=-0.1), "EXEC-011"),
    ("withdrawing margin", order(Operation.TRANSFER, CASH, 5_001.0, counter=WALLET), book(cash=10_000.0, short=-1.0),
     "EXEC-012"),
    ("withdrawing profit", order(Operation.TRANSFER, CASH, 1_001.0, counter=WALLET),
     book({SHORT: 70_000.0}, cash=1_000.0, short=-1.0), "EXEC-012"),
    ("transfer without its fee", order(Operation.TRANSFER, WALLET, 1_000.0, venue="wallet"), RICH, "EXEC-008"),
    ("opening without margin", order(Operation.PERP_TRADE, SHORT, 1.0, Side.SELL), book(cash=5_000.0), "EXEC-013"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "positions", "code"), [r[1:] for r in REJECTED], ids=[r[0] for r in REJECTED])
def test_a_venue_refuses_without_touching_anything(what: Order, positions: Positions, code: str) -> None:
    handshake = execute(what, positions)
    assert handshake.status is HandshakeStatus.FAILED
    assert handshake.error_code == code
    assert handshake.error_message
    assert (handshake.deltas, handshake.executed_at, handshake.filled, handshake.price) == ((), None, 0.0, None)


@pytest.mark.parametrize(
    ("what", "positions"),
    [
        (order(Operation.SPOT_TRADE, SPOT, 1.0, Side.SELL), RICH),
        (order(Operation.TRANSFER, CASH, 5_000.0 - 1.0, counter=WALLET), book(cash=10_000.0, short=-1.0)),
        (order(Operation.TRANSFER, WALLET, 999.0, venue="wallet"), RICH),
        (order(Operation.PERP_TRADE, SHORT, 0.002, Side.SELL), RICH),
        (order(Operation.PERP_TRADE, SHORT, 0.1, Side.BUY, reduce_only=True), book(cash=1e5, short=-0.1)),
    ],
    ids=["all the spot", "all free margin", "all of the wallet but the fee", "the minimum", "all of the short"],
)
def test_exactly_what_there_is_can_be_had(what: Order, positions: Positions) -> None:
    assert execute(what, positions).status is HandshakeStatus.CONFIRMED


def test_a_spot_purchase_pays_price_slippage_and_fee() -> None:  # R28
    """0.5 BTC at 50,000: slippage at 25,000 USD is 2.398 bp, then 10 bp of the fill."""
    handshake = execute(order(Operation.SPOT_TRADE, SPOT, 0.5, Side.BUY), RICH)
    base, cash = handshake.deltas
    price = 50_000.0 * (1 + 2.39794e-4)
    assert (base.slot, base.amount, cash.slot) == (SPOT, 0.5, CASH)
    assert handshake.price == pytest.approx(price, rel=1e-9)
    assert cash.amount == pytest.approx(-0.5 * price * 1.001, rel=1e-9)
    assert handshake.fee == pytest.approx(0.5 * price * 1e-3, rel=1e-9)
    assert handshake.slippage == pytest.approx(0.5 * (price - 50_000.0), rel=1e-6)


def test_without_slippage_the_purchase_of_the_documents() -> None:  # BTC +.5, USDT -25,025
    free = frictionless("btc_basis", {"venues.binance.spot.taker_fee_bp": 10})
    venue = next(venue for venue in free.engine_config().venues if venue.name == "binance")
    universe = free.settings.universe
    spot, cash = universe.slot("binance:BaseToken:BTC"), universe.slot("binance:BaseToken:USDT")
    positions = Positions(tuple(30_000.0 if s == cash else 0.0 for s in range(len(universe))), (0.0,) * len(universe))
    buy = order(Operation.SPOT_TRADE, spot, 0.5, Side.BUY, counter=cash)
    deltas = venue.execute(buy, positions, snapshot(free.settings, START, MOMENT)).deltas
    assert [(delta.slot, delta.amount) for delta in deltas] == [(spot, 0.5), (cash, -25_025.0)]


def test_no_cash_leaves_for_the_notional_of_a_perp() -> None:
    handshake = execute(order(Operation.PERP_TRADE, SHORT, 0.1, Side.SELL), RICH)
    assert handshake.deltas[1].amount == pytest.approx(-0.1 * 50_000.0 * 5e-4, rel=1e-3)


def settle(kind: SettlementKind, positions: Positions, **changes: Any) -> list[tuple[int, float]]:
    venue = next(venue for venue in MODE.engine_config().venues if venue.name == "binance")
    moment = Moment(prices={"BTC": 50_000.0, "ETH": 2_500.0}, **changes)
    return [(d.slot, d.amount) for d in venue.settle(kind, positions, snapshot(SETTINGS, START, moment))]


def test_funding_uses_the_mark_and_skips_what_is_not_held() -> None:
    held = book(cash=1e5, short=-1.0)
    mark = {"binance:Perp:BTCUSDT": 50_100.0}
    assert settle(SettlementKind.FUNDING, held, mark=mark, funding={"binance": 1e-4}) == [(CASH, pytest.approx(5.01))]
    assert settle(SettlementKind.FUNDING, held, funding=None) == []
    assert settle(SettlementKind.FUNDING, book(cash=1e5), funding={"binance": 1e-4}) == []


def test_several_positions_are_liquidated_at_the_worst_marks_and_gains_pay_for_losses() -> None:
    """Cash 1,000; the BTC short loses 3,000 at its high, the ETH short gains 2,500 at its own: 500 less fees are left.

    Balance 500 is below 5% of 78,000. Fees: 1.25% of 53,000 and of 25,000 are 975, so nothing is left, not 2,187.50.
    """
    held = book({SHORT: 50_000.0, ETHER: 2_750.0}, cash=1_000.0, short=-1.0, ether=-10.0)
    high = {"binance:Perp:BTCUSDT": 53_000.0, "binance:Perp:ETHUSDT": 2_500.0}
    deltas = settle(SettlementKind.LIQUIDATION, held, high=high)
    assert [entry for entry in deltas if entry[0] != CASH] == [(ETHER, 10.0), (SHORT, 1.0)]
    assert 1_000.0 + sum(amount for slot, amount in deltas if slot == CASH) == pytest.approx(0.0, abs=1e-9)


def test_a_long_is_liquidated_by_the_low_of_the_bar() -> None:
    """1 BTC long at 50,000 on 6,000: liquidation at 44,000 / .95 = 46,315.79."""
    held = book(cash=6_000.0, short=1.0)
    assert settle(SettlementKind.LIQUIDATION, held, low={"binance:Perp:BTCUSDT": 46_316.0}) == []
    closed, cash = settle(SettlementKind.LIQUIDATION, held, low={"binance:Perp:BTCUSDT": 46_315.0})
    price = 44_000.0 / 0.95
    assert closed == (SHORT, -1.0)
    assert cash == (CASH, pytest.approx(price - 50_000.0 - 0.0125 * price, rel=1e-12))


def test_a_venue_reports_its_own_slots_only() -> None:  # positions of each venue, together all of them
    venues = MODE.engine_config().venues
    reported = [slot for venue in venues for slot in venue.positions(RICH)]
    assert sorted(reported) == list(range(len(SETTINGS.universe)))


def test_settling_has_no_memory() -> None:  # decisions: Venue.settle computes, settlements guard
    held = book(cash=1e5, short=-1.0)
    once = settle(SettlementKind.FUNDING, held, funding={"binance": 1e-4})
    assert settle(SettlementKind.FUNDING, held, funding={"binance": 1e-4}) == once
    assert DeltaSource.FUNDING == "funding"
