"""What the book counts as margin is margin at the exchange: cash in another of its wallets saves no perp."""

from __future__ import annotations

from pathlib import Path

import pytest

from basis_pipeline.domain.errors import SystemFailure
from basis_pipeline_tests.fakes.accounts import EXCHANGES
from basis_pipeline_tests.fakes.server import Fault, Reply
from basis_pipeline_tests.live.stage import MINUTE, holds_what_the_venue_holds, stage


@pytest.mark.parametrize("venue", EXCHANGES)
def test_a_rising_market_liquidates_nothing_and_the_margin_ratio_is_that_of_the_exchange(
    tmp_path: Path, venue: str
) -> None:
    """BTC doubles; spot is sold three times for the margin of the shorts, which the sales have to reach."""
    with stage(tmp_path, venue) as there:
        session, books = there.session(), there.books
        session.start()
        session.tick()
        for step in range(1, 25):
            books.set_price("BTC", round(50_000.0 * 1.03**step, 2))
            books.now += MINUTE
            session.tick()
            assert books.liquidated == []
            assert session.engine is not None
            (told,) = session.engine.position_update_handler.latest.risk.margin_ratios
            notional = -books.perps["BTCUSDT"][0] * books.market("BTCUSDT", perp=True).mark
            assert told == pytest.approx((books.margin["USDT"] + books.unrealised) / notional, rel=1e-6)
        sales = [order for order in books.orders if not order.market.perp and not order.buy]
        assert len(sales) == 3
        holds_what_the_venue_holds(there)


def test_a_session_that_may_only_read_moves_nothing(tmp_path: Path) -> None:
    with stage(tmp_path) as there:
        there.session().run(until=there.books.now + 2 * MINUTE)
        there.books.spot["USDT"] += 10.0
        moved = len(there.server.requests("/transfer"))
        there.read_only = True
        there.session().run(until=there.books.now + 2 * MINUTE)
        assert len(there.server.requests("/transfer")) == moved
        assert there.books.spot["USDT"] == pytest.approx(10.0)


REFUSED = Fault("/asset/transfer", "reply", "before", reply=Reply(400, {"code": -9000, "msg": "Not available."}))


def test_a_transfer_between_wallets_that_fails_is_tried_again_at_the_next_tick(tmp_path: Path) -> None:
    with stage(tmp_path) as there:
        there.session().run(until=there.books.now + 2 * MINUTE)
        there.books.set_price("BTC", 63_500.0)
        there.server.faults += [REFUSED] * 2
        session = there.session()
        session.run(until=there.books.now + 4 * MINUTE)
        assert there.books.orders[-1].buy and there.books.spot["USDT"] == pytest.approx(0.0)
        assert session.skipped_ticks == 0
        holds_what_the_venue_holds(there)


def test_a_margin_that_cannot_be_put_in_place_for_minutes_ends_the_session(tmp_path: Path) -> None:
    """The ratio of the book would be that of an account whose cash is all margin."""
    with stage(tmp_path) as there:
        there.session().run(until=there.books.now + 2 * MINUTE)
        there.books.set_price("BTC", 63_500.0)
        there.server.faults += [REFUSED] * 100
        with pytest.raises(SystemFailure, match=r"no tick was completed.*Not available"):
            there.session().run(until=there.books.now + 20 * MINUTE)
        assert there.books.spot["USDT"] > 10_000.0
        there.server.faults.clear()
        there.session().run(until=there.books.now + 2 * MINUTE)
        assert there.books.spot["USDT"] == pytest.approx(0.0)
        holds_what_the_venue_holds(there)


@pytest.mark.parametrize("crumbs", [4e-9, 12.345678919])
@pytest.mark.parametrize("venue", ["bybit", "okx"])
def test_crumbs_that_no_transfer_can_carry_stand_in_the_way_of_no_order(
    tmp_path: Path, venue: str, crumbs: float
) -> None:
    """A wallet of deposits has decimals that a transfer has not: rounded up, the exchange would refuse every order."""
    with stage(tmp_path, venue) as there:
        there.books.leaves[0]["USDT"] = crumbs
        there.session().run(until=there.books.now + 2 * MINUTE)
        assert len(there.books.orders) == 2
        assert there.books.leaves[0]["USDT"] == pytest.approx(crumbs % 1e-8, abs=1e-12)
        holds_what_the_venue_holds(there)
