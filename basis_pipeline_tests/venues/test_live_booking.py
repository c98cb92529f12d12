"""A fill that a venue reports books exactly like the simulated fill at the same price, or it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from basis_pipeline.domain.errors import AccountingError, OrderError
from basis_pipeline.domain.intents import Booking, Facts, Fate
from basis_pipeline.domain.orders import ExecutionHandshake, HandshakeStatus, Operation, Order, Side
from basis_pipeline.domain.records import Positions
from basis_pipeline.engine.position_monitor import PositionMonitor
from basis_pipeline.engine.reconciliation import check_conservation
from basis_pipeline.venues.live.booking import handshake, unknown
from basis_pipeline.venues.live.foreign_fees import foreign_tokens
from basis_pipeline_tests.builders import START, snapshot
from basis_pipeline_tests.venues.test_simulated import CASH, MOMENT, SETTINGS, SHORT, SPOT, WALLET, book, execute, order

MARKET = snapshot(SETTINGS, START, MOMENT)
RICH = book(cash=100_000.0, spot=1.0, wallet=1_000.0)
HELD = book({SHORT: 48_000.0}, cash=50_000.0, short=-1.0)
CASES: list[tuple[str, Order, Positions]] = [
    ("buy spot", order(Operation.SPOT_TRADE, SPOT, 0.5, Side.BUY), RICH),
    ("sell spot", order(Operation.SPOT_TRADE, SPOT, 0.5, Side.SELL), RICH),
    ("open a short", order(Operation.PERP_TRADE, SHORT, 0.5, Side.SELL), RICH),
    ("add to a short", order(Operation.PERP_TRADE, SHORT, 0.5, Side.SELL), HELD),
    ("reduce a short at a loss", order(Operation.PERP_TRADE, SHORT, 0.25, Side.BUY), HELD),
    ("withdraw", order(Operation.TRANSFER, CASH, 1_000.0, counter=WALLET), RICH),
]


def told(answer: ExecutionHandshake, **changes: Any) -> Facts:
    """What an exchange would report for a simulated answer: balance changes by key, price and fee."""
    return Facts(
        **{
            "fate": Fate.EXECUTED,
            "reference": "42",
            "executed_at": START + 1,
            "filled": answer.filled,
            "price": answer.price,
            "fee": answer.fee,
            "fee_token": "USDT",
            "bookings": tuple(Booking(SETTINGS.universe.keys[d.slot], d.amount) for d in answer.deltas),
            **changes,
        }
    )


def apply(answer: ExecutionHandshake, before: Positions) -> Positions:
    return PositionMonitor(SETTINGS.universe, before, 0).update_state(START, answer.deltas, answer.operation_id)


@pytest.mark.parametrize(("what", "before"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_reported_fill_books_like_the_simulated_one(what: Order, before: Positions) -> None:
    simulated = execute(what, before)
    assert simulated.status is HandshakeStatus.CONFIRMED, simulated.error_message
    live = handshake(what, told(simulated), MARKET, SETTINGS)
    assert apply(live, before) == apply(simulated, before)
    assert (live.price, live.filled) == (simulated.price, simulated.filled)
    assert (live.fee, live.slippage) == pytest.approx((simulated.fee, simulated.slippage), rel=1e-15)
    assert {(d.slot, d.source, d.price, d.reference_price) for d in live.deltas} == {
        (d.slot, d.source, d.price, d.reference_price) for d in simulated.deltas
    }
    check_conservation(live, before, apply(live, before), MARKET, SETTINGS)
    assert not live.simulated


def test_a_fee_taken_from_what_was_bought_is_worth_the_price_paid() -> None:
    """0.5 BTC at 50,100 with 0.0005 BTC of fee: 25,050 paid, 0.4995 received; reference 50,000."""
    facts = Facts(
        fate=Fate.EXECUTED, filled=0.5, price=50_100.0, fee=0.0005, fee_token="BTC", executed_at=START,
        bookings=(
            Booking("binance:BaseToken:BTC", 0.5), Booking("binance:BaseToken:BTC", -0.0005),
            Booking("binance:BaseToken:USDT", -25_050.0),
        ),
    )  # fmt: skip
    answer = handshake(order(Operation.SPOT_TRADE, SPOT, 0.5, Side.BUY), facts, MARKET, SETTINGS)
    assert [delta.amount for delta in answer.deltas] == [0.4995, -25_050.0]
    assert answer.fee == pytest.approx(25.05)
    assert answer.slippage == pytest.approx(49.95)
    assert answer.deltas[0].fee == answer.fee and answer.deltas[1].fee == 0.0
    check_conservation(answer, RICH, apply(answer, RICH), MARKET, SETTINGS)


def test_a_partial_fill_is_confirmed_with_what_was_filled() -> None:
    facts = Facts(
        fate=Fate.EXECUTED, filled=0.125, price=50_000.0, executed_at=START,
        bookings=(Booking("binance:BaseToken:BTC", 0.125), Booking("binance:BaseToken:USDT", -6_250.0)),
    )  # fmt: skip
    answer = handshake(order(Operation.SPOT_TRADE, SPOT, 0.5, Side.BUY), facts, MARKET, SETTINGS)
    assert (answer.status, answer.filled) == (HandshakeStatus.CONFIRMED, 0.125)
    check_conservation(answer, RICH, apply(answer, RICH), MARKET, SETTINGS)


@pytest.mark.parametrize(
    "bookings",
    [
        (Booking("binance:BaseToken:BTC", 0.5),),
        (Booking("binance:BaseToken:BTC", 0.5), Booking("binance:BaseToken:USDT", -25_001.0)),
        (Booking("binance:BaseToken:BTC", 0.4), Booking("binance:BaseToken:USDT", -25_000.0)),
    ],
    ids=["paid nothing", "a hidden fee", "less than was filled"],
)
def test_a_story_that_does_not_add_up_is_refused(bookings: tuple[Booking, ...]) -> None:
    facts = Facts(fate=Fate.EXECUTED, filled=0.5, price=50_000.0, executed_at=START, bookings=bookings)
    answer = handshake(order(Operation.SPOT_TRADE, SPOT, 0.5, Side.BUY), facts, MARKET, SETTINGS)
    with pytest.raises(AccountingError, match="PNL-002"):
        check_conservation(answer, RICH, apply(answer, RICH), MARKET, SETTINGS)


def test_a_fee_in_a_foreign_token_moves_nothing_of_the_book() -> None:
    buy = order(Operation.SPOT_TRADE, SPOT, 0.5, Side.BUY)
    bookings = (Booking("binance:BaseToken:BTC", 0.5), Booking("binance:BaseToken:USDT", -25_000.0))
    paid = Facts(
        fate=Fate.EXECUTED, filled=0.5, price=50_000.0, fee=0.01, fee_token="BNB", executed_at=START,
        bookings=(*bookings, Booking("binance:BaseToken:BNB", -0.01)),
    )  # fmt: skip
    answer = handshake(buy, paid, MARKET, SETTINGS)
    assert foreign_tokens(buy, paid, SETTINGS) == {"BNB": 0.01}
    assert ([delta.amount for delta in answer.deltas], answer.fee) == ([0.5, -25_000.0], 0.0)
    check_conservation(answer, RICH, apply(answer, RICH), MARKET, SETTINGS)


def test_what_the_book_does_not_hold_and_is_no_fee_of_a_trade_is_refused_by_name() -> None:
    buy = order(Operation.SPOT_TRADE, SPOT, 0.5, Side.BUY)
    charged = told(execute(buy, RICH), fee=0.01, fee_token="BNB")
    with pytest.raises(OrderError, match=r"charged 0\.01 BNB.*fees in the traded tokens"):
        handshake(buy, charged, MARKET, SETTINGS)
    booked = told(execute(buy, RICH), bookings=(Booking("bybit:BaseToken:BNB", -0.01),))
    with pytest.raises(OrderError, match="bybit:BaseToken:BNB"):
        handshake(buy, booked, MARKET, SETTINGS)


def test_what_was_rejected_changes_nothing_and_says_why() -> None:
    facts = Facts(fate=Fate.REJECTED, error_code="VEN-003", error_message="margin is insufficient")
    answer = handshake(order(Operation.PERP_TRADE, SHORT, 0.5, Side.SELL), facts, MARKET, SETTINGS)
    assert (answer.status, answer.deltas, answer.executed_at) == (HandshakeStatus.FAILED, (), None)
    assert answer.error_message == "margin is insufficient"


def test_an_unknown_fate_is_pending_and_moves_nothing() -> None:
    answer = unknown(order(Operation.SPOT_TRADE, SPOT, 0.5, Side.BUY), START, "no answer for 120 s")
    assert (answer.status, answer.deltas) == (HandshakeStatus.PENDING, ())
