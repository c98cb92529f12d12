"""Any order of sending, silence, crashes, restarts and reorganisations: chain = journal = positions, each intent once.

The chain is a real one; a reorganisation takes back what was mined since a snapshot, never deeper than the
confirmations a session waits for.
"""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from basis_pipeline.domain.errors import SystemFailure, VenueSilence
from basis_pipeline.live_journal.database import JournalDatabase
from basis_pipeline_tests.chain.bench import MINUTE, SETTINGS
from basis_pipeline_tests.chain.faults import BUSY, DOWN, NONSENSE, SEND, rewind
from basis_pipeline_tests.chain.market import ETHER, Market
from basis_pipeline_tests.chain.proxy import RpcFault
from basis_pipeline_tests.chain.stage import Stage, stage
from basis_pipeline_tests.live.faults import KilledError, dying

RATIOS = st.sampled_from([1.0, 1.015, 1.03, 1.04, 1.05])
"""ETH per weETH at the protocol: between them the stack is reduced and built up again."""


class LiveOnChain(RuleBasedStateMachine):
    """Rules change the world or let sessions live in it; what must hold is checked whenever one has ended by itself."""

    market: Market

    @initialize()
    def opens(self) -> None:
        self.kept = self.market.node.snapshot()
        self.market.sent_before = self.market.node.chain.nonce(self.market.owner)
        self.closing = ExitStack()
        folder = Path(self.closing.enter_context(tempfile.TemporaryDirectory()))
        self.stage: Stage = self.closing.enter_context(stage(self.market, folder))

    def lives(self, database: type[JournalDatabase] = JournalDatabase) -> None:
        """A session for two minutes, again as often as a supervisor would start it (R39)."""
        for _ in range(12):
            try:
                session = self.stage.session(database=database)
                session.run(until=self.stage.clock.wall() + 2 * MINUTE)
            except (SystemFailure, VenueSilence):
                self.stage.clock.sleep(5.0)
                continue
            return
        raise AssertionError("the book does not come back")

    def holds(self) -> None:
        there = self.stage
        assert there.open_intents() == 0
        assert there.executed() == there.intents_executed(), "each intent at most once, and the journal knows which"
        state, held = there.truth.journal.last_state(), there.truth.held()
        assert state is not None
        for slot, key in enumerate(SETTINGS.universe.keys):
            assert state.positions[key].quantity == pytest.approx(held.quantities[slot], rel=1e-9, abs=1e-9), key

    def moves(self, ratio: float) -> None:
        self.market.node.do(self.market.weeth, "setRate(uint256)", round(ratio * ETHER))
        self.market.set_eth_price(2_500.0)

    @rule(ratio=RATIOS)
    def the_ratio_moves_and_a_session_trades_on_it(self, ratio: float) -> None:
        self.moves(ratio)
        self.lives()
        self.holds()

    @rule(phase=st.sampled_from(["before", "after"]), reply=st.sampled_from([DOWN, BUSY, NONSENSE]))
    def the_next_sending_is_not_answered(self, phase: str, reply: object) -> None:
        self.stage.provider.faults.append(RpcFault(SEND, phase, reply))  # type: ignore[arg-type]

    @rule(times=st.integers(1, 6))
    def the_next_questions_are_not_answered(self, times: int) -> None:
        self.stage.provider.faults.append(RpcFault("", "before", DOWN, times))

    @rule()
    def an_answer_comes_twice(self) -> None:
        """The provider hands the same transaction on a second time."""

        def again(question: dict[str, list[str]], answer: dict[str, object]) -> dict[str, object]:
            self.stage.provider._chain._provider.make_request(SEND, question["params"])
            return answer

        self.stage.provider.faults.append(RpcFault(SEND, distorts=again))

    @rule(ratio=RATIOS)
    def a_reorganisation_takes_back_what_was_just_mined(self, ratio: float) -> None:
        self.moves(ratio)
        node, before = self.market.node, self.stage.executed()
        kept = node.snapshot()

        def passes() -> None:
            if self.stage.executed() > before:
                self.stage.clock.passing.remove(passes)
                rewind(self.stage, kept)

        self.stage.clock.passing.append(passes)
        self.lives()
        if passes in self.stage.clock.passing:
            self.stage.clock.passing.remove(passes)
        self.holds()

    @rule(entry=st.integers(1, 16), after=st.booleans(), ratio=RATIOS)
    def a_session_is_killed_at_an_entry_of_its_journal(self, entry: int, after: bool, ratio: float) -> None:
        self.moves(ratio)
        try:
            self.lives(dying(entry, after=after))
        except KilledError:
            self.lives()
        self.holds()

    def teardown(self) -> None:
        if hasattr(self, "closing"):
            self.stage.provider.faults.clear()
            self.lives()
            self.holds()
            self.closing.close()
            self.market.node.chain.ask("anvil_dropAllTransactions")
            self.market.node.revert(self.kept)


@pytest.fixture(autouse=True)
def on_this_market(market: Market) -> None:
    LiveOnChain.market = market


TestLiveOnChain = LiveOnChain.TestCase
TestLiveOnChain.settings = settings(
    max_examples=10, stateful_step_count=8, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
