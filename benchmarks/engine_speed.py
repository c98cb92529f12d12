"""Engine speed as a ratio to a plain loop over the same steps, CPU medians of runs taken in turn."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np

from basis_pipeline.config.loading import ConfigFolder
from basis_pipeline.config.wiring import WiredMode, wire_mode
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.timeline import HOUR, month_start
from basis_pipeline.engine.event_driven_strategy_engine import EventDrivenStrategyEngine
from basis_pipeline.results.build import build_tables
from basis_pipeline_tests.reference.workload import CONFIGS, ClosesFeed, Series, new_engine, plain_loop, wire

START = month_start("2024-01")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--steps", type=int, default=13_128, help="hourly steps (default: 18 months)")
    arguments.add_argument("--runs", type=int, default=7)
    options = arguments.parse_args()
    series = random_series(options.steps)

    reference = wire()
    closes = ClosesFeed(series, reference)
    shipped = wire_mode(ConfigFolder(CONFIGS), "btc_basis")
    market = RandomMarket(series, shipped)

    contestants: dict[str, Callable[[], object]] = {
        "plain loop, reference workload": lambda: plain_loop(series),
        "engine, reference workload": lambda: new_engine(reference, closes).run(closes.timestamps),
        "engine, btc_basis": lambda: market.engine().run(market.timestamps),
        "engine and tables, btc_basis": lambda: tables_of(market.engine(), market, shipped),
    }
    seconds = in_turn(contestants, options.runs)
    base = seconds["plain loop, reference workload"]
    print(f"{options.steps:,} steps, CPU medians of {options.runs} runs in turn")
    for name, spent in seconds.items():
        rate, per_step = options.steps / spent, spent / options.steps * 1e6
        print(f"  {name:34s} {rate:12,.0f} steps/s  {per_step:7.2f} us/step  {spent / base:6.1f} x plain loop")


def in_turn(contestants: dict[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """Median CPU seconds of each, alternating so that a drift of the machine hits all alike."""
    spent: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(runs):
        for name, run in contestants.items():
            started = time.process_time()
            run()
            spent[name].append(time.process_time() - started)
    return {name: statistics.median(values) for name, values in spent.items()}


def random_series(steps: int) -> Series:
    generator = np.random.default_rng(11)
    spot = 42_000.0 * np.exp(np.cumsum(generator.normal(5e-5, 0.0055, steps)))
    perp = spot * (1.0 + generator.normal(2e-4, 2e-4, steps))
    funding = np.where(np.arange(steps) % 8 == 0, generator.normal(8e-5, 8e-5, steps), 0.0)
    return Series(spot.tolist(), perp.tolist(), funding.tolist())


class RandomMarket:
    """Snapshots of the shipped `btc_basis` on a random path, built before the clock starts."""

    def __init__(self, series: Series, wired: WiredMode) -> None:
        self._wired = wired
        instruments = wired.settings.universe.instruments
        ones = (1.0,) * len(instruments)
        self._snapshots = {}
        for step, (spot, perp, rate) in enumerate(zip(*series, strict=True)):
            price = tuple(spot if i.asset == "BTC" else 1.0 for i in instruments)
            mark = tuple(perp if i.quote else value for i, value in zip(instruments, price, strict=True))
            funding = tuple(rate if i.quote else 0.0 for i in instruments) if rate else None
            stamp = START + step * HOUR
            self._snapshots[stamp] = MarketSnapshot(
                stamp, price, ones, ones, mark, mark, mark, ones, mark, mark, funding, 1.0, 1.0
            )
        self.timestamps = list(self._snapshots)

    def at(self, timestamp: int) -> MarketSnapshot:
        return self._snapshots[timestamp]

    def engine(self) -> EventDrivenStrategyEngine:
        settings = self._wired.settings
        return EventDrivenStrategyEngine(
            self._wired.engine_config(), "backtest", self, settings.initial_capital, settings.share_class
        )


def tables_of(engine: EventDrivenStrategyEngine, market: RandomMarket, wired: WiredMode) -> None:
    log = engine.run(market.timestamps)
    build_tables(log, wired.settings.universe, [account.venue for account in wired.settings.margin_accounts])


if __name__ == "__main__":
    main()
