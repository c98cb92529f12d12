"""Any order of orders, faults, crashes, restarts and funding: venue books = journal = positions, each intent once."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from basis_pipeline.domain.errors import SystemFailure
from basis_pipeline.live_journal.database import JournalDatabase
from basis_pipeline_tests.fakes.accounts import EXCHANGES
from basis_pipeline_tests.fakes.server import Fault, Reply
from basis_pipeline_tests.live.faults import KilledError, dying
from basis_pipeline_tests.live.stage import MINUTE, Stage, holds_what_the_venue_holds, stage

PLACES = {"binance": "/order", "bybit": "/order/create", "okx": "/trade/order"}
BALANCES = {"binance": "/api/v3/account", "bybit": "/wallet-balance", "okx": "/account/balance"}
LOST = st.sampled_from(["before", "after"])
BROKEN = Reply(502, {"gateway": "bad"})
STORM = Reply(429, {"code": -1003, "retCode": 10006, "retMsg": "Too many visits!", "msg": "Too many requests."})


def flattered(reply: Reply) -> Reply:
    """The same answer with 7,000 USDT more in it."""

    def more(node: Any) -> Any:
        if isinstance(node, list):
            return [more(child) for child in node]
        if not isinstance(node, dict):
            return node
        if "USDT" in (node.get("asset"), node.get("coin"), node.get("ccy")):
            said = {key: f"{float(node[key]) + 7_000.0:.8f}" for key in ("free", "walletBalance", "cashBal", "eq")
                    if key in node}  # fmt: skip
            return node | said
        return {key: more(child) for key, child in node.items()}

    return replace(reply, content=more(reply.content))


class LiveTrading(RuleBasedStateMachine):
    """Rules change the world or let sessions live in it; what must hold is checked whenever one has ended by itself."""

    @initialize(venue=st.sampled_from(EXCHANGES))
    def opens(self, venue: str) -> None:
        self.closing, self.recorded = ExitStack(), False
        folder = Path(self.closing.enter_context(tempfile.TemporaryDirectory()))
        self.stage: Stage = self.closing.enter_context(stage(folder, venue))

    def lives(self, database: type[JournalDatabase] = JournalDatabase, minutes: int = 2) -> None:
        """A session for some minutes, again as often as a supervisor would start it (R39)."""
        for _ in range(8):
            try:
                self.stage.session(database=database).run(until=self.stage.books.now + minutes * MINUTE)
            except SystemFailure:
                continue
            self.recorded = True
            return
        raise AssertionError("the book does not come back")

    def moves(self, factor: float) -> None:
        books = self.stage.books
        price = books.market("BTCUSDT", perp=False).price * factor
        books.set_price("BTC", round(min(80_000.0, max(30_000.0, price)), 2))

    @rule(factor=st.floats(0.8, 1.25))
    def the_price_moves_and_a_session_trades_on_it(self, factor: float) -> None:
        self.moves(factor)
        self.lives()
        holds_what_the_venue_holds(self.stage)

    @rule(phase=LOST)
    def the_next_answer_to_an_order_is_lost(self, phase: str) -> None:
        self.stage.server.faults.append(
            Fault(PLACES[self.stage.name], "reset", "before" if phase == "before" else "after")
        )

    @rule()
    def the_next_order_is_answered_by_a_broken_gateway_though_it_was_executed(self) -> None:
        self.stage.server.faults.append(Fault(PLACES[self.stage.name], "reply", "after", reply=BROKEN))

    @rule(polls=st.integers(1, 5))
    def the_next_order_fills_late(self, polls: int) -> None:
        self.stage.books.late_polls.append(polls)

    @rule(fraction=st.floats(0.1, 0.9))
    def the_next_order_fills_in_part(self, fraction: float) -> None:
        self.stage.books.fill_fraction.append(fraction)

    @rule(trades=st.sampled_from([1, 2, 130]))
    def orders_fill_in_so_many_trades(self, trades: int) -> None:
        self.stage.books.trades_per_fill = trades

    @rule(number=st.integers(1, 4), place=st.sampled_from(["orders", "everything"]))
    def the_next_questions_hit_the_rate_limit(self, number: int, place: str) -> None:
        path = PLACES[self.stage.name] if place == "orders" else ""
        method = "POST" if place == "orders" else "GET"
        self.stage.server.faults += [Fault(path, "reply", "before", method=method, reply=STORM)] * number

    @precondition(lambda self: self.recorded)
    @rule(times=st.integers(1, 2))
    def the_venue_lies_about_its_cash(self, times: int) -> None:
        lie = Fault(BALANCES[self.stage.name], "reply", "after", method="GET", altered=flattered)
        self.stage.server.faults += [lie] * times

    @rule(rate=st.floats(-0.001, 0.001), hours=st.integers(0, 200))
    def funding_was_paid_while_no_session_ran(self, rate: float, hours: int) -> None:
        for _ in range(1 + hours // 8):
            self.stage.books.now += 1_000 + min(hours, 8) * 60 * MINUTE
            self.stage.books.pay_funding("BTCUSDT", rate)

    @rule(rate=st.floats(-0.001, 0.001))
    def funding_is_paid(self, rate: float) -> None:
        self.stage.books.now += 1_000
        self.stage.books.pay_funding("BTCUSDT", rate)

    @rule(entry=st.integers(1, 18), after=st.booleans(), factor=st.floats(0.8, 1.25))
    def a_session_is_killed_at_an_entry_of_its_journal(self, entry: int, after: bool, factor: float) -> None:
        self.moves(factor)
        try:
            self.lives(dying(entry, after=after))
        except KilledError:
            self.lives()
        holds_what_the_venue_holds(self.stage)

    def teardown(self) -> None:
        if hasattr(self, "closing"):
            self.stage.server.faults.clear()
            self.lives()
            holds_what_the_venue_holds(self.stage)
            self.closing.close()


TestLiveTrading = LiveTrading.TestCase
TestLiveTrading.settings = settings(
    max_examples=60, stateful_step_count=10, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
TestLiveTrading = pytest.mark.slow(seconds=40)(TestLiveTrading)
