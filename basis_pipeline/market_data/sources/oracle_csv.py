"""Aave oracle prices: `weETH_ETH_oracle.csv`. `#` comment lines before the header; hourly ISO or daily epoch stamps."""

from __future__ import annotations

from basis_pipeline.market_data.corrections import Corrections
from basis_pipeline.market_data.dataset_types import SeriesKey
from basis_pipeline.market_data.findings import Finding
from basis_pipeline.market_data.sources.layout import Layout, Reading, Recognition
from basis_pipeline.market_data.sources.raw_files import FileHead
from basis_pipeline.market_data.sources.tables import frame, numbers, read_columns, require_constant, stamps


def read(found: Recognition, _corrections: Corrections) -> Reading:
    price = f"oracle_price_{found.name['quote'].lower()}"
    table = read_columns(found, {"timestamp": "text", price: "number", "asset": "text"})
    require_constant(found, table, "asset", found.name["token"])
    # The daily file of this vendor has epoch seconds where the hourly ones have ISO text.
    epoch = found.head.first.get("timestamp", "").isdigit()
    times = stamps(found, table, "timestamp", "epoch_s" if epoch else "iso")
    values = numbers(table, price)
    return Reading(frame(found, times, {"price": values}), _record_count(found, table.num_rows))


def _record_count(found: Recognition, rows: int) -> tuple[Finding, ...]:
    said = found.head.comments.get("records", "")
    if said in ("", str(rows)):
        return ()
    message = f"the comment says {said} records, the file has {rows}; the rows count."
    return (Finding("INFO", "record_count", message, file=found.file.name),)


def _key(name: dict[str, str], _head: FileHead, _corrections: Corrections) -> SeriesKey:
    return SeriesKey("oracle_prices", "aave_v3", f"{name['token']}_{name['quote']}")


LAYOUT = Layout(
    "oracle prices",
    r"(?P<token>[A-Za-z0-9]+)_(?P<quote>USD|ETH)_oracle",
    (".csv",),
    ("timestamp", "asset", "quote_currency"),
    identify=lambda name, _head, _corrections: SeriesKey(
        "oracle_prices", "aave_v3", f"{name['token']}_{name['quote']}"
    ),
    read=read,
)
