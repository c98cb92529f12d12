"""Makes every fault of the chain happen to a live session: `make chain-faults` writes docs/live-faults-chain.md.

Times are market time: a clock that moves only by waiting, so that the page is the same wherever it is made.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from basis_pipeline.domain.errors import BasisError, ConfigError, StateError, SystemFailure
from basis_pipeline.live_journal.database import JournalDatabase
from basis_pipeline.runs.live.session import LiveSession
from basis_pipeline_tests.chain.anvil import anvil
from basis_pipeline_tests.chain.bench import MINUTE, owner
from basis_pipeline_tests.chain.faults import CASES, Case
from basis_pipeline_tests.chain.gift_faults import GIFT_CASES
from basis_pipeline_tests.chain.lending_faults import LENDING_CASES
from basis_pipeline_tests.chain.market import ETHER, Market
from basis_pipeline_tests.chain.queue_faults import QUEUE_CASES
from basis_pipeline_tests.chain.stage import Stage, stage
from basis_pipeline_tests.live.faults import KilledError

ALL_CASES = CASES | LENDING_CASES | QUEUE_CASES | GIFT_CASES
_SUPERVISOR = (5.0, 10.0, 20.0, 40.0, 60.0)
"""Seconds before a session that failed is started again; the last one repeats."""
_HEAD = """# What a live session does when a chain goes wrong

Made by `make chain-faults`: the real engine, journal and node client against Aave V3, Uniswap V3 and Morpho Blue on a
local chain, each fault made to happen while `eth_leveraged` builds its stack in one transaction (40 ETH), while a
session holds it, or between two sessions; in the rows of lending `pure_lending_usdt` has lent 100,000 USDT, in those of
redemptions and claims an operator has `eth_staking_only` leave by the queue, and take up again what it pays. A session
that fails is started again, as by a supervisor; one that holds its book is watched for four minutes (lending: up to
90, claims: eight), the fault comes in the second. A transaction counts after three blocks. Held: ticks that reported
the [last values](guides/live-on-chain.md#a-node-that-says-nothing), marked as such. Sent: transactions of the wallet on
the chain, cancellations and failures included. Lost: USDT by which book and chain differ in the end; where somebody
else used the key, it is the gas he paid. Doubled: orders that the chain has executed twice. Recovered: market time
until the book is complete and equal to the chain, and may be traded; about 60 s (or the time it is watched) where
nothing goes wrong. As a Dagster job a session is started again three times in a row at most, and then waits for a
person.

| fault | restarts | operator | ticks skipped | held | sent | lost | doubled | recovered |
|---|---:|---|---:|---:|---:|---:|---:|---:|
"""


class Row(NamedTuple):
    """Counts; `lost` is in USDT, `seconds` in market time."""

    restarts: int
    operator: bool
    skipped: int
    held: int
    sent: int
    lost: float
    doubled: int
    seconds: float

    def line(self, fault: str) -> str:
        asked = "yes" if self.operator else ""
        return (
            f"| {fault} | {self.restarts} | {asked} | {self.skipped} | {self.held} | {self.sent} | {self.lost:.2f} | "
            f"{self.doubled} | {self.seconds:.0f} s |"
        )


def suffer(case: Case, market: Market, folder: Path) -> Row:
    """Let one fault happen; AssertionError if the book does not come back whole."""
    with stage(market, folder, lends=case.lends, redeems=case.redeems) as there:
        if case.when != "entering":
            _live(there, there.session(), minutes=2)
        began = there.clock.now()
        if case.when == "holding":
            _strike_at(there, case, began + 60.0)
        else:
            case.strikes(there)
        return _recover(there, case, began)


def _strike_at(there: Stage, case: Case, moment: float) -> None:
    """The fault comes over a session that has begun."""

    def passes() -> None:
        if there.clock.now() >= moment:
            there.clock.passing.remove(passes)
            case.strikes(there)

    there.clock.passing.append(passes)


def _recover(there: Stage, case: Case, began: float) -> Row:
    restarts, skipped, operator, database = 0, 0, False, case.database
    for _ in range(60):
        ended: BaseException | None = None
        right = case.operator == "acknowledges" or not there.provider.faults
        try:
            session = there.session(database=database, acknowledged=operator and right)
        except BasisError as refused:
            ended = refused
        else:
            ended = _live(there, session, minutes=case.minutes if case.when == "holding" else 1)
            skipped += session.skipped_ticks
        if ended is None and _whole(there, session):
            sent, doubled = there.truth.transactions(), there.executed() - there.intents_executed()
            return Row(
                restarts,
                operator,
                skipped,
                there.held(),
                sent,
                there.lost(),
                max(0, doubled),
                there.clock.now() - began,
            )
        if isinstance(ended, StateError | ConfigError):
            assert case.operator, ended
            operator = True
        if ended is not None:
            there.clock.sleep(_SUPERVISOR[min(restarts, len(_SUPERVISOR) - 1)])
            restarts, database = restarts + 1, JournalDatabase
    raise AssertionError("the book does not come back")


def _live(there: Stage, session: LiveSession, *, minutes: int) -> BaseException | None:
    """One session for some minutes; what it ended by."""
    try:
        session.run(until=there.clock.wall() + minutes * MINUTE)
    except (SystemFailure, KilledError, BasisError) as ended:
        return ended
    return None


def _whole(there: Stage, session: LiveSession) -> bool:
    """The book is complete, nothing is open, the session may trade, nothing else is going to go wrong."""
    if session.engine is None or not session.engine.health.may_execute:
        return False
    quiet = not (there.provider.faults or there.server.faults or there.clock.passing)
    return quiet and there.open_intents() == 0 and there.entered()


def page() -> str:
    """The whole page."""
    lines = []
    with anvil() as node:
        market = Market(node, owner())
        node.chain.ask("anvil_setBalance", owner(), hex(40 * ETHER))
        market.sent_before = node.chain.nonce(owner())
        for fault, case in ALL_CASES.items():
            kept = node.snapshot()
            with tempfile.TemporaryDirectory() as folder:
                lines.append(suffer(case, market, Path(folder)).line(fault))
            node.chain.ask("anvil_dropAllTransactions")
            node.revert(kept)
    return _HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
