"""What each exchange's answers mean: units, wallets, pages of trades, late income, error codes; the real client."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from basis_pipeline.domain.errors import VenueError, VenueRefusal, VenueSilence
from basis_pipeline.domain.orders import HandshakeStatus, Operation, Order, Side
from basis_pipeline.domain.protocols import SettlementKind
from basis_pipeline.domain.records import Positions
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.venues.live.cex import LiveCex, whole_lots
from basis_pipeline.venues.live.exchange import MarketOrder
from basis_pipeline_tests.builders import START, Moment, snapshot
from basis_pipeline_tests.engine.faulty import RecordingClock
from basis_pipeline_tests.fakes.accounts import EXCHANGES, KEY, SECRET, Account, account
from basis_pipeline_tests.fakes.server import Fault, Reply
from basis_pipeline_tests.live.stage import mode_at
from basis_pipeline_tests.venues.contract import ORDER_PATHS, ExchangePlace, place_at

SECOND = 1_000_000
MOMENT = Moment(prices={"BTC": 50_000.0})


@pytest.fixture(params=EXCHANGES)
def there(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ExchangePlace]:
    with place_at(request.param, tmp_path) as made:
        yield made


@pytest.fixture(params=EXCHANGES)
def at(request: pytest.FixtureRequest) -> Iterator[Account]:
    with account(request.param, usdt=1e9, at=START) as made:
        yield made


def short(there: ExchangePlace, quantity: float = 1.0) -> Order:
    return there.order(Operation.PERP_TRADE, quantity, Side.SELL)


def test_what_a_perp_has_gained_is_not_cash(there: ExchangePlace) -> None:
    there.book(there.execute(short(there, 1.5)))
    books = there.account.books
    before = there.account.cash
    books.set_price("BTC", 56_000.0)
    cash = there.slot("BaseToken:USDT")
    assert books.unrealised == pytest.approx(-1.5 * (56_000.0 - 49_990.0))
    assert there.venue.positions(there.held)[cash] == pytest.approx(before) == there.account.cash


@pytest.mark.parametrize("name", ["binance", "okx"])
def test_a_price_is_as_old_as_the_older_one_of_last_price_and_mark(name: str) -> None:
    """Bybit stamps its answer and neither of them."""
    with account(name, at=START) as made:
        made.books.marks_behind = 600 * SECOND
        assert made.exchange().prices("BTC/USDT:USDT").at == START - 600 * SECOND
        assert made.exchange().prices("BTC/USDT").at == START


@pytest.mark.parametrize("symbol", ["BTC/USDT", "BTC/USDT:USDT", "ETH/USDT:USDT"])
def test_every_number_of_lots_arrives_as_that_number(at: Account, symbol: str) -> None:
    """Among them are 0.007, 0.029 and 0.057, whose hundreds of contracts are a hair below a whole in binary."""
    exchange = at.exchange()
    at.books.margin["USDT"] += 1e9
    listing = exchange.listing(symbol)
    for number in (7, 11, 14, 19, 23, 28, 29, 57, 58, 113, 1_001, 1_033):
        if number * listing.lot * 2_500.0 < 110.0 and listing.lot > 1e-4:
            continue
        quantity = whole_lots(number * listing.lot, listing)
        if quantity * 50_000.0 < 110.0:
            continue
        exchange.place(MarketOrder(f"bp{number}", symbol, Side.BUY, quantity))
        assert at.books.orders[-1].quantity == pytest.approx(number * listing.lot, rel=1e-12)


@pytest.mark.parametrize("trades", [101, 250])
def test_an_order_that_filled_in_many_trades_is_found_whole(there: ExchangePlace, trades: int) -> None:
    there.account.books.trades_per_fill = trades if there.name != "binance" else 8 * trades
    what = there.order(Operation.SPOT_TRADE, 1.2, Side.BUY)
    answer = there.execute(what)
    assert answer.filled == pytest.approx(1.2)
    assert len(there.account.books.orders[-1].trades) > trades - 1
    there.book(answer)


SYSTEM_ERROR = {
    "binance": Reply(400, {"code": -1006, "msg": "An unexpected response was received. Execution status unknown."}),
    "bybit": Reply(200, {"retCode": 10016, "retMsg": "System error. Please try again later.", "result": {}}),
    "okx": Reply(200, {"code": "1", "data": [{"sCode": "50026", "sMsg": "System error"}], "msg": ""}),
}
CREATION_TIMEOUT = {
    "binance": Reply(408, {"code": -1007, "msg": "Timeout waiting for response from backend server."}),
    "bybit": Reply(200, {"retCode": 170146, "retMsg": "Order creation timeout.", "result": {}}),
    "okx": Reply(200, {"code": "1", "data": [{"sCode": "51149", "sMsg": "Order timed out."}], "msg": ""}),
}
UNSURE = {
    "system error": SYSTEM_ERROR,
    "creation timeout": CREATION_TIMEOUT,
    "a code nobody knows": {
        "binance": Reply(400, {"code": -9999, "msg": "?"}),
        "bybit": Reply(200, {"retCode": 999999, "retMsg": "?", "result": {}}),
        "okx": Reply(200, {"code": "1", "data": [{"sCode": "59999", "sMsg": "?"}], "msg": ""}),
    },
    "not JSON's shape": dict.fromkeys(EXCHANGES, Reply(200, ["<html>"])),
}


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.parametrize("case", UNSURE)
def test_an_answer_that_is_neither_yes_nor_no_is_no_refusal(there: ExchangePlace, case: str, phase: str) -> None:
    """An order may turn up as long as its receive window is open; only then is "unknown order" believed."""
    reply = UNSURE[case][there.name]
    there.account.server.faults.append(
        Fault(ORDER_PATHS[there.name], "reply", "after" if phase == "after" else "before", reply=reply)
    )
    answer = there.execute(short(there))
    if phase == "after":
        assert answer.status is HandshakeStatus.CONFIRMED
        there.book(answer)
        return
    assert (answer.status, answer.error_code) == (HandshakeStatus.FAILED, "VEN-006")
    assert there.clock.time >= 1_000.0 + 10.0
    assert len(there.account.server.requests(ORDER_PATHS[there.name])) == 1


def test_income_that_appears_late_is_booked_by_the_next_session(tmp_path: Path) -> None:
    """Due at 12:00:00, in the history from 12:00:05 on; the last state is of 12:00:03."""
    for name in EXCHANGES:
        mode = mode_at(name)
        with account(name, at=START) as made:
            path = tmp_path / f"{name}.sqlite"
            journal = LiveJournal.open(path, belongs_to="btc_basis@dev", now=itertools.count(1).__next__)
            made.books.perps["BTCUSDT"] = (-1.0, 50_000.0)
            made.books.now = START + 3_600 * SECOND
            paid = made.books.pay_funding("BTCUSDT", 0.0001)
            late = LiveCex(
                made.exchange(), mode.settings, journal, RecordingClock(),
                since=START, seen=START + 3_603 * SECOND, max_notional=1e9,
            )  # fmt: skip
            market = snapshot(mode.settings, START + 3_660 * SECOND, MOMENT)
            zeros = (0.0,) * len(mode.settings.universe)
            (delta,) = late.settle(SettlementKind.FUNDING, Positions(zeros, zeros), market)
            assert delta.amount == pytest.approx(paid) == 5.0
            journal.close()


def test_income_from_before_the_record_began_is_in_its_opening_balances(there: ExchangePlace) -> None:
    books = there.account.books
    books.perps["BTCUSDT"] = (-1.0, 50_000.0)
    books.now = START - SECOND
    books.pay_funding("BTCUSDT", 0.0001)
    books.now = START + SECOND
    paid = books.pay_funding("BTCUSDT", 0.0002)
    market = replace(there.market, timestamp=START + 2 * SECOND)
    (delta,) = there.venue.settle(SettlementKind.FUNDING, there.held, market)
    assert delta.amount == pytest.approx(paid) == 10.0


SETTINGS_REFUSED = [
    ("binance", "hedge_mode", "one-way mode"),
    ("binance", "multi_assets", "single-asset mode"),
    ("binance", "fees_in_bnb", "spot pays fees in BNB"),
    ("binance", "isolated", "BTC/USDT:USDT is on isolated margin"),
    ("bybit", "isolated", "the account is on isolated margin"),
    ("bybit", "hedge_mode", "one-way mode"),
    ("bybit", "spot_only", "unified trading account"),
    ("okx", "hedge_mode", "net mode"),
    ("okx", "spot_only", "spot only"),
]


@pytest.mark.parametrize(("name", "setting", "words"), SETTINGS_REFUSED)
def test_an_account_in_the_wrong_mode_is_refused_with_what_to_change(name: str, setting: str, words: str) -> None:
    with account(name, at=START) as made:
        made.exchange().check_account(["BTC/USDT:USDT"], 10.0)
        setattr(made.books, setting, True)
        with pytest.raises(VenueRefusal) as refusal:
            made.exchange().check_account(["BTC/USDT:USDT"], 10.0)
    assert refusal.value.code == "VEN-009" and words in (refusal.value.remedy or "")


def test_less_leverage_than_plans_count_on_is_refused(there: ExchangePlace) -> None:
    """The venue files ask for 10% of the notional: at leverage 9 a short that was planned could be refused."""
    there.account.books.leverage = 10.0
    there.venue.check_account()
    there.account.books.leverage = 9.0
    with pytest.raises(VenueRefusal) as refusal:
        there.venue.check_account()
    assert refusal.value.code == "VEN-009"
    assert "BTC/USDT:USDT has leverage 9: choose 10 or more" in (refusal.value.remedy or "")


def test_perps_settled_in_coins_on_the_same_margin_are_refused_at_the_start() -> None:
    with account("bybit", at=START) as made:
        made.books.other_perps.append("BTCUSD")
        with pytest.raises(VenueRefusal) as refusal:
            made.exchange().check_account(["BTC/USDT:USDT"], 10.0)
    assert "BTCUSD is open" in (refusal.value.remedy or "")


def test_perps_of_somebody_else_on_the_account_are_refused_at_the_start_and_whenever_they_appear(
    there: ExchangePlace,
) -> None:
    """They live on the same margin: a book that does not know them sees neither their losses nor their size."""
    there.venue.check_account()
    assert there.venue.positions(there.held)
    there.account.books.perps["ETHUSDT"] = (-3.0, 2_500.0)
    for asked in (there.venue.check_account, lambda: there.venue.positions(there.held)):
        with pytest.raises(VenueRefusal, match=r"ETH/USDT:USDT -3") as refusal:
            asked()
        assert refusal.value.code == "VEN-009"


NO = {
    "more spot than cash buys": MarketOrder("bp1", "BTC/USDT", Side.BUY, 1e6),
    "more perps than margin carries": MarketOrder("bp1", "BTC/USDT:USDT", Side.SELL, 1e6),
    "half a lot of spot": MarketOrder("bp1", "BTC/USDT", Side.BUY, 1e-6),
    "spot below the smallest value": MarketOrder("bp1", "BTC/USDT", Side.BUY, 1e-4),
    "nothing to reduce": MarketOrder("bp1", "BTC/USDT:USDT", Side.BUY, 0.1, reduce_only=True),
}


@pytest.mark.parametrize("case", NO)
def test_what_an_exchange_refuses_is_a_refusal_at_once(at: Account, case: str) -> None:
    with pytest.raises(VenueRefusal) as refusal:
        at.exchange().place(NO[case])
    assert at.books.orders == [] and refusal.value.message.startswith(f"{at.name} refused")


def test_a_client_id_in_use_is_a_refusal_and_places_nothing(at: Account) -> None:
    exchange = at.exchange()
    for symbol in ("BTC/USDT", "BTC/USDT:USDT"):
        at.books.late_polls.append(5)
        at.books.margin["USDT"] += 1e6
        exchange.place(MarketOrder(f"bp{len(symbol)}", symbol, Side.BUY, 0.1))
        with pytest.raises(VenueRefusal):
            exchange.place(MarketOrder(f"bp{len(symbol)}", symbol, Side.BUY, 0.1))
    assert len(at.books.orders) == 2


def test_an_order_nobody_placed_is_none_and_not_an_error(at: Account) -> None:
    assert at.exchange().find("BTC/USDT", "bpffff") is None
    assert at.exchange().find("BTC/USDT:USDT", "bpffff") is None


IP_OR_RIGHTS = {
    "binance": Reply(401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}),
    "bybit": Reply(200, {"retCode": 10005, "retMsg": "Permission denied, please check your API key permissions."}),
    "okx": Reply(401, {"code": "50120", "data": [], "msg": "This API key has no permission for this"}),
}
EXPIRED = {
    "binance": Reply(401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}),
    "bybit": Reply(200, {"retCode": 33004, "retMsg": "Your api key has expired."}),
    "okx": Reply(401, {"code": "50119", "data": [], "msg": "API key doesn't exist"}),
}


@pytest.mark.parametrize("answers", [IP_OR_RIGHTS, EXPIRED], ids=["rights", "expired"])
def test_a_key_that_is_not_accepted_is_a_refusal_without_key_secret_or_signature(
    at: Account, answers: dict[str, Reply]
) -> None:
    exchange = at.exchange()
    exchange.listing("BTC/USDT")
    at.server.faults.append(Fault("", "reply", "before", method="GET", reply=answers[at.name]))
    with pytest.raises(VenueRefusal) as refusal:
        exchange.balances()
    assert tells_nothing(refusal.value, at)
    assert "API key" in (refusal.value.remedy or "")


def tells_nothing(error: VenueError, at: Account) -> bool:
    (request,) = at.server.log[-1:]
    signatures = [v for k, v in {**request.parameters, **request.headers}.items() if "sign" in k.lower()]
    return bool(signatures) and not any(secret in repr(error) + str(error) for secret in (*signatures, KEY, SECRET))


@pytest.mark.parametrize("status", [401, 403, 418, 429, 500, 502, 503, 504])
def test_a_gateway_in_trouble_tells_no_signature(at: Account, status: int) -> None:
    """The client quotes the address it asked where an answer is not the exchange's own; Binance signs in the query."""
    exchange = at.exchange()
    exchange.listing("BTC/USDT")
    at.server.faults.append(Fault("", "reply", "before", method="GET", reply=Reply(status, {"gateway": "trouble"})))
    with pytest.raises(VenueError) as error:
        exchange.balances()
    assert tells_nothing(error.value, at)
    assert isinstance(error.value, VenueSilence) or status == 401
