"""A refresh commits everything or nothing, and what the world does happens in a fixed order (R12, R29)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from msgspec.structs import replace

from basis_pipeline.domain.deltas import DeltaSource
from basis_pipeline.domain.errors import DataError, DataGapError, PositionError
from basis_pipeline_tests.builders import HandMadeFeed, Moment, Run, at, frictionless, steady, wired

CALM = Moment(prices={"BTC": 50_000.0})
SHORT = "binance:Perp:BTCUSDT"
FLOWS = {"flows": [{"at": "2024-01-01T01:00:00Z", "amount": -200.0}, {"at": "2024-01-01T02:00:00Z", "amount": 3_000.0}]}


@pytest.mark.parametrize(
    "broken",
    [
        {"prices": {"BTC": float("nan")}},
        {"prices": {"BTC": float("inf")}},
        {"mark": {SHORT: float("nan")}},
        {"last": {"binance:BaseToken:BTC": float("nan")}},
        {"high": {SHORT: float("nan")}},
        {"usd": float("nan")},
        {"funding": {"binance": float("nan"), "bybit": 1e-4}},
        {"gas": float("nan")},
        {"prices": {"BTC": 50_000.0, "ETH": float("nan")}},
        {"prices": {"BTC": 0.0}},
        {"low": {SHORT: 0.0}},
        {"last": {"binance:BaseToken:BTC": -1.0}},
        {"usd": 0.0},
        {"gas": -1.0},
    ],
    ids=[
        *("price", "infinite price", "mark", "last", "high", "usd"),
        *("funding", "gas", "gas token", "zero price", "zero low", "negative last", "zero usd", "negative gas"),
    ],
)
def test_a_market_without_a_number_raises_and_changes_nothing(broken: dict[str, Any]) -> None:  # never 0 or default
    """Without the check a NaN margin balance is `not >= maintenance` and liquidates a sound book."""
    paying = {"funding": {"binance": 1e-4, "bybit": 1e-4}}
    run = Run(frictionless("btc_basis", FLOWS), [CALM, at(CALM, **paying | broken), CALM, CALM]).go(1)
    before = run.engine.state()
    with pytest.raises(DataError, match="2024-01-01T01:00:00Z has no usable number for"):
        run.engine.process_timestep(run.feed.timestamps[1])
    assert run.engine.state() == before


def test_a_monitor_that_raises_leaves_all_four_and_the_settlements_unchanged() -> None:
    """A withdrawal, funding and a deposit are due; the price vanishes between them and the valuation.

    The broken snapshot lacks a slot's price, which only the exposure monitor stumbles on, after funding was booked.
    """
    paying = at(CALM, funding={"binance": 1e-4, "bybit": 1e-4})
    whole = Run(frictionless("btc_basis", FLOWS), [CALM, paying, CALM]).go()
    run = Run(frictionless("btc_basis", FLOWS), [CALM, paying, CALM]).go(1)
    before = run.engine.state()
    good = run.feed.at(run.feed.timestamps[1])
    broken = replace(good, price=good.price[:1])
    with pytest.raises(IndexError):
        run.engine.position_update_handler.refresh(run.feed.timestamps[1], broken)
    after = run.engine.state()
    assert after.event_sequence > before.event_sequence, "the audit trail keeps the attempt"
    assert replace(after, event_sequence=before.event_sequence) == before
    run.go()
    assert run.engine.state().pnl == whole.engine.state().pnl, "the funding was not lost with the failed attempt"
    assert run.engine.state().positions == whole.engine.state().positions


def test_a_gap_in_the_data_stops_the_run_before_anything_happens() -> None:  # R42, R96
    run = Run(frictionless("btc_basis"), steady(CALM, 3)).go()
    before = run.engine.state()
    with pytest.raises(DataGapError, match="no market data at 2024-01-01T03:00:00Z"):
        run.engine.run([run.feed.timestamps[-1] + 3_600_000_000])
    assert run.engine.state() == before
    assert not run.engine.is_running


def test_settlements_happen_in_their_order() -> None:  # decisions: order of a refresh
    """One step with everything: bybit is liquidated in the bar, so that only binance is paid funding; then flows."""
    wick = Moment(
        prices={"BTC": 50_000.0}, high={"bybit:Perp:BTCUSDT": 80_000.0}, funding={"binance": 1e-4, "bybit": 1e-4}
    )
    flows = {"flows": [{"at": "2024-01-01T01:00:00Z", "amount": x} for x in (-100.0, 3_000.0)]}
    run = Run(frictionless("btc_basis", flows), [CALM, wick]).go()
    at_wick = [e.delta.source for e in run.engine.log.deltas if e.timestamp == run.feed.timestamps[1]]
    world = [source for source in at_wick if source not in (DeltaSource.TRADE, DeltaSource.TRANSFER)]
    assert world == [
        DeltaSource.LIQUIDATION,
        DeltaSource.LIQUIDATION,
        DeltaSource.FUNDING,
        DeltaSource.DEPOSIT,
        DeltaSource.WITHDRAWAL,
    ]


def test_an_arrival_comes_before_the_withdrawal_it_pays() -> None:
    late = {"venues.binance.transfer_latency_bars": 1, "margin_ratio.derisk": 0.21}
    flows = {"flows": [{"at": "2024-01-01T02:00:00Z", "amount": -5_000.0}]}
    hedge = {"strategy.hedge_allocation": {"binance": 1.0}}
    run = Run(frictionless("btc_basis", late | flows | hedge), steady(CALM, 6)).go()
    assert run.engine.settlements.withdrawals == ()
    assert run.engine.settlements.arrivals == ()
    paid = [commit.pnl.flow for commit in run.engine.log.closing_commits]
    assert sum(paid) == pytest.approx(95_000.0)
    assert paid[3] < 0.0, "the funds sent at step 2 arrive and are paid at step 3"
    assert run.equity == pytest.approx(95_000.0, abs=1e-7)


def test_sequences_increase_strictly_also_at_equal_timestamps() -> None:
    run = Run(wired("btc_basis", FLOWS), [CALM, at(CALM, prices={"BTC": 63_000.0}), CALM, CALM]).go()
    commits = [commit.sequence for commit in run.engine.log.commits]
    events = [event.sequence for event in run.engine.log.events]
    assert commits == list(range(1, len(commits) + 1))
    assert all(before < after for before, after in pairwise(events))


def test_capital_arrives_once_even_if_the_book_is_emptied() -> None:  # an explicit flag, not "all zero"
    run = Run(
        frictionless("btc_basis", {"flows": [{"at": "2024-01-01T01:00:00Z", "amount": -2e5}]}), steady(CALM, 6)
    ).go()
    initial = [entry for entry in run.engine.log.deltas if entry.delta.source is DeltaSource.INITIAL]
    assert len(initial) == 1
    assert run.equity == pytest.approx(0.0, abs=1e-6)


def test_an_operation_is_applied_once() -> None:  # R25
    run = Run(frictionless("btc_basis"), steady(CALM, 1)).go()
    deltas = run.engine.log.orders[-1].result.handshake.deltas  # type: ignore[union-attr]
    before = run.engine.position_monitor.get_current_positions()
    with pytest.raises(PositionError, match=r"POS-003.*operation 6 were already applied"):
        run.engine.position_monitor.update_state(0, deltas, 6)
    assert run.engine.position_monitor.get_current_positions() == before


def test_a_feed_that_goes_back_in_time_pays_no_funding_twice() -> None:
    """Guarded by the timestamp of the last settlement; a replayed step finds nothing due."""
    run = Run(frictionless("btc_basis"), [CALM, at(CALM, funding={"binance": 1e-3}), CALM]).go(2)
    funded = run.equity
    run.engine.data_provider = HandMadeFeed(run.settings, [CALM, at(CALM, funding={"binance": 1e-3}), CALM])
    run.engine.process_timestep(run.feed.timestamps[1])
    assert run.equity == funded
