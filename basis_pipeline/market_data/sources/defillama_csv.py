"""DefiLlama chart exports: `eeth_supply_apy_defillama.csv`, `ethena_susde_defillama_raw.csv`. Percent APY by day."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from basis_pipeline.market_data.corrections import Corrections
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.sources.layout import Layout, Reading, Recognition
from basis_pipeline.market_data.sources.tables import frame, numbers, read_columns, stamps

_HEADER = ("Timestamp", "Date", "Base", "Reward")
_PERCENT = 100.0
_DAYS_OF_YEAR = 365.0


def apr_of_apy(apy: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Simple yearly rate of daily compounding: 365 x ((1 + apy)^(1/365) - 1), fractions."""
    return np.asarray(_DAYS_OF_YEAR * ((1.0 + apy) ** (1.0 / _DAYS_OF_YEAR) - 1.0), dtype=np.float64)


def _read_staking(found: Recognition, _corrections: Corrections) -> Reading:
    table = read_columns(found, {"Timestamp": "number", "Base": "number", "Reward": "number"})
    columns = {name: numbers(table, column) / _PERCENT for name, column in _STAKING.items()}
    return Reading(frame(found, stamps(found, table, "Timestamp", "epoch_s"), columns))


def _read_benchmark(found: Recognition, _corrections: Corrections) -> Reading:
    table = read_columns(found, {"Timestamp": "number", "Base": "number"})
    apy = numbers(table, "Base") / _PERCENT
    return Reading(frame(found, stamps(found, table, "Timestamp", "epoch_s"), {"apy": apy, "apr": apr_of_apy(apy)}))


_STAKING = {"base_apy": "Base", "reward_apy": "Reward"}

STAKING = Layout(
    "DefiLlama staking yield",
    r"(?P<token>[a-z]+)_supply_apy_defillama",
    (".csv",),
    _HEADER,
    identify=lambda name, _head, corrections: SeriesKey("staking_apy", "etherfi", corrections.symbol(name["token"])),
    read=_read_staking,
)
BENCHMARK = Layout(
    "DefiLlama benchmark yield",
    r"(?P<issuer>[a-z]+)_(?P<token>[a-z]+)_defillama_raw",
    (".csv",),
    _HEADER,
    identify=lambda name, _head, corrections: SeriesKey(
        "benchmark_yields", "defillama", corrections.symbol(name["token"])
    ),
    read=_read_benchmark,
)
