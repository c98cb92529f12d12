"""Both directional modes agree at every step with a plain loop over random markets full of gaps, stops and flips."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from basis_pipeline.domain.timeline import iso
from basis_pipeline_tests.builders import START, Moment, Run, wired
from basis_pipeline_tests.reference.directional_loop import MAX_HOLD, TARGET_SD, THRESHOLD, Book, Step, random_market

STEPS, MINUTES_5 = 4_000, 300_000_000
SHAPE = {
    "strategy.signal_threshold": THRESHOLD,
    "strategy.target_sd": TARGET_SD,
    "strategy.max_hold_bars": MAX_HOLD,
    "max_drawdown": 1.0,
}


def moment(step: Step, key: str) -> Moment:
    bar = {"mark": step.mark, "last": step.last, "opened": step.opened, "low": step.low, "high": step.high}
    by_key: dict[str, Any] = {name: {key: value} for name, value in bar.items()}
    funding = None if step.rate is None else {"binance": step.rate}
    return Moment(prices={"BTC": step.spot}, signal=step.signal, funding=funding, **by_key)


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize(
    ("mode", "key", "capital"),
    [
        ("ml_btc_directional_usdt_margin", "binance:Perp:BTCUSDT", 100_000.0),
        ("ml_btc_directional_btc_margin", "binance:Perp:BTCUSD", 2.0),
    ],
)
def test_a_plain_loop_comes_to_the_same_equity_at_every_step(mode: str, key: str, capital: float, seed: int) -> None:
    market = random_market(STEPS, seed)
    book, expected = Book(capital, inverse=key.endswith("USD")), []
    for number, step in enumerate(market):
        book.cash += step.flow * capital
        book.step(number, step)
        expected.append(book.equity(step.mark))
    assert min(book.closes.values()) >= 5, "the market shows everything that can close a position"
    flows = [{"at": iso(START + n * MINUTES_5), "amount": s.flow * capital} for n, s in enumerate(market) if s.flow]
    run = Run(wired(mode, SHAPE | {"flows": flows}), [moment(step, key) for step in market]).go()
    closing = {commit.timestamp: commit.pnl.equity for commit in run.engine.log.commits}
    np.testing.assert_allclose(list(closing.values()), expected, rtol=1e-9)
