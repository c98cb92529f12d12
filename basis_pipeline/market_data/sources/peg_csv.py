"""LST peg files: `weETH_peg_analysis_1h.csv`. The venue is the DEX that the rows name; cost columns are constants."""

from __future__ import annotations

from basis_pipeline.market_data.corrections import Corrections
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.sources.layout import SYMBOL, Layout, Reading, Recognition
from basis_pipeline.market_data.sources.raw_files import FileHead
from basis_pipeline.market_data.sources.tables import frame, numbers, read_columns, require_constant, stamps

_RATES = ("protocol_rate", "market_rate", "market_rate_median_24h")


def read(found: Recognition, _corrections: Corrections) -> Reading:
    table = read_columns(
        found, {"timestamp": "text", "asset": "text", "dex": "text", **dict.fromkeys(_RATES, "number")}
    )
    require_constant(found, table, "asset", found.key.symbol)
    require_constant(found, table, "dex", found.key.venue)
    times = stamps(found, table, "timestamp", "iso")
    market = numbers(table, "market_rate")
    columns = {
        "protocol_rate": numbers(table, "protocol_rate"),
        "market_rate": market,
        "smoothed": market == numbers(table, "market_rate_median_24h"),
    }
    return Reading(frame(found, times, columns))


def _key(name: dict[str, str], head: FileHead, _corrections: Corrections) -> SeriesKey:
    return SeriesKey("lst_market_rates_1h", head.first.get("dex", ""), name["symbol"])


LAYOUT = Layout(
    "LST peg analysis",
    SYMBOL + "_peg_analysis_1h",
    (".csv",),
    ("timestamp", "asset", "dex", *_RATES),
    identify=lambda name, head, _corrections: SeriesKey(
        "lst_market_rates_1h", head.first.get("dex", ""), name["symbol"]
    ),
    read=read,
)
