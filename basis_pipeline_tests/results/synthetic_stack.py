"""A small deterministic run made of the real records: a leveraged ETH stack in the ETH share class."""

from __future__ import annotations

from itertools import count

import numpy as np

from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.position_keys import Universe
from basis_pipeline.domain.records import (
    CATEGORIES,
    Category,
    ChainSnapshot,
    Exposure,
    PnL,
    Positions,
    Risk,
    RiskLevel,
    Trigger,
)
from basis_pipeline.domain.run_log import RunLog
from basis_pipeline.domain.timeline import HOUR, month_end, month_start
from basis_pipeline_tests.results.synthetic import instrument

STACK = Universe(
    [
        instrument("wallet:BaseToken:ETH", "ETH", "ETH"),
        instrument("aave_v3:aToken:aweETH", "weETH", "ETH"),
        instrument("aave_v3:debtToken:debtWETH", "WETH", "ETH"),
    ]
)


def leveraged_log(month: str) -> RunLog:
    """A month of a leveraged ETH stack in the ETH share class that was entered at its first step without cost."""
    log = RunLog()
    previous = 30.0
    cumulative = 0.0
    for sequence, timestamp in zip(count(1), range(month_start(month), month_end(month), HOUR), strict=False):
        commit = _leveraged_commit(sequence, timestamp, (timestamp - month_start(month)) / HOUR, previous, cumulative)
        log.commits.append(commit)
        log.closings.append(sequence - 1)
        previous, cumulative = commit.pnl.equity, commit.pnl.cumulative
    return log


def _leveraged_commit(sequence: int, timestamp: int, hour: float, before: float, cumulative: float) -> ChainSnapshot:
    price = 3_000.0 * (1 + 0.05 * np.sin(hour / 60))
    liquidity, borrow, ratio = 1.001 + 1e-8 * hour, 1.02 + 3e-6 * hour, 1.03 * (1 + 4e-6 * hour)
    quantities = (0.3, 115.0, 88.0)
    collateral, debt = quantities[1] * liquidity * ratio, quantities[2] * borrow
    opening = 0.3 + 115.0 * 1.001 * 1.03 - 88.0 * 1.02
    equity = 0.3 + collateral - debt
    first = sequence == 1
    step = 0.0 if first else equity - before
    supply = quantities[1] * 1e-8 * ratio
    parts = dict.fromkeys(CATEGORIES, 0.0)
    if not first:
        parts[Category.SUPPLY_YIELD], parts[Category.BORROW_COSTS] = supply, -quantities[2] * 3e-6
        parts[Category.STAKING_YIELD] = step - supply + quantities[2] * 3e-6
    attribution = tuple(parts.values())
    one = (1.0, 1.0, 1.0)
    market = MarketSnapshot(
        timestamp, (price,) * 3, (1.0, liquidity, borrow), (1.0, ratio, 1.0), (price,) * 3, (price,) * 3,
        (price, liquidity * ratio * price, -borrow * price), one, (price,) * 3, (price,) * 3, None, 1.0, price,
        20.0, price,
    )  # fmt: skip
    values = (0.3 * price, collateral * price, -debt * price)
    exposure = Exposure(equity * price, values, (equity,), 0.0, 0.0, (0.3 + collateral + debt) * price)
    risk = Risk(RiskLevel.INFO, (), 0.95 * collateral / debt, debt / collateral, 0.0, None, 0.0)
    total = cumulative + step
    flow = opening if first else 0.0
    pnl = PnL(
        equity, equity * price, step, step * price, total, total * price, flow, flow * price, attribution,
        tuple(part * price for part in attribution),
    )  # fmt: skip
    positions = Positions(quantities, (0.0, 0.0, 0.0))
    return ChainSnapshot(sequence, timestamp, Trigger.POSITION_REFRESH, market, positions, exposure, risk, pnl)
