"""Five days on three exchanges whose prices force a rebalancing in each direction, lived live and as a backtest."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from basis_pipeline.domain.timeline import HOUR
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline_tests.builders import START, Moment, Run
from basis_pipeline_tests.live.fleet import THREE, Fleet, fleet, holds_what_the_venues_hold, mode_over

RISE, FALL = [50_000.0 + 220.0 * hour for hour in range(66)], [64_300.0 - 330.0 * hour for hour in range(54)]
PRICES = RISE + FALL
RATE = 0.0001


def lived_as_a_backtest() -> Run:
    """Transfers take no time there, capital begins in a wallet, and the entry is made an hour earlier."""
    mode = mode_over(THREE)
    funding = dict.fromkeys(THREE, RATE)
    moments = [
        Moment(prices={"BTC": price}, funding=funding if hour % 8 == 0 else None) for hour, price in enumerate(PRICES)
    ]
    return Run(mode, moments).go()


def follow(there: Fleet) -> None:
    """The exchanges show the price of the hour, and pay funding at every eighth before anybody acts on it."""
    paid = {0}

    def script() -> None:
        hour = min((there.clock.wall() - START) // HOUR, len(PRICES) - 1)
        for account in there.accounts.values():
            account.books.set_price("BTC", PRICES[hour])
        if hour % 8 == 0 and hour not in paid:
            paid.add(hour)
            for account in there.accounts.values():
                account.books.pay_funding("BTCUSDT", RATE)

    there.clock.script = script


@pytest.mark.slow
def test_five_days_with_two_rebalancings_end_where_the_backtest_does(tmp_path: Path) -> None:
    backtest = lived_as_a_backtest()
    with fleet(tmp_path) as there:
        there.options = {"interval": 3_600.0}
        follow(there)
        session = there.session()
        session.run(until=START + len(PRICES) * HOUR)
        holds_what_the_venues_hold(there)
        states = list(LiveJournal(there.reading(), there.clock.wall).states())
        live = [state.pnl.equity for state in states[1:]]
        assert [w.address for w in there.network.withdrawals] == ["0xbyb1t", "0x0kx"] * 2 + ["0xb1naNce"] * 2
        assert "exit_partial" in " ".join(backtest.reasons) and "entry_partial" in " ".join(backtest.reasons)
        theirs = [commit.pnl.equity for commit in backtest.engine.log.closing_commits]
        apart = [abs(ours / other - 1.0) for ours, other in zip(live, theirs, strict=True)]
        assert max(apart[1:]) < 5e-4, "of what is traded, while funds are on their way"
        assert apart[-1] < 2e-4
        assert max(abs(one / other - 1.0) for one, other in pairwise(live)) < 2e-3, "costs, and never a jump"
