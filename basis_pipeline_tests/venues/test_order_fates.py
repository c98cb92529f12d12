"""An order is lost when it can no longer arrive, and no sooner: one that was given up too early is made twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from basis_pipeline.domain.intents import Fate, Intent, OpenIntent
from basis_pipeline.domain.orders import HandshakeStatus, Operation, Side
from basis_pipeline_tests.builders import START
from basis_pipeline_tests.fakes.accounts import EXCHANGES
from basis_pipeline_tests.fakes.server import Fault
from basis_pipeline_tests.venues.contract import ORDER_PATHS, ExchangePlace, place_at

WINDOWS = {"binance": 10.0, "bybit": 10.0, "okx": 30.0}
"""Seconds for which a signed request is good: `recvWindow` where there is one, OKX's own 30 s."""


@pytest.fixture(params=EXCHANGES)
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ExchangePlace]:
    with place_at(request.param, tmp_path) as made:
        yield made


def test_an_order_that_arrives_in_the_last_second_of_its_window_is_found_and_booked(there: ExchangePlace) -> None:
    server = there.account.server

    def arrives() -> None:
        (delayed,) = server.requests(ORDER_PATHS[there.name])
        server.skin.answer(delayed)

    server.faults.append(Fault(ORDER_PATHS[there.name], "reset", "before"))
    there.clock.later.append((there.clock.time + WINDOWS[there.name] - 1.0, arrives))
    answer = there.execute(there.order(Operation.PERP_TRADE, 1.0, Side.SELL))
    assert answer.status is HandshakeStatus.CONFIRMED, answer.error_message
    assert len(there.account.books.orders) == 1
    there.book(answer)
    there.agrees()


def test_an_order_that_was_acknowledged_is_waited_for_although_the_exchange_does_not_show_it(
    there: ExchangePlace,
) -> None:
    """Asked after 0, 1, 3, 7, 15, 23, ... s: the tenth time, 55 s after it was taken, it is there."""
    questions = 2 if there.name == "bybit" else 1  # open orders, then the history
    there.account.books.hidden_polls.append(9 * questions)
    answer = there.execute(there.order(Operation.SPOT_TRADE, 1.2, Side.BUY))
    assert answer.status is HandshakeStatus.CONFIRMED, answer.error_message
    assert there.clock.time == pytest.approx(1_000.0 + 55.0)
    there.book(answer)
    there.agrees()


def test_an_order_of_last_week_is_found_with_its_trades(there: ExchangePlace) -> None:
    """A machine that died on Friday and is started on Monday: the newest trades are not all there are."""
    what = there.order(Operation.SPOT_TRADE, 1.2, Side.BUY)
    there.book(there.execute(what))
    there.account.books.now += 7 * 86_400_000_000
    placed = there.account.books.orders[-1]
    fills = there.account.exchange().fills("BTC/USDT", str(placed.order_id))
    assert sum(fill.quantity for fill in fills) == pytest.approx(1.2)


@pytest.mark.parametrize("acknowledged", [False, True])
def test_after_a_restart_an_order_the_exchange_never_shows_was_lost_and_does_not_stand_in_the_way(
    there: ExchangePlace, acknowledged: bool
) -> None:
    intent = Intent(intent_id="bp0000000001", timestamp=START, order=there.order(Operation.PERP_TRADE, 1.0, Side.SELL))
    there.venue._journal.intend(intent)
    facts = there.venue.resolve(OpenIntent(intent, "1001" if acknowledged else ""))
    assert facts is not None and facts.fate is Fate.REJECTED and facts.error_code == "VEN-006"
    waited = there.clock.time - 1_000.0
    assert waited > (90.0 if acknowledged else WINDOWS[there.name])
    assert waited < 120.0
