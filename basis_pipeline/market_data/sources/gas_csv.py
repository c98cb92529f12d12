"""Gas price samples: `ethereum_gas_prices_1h.csv`. The value is known from `block_timestamp`, not from the stamp.

`gas_price_avg_gwei` repeats `gas_price_gwei`, which is base fee + median tip; `chain`, `source`, `note` are constants.
"""

from __future__ import annotations

from basis_pipeline.market_data.corrections import Corrections
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.sources.layout import Layout, Reading, Recognition
from basis_pipeline.market_data.sources.tables import ColumnKinds, frame, numbers, read_columns, stamps

_NUMBERS = ("block_timestamp", "gas_price_gwei", "base_fee_gwei", "priority_fee_p50_gwei")


def read(found: Recognition, _corrections: Corrections) -> Reading:
    kinds: ColumnKinds = {"timestamp": "text", **dict.fromkeys(_NUMBERS, "number")}
    table = read_columns(found, kinds)
    times = stamps(found, table, "timestamp", "iso")
    sampled = stamps(found, table, "block_timestamp", "epoch_s")
    columns = {
        "gas_price_gwei": numbers(table, "gas_price_gwei"),
        "base_fee_gwei": numbers(table, "base_fee_gwei"),
        "priority_fee_gwei": numbers(table, "priority_fee_p50_gwei"),
        "block_timestamp": sampled,
    }
    return Reading(frame(found, times, columns))


LAYOUT = Layout(
    "gas prices",
    r"(?P<chain>[a-z]+)_gas_prices_1h",
    (".csv",),
    ("timestamp", *_NUMBERS),
    identify=lambda name, _head, _corrections: SeriesKey("gas_prices_1h", name["chain"], "ETH"),
    read=read,
)
