"""The equity of a basis book from its orders and the raw files, by a plain loop that shares no code with the engine.

What was decided (who trades how much, when) is taken from the record; every price, cost, settlement and valuation is
looked up and computed here: fills at the open of the raw bar moved by slippage of the size of the whole trade, taker
fees, flat transfer fees, realised P&L, funding on what was held before, marks.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import NamedTuple

import duckdb
import pyarrow as pa
from pyarrow import feather

CAPITAL = 100_000.0
HOUR = 3_600_000_000
FEES = {("binance", "spot"): 10e-4, ("binance", "perp"): 5e-4, ("bybit", "perp"): 5.5e-4}
SLIPPAGE = {"spot": ((1e4, 2e-4), (1e5, 3e-4), (1e6, 6e-4)), "perp": ((1e4, 3e-4), (1e5, 4e-4), (1e6, 8e-4))}
TRANSFER_FEE = 1.0
Series = dict[int, float]


class Decision(NamedTuple):
    """One successful order; `whole` is the quantity of the trade it is a part of, 0 if it is alone."""

    stamp: int
    venue: str
    operation: str
    key: str
    counter_key: str
    side: str
    quantity: float
    whole: float


class Files(NamedTuple):
    """Opens by microsecond: spot of Binance, last prices, marks and rates by venue."""

    spot: Series
    last: dict[str, Series]
    mark: dict[str, Series]
    rates: dict[str, Series]

    @classmethod
    def of(cls, raw: Path, coin: str, rates: dict[str, Series]) -> Files:
        """In the holes of Binance's files spot is Bybit's, the perp its own 5-minute bars or its mark."""
        mark = {venue: opens(raw / f"cex/mark/{venue}_{coin}USDT_mark_1h.feather") for venue in rates}
        perps = {venue: opens(raw / f"cex/perp/{venue}_{coin}USDT_perp_1h.csv") for venue in rates}
        fine: Series = {}
        for part in sorted(raw.glob(f"ml/binance_{coin}USDT_perp_5m.part*.feather")):
            fine |= {stamp: price for stamp, price in opens(part).items() if stamp % HOUR == 0}
        perps["binance"] = mark["binance"] | fine | perps["binance"]
        kept = next((raw / "cex/spot").glob(f"binance_{coin}USDT_spot_1h.*"))
        return cls(opens(raw / f"cex/spot/bybit_{coin}USDT_spot_1h.csv") | opens(kept), perps, mark, rates)


def opens(file: Path) -> Series:
    """Open by bar stamp."""
    if file.suffix == ".csv":
        sql = f"select epoch_us(timestamp::timestamptz), open from read_csv('{file}', header=true)"
        return dict(duckdb.sql(sql).fetchall())
    table = feather.read_table(file, columns=["date", "open"])
    stamps = table["date"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_pylist()
    return dict(zip(stamps, table["open"].to_pylist(), strict=True))


def slippage(kind: str, notional: float) -> float:
    """Log-linear between the stated sizes, flat below the first."""
    points = SLIPPAGE[kind]
    if notional <= points[0][0]:
        return points[0][1]
    (low, start), (high, end) = points[:2] if notional <= points[1][0] else points[1:]
    return start + (end - start) * math.log(notional / low) / math.log(high / low)


class Book:
    """Cash by venue, coins, and by venue the short and its average entry."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.cash = {"wallet": CAPITAL} | dict.fromkeys(files.mark, 0.0)
        self.coins = 0.0
        self.perps = dict.fromkeys(files.mark, 0.0)
        self.entries = dict.fromkeys(files.mark, 0.0)

    def settle(self, stamp: int) -> None:
        for venue, rates in self._files.rates.items():
            self.cash[venue] -= self.perps[venue] * self._files.mark[venue][stamp] * rates.get(stamp, 0.0)

    def carry_out(self, order: Decision) -> None:
        if order.operation == "transfer":
            self.cash[order.venue] -= order.quantity + TRANSFER_FEE
            self.cash[order.counter_key.partition(":")[0]] += order.quantity
            return
        kind = order.operation.removesuffix("_trade")
        reference = (self._files.spot if kind == "spot" else self._files.last[order.venue])[order.stamp]
        sign = 1.0 if order.side == "buy" else -1.0
        price = reference * (1.0 + sign * slippage(kind, max(order.quantity, order.whole) * reference))
        self.cash[order.venue] -= order.quantity * price * FEES[order.venue, kind]
        if kind == "spot":
            self.cash[order.venue] -= sign * order.quantity * price
            self.coins += sign * order.quantity
        else:
            self._trade(order.venue, sign * order.quantity, price)

    def _trade(self, venue: str, change: float, price: float) -> None:
        held = self.perps[venue]
        if held * change >= 0.0:
            self.entries[venue] = (held * self.entries[venue] + change * price) / (held + change)
        else:
            self.cash[venue] -= change * (price - self.entries[venue])
        self.perps[venue] = held + change

    def equity(self, stamp: int) -> float:
        open_profit = sum(q * (self._files.mark[v][stamp] - self.entries[v]) for v, q in self.perps.items())
        return sum(self.cash.values()) + self.coins * self._files.spot[stamp] + open_profit


def equity_path(files: Files, orders: list[Decision], stamps: list[int]) -> list[float]:
    """Equity at the close of each of `stamps`."""
    book, by_stamp = Book(files), dict[int, list[Decision]]()
    for order in orders:
        by_stamp.setdefault(order.stamp, []).append(order)
    path = []
    for stamp in stamps:
        book.settle(stamp)
        for order in by_stamp.get(stamp, []):
            book.carry_out(order)
        path.append(book.equity(stamp))
    return path
