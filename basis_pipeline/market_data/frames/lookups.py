"""How each kind of series is looked up: which columns, from when a value is known, how old it may be.

The registry (`datasets`) declares when each column becomes known; here each of those rules is one function. A lookup at
t reads `Observations` only, so that nothing known after t can be seen at t.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.timeline import DAY, HOUR
from basis_pipeline.market_data.dataset_types import Known
from basis_pipeline.market_data.datasets import dataset
from basis_pipeline.market_data.datasets_signals import ML_SIGNALS

Stamps = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]
Columns = Mapping[str, Values]


class Observations(NamedTuple):
    """What a series lets one know, in order of knowing.

    Attributes:
        known: microseconds UTC from which a value may be used; non-decreasing.
        values: the value known then.
        rows: row of the series it comes from.
    """

    known: Stamps
    values: Values
    rows: Stamps


class Lookup(NamedTuple):
    """How a frame reads one dataset.

    Attributes:
        as_of: columns that take turns as the series' value. Of two that become known together the later one counts:
            where bars follow each other the open wins over the close before it, so a close is used only in a hole.
        beside: further columns a frame reads.
        cadence: microseconds between observations where the registry's step does not say; of funding the longest.
    """

    as_of: tuple[str, ...]
    beside: tuple[str, ...] = ()
    cadence: int | None = None


_BARS = Lookup(("close", "open"), ("low", "high"))
_RATES = ("liquidity_rate", "variable_borrow_rate")

LOOKUPS: Mapping[str, Lookup] = {
    "spot_candles_1h": _BARS,
    "perp_candles_1h": _BARS,
    "perp_candles_5m": _BARS,
    "mark_candles_1h": _BARS,
    "dex_candles_1h": _BARS,
    "funding_rates": Lookup(("funding_rate",), ("interval_hours",), cadence=DAY),
    "aave_reserves_1d": Lookup(("liquidity_index",), ("variable_borrow_index", *_RATES)),
    "aave_rates_1h": Lookup(_RATES[:1], _RATES[1:]),
    "lst_market_rates_1h": Lookup(("market_rate",)),
    "oracle_prices": Lookup(("price",), cadence=DAY),
    "gas_prices_1h": Lookup(("gas_price_gwei",), ("block_timestamp",)),
    ML_SIGNALS: Lookup(("confidence",), ("signal", "sd", "drift")),
}


def lookup_of(name: str) -> Lookup:
    """Raise ConfigError if a frame cannot be built from dataset `name`."""
    if name not in LOOKUPS:
        raise ConfigError(f"a frame cannot read dataset {name!r}.", remedy=f"use one of {', '.join(LOOKUPS)}.")
    return LOOKUPS[name]


def cadence_of(name: str) -> int:
    """Microseconds from one observation of the dataset to the next."""
    cadence = lookup_of(name).cadence or dataset(name).step
    if cadence is None:
        raise ConfigError(f"dataset {name!r} declares no step, so a frame cannot tell where it has holes.")
    return cadence


def maximum_age(name: str, step: int) -> int:
    """Microseconds that a value may be used after it became known, at this engine step."""
    declared = dataset(name)
    fine = declared.max_age_5min if step < HOUR else None
    age = declared.max_age if fine is None else fine
    if age is None:
        raise ConfigError(f"dataset {name!r} declares no maximum age, so it cannot be used as of a time.")
    return age


def observe(name: str, stamps: Stamps, columns: Columns) -> Observations:
    """Pair the values of a series with the moment each became known. Rows without a value say nothing."""
    known, values, rows = [], [], []
    for column in lookup_of(name).as_of:
        told = _KNOWN_FROM[dataset(name).column(column).known](stamps, columns, cadence_of(name))
        present = np.flatnonzero(told.observed & ~np.isnan(columns[column]))
        known.append(told.known[present])
        values.append(columns[column][present])
        rows.append(present)
    together = np.concatenate(known)
    order = np.argsort(together, kind="stable")
    return Observations(together[order], np.concatenate(values)[order], np.concatenate(rows)[order])


class _Told(NamedTuple):
    """By row: from when its value is known, and whether it is an observation at all."""

    known: Stamps
    observed: npt.NDArray[np.bool_]


def _at_stamp(stamps: Stamps, _: Columns, __: int) -> _Told:
    return _Told(stamps, np.ones(len(stamps), dtype=bool))


def _at_bar_close(stamps: Stamps, _: Columns, cadence: int) -> _Told:
    return _Told(stamps + cadence, np.ones(len(stamps), dtype=bool))


def _at_midnight(stamps: Stamps, _: Columns, __: int) -> _Told:
    return _Told(stamps, stamps % DAY == 0)


def _at_block(stamps: Stamps, columns: Columns, _: int) -> _Told:
    return _Told(columns["block_timestamp"].astype(np.int64), np.ones(len(stamps), dtype=bool))


_KNOWN_FROM: Mapping[Known, Callable[[Stamps, Columns, int], _Told]] = {
    "stamp": _at_stamp,
    "bar_close": _at_bar_close,
    "midnight": _at_midnight,
    "block_timestamp": _at_block,
}
