"""Gates on earnings: what a mode earns agrees with what its markets paid."""

from __future__ import annotations

import numpy as np

from basis_pipeline.domain.deltas import BRACKET_CLOSES, DeltaSource
from basis_pipeline.domain.position_keys import PositionType
from basis_pipeline.domain.records import CATEGORIES, Category
from basis_pipeline.domain.timeline import DAY, YEAR, iso
from basis_pipeline.gates.accounting import step_changes
from basis_pipeline.gates.columns import Floats, largest, panel, relative
from basis_pipeline.gates.evidence import EMPTIED, MonthEvidence
from basis_pipeline.gates.findings import OFF_THE_MARKET, Finding, not_applicable
from basis_pipeline.gates.perps import cash_of, notional, perps


def carry_bound(evidence: MonthEvidence) -> Finding:
    """Funding received per year over average equity is not below its bound; positive = received."""
    if not evidence.profile.market_neutral or not evidence.universe.slots_of(PositionType.PERP):
        return not_applicable("the mode does not live on funding")
    share, _ = evidence.ledgers
    if share.empty.all():
        return not_applicable("the book is empty")
    funding = share.attribution[:, CATEGORIES.index(Category.FUNDING)].sum()
    years = len(evidence.timestamps) * evidence.profile.step / YEAR
    carry = float(funding / share.equity.mean() / years)
    return Finding(
        violated=not carry >= evidence.profile.thresholds.carry_bound,
        message=f"funding of {evidence.month}: {funding:,.8g} in share class, {carry:.2%} of equity a year",
        value=carry,
    )


def lending_growth(evidence: MonthEvidence) -> Finding:
    """Profit before costs is what the supplied fraction of equity earns by the index.

    Compared from the first to the last 00:00 of the month, where the index is observed and not accrued: the sum of
    E(t) - E(t-1) - flow(t) + costs(t) against the sum of f x E(t-1) x (I(t) / I(t-1) - 1), as a fraction of the
    largest equity so far. At the first step of an opening E(t-1) is 0: it must lose exactly its costs.
    """
    fraction = evidence.profile.supplied_fraction
    if fraction is None:
        return not_applicable("the mode is not pure lending")
    share, _ = evidence.ledgers
    if share.empty.all():
        return not_applicable("the book is empty")
    last = int(np.flatnonzero(evidence.timestamps % DAY == 0)[-1])
    judged = slice(0 if evidence.opening else 1, last + 1)
    growth = _index_growth(evidence)
    left = share.equity[last] - evidence.profile.gas_reserve
    if left <= EMPTIED * share.peak[last] and np.isnan(growth[judged]).all():
        return not_applicable("nothing was supplied before the book was emptied")
    costs = share.attribution[:, CATEGORIES.index(Category.TRANSACTION_COSTS)]
    earned = float((share.equity - share.equity_before - share.flow - costs)[judged].sum())
    expected = float((fraction * share.equity_before * growth)[judged].sum())
    base = float(share.peak[-1])
    gap = abs(earned - expected) / base
    return Finding(
        violated=not gap <= evidence.profile.thresholds.growth_tolerance,
        message=f"earned {earned / base:.4%} of equity before costs until {iso(int(evidence.timestamps[last]))}, "
        f"{expected / base:.4%} by the index",
        value=gap,
    )


def stack_growth(evidence: MonthEvidence) -> Finding:
    """Profit before costs and rewards is what ratio, supply index and borrow index paid on what was held.

    Of a book in ETH whose assets all are ETH: the sum of E(t) - E(t-1) - flow(t) less costs, rewards, dust and what
    pools paid beside the protocol ratio (basis) against the sum over positions of q(t-1) x (u(t) - u(t-1)), u = sign x
    index x ratio, as a fraction of the largest equity so far. Levered that is (r s - l b) / (1 - l) of an unmanaged
    book, step by step for a managed one.
    """
    staked = evidence.universe.slots_of(PositionType.LST)
    if not evidence.profile.coin_share_class or not staked:
        return not_applicable("the mode is no stack in its own coin")
    if not evidence.aligned:
        return OFF_THE_MARKET
    share, _ = evidence.ledgers
    if share.empty.all():
        return not_applicable("the book is empty")
    coins = [slot for slot, held in enumerate(evidence.universe) if held.asset == evidence.profile.share_asset]
    growth = np.diff(evidence.market.underlying, axis=0)[:, coins] * evidence.held_before[:, coins]
    besides = _sums(share.attribution, _BESIDES_GROWTH)
    earned = float((share.equity - share.equity_before - share.flow).sum() - besides)
    expected, base = float(growth.sum()), float(share.peak[-1])
    gap = abs(earned - expected) / base
    return Finding(
        violated=not gap <= evidence.profile.thresholds.growth_tolerance,
        message=f"earned {earned / base:.4%} of equity before costs and rewards in {evidence.month}, "
        f"{expected / base:.4%} by ratio and indices",
        value=gap,
    )


_BESIDES_GROWTH = (
    Category.BASIS,
    Category.TRANSACTION_COSTS,
    Category.STAKING_REWARDS,
    Category.DUST,
    Category.LIQUIDATION,
)


def _sums(attribution: Floats, categories: tuple[Category, ...]) -> float:
    return float(attribution[:, [CATEGORIES.index(category) for category in categories]].sum())


def funding_paid(evidence: MonthEvidence) -> Finding:
    """Every settlement pays -notional x rate: the quantity before any trade, mark and rate from the data.

    -quantity x mark x rate in USDT, -contracts / mark x rate in the coin of an inverse perp. Compared step by step over
    all perps, USDT, as a fraction of the larger equity around the step. What was closed inside the bar that just ended
    is not there any more when funding is settled.
    """
    if not perps(evidence):
        return not_applicable("the mode holds no perp")
    if not evidence.aligned:
        return OFF_THE_MARKET
    due, worth = _funding_due(evidence), (evidence.market.underlying * evidence.market.price)[1:]
    paid = (step_changes(evidence, DeltaSource.FUNDING) * worth).sum(axis=1)
    worst = largest(relative(paid - due, _around_in_usdt(evidence)), evidence.timestamps)
    row = int(np.searchsorted(evidence.timestamps, worst.timestamp))
    return Finding(
        violated=worst.value > evidence.profile.thresholds.closing_tolerance,
        message=f"largest gap as a fraction of equity: {worst} (paid {paid[row]:,.8g}, due {due[row]:,.8g} USDT); "
        f"{due.sum():,.8g} USDT due in {evidence.month}",
        value=worst.value,
    )


def _funding_due(evidence: MonthEvidence) -> Floats:
    """By step what the venues owed by the data, USDT, + = received."""
    market, held = evidence.market, evidence.held_before
    for source in (DeltaSource.LIQUIDATION, *sorted(BRACKET_CLOSES)):
        held = held + step_changes(evidence, source)
    due = np.zeros(len(held))
    for slot in perps(evidence):
        size = notional(evidence, slot, held[:, slot], market.mark[1:, slot])
        due -= size * market.funding[1:, slot] * market.price[1:, cash_of(evidence, slot)]
    return due


def _around_in_usdt(evidence: MonthEvidence) -> Floats:
    _, usd = evidence.ledgers
    around = np.maximum(np.abs(usd.equity), np.abs(usd.equity_before))
    return np.maximum(around, EMPTIED * usd.peak) / evidence.market.usd[1:]


def price_profit(evidence: MonthEvidence) -> Finding:
    """What a market-neutral book earns from prices in a month is small: its profit is what it was paid for holding.

    |delta + basis + fx P&L| over average equity; the rest of the profit is funding, yields and costs.
    """
    if not evidence.profile.market_neutral or not evidence.universe.slots_of(PositionType.PERP):
        return not_applicable("the mode is no hedged book")
    share, _ = evidence.ledgers
    if share.empty.all():
        return not_applicable("the book is empty")
    average = float(share.equity.mean())
    gained = _sums(share.attribution, (Category.DELTA, Category.BASIS, Category.FX)) / average
    total = float(share.step.sum()) / average
    return Finding(
        violated=not abs(gained) <= evidence.profile.thresholds.price_profit,
        message=f"prices gave {gained:.3%} of equity in {evidence.month}, of {total:.3%} altogether",
        value=abs(gained),
    )


def _index_growth(evidence: MonthEvidence) -> Floats:
    """I(t) / I(t-1) - 1 of the lending position; its average where it was not held at both ends.

    A book that lies idle for a while is thereby held against what it could have earned; one that never supplied
    anything has no index and gives NaN.
    """
    slot = evidence.universe.slots_of(PositionType.A_TOKEN)[0]
    keys, positions = evidence.universe.keys, evidence.tables["positions"]
    underlying = panel(positions, "underlying_quantity", "position_key", keys, evidence.timestamps)[:, slot]
    scaled = evidence.quantities[:, slot]
    index = np.divide(underlying, scaled, out=np.full(len(scaled), np.nan), where=scaled > 0.0)
    growth: Floats = np.diff(index) / index[:-1]
    known = growth[~np.isnan(growth)]
    average = known.mean() if known.size else np.nan
    return np.concatenate([[0.0], np.where(np.isnan(growth), average, growth)])
