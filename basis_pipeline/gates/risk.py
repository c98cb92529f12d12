"""Gates on risk: liquidation, delta, margin and health factor, judged on closing records.

What commits between closings reached is told in the message and not judged: a plan may pass through worse states.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from basis_pipeline.domain.deltas import DeltaSource
from basis_pipeline.domain.timeline import iso
from basis_pipeline.gates.columns import (
    Bools,
    Extreme,
    Floats,
    Ints,
    equal_to,
    integers,
    largest,
    numbers,
    panel,
    present,
    relative,
    smallest,
)
from basis_pipeline.gates.evidence import EMPTIED, MonthEvidence
from basis_pipeline.gates.findings import OFF_THE_MARKET, Finding, not_applicable
from basis_pipeline.gates.perps import cash_of, gain, inverse, notional, perps


def liquidation(evidence: MonthEvidence) -> Finding:
    """No venue liquidated any part of the book."""
    deltas = evidence.tables["deltas"]
    forced = np.flatnonzero(equal_to(deltas, "source", DeltaSource.LIQUIDATION))
    if not forced.size:
        return Finding(violated=False, message="no liquidation", value=0.0)
    first = deltas.slice(int(forced[0]), 1)
    key, stamp = first["position_key"][0].as_py(), int(integers(first, "timestamp")[0])
    times = len(np.unique(integers(deltas, "timestamp")[forced]))
    return Finding(
        violated=True,
        message=f"liquidated at {times} timesteps, first {key} at {iso(stamp)}",
        value=float(times),
    )


def delta_band(evidence: MonthEvidence) -> Finding:
    """|delta| / equity stays below the breach level wherever the mode has had its say.

    A live session that died between buying and hedging starts with what it had bought; the tick after it is judged.
    """
    return _delta(evidence, evidence.profile.thresholds.delta_breach, ~_starts_gone_on_from(evidence))


def delta_drift(evidence: MonthEvidence) -> Finding:
    """|delta| / equity stays below the level worth a look, at starts of live sessions as well."""
    return _delta(evidence, evidence.profile.thresholds.delta_warn, np.ones(len(evidence.timestamps), dtype=bool))


def _starts_gone_on_from(evidence: MonthEvidence) -> Bools:
    """Closing records of live starts after which a tick was completed; none in a backtest."""
    starts: Bools = np.isin(evidence.timestamps, evidence.live.started if evidence.live else ())
    ticks = np.flatnonzero(~starts)
    return starts & (np.arange(len(starts)) < (ticks[-1] if ticks.size else 0))


def _delta(evidence: MonthEvidence, limit: float, judged: Bools) -> Finding:
    if not evidence.profile.market_neutral:
        return not_applicable("the mode is directional")
    steps = evidence.tables["timesteps"]
    column = "excess_delta_usd" if evidence.profile.coin_share_class else "net_delta_usd"
    sizes = relative(numbers(steps, column), numbers(steps, "equity_usd"))
    worst = largest(sizes[judged], evidence.timestamps[judged])
    between = _over_all_commits(evidence, "delta_drift", largest)
    return Finding(
        violated=worst.value > limit,
        message=f"largest |delta| / equity: {worst}{between}",
        value=worst.value,
    )


def margin_floor(evidence: MonthEvidence) -> Finding:
    """The margin ratio of every venue stays above the emergency level."""
    return _floor(evidence, "margin_ratio", evidence.profile.thresholds.margin_emergency)


def margin_derisk(evidence: MonthEvidence) -> Finding:
    """The margin ratio of every venue stays above the level at which the mode derisks."""
    return _floor(evidence, "margin_ratio", evidence.profile.thresholds.margin_derisk)


def health_factor_floor(evidence: MonthEvidence) -> Finding:
    """The health factor stays above the emergency level."""
    return _floor(evidence, "health_factor", evidence.profile.thresholds.health_emergency)


def health_factor_derisk(evidence: MonthEvidence) -> Finding:
    """The health factor stays above the level at which the mode derisks."""
    return _floor(evidence, "health_factor", evidence.profile.thresholds.health_derisk)


def _floor(evidence: MonthEvidence, dimension: str, floor: float) -> Finding:
    steps, name = evidence.tables["timesteps"], dimension.replace("_", " ")
    rows = present(steps, f"min_{dimension}")
    if not rows.any():
        return not_applicable(f"no position has a {name}")
    worst = smallest(numbers(steps, f"min_{dimension}")[rows], evidence.timestamps[rows])
    between = _over_all_commits(evidence, dimension, smallest)
    return Finding(violated=worst.value < floor, message=f"lowest {name}: {worst}{between}", value=worst.value)


def _over_all_commits(evidence: MonthEvidence, dimension: str, extreme: Callable[[Floats, Ints], Extreme]) -> str:
    """What the commits reached, those between closings included; empty where the dimension never applied."""
    risk = evidence.tables["risk"]
    rows = equal_to(risk, "dimension", dimension) & present(risk, "value")
    if not rows.any():
        return ""
    return f"; over all commits {extreme(numbers(risk, 'value')[rows], integers(risk, 'timestamp')[rows])}"


def risk_recomputed(evidence: MonthEvidence) -> Finding:
    """Values, equity, net delta and margin ratio of every closing record follow from quantities and the market (R92).

    As fractions: q x sign x index x ratio x price, or the open profit of a perp, against the stated value of a
    position, their sum against equity, |q| x price of what is not the share class against the net delta, all of equity
    in USD; the lowest margin ratio against (cash + q x (mark - entry)) / (|q| x mark).
    """
    if not evidence.aligned:
        return OFF_THE_MARKET
    steps = evidence.tables["timesteps"]
    equity = numbers(steps, "equity_usd")
    around = np.maximum(np.abs(equity), EMPTIED * np.maximum.accumulate(np.abs(equity)))
    stated = panel(
        evidence.tables["positions"], "value_usd", "position_key", evidence.universe.keys, evidence.timestamps
    )
    values = _values(evidence)
    gross = np.maximum(around, np.abs(values).sum(axis=1))
    found = {
        "sum of values less equity": relative(values.sum(axis=1) - equity, gross),
        "value of a position": relative(np.abs(values - stated).max(axis=1), gross),
        "net delta": relative(
            _net_delta(evidence) - numbers(steps, "net_delta_usd"), np.maximum(around, _gross(evidence))
        ),
        "lowest margin ratio": _margin_gap(evidence),
    }
    worst, name = max(
        ((largest(gap, evidence.timestamps), name) for name, gap in found.items()), key=lambda pair: pair[0].value
    )
    return Finding(
        violated=worst.value > evidence.profile.thresholds.closing_tolerance,
        message=f"largest gap: {name}, {worst}",
        value=worst.value,
    )


def _values(evidence: MonthEvidence) -> Floats:
    """USD by step and slot."""
    market = evidence.market
    values: Floats = evidence.quantities * market.underlying[1:] * market.price[1:]
    for slot in perps(evidence):
        values[:, slot] = _open_profit(evidence, slot) * market.price[1:, cash_of(evidence, slot)]
    return values * market.usd[1:, None]


def _exposed(evidence: MonthEvidence) -> Floats:
    """USD by step and slot that move with an asset which is neither USDT nor the share class."""
    market = evidence.market
    units = evidence.quantities * market.underlying[1:]
    for slot in perps(evidence):
        if inverse(evidence, slot):
            units[:, slot] += _open_profit(evidence, slot)
    assets = {"USDT", evidence.profile.share_asset}
    slots = [slot for slot, held in enumerate(evidence.universe) if held.asset not in assets]
    exposed: Floats = (units * market.price[1:])[:, slots] * market.usd[1:, None]
    return exposed


def _open_profit(evidence: MonthEvidence, slot: int) -> Floats:
    """Unrealised P&L of a perp at every closing record, settlement currency."""
    entries = panel(
        evidence.tables["positions"], "entry_price", "position_key", evidence.universe.keys, evidence.timestamps
    )
    return gain(evidence, slot, evidence.quantities[:, slot], entries[:, slot], evidence.market.mark[1:, slot])


def _net_delta(evidence: MonthEvidence) -> Floats:
    net: Floats = _exposed(evidence).sum(axis=1)
    return net


def _gross(evidence: MonthEvidence) -> Floats:
    gross: Floats = np.abs(_exposed(evidence)).sum(axis=1)
    return gross


def _margin_gap(evidence: MonthEvidence) -> Floats:
    """Relative error of the recorded margin ratio; infinite where only one of the two is there."""
    stated = numbers(evidence.tables["timesteps"], "min_margin_ratio")
    lowest = np.full(len(stated), np.inf)
    accounts: dict[int, list[int]] = {}
    for slot in perps(evidence):
        accounts.setdefault(cash_of(evidence, slot), []).append(slot)
    for cash, slots in accounts.items():
        balance, size = evidence.quantities[:, cash].copy(), np.zeros(len(stated))
        for slot in slots:
            balance += _open_profit(evidence, slot)
            size += np.abs(notional(evidence, slot, evidence.quantities[:, slot], evidence.market.mark[1:, slot]))
        ratio = np.divide(balance, size, out=np.full(len(stated), np.inf), where=size > 0.0)
        lowest = np.minimum(lowest, ratio)
    absent = np.isnan(stated) & np.isinf(lowest)
    gap = relative(np.where(absent, 0.0, lowest - stated), np.abs(lowest))
    return np.where(absent, 0.0, gap)
