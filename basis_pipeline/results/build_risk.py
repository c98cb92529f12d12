"""The `risk` table: one row per commit and dimension that the mode can have."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from basis_pipeline.domain.position_keys import PositionType, Universe
from basis_pipeline.domain.records import ChainSnapshot, Risk, RiskFinding, RiskLevel
from basis_pipeline.results import tables
from basis_pipeline.results.columns import IntArray, codes, cycle, integers, stamps, table_of, triggers

LEVELS = tuple(level.name.lower() for level in RiskLevel)


class _Dimension(NamedTuple):
    name: str
    venue: str
    value: Callable[[Risk], float | None]


def _margin_ratio(index: int) -> Callable[[Risk], float | None]:
    return lambda risk: risk.margin_ratios[index]


def _dimensions(universe: Universe, margin_venues: Sequence[str], *, signals: bool) -> list[_Dimension]:
    lending = universe.slots_of(PositionType.A_TOKEN, PositionType.DEBT_TOKEN)
    staked, owed = universe.slots_of(PositionType.LST), universe.slots_of(PositionType.DEBT_TOKEN)
    found = [_Dimension("margin_ratio", venue, _margin_ratio(index)) for index, venue in enumerate(margin_venues)]
    if lending:
        venue = universe.instruments[lending[0]].key.venue
        found.append(_Dimension("health_factor", venue, attrgetter("health_factor")))
        found.append(_Dimension("loan_to_value", venue, attrgetter("loan_to_value")))
    if owed:
        found.append(_Dimension("borrow_apr", universe.instruments[owed[0]].key.venue, attrgetter("borrow_apr")))
    if staked:
        found.append(_Dimension("peg_discount", "", attrgetter("peg_discount")))
    found.append(_Dimension("delta_drift", "", attrgetter("delta_drift")))
    if margin_venues:
        found.append(_Dimension("funding_apr", "", attrgetter("funding_apr")))
    found.append(_Dimension("drawdown", "", attrgetter("drawdown")))
    if signals:
        found.append(_Dimension("predicted_sd", "", attrgetter("predicted_sd")))
        found.append(_Dimension("model_drift", "", attrgetter("model_drift")))
    return found


def risk_table(
    commits: Sequence[ChainSnapshot], universe: Universe, margin_venues: Sequence[str], *, signals: bool
) -> pa.Table:
    """Every dimension of the mode at every commit, and a row more for a finding outside them, e.g. a liquidation."""
    dimensions = _dimensions(universe, margin_venues, signals=signals)
    regular = _grid(commits, dimensions)
    names = {dimension.name for dimension in dimensions}
    extra = [
        (commit, finding) for commit in commits for finding in commit.risk.findings if finding.dimension not in names
    ]
    if not extra:
        return regular
    return pa.concat_tables([regular, _rows(extra)]).unify_dictionaries().sort_by("sequence").combine_chunks()


def _grid(commits: Sequence[ChainSnapshot], dimensions: Sequence[_Dimension]) -> pa.Table:
    height, width = len(commits), len(dimensions)
    risks = [commit.risk for commit in commits]
    values = [pa.array(list(map(dimension.value, risks)), pa.float64()) for dimension in dimensions]
    by_commit = np.arange(height * width).reshape(width, height).T.ravel()
    columns = {
        "timestamp": stamps(commits, width),
        "sequence": np.repeat(integers(commits, "sequence"), width),
        "trigger": triggers(commits).take(pa.array(np.repeat(np.arange(height), width))),
        "dimension": cycle([dimension.name for dimension in dimensions], height),
        "venue": cycle([dimension.venue for dimension in dimensions], height),
        "value": pa.concat_arrays(values).take(pa.array(by_commit)),
        "level": codes(_levels(risks, dimensions).ravel(), LEVELS),
    }
    return table_of(tables.RISK, columns)


def _rows(findings: Sequence[tuple[ChainSnapshot, RiskFinding]]) -> pa.Table:
    rows = [
        {
            "timestamp": commit.timestamp,
            "sequence": commit.sequence,
            "trigger": commit.trigger,
            "dimension": finding.dimension,
            "venue": finding.venue,
            "value": finding.value,
            "level": LEVELS[finding.level],
        }
        for commit, finding in findings
    ]
    return pa.Table.from_pylist(rows, tables.RISK)


def _levels(risks: Sequence[Risk], dimensions: Sequence[_Dimension]) -> IntArray:
    """Worst finding level by commit and dimension; a finding without venue belongs to every venue of its dimension."""
    levels = np.zeros((len(risks), len(dimensions)), np.int64)
    for row, risk in enumerate(risks):
        for finding in risk.findings:
            for column, dimension in enumerate(dimensions):
                if finding.dimension == dimension.name and finding.venue in ("", dimension.venue):
                    levels[row, column] = max(levels[row, column], finding.level)
    return levels
