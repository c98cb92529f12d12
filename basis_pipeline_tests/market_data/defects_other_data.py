"""Defects that no vendor's folder here has, each planted in series that are right, by the gate that finds it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from basis_pipeline.domain.timeline import DAY, HOUR, MINUTE
from basis_pipeline.market_data.checks.bars import five_minutes_against_hours, pool_against_venues
from basis_pipeline.market_data.checks.funding import contradicted_funding, funding_scale, funding_sign, zero_funding
from basis_pipeline.market_data.checks.markets import other_market, shifted_days, stuck_price
from basis_pipeline.market_data.checks.scales import borrowers_pay_more, market_rate_level, ratio_level, stable_price
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.rules.candles import aggregate
from basis_pipeline.runs.ingest import ingest
from basis_pipeline.storage.data_root import DataRoot
from basis_pipeline_tests.market_data.test_checks import context, moved, series
from basis_pipeline_tests.market_data.vendor_files import grid, scaled, walk, write_candles
from basis_pipeline_tests.market_data.world import CONFIGS, ingest_into

Found = Iterable[Finding]
MONTH = grid("2022-11-01T00:00", "2022-11-30T23:00")
DAYS = grid("2022-11-01T00:00", "2022-11-30T00:00", DAY)
SETTLEMENTS = grid("2022-11-01T00:00", "2022-11-30T16:00", 8 * HOUR)
PRICES = ["open", "high", "low", "close"]
SPOT, PERP = ("spot_candles_1h", "binance", "SOLUSDT"), ("perp_candles_1h", "binance", "SOLUSDT")


def market(seed: int = 5) -> pd.DataFrame:
    return walk(MONTH, 30.0, seed=seed)


def of(check: Callable[..., Found], own: pd.DataFrame, *others: pd.DataFrame) -> list[Finding]:
    """What `check` says of a spot series beside perps of other venues."""
    one = series(*SPOT, own)
    peers = [series("perp_candles_1h", f"venue{at}", "SOLUSDT", other) for at, other in enumerate(others)]
    return list(check(one, context(one, *peers)))


def late(frame: pd.DataFrame, first: int, last: int, hours: int = 1) -> pd.DataFrame:
    """Rows `first` to `last` are labelled some hours late; what they would fall upon is not there."""
    shifted = frame.copy()
    shifted.loc[first:last, "timestamp"] += hours * HOUR
    return shifted.drop_duplicates("timestamp", keep="first").sort_values("timestamp", ignore_index=True)


def times(frame: pd.DataFrame, factor: float, first: int = 0, last: int | None = None) -> pd.DataFrame:
    priced = frame.copy()
    priced.loc[first:last, PRICES] *= factor
    return priced


def still(frame: pd.DataFrame, first: int, bars: int) -> pd.DataFrame:
    stuck = frame.copy()
    stuck.loc[first : first + bars - 1, PRICES] = frame.loc[first, "open"]
    return stuck


def rates(seed: int = 1) -> pd.DataFrame:
    """Three months' worth of signs and sizes as of November 2022, with half a percent at the worst."""
    rng = np.random.default_rng(seed)
    size = 1e-4 * (1.0 + np.sin(np.arange(len(SETTLEMENTS)) / 9.0)) + rng.normal(0.0, 2e-5, len(SETTLEMENTS))
    size[27:36] = -5e-3
    return pd.DataFrame({"timestamp": SETTLEMENTS, "funding_rate": size, "interval_hours": 8.0})


def paid(check: Callable[..., Found], own: pd.DataFrame, *others: pd.DataFrame) -> list[Finding]:
    one = series("funding_rates", "bybit", "SOLUSDT", own)
    peers = [series("funding_rates", f"venue{at}", "SOLUSDT", other) for at, other in enumerate(others)]
    return list(check(one, context(one, *peers)))


def rate_times(frame: pd.DataFrame, factor: float, first: int = 0, last: int | None = None) -> pd.DataFrame:
    other = frame.copy()
    other.loc[first:last, "funding_rate"] *= factor
    return other


def ratios(values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"timestamp": DAYS, "price": values, "interpolated": False})


STAKED = 1.05 + 1e-4 * np.arange(len(DAYS))


def ratio(factor: float) -> list[Finding]:
    """A protocol ratio beside a market file that has it as it is."""
    own = series("oracle_prices", "aave_v3", "weETH_ETH", ratios(STAKED * factor))
    peg = pd.DataFrame({"timestamp": DAYS, "protocol_rate": STAKED, "market_rate": STAKED})
    return list(ratio_level(own, context(own, series("lst_market_rates_1h", "curve", "weETH", peg))))


def traded(factor: float) -> list[Finding]:
    peg = pd.DataFrame({"timestamp": DAYS, "protocol_rate": STAKED, "market_rate": STAKED * factor})
    return list(market_rate_level(series("lst_market_rates_1h", "curve", "weETH", peg), context()))


def dollars(price: float) -> list[Finding]:
    values = np.ones(len(DAYS))
    values[10] = price
    return list(stable_price(series("oracle_prices", "aave_v3", "USDT_USD", ratios(values)), context()))


def exchanged(supply: float = 0.06, debt: float = 0.05) -> list[Finding]:
    """Indices of a reserve that grow by `supply` and `debt` a year; the rates are right."""
    years = np.arange(len(DAYS)) / 365.0
    columns = {"liquidity_index": np.exp(supply * years), "variable_borrow_index": np.exp(debt * years)}
    frame = pd.DataFrame({"timestamp": DAYS, **columns, "liquidity_rate": 0.05, "variable_borrow_rate": 0.06})
    return list(borrowers_pay_more(series("aave_reserves_1d", "aave_v3", "USDT", frame), context()))


def pool(factor: float) -> list[Finding]:
    own = times(market(), factor).rename(columns={"volume": "volume_quote"})
    one, peer = series("dex_candles_1h", "uniswapv3", "SOLUSDT", own), series(*SPOT, market())
    return list(pool_against_venues(one, context(one, peer)))


def wick(frame: pd.DataFrame, factor: float) -> pd.DataFrame:
    """One bar whose high is `factor` times its open."""
    spoilt = frame.copy()
    spoilt.loc[100, "high"] = frame.loc[100, "open"] * factor
    return spoilt


def five_minutes(hours_late: int, tick: float = 1.0) -> list[Finding]:
    """Bars of five minutes, one with a high `tick` times as high as it was, beside their hours some hours late."""
    five = walk(grid("2022-11-01T00:00", "2022-11-03T23:55", 5 * MINUTE), 30.0, seed=6, sigma=0.001)
    whole = series("perp_candles_5m", "binance", "SOLUSDT", five)
    hourly = series(*PERP, moved(aggregate(whole.frame, 5 * MINUTE, HOUR), hours_late))
    five.loc[500, "high"] *= tick
    whole = series("perp_candles_5m", "binance", "SOLUSDT", five)
    return list(five_minutes_against_hours(whole, context(whole, hourly)))


def donated(folder: Path) -> Found:
    """Binance's hole is filled from Bybit, whose file is in another currency."""
    frame = market()
    write_candles(folder / "raw", "binance", "SOLUSDT", "spot", frame.drop(index=range(100, 110)))
    write_candles(folder / "raw", "binance", "SOLUSDT", "perp", scaled(frame, 1.0002))
    write_candles(folder / "raw", "bybit", "SOLUSDT", "spot", scaled(frame, 0.9))
    return [finding for _, finding in ingest_into(folder / "raw", folder / "root").report.findings()]


def half_an_hour_off(folder: Path) -> Found:
    frame = market().assign(timestamp=MONTH + HOUR // 2)
    raw = write_candles(folder / "raw", "bybit", "SOLUSDT", "spot", frame).parent
    return [finding for _, finding in ingest_into(raw, folder / "root").report.findings()]


def written_meanwhile(folder: Path) -> Found:
    """A download goes on while its file is ingested."""
    path = write_candles(folder / "raw", "bybit", "SOLUSDT", "spot", market())

    def go_on(what: str, _done: int, _total: int) -> None:
        if what == "scan":
            with path.open("a", encoding="utf-8") as file:
                file.write("2022-12-01T00:00:00Z,30,30,30,30,1,bybit,SOLUSDT,spot\r\n")

    report = ingest(DataRoot(folder / "root"), path.parent, config_dir=CONFIGS, progress=go_on)
    return [finding for _, finding in report.findings()]


OTHER_DATA: dict[str, Callable[[Path], Found]] = {
    "shifted_days": lambda _: of(shifted_days, late(market(), 240, 400), market()),
    "other_market": lambda _: of(other_market, times(market(), 0.92), market(), market()),
    "stuck_price": lambda _: of(stuck_price, still(market(), 100, 24), market()),
    "five_minutes_of_another": lambda _: five_minutes(1),
    "pool_level": lambda _: pool(1e10),
    "contradicted_funding": lambda _: paid(contradicted_funding, rate_times(rates(), 100.0, 60, 65), rates(2)),
    "funding_sign": lambda _: paid(funding_sign, rate_times(rates(), -1.0), rates(2)),
    "zero_funding": lambda _: paid(zero_funding, rate_times(rates(), 0.0, 40, 52), rates(2)),
    "ratio_level": lambda _: ratio(1.05),
    "market_rate_level": lambda _: traded(0.5),
    "funding_apart": lambda _: paid(funding_scale, rate_times(rates(), 8.0), rates(2)),
    "index_order": lambda _: exchanged(),
    "stable_price": lambda _: dollars(1e8),
    "donor_unreliable": donated,
    "nothing_left": half_an_hour_off,
    "changed_file": written_meanwhile,
}
