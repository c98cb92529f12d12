"""Gates on earnings: what a mode earns agrees with what its markets paid."""

from __future__ import annotations

import numpy as np

from basis_pipeline.domain.position_keys import PositionType
from basis_pipeline.domain.records import CATEGORIES, Category
from basis_pipeline.domain.timeline import DAY, YEAR, iso
from basis_pipeline.gates.columns import Floats, panel
from basis_pipeline.gates.evidence import EMPTIED, MonthEvidence
from basis_pipeline.gates.findings import Finding, not_applicable


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
        violated=not gap <= evidence.profile.thresholds.lending_tolerance,
        message=f"earned {earned / base:.4%} of equity before costs until {iso(int(evidence.timestamps[last]))}, "
        f"{expected / base:.4%} by the index",
        value=gap,
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
