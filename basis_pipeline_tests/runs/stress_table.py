"""Every mode through every stress month of the sample, and what it did about it, as a table.

`python -m basis_pipeline_tests.runs.stress_table docs/stress.md` writes the page; the tests hold it against a run.
"""

from __future__ import annotations

import re
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np
import pandas as pd

from basis_pipeline.domain.timeline import DAY, HOUR, MINUTE
from basis_pipeline.market_data.sample import generate
from basis_pipeline.results.sql.catalog import connect
from basis_pipeline.runs.backtest import plan_backtest
from basis_pipeline.runs.ingest import ingest
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.data_root import DataRoot

CONFIGS = Path(__file__).parents[2] / "configs"
PAGE = Path(__file__).parents[2] / "docs" / "stress.md"
FIRST, OPENING, MONTHS = "2024-01", "2024-02", 9
EPISODES = {
    "crash": "2024-03",
    "squeeze": "2024-04",
    "depeg": "2024-05",
    "funding_flip": "2024-06",
    "borrow_spike": "2024-07",
    "gas_spike": "2024-08",
}
STAKING = ("eth_staking_only", "eth_leveraged")
HEDGED = ("usdt_eth_staking_hedged_simple", "usdt_eth_staking_hedged_leveraged")
BASIS = ("btc_basis", "eth_basis")
LENDING = ("pure_lending_usdt", "pure_lending_eth")
DIRECTIONAL = ("ml_btc_directional_usdt_margin", "ml_btc_directional_btc_margin")
MODES = (*LENDING, *BASIS, *STAKING, *HEDGED, *DIRECTIONAL)
CONTRARIAN = "contrarian"
"""The model of the directional modes: from a file, and in the way of every move."""
DEPOSIT = 0.05
"""Of the capital, paid in on the tenth day of every stress month: who enters, and when, shows best on new money."""
STEP = 5 * MINUTE
_DIGITS = re.compile(r"[\d.,-]+")
"""Decisions that differ in figures only are shown once, where they were first made."""


class Cell(NamedTuple):
    """One mode in one stress month.

    Attributes:
        decisions: (timestamp, message, severity of nothing done) in order; suspended and declined ones included.
        orders: count, on-chain ones apart.
        stops: how many positions a stop-loss and a take-profit have closed.
        costs: USD of fees, slippage and gas.
        profit: share of the equity at the start of the month, in the share class, deposits excluded.
        drawdown: largest within the month, of the highest value of a unit so far.
        margin, health: lowest margin ratio and health factor; None where there is none.
    """

    mode: str
    episode: str
    decisions: tuple[tuple[datetime, str], ...]
    orders: int
    stops: tuple[int, int]
    costs: float
    profit: float
    drawdown: float
    margin: float | None
    health: float | None

    def said(self, text: str) -> list[str]:
        """Decisions that contain `text`."""
        return [message for _, message in self.decisions if text in message]


def run_stress(folder: Path) -> Workspace:
    """Sample with all episodes, ingested, and every mode over it as an experiment named after the mode."""
    raw = folder / "raw"
    generate(raw, first_month=FIRST, months=MONTHS, stress=[f"{month}={name}" for name, month in EPISODES.items()])
    contrarian_signals(raw)
    report = ingest(DataRoot(folder), raw, config_dir=CONFIGS)
    if report.errors:
        raise RuntimeError(f"the stressed sample does not validate: {report.errors}")
    workspace = Workspace(folder, CONFIGS)
    for mode in MODES:
        plan = plan_backtest(workspace, mode, first=OPENING, overrides=overrides(workspace, mode), experiment=mode)
        for _ in plan.run():
            pass
    return workspace


def overrides(workspace: Workspace, mode: str) -> dict[str, Any]:
    amount = DEPOSIT * workspace.config.mode(mode).initial_capital
    deposits = {"flows": [{"at": f"{month}-11T12:00:00Z", "amount": amount} for month in EPISODES.values()]}
    return deposits | ({"strategy.model": CONTRARIAN} if mode in DIRECTIONAL else {})


def contrarian_signals(raw: Path) -> None:
    """Long after a loss of 4% within a day, short after a gain of 4%, flat where a day has brought less than 1%.

    A row belongs to the open of the bar after the one it was computed from. The standard deviation is that of the day's
    moves, for an hour.
    """
    bars = pd.read_feather(raw / "ml" / "binance_BTCUSDT_perp_5m.feather")
    close = np.log(bars["close"])
    moved, sd = close.diff(DAY // STEP), close.diff().rolling(DAY // STEP).std() * (HOUR / STEP) ** 0.5
    signal = np.select([moved < -0.04, moved > 0.04, moved.abs() < 0.01], ["long", "short", "neutral"], "hold")
    confidence = np.where(signal == "hold", 0.0, 0.8)
    told = pd.DataFrame({"timestamp": bars["date"] + pd.Timedelta(minutes=5), "signal": signal})
    told = told.assign(confidence=confidence, sd=sd.fillna(0.0)).iloc[:-1]
    told.to_csv(raw / "ml" / f"{CONTRARIAN}_BTCUSDT_signals_5m.csv", index=False, date_format="%Y-%m-%dT%H:%M:%SZ")


def cells(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], Cell]:
    """All cells by (mode, episode)."""
    return {(mode, name): _cell(connection, mode, name) for mode in MODES for name in EPISODES}


def _cell(connection: duckdb.DuckDBPyConnection, mode: str, episode: str) -> Cell:
    where = f"where mode = '{mode}' and month = '{EPISODES[episode]}'"
    decisions = connection.execute(
        f"select timestamp, message from experiments.events {where} and event_type = 'decision' order by sequence"
    ).fetchall()
    orders, costs = connection.execute(
        f"select count(*), coalesce(sum(fee + slippage + gas), 0) from experiments.orders {where}"
    ).fetchall()[0]
    stops = connection.execute(
        "select count(*) filter (source = 'stop_loss'), count(*) filter (source = 'take_profit') "
        f"from experiments.deltas {where} and position_key like '%:Perp:%'"
    ).fetchall()[0]
    profit, margin, health = connection.execute(
        "select sum(step_pnl) / min_by(equity_share_class, timestamp), min(min_margin_ratio), min(min_health_factor) "
        f"from experiments.timesteps {where}"
    ).fetchall()[0]
    (drawdown,) = connection.execute(
        f"select max(value) from experiments.risk {where} and dimension = 'drawdown'"
    ).fetchall()[0]
    return Cell(mode, episode, tuple(decisions), orders, stops, costs, profit, drawdown, margin, health)


def page(table: dict[tuple[str, str], Cell]) -> str:
    """The whole page as Markdown."""
    lines = [_HEADER]
    for episode, month in EPISODES.items():
        lines += [f"## {episode} ({month})", "", _COLUMNS, "|---|---|---:|---:|---:|---:|---:|---:|"]
        lines += [_row(table[mode, episode]) for mode in MODES]
        lines.append("")
    return "\n".join(lines)


def _row(cell: Cell) -> str:
    alike: dict[str, list[tuple[datetime, str]]] = {}
    for decision in cell.decisions:
        alike.setdefault(_DIGITS.sub("", decision[1]), []).append(decision)
    told = []
    for (stamp, message), *rest in alike.values():
        told.append(f"{stamp:%d %H:%M} {message}" + (f" ({len(rest)} times more)" if rest else ""))
    told += [
        f"{count} {name}" for count, name in zip(cell.stops, ("stop-losses", "take-profits"), strict=True) if count
    ]
    margin, health = (f"{value:.3f}" if value is not None else "" for value in (cell.margin, cell.health))
    figures = f"{cell.orders} | {cell.costs:.2f} | {cell.profit:+.2%} | {cell.drawdown:.2%} | {margin} | {health}"
    return f"| {cell.mode} | {'; '.join(told) or 'nothing'} | {figures} |"


_COLUMNS = "| mode | decisions (day, hour) | orders | costs, USD | profit | drawdown | lowest margin | lowest health |"
_HEADER = """# Stress months

What each mode did in each stress month of the synthetic sample (`basis sample-data --stress MONTH=EPISODE`); written by
`make stress`, and a test fails when it is no longer what the engine does. Every month brings a deposit of 5% of the
capital on its eleventh day at 12:00, in the midst of the episode. Profit is in the share class and without deposits;
costs are fees, slippage and gas; drawdown counts from the best value so far, earlier months included. Nobody is
liquidated. Episodes are described in `basis_pipeline/market_data/sample/stress.py`.

The directional modes follow a contrarian rule from a file (`contrarian_signals` in the script of this page): long after
a day of losses, short after a day of gains, in the way of every move. What protects them is their size by predicted
standard deviation, the stop-loss of every position, and the drawdown stop.
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, connect(run_stress(Path(folder)).results) as connection:
        Path(sys.argv[1]).write_text(page(cells(connection)), encoding="utf-8")


if __name__ == "__main__":
    main()
