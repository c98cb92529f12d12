"""Small published series for frame tests: every value is computed from its stamp, so a test can say what it expects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from basis_pipeline.domain.position_keys import Instrument, PositionKey, Universe
from basis_pipeline.domain.timeline import DAY, HOUR, MINUTE, month_of, month_start
from basis_pipeline.market_data.frames.frame import Frame, build_frame
from basis_pipeline.market_data.frames.requirements import FrameSpec, ReserveRef, ReserveSide, SeriesRef, SlotSources
from basis_pipeline.market_data.manifests import Coverage, MonthBody, RowCounts
from basis_pipeline.market_data.validated import ValidatedStore, month_path

FEBRUARY = month_start("2024-02")
MARCH = month_start("2024-03")

SPOT = SeriesRef("spot_candles_1h", "binance", "ETHUSDT")
PERP = SeriesRef("perp_candles_1h", "binance", "ETHUSDT")
PERP_5M = SeriesRef("perp_candles_5m", "binance", "ETHUSDT")
MARK = SeriesRef("mark_candles_1h", "binance", "ETHUSDT")
FUNDING = SeriesRef("funding_rates", "binance", "ETHUSDT")
BYBIT_PERP = SeriesRef("perp_candles_1h", "bybit", "ETHUSDT")
BYBIT_FUNDING = SeriesRef("funding_rates", "bybit", "ETHUSDT")
POOL = SeriesRef("dex_candles_1h", "uniswapv3", "EIGENWETH")
RESERVE = SeriesRef("aave_reserves_1d", "aave_v3", "WETH")
RATES = SeriesRef("aave_rates_1h", "aave_v3", "WETH")
RATIO = SeriesRef("oracle_prices", "aave_v3", "weETH_ETH")
USD = SeriesRef("oracle_prices", "aave_v3", "USDT_USD")
GAS = SeriesRef("gas_prices_1h", "ethereum", "gas")

Columns = Mapping[str, Sequence[float]]


def publish(
    base: Path,
    ref: SeriesRef,
    stamps: Sequence[int],
    columns: Columns,
    *,
    quality: Mapping[int, str],
    changed: Mapping[str, int],
) -> None:
    """Publish rows month by month, as an ingestion does.

    `quality` by stamp where it is not `observed`; `changed` counts by rule what was rewritten in each month.
    """
    for month in sorted({month_of(stamp) for stamp in stamps}):
        rows = [row for row, stamp in enumerate(stamps) if month_of(stamp) == month]
        table = pa.table(
            {"timestamp": pa.array([stamps[row] for row in rows], pa.timestamp("us"))}
            | {name: _array(name, [values[row] for row in rows]) for name, values in columns.items()}
            | {"quality": pa.array([quality.get(stamps[row], "observed") for row in rows]).dictionary_encode()}
        )
        coverage = Coverage(stamps[rows[0]], stamps[rows[-1]], len(rows))
        counts = RowCounts(kept=len(rows), changed=dict(changed))
        body = MonthBody(ref.dataset, ref.venue, ref.symbol, month, coverage, counts, ())
        store = ValidatedStore(base).publications(ref.dataset)
        store.publish(month_path(ref.venue, ref.symbol, month), {ref.dataset: table}, body.to_builtins())


def _array(name: str, values: Sequence[float]) -> pa.Array:
    if name == "block_timestamp":
        return pa.array([int(value) for value in values], pa.timestamp("us"))
    return pa.array([None if np.isnan(value) else float(value) for value in values], pa.float64())


def bars(stamps: Sequence[int], level: float) -> dict[str, list[float]]:
    """Bars of hour n since 2024-01-01: open level+n, high +0.75, low -0.5, close +0.25."""
    opens = [level + (stamp - month_start("2024-01")) / HOUR for stamp in stamps]
    shifts = {"open": 0.0, "high": 0.75, "low": -0.5, "close": 0.25}
    return {name: [value + shift for value in opens] for name, shift in shifts.items()}


def hours(first: int, behind: int, step: int = HOUR) -> list[int]:
    return list(range(first, behind, step))


class Market:
    """A set of series that covers every kind a frame reads; tests take rows away or change them, then publish."""

    def __init__(self, first: int = FEBRUARY - 2 * DAY, behind: int = FEBRUARY + 4 * DAY) -> None:
        hourly, daily = hours(first, behind), hours(first, behind, DAY)
        self.rows: dict[SeriesRef, tuple[list[int], dict[str, list[float]]]] = {
            SPOT: (hourly, bars(hourly, 2000.0)),
            PERP: (hourly, bars(hourly, 2001.0)),
            MARK: (hourly, bars(hourly, 2002.0)),
            BYBIT_PERP: (hourly, bars(hourly, 2003.0)),
            POOL: (hourly, {name: [v / 1e6 for v in column] for name, column in bars(hourly, 1000.0).items()}),
            FUNDING: _funding(hours(first, behind, 8 * HOUR), 8.0),
            BYBIT_FUNDING: _funding(hours(first, behind, 4 * HOUR), 4.0),
            RESERVE: (daily, _reserve(daily)),
            RATES: (hourly, _rates(hourly)),
            RATIO: (hourly, {"price": [1.03 + stamp % (100 * DAY) / DAY / 1e4 for stamp in hourly]}),
            USD: (daily, {"price": [1.0 + stamp % (100 * DAY) / DAY / 1e5 for stamp in daily]}),
            GAS: (hourly, _gas(hourly)),
        }
        self.quality: dict[SeriesRef, dict[int, str]] = {}
        self.changed: dict[SeriesRef, dict[str, int]] = {}

    def without(self, ref: SeriesRef, first: int, behind: int) -> Market:
        """Take away the rows stamped in [first, behind)."""
        stamps, columns = self.rows[ref]
        kept = [row for row, stamp in enumerate(stamps) if not first <= stamp < behind]
        self.rows[ref] = [stamps[row] for row in kept], {name: [c[row] for row in kept] for name, c in columns.items()}
        return self

    def drop(self, *refs: SeriesRef) -> Market:
        for ref in refs:
            del self.rows[ref]
        return self

    def publish(self, base: Path) -> ValidatedStore:
        for ref, (stamps, columns) in self.rows.items():
            quality, changed = self.quality.get(ref, {}), self.changed.get(ref, {})
            publish(base, ref, stamps, columns, quality=quality, changed=changed)
        return ValidatedStore(base)


def _funding(stamps: list[int], interval: float) -> tuple[list[int], dict[str, list[float]]]:
    rates = [1e-5 * (1 + stamp // (4 * HOUR) % 7) for stamp in stamps]
    return stamps, {"funding_rate": rates, "interval_hours": [interval] * len(stamps)}


def _reserve(stamps: list[int]) -> dict[str, list[float]]:
    days = [(stamp - month_start("2024-01")) / DAY for stamp in stamps]
    return {
        "liquidity_index": [1.01 + day / 1e4 for day in days],
        "variable_borrow_index": [1.03 + day / 5e3 for day in days],
        "liquidity_rate": [0.02 + day / 1e3 for day in days],
        "variable_borrow_rate": [0.03 + day / 1e3 for day in days],
    }


def _rates(stamps: list[int]) -> dict[str, list[float]]:
    return {
        "liquidity_rate": [0.02 + stamp // HOUR % 24 / 1e3 for stamp in stamps],
        "variable_borrow_rate": [0.03 + stamp // HOUR % 24 / 1e3 for stamp in stamps],
    }


def _gas(stamps: list[int]) -> dict[str, list[float]]:
    """Blocks a little after the stamp, every second one an hour early (D-16)."""
    lags = [-58 * MINUTE if stamp // HOUR % 2 else 90_000_000 for stamp in stamps]
    return {
        "gas_price_gwei": [10.0 + stamp // HOUR % 24 for stamp in stamps],
        "block_timestamp": [stamp + lag for stamp, lag in zip(stamps, lags, strict=True)],
    }


def instrument(key: str, token: str, asset: str, quote: str = "") -> Instrument:
    return Instrument(PositionKey.parse(key), token, asset, quote)


USDT_WALLET = instrument("wallet:BaseToken:USDT", "USDT", "USDT")
ETH_SPOT = instrument("binance:BaseToken:ETH", "ETH", "ETH")
ETH_PERP = instrument("binance:Perp:ETHUSDT", "ETH", "ETH", "USDT")
BYBIT_ETH_PERP = instrument("bybit:Perp:ETHUSDT", "ETH", "ETH", "USDT")
WEETH = instrument("etherfi:LST:weETH", "weETH", "ETH")
A_WETH = instrument("aave_v3:aToken:aWETH", "WETH", "ETH")
DEBT_WETH = instrument("aave_v3:debtToken:debtWETH", "WETH", "ETH")
EIGEN = instrument("wallet:BaseToken:EIGEN", "EIGEN", "EIGEN")

SOURCES = {
    str(ETH_SPOT.key): SlotSources(last=SPOT),
    str(ETH_PERP.key): SlotSources(last=PERP, mark=MARK, funding=FUNDING),
    str(BYBIT_ETH_PERP.key): SlotSources(last=BYBIT_PERP, funding=BYBIT_FUNDING),
    str(WEETH.key): SlotSources(ratio=RATIO),
    str(A_WETH.key): SlotSources(reserve=ReserveRef(RESERVE, ReserveSide.SUPPLY, RATES)),
    str(DEBT_WETH.key): SlotSources(reserve=ReserveRef(RESERVE, ReserveSide.BORROW, RATES)),
}


def spec_of(*instruments: Instrument, **changes: object) -> FrameSpec:
    """A spec for these slots only, with the sources above."""
    keys = {str(item.key) for item in instruments}
    settings: dict[str, object] = {
        "universe": Universe(instruments),
        "step": HOUR,
        "reference": {"ETH": SPOT, "EIGEN": POOL},
        "quoted_in": {"EIGEN": "ETH"},
        "share_asset": "USDT",
        "sources": {key: sources for key, sources in SOURCES.items() if key in keys},
    }
    return FrameSpec(**(settings | changes))  # type: ignore[arg-type]


EVERYTHING = spec_of(
    USDT_WALLET,
    ETH_SPOT,
    ETH_PERP,
    BYBIT_ETH_PERP,
    WEETH,
    A_WETH,
    DEBT_WETH,
    EIGEN,
    gas=GAS,
    usd=USD,
    share_asset="ETH",
)
BASIS = spec_of(USDT_WALLET, ETH_SPOT, ETH_PERP)
JANUARY_HOURS = 744  # hour n of January 2024 opens at level + n, so 1 February opens at level + 744


def frame_of(market: Market, path: Path, spec: FrameSpec = BASIS, days: int = 4) -> Frame:
    return build_frame(market.publish(path), spec, FEBRUARY, FEBRUARY + days * DAY)
