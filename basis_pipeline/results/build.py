"""From the records of a run to Arrow tables: column by column, no Python object per row.

The records speak USDT (`Exposure`, `MarketSnapshot`) or share class and USD (`PnL`); `market.usd` turns the first into
USD here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import attrgetter

import numpy as np
import pyarrow as pa

from basis_pipeline.domain.brackets import Bracket
from basis_pipeline.domain.position_keys import PositionType, Universe
from basis_pipeline.domain.records import CATEGORIES, LIVE_CATEGORIES, ChainSnapshot, Positions
from basis_pipeline.domain.run_log import RunLog
from basis_pipeline.results import tables
from basis_pipeline.results.build_journal import deltas_table, events_table, orders_table
from basis_pipeline.results.build_risk import LEVELS, risk_table
from basis_pipeline.results.columns import codes, cycle, floats, integers, matrix, stamps, table_of, triggers


def build_tables(
    log: RunLog, universe: Universe, margin_venues: Sequence[str], *, signals: bool = False
) -> dict[str, pa.Table]:
    """All tables of a run but `metrics`, by name and with the schemas of `tables`.

    Args:
        log: what the engine recorded; may be empty, which gives empty tables.
        universe: resolves slots to position keys and assets.
        margin_venues: venue of each entry of `Risk.margin_ratios`.
        signals: the book follows a model, whose forecasts are dimensions of its risk.
    """
    closings = log.closing_commits
    return {
        "timesteps": _timesteps(closings),
        "positions": _positions(closings, universe),
        "exposures": _exposures(log.commits, universe),
        "risk": risk_table(log.commits, universe, margin_venues, signals=signals),
        "pnl_attribution": _attribution(closings),
        "orders": orders_table(log.orders, universe),
        "deltas": deltas_table(log.deltas, universe),
        "events": events_table(log.events),
    }


def _timesteps(closings: Sequence[ChainSnapshot]) -> pa.Table:
    exposures = [commit.exposure for commit in closings]
    pnl = [commit.pnl for commit in closings]
    risks = [commit.risk for commit in closings]
    usd = floats(closings, "market.usd")
    columns = {
        "timestamp": stamps(closings),
        "trigger": triggers(closings),
        "sequence": integers(closings, "sequence"),
        "equity_share_class": floats(pnl, "equity"),
        "equity_usd": floats(pnl, "equity_usd"),
        "net_delta_usd": floats(exposures, "net_delta") * usd,
        "excess_delta_usd": floats(exposures, "excess_delta") * usd,
        "gross_exposure_usd": floats(exposures, "gross") * usd,
        "min_margin_ratio": pa.array([_lowest(risk.margin_ratios) for risk in risks], pa.float64()),
        "min_health_factor": pa.array([risk.health_factor for risk in risks], pa.float64()),
        "step_pnl": floats(pnl, "step"),
        "step_pnl_usd": floats(pnl, "step_usd"),
        "cumulative_pnl": floats(pnl, "cumulative"),
        "cumulative_pnl_usd": floats(pnl, "cumulative_usd"),
        "flow": floats(pnl, "flow"),
        "flow_usd": floats(pnl, "flow_usd"),
        "risk_level": codes(integers(risks, "level"), LEVELS),
        "share_price_usd": floats(closings, "market.share_price") * usd,
    }
    return table_of(tables.TIMESTEPS, columns)


def _lowest(values: tuple[float | None, ...]) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _positions(closings: Sequence[ChainSnapshot], universe: Universe) -> pa.Table:
    height, width = len(closings), len(universe)
    positions = [commit.positions for commit in closings]
    quantities = matrix((held.quantities for held in positions), height, width)
    entries = matrix((held.entry_prices for held in positions), height, width)
    indices = matrix((commit.market.index for commit in closings), height, width)
    values = matrix((commit.exposure.values for commit in closings), height, width)
    perp = np.array([instrument.position_type is PositionType.PERP for instrument in universe], dtype=bool)
    columns = {
        "timestamp": stamps(closings, width),
        "position_key": cycle(universe.keys, height),
        "quantity": quantities.ravel(),
        "underlying_quantity": (quantities * indices).ravel(),
        "entry_price": pa.array(entries.ravel(), mask=(~perp | (quantities == 0.0)).ravel()),
        "value_usd": (values * floats(closings, "market.usd")[:, None]).ravel(),
        "stop_loss": _levels(positions, width, attrgetter("stop_loss")),
        "take_profit": _levels(positions, width, attrgetter("take_profit")),
    }
    return table_of(tables.POSITIONS, columns)


def _levels(positions: Sequence[Positions], width: int, level: Callable[[Bracket], float]) -> pa.Array:
    """One side of the brackets by timestep and slot; null where a position has none."""
    levels = np.full((len(positions), width), np.nan)
    for row, held in enumerate(positions):
        for slot, bracket in held.brackets:
            levels[row, slot] = level(bracket)
    return pa.array(levels.ravel(), mask=np.isnan(levels).ravel())


def _exposures(commits: Sequence[ChainSnapshot], universe: Universe) -> pa.Table:
    height, width = len(commits), len(universe.assets)
    asset_of_slot = [instrument.asset for instrument in universe]
    pricing_slots = [asset_of_slot.index(asset) for asset in universe.assets]
    deltas = matrix((commit.exposure.asset_deltas for commit in commits), height, width)
    prices = matrix((commit.market.price for commit in commits), height, len(universe))[:, pricing_slots]
    prices_usd = prices * floats(commits, "market.usd")[:, None]
    columns = {
        "timestamp": stamps(commits, width),
        "sequence": np.repeat(integers(commits, "sequence"), width),
        "trigger": triggers(commits).take(pa.array(np.repeat(np.arange(height), width))),
        "asset": cycle(universe.assets, height),
        "net_delta": deltas.ravel(),
        "price_usd": prices_usd.ravel(),
        "net_delta_usd": (deltas * prices_usd).ravel(),
    }
    return table_of(tables.EXPOSURES, columns)


def _attribution(closings: Sequence[ChainSnapshot]) -> pa.Table:
    height, width = len(closings), len(closings[0].pnl.attribution if closings else CATEGORIES)
    columns = {
        "timestamp": stamps(closings, width),
        "category": cycle(LIVE_CATEGORIES[:width], height),
        "pnl": matrix((commit.pnl.attribution for commit in closings), height, width).ravel(),
        "pnl_usd": matrix((commit.pnl.attribution_usd for commit in closings), height, width).ravel(),
    }
    return table_of(tables.PNL_ATTRIBUTION, columns)
