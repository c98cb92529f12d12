"""Differences between live records and their replays as Parquet, and as tables of the catalogue.

::

    live_differences/<table>/record=<record>/mode=<mode>/<file>.parquet
    live_differences/_manifests/record=<record>/mode=<mode>.json

The last comparison of a record stands. The tables are small and are copied into the catalogue, as those of sweeps are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from basis_pipeline.results.live_differences.differences import BP, Execution, LiveDifferences
from basis_pipeline.results.tables import ColumnDoc
from basis_pipeline.storage.locations import Location
from basis_pipeline.storage.publications import PublicationStore

_TEXT, _NUMBER, _AT = pa.string(), pa.float64(), pa.timestamp("us")
_KEYS = (("record", _TEXT, "", "name of the live record"), ("mode", _TEXT, "", "mode"))


class _Table(NamedTuple):
    """A table; of each column its name, type, unit and meaning. Numbers that one life lacks are null."""

    description: str
    columns: tuple[tuple[str, pa.DataType, str, str], ...]

    @property
    def schema(self) -> pa.Schema:
        return pa.schema([(name, kind) for name, kind, _, _ in self.columns])


_BOTH = (
    ("live", _NUMBER, "share class", "the live record, negative = paid"),
    ("backtest", _NUMBER, "share class", "its replay by the backtest engine"),
    ("difference", _NUMBER, "share class", "live - backtest"),
)
_EACH = (
    ("operation_id", pa.int64(), "count", "operation"),
    ("quantity", _NUMBER, "token units", "quantity decided"),
    ("filled", _NUMBER, "token units", "quantity executed"),
    ("price", _NUMBER, "USDT", "average fill price"),
    ("fee", _NUMBER, "share class", "fee, positive = paid"),
    ("slippage_bp", _NUMBER, "bp", "against the venue's last price, positive = paid"),
    ("gas", _NUMBER, "share class", "gas, positive = paid"),
    ("outcome", _TEXT, "", "state the order ended in"),
)
_TABLES = {
    "live_differences": _Table(
        "profit of live records and of their replays by source; the differences sum to that of equity at the end",
        (
            ("item", _TEXT, "", "source of profit, transaction costs by kind, or external flows"),
            *_BOTH,
            ("difference_bp", _NUMBER, "bp", "difference / equity of the replay at the end"),
        ),
    ),
    "live_order_differences": _Table(
        "orders of live records beside those of their replays; null where only one of the two decided on it",
        (
            ("decided", _AT, "UTC", "timestep of the decision, of the live record where both have it"),
            ("venue", _TEXT, "", "who executed it"),
            ("operation", _TEXT, "", "what was done"),
            ("side", _TEXT, "", "buy or sell; empty where nothing is traded"),
            ("position_key", _TEXT, "", "venue:position_type:symbol"),
            *((f"{name}_live", kind, unit, f"{said}, live") for name, kind, unit, said in _EACH),
            *((f"{name}_backtest", kind, unit, f"{said}, replay") for name, kind, unit, said in _EACH),
            ("price_difference_bp", _NUMBER, "bp", "live fill price against the replay's, positive = worse for us"),
            ("delay", _NUMBER, "seconds", "from the decision to the execution at the venue, live"),
        ),
    ),
    "live_equity_differences": _Table(
        "equity of live records and of their replays at every common timestep",
        (("timestamp", _AT, "UTC", "timestep"), *_BOTH, ("difference_bp", _NUMBER, "bp", "live / replay, less one")),
    ),
}
LIVE_DIFFERENCES = {name: table.description for name, table in _TABLES.items()}
"""Tables of the catalogue about live records and their replays, by name."""

_FOLDER = "live_differences"


class LiveDifferencesStore:
    """The last comparison of every live record, below the results at `base`."""

    def __init__(self, base: Location) -> None:
        self._publications = PublicationStore(base / _FOLDER)

    def put(self, found: LiveDifferences) -> None:
        """Replace the comparison of a record at once."""
        tables = {
            "live_differences": _made("live_differences", _items(found)),
            "live_order_differences": _made("live_order_differences", _orders(found)),
            "live_equity_differences": _equity(found),
        }
        self._publications.publish(f"record={found.record}/mode={found.mode}", tables, {"currency": found.currency})

    def table(self, name: str) -> pa.Table:
        """One table of all records, led by record and mode."""
        schema = pa.schema([*((key, kind) for key, kind, _, _ in _KEYS), *_TABLES[name].schema])
        parts = [
            _keyed(self._publications.read(published, name), published.partition)
            for published in self._publications.publications()
        ]
        return pa.concat_tables([schema.empty_table(), *parts], promote_options="default")


def live_difference_tables(results: Location) -> Iterator[tuple[str, pa.Table]]:
    """Name and content of every such table of the catalogue; without a comparison they have no rows."""
    store = LiveDifferencesStore(results)
    return ((name, store.table(name)) for name in _TABLES)


def live_difference_docs() -> Iterator[ColumnDoc]:
    """Every column of these tables with its unit and meaning."""
    for name, table in _TABLES.items():
        for column, kind, unit, description in (*_KEYS, *table.columns):
            yield ColumnDoc(name, column, str(kind), unit, nullable=True, description=description)


def _keyed(table: pa.Table, partition: str) -> pa.Table:
    for position, part in enumerate(partition.split("/")):
        key, _, value = part.partition("=")
        table = table.add_column(position, key, pa.array([value] * table.num_rows, pa.string()))
    return table


def _made(name: str, rows: Sequence[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), _TABLES[name].schema)


def _items(found: LiveDifferences) -> list[dict[str, Any]]:
    scale = BP / float(found.backtest[-1])
    return [
        {
            "item": item.name,
            "live": item.live,
            "backtest": item.backtest,
            "difference": item.difference,
            "difference_bp": item.difference * scale,
        }
        for item in found.items
    ]


def _orders(found: LiveDifferences) -> list[dict[str, Any]]:
    rows = []
    for pair in found.pairs:
        shown = pair.live or pair.backtest
        if shown is None:
            continue
        row: dict[str, Any] = {name: getattr(shown, name) for name in ("decided", "venue", "operation", "side")}
        row |= {"position_key": shown.position_key, "price_difference_bp": pair.price_difference_bp}
        row |= {"delay": pair.live.delay if pair.live else None}
        rows.append(row | _side(pair.live, "live") | _side(pair.backtest, "backtest"))
    return rows


def _side(order: Execution | None, name: str) -> dict[str, Any]:
    values = msgspec.structs.asdict(order) if order else {}
    return {f"{column}_{name}": values.get(column) for column, *_ in _EACH}


def _equity(found: LiveDifferences) -> pa.Table:
    columns = {
        "timestamp": pa.array(found.stamps.view("datetime64[us]")),
        "live": found.live,
        "backtest": found.backtest,
        "difference": found.live - found.backtest,
        "difference_bp": found.gaps_bp,
    }
    return pa.table(columns, _TABLES["live_equity_differences"].schema)
