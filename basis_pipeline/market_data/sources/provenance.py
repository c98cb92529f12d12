"""Columns in which a vendor says where a row is from: a file under another name gives itself away by them."""

from __future__ import annotations

import re

import pyarrow as pa

from basis_pipeline.market_data.findings import reject
from basis_pipeline.market_data.sources.layout import Recognition
from basis_pipeline.market_data.sources.tables import ColumnKinds, source_rows, texts

_COLUMNS = ("source", "data_type")
_EXCHANGES = frozenset(
    {"binance", "bybit", "okx", "bitget", "kucoin", "gate", "gateio", "kraken", "coinbase", "htx", "huobi", "deribit"}
)
_FUTURES = frozenset({"futures", "future", "perp", "perps", "perpetual", "swap", "linear"})
_FOREIGN = {"spot": _FUTURES, "perp": frozenset({"spot"}), "funding": frozenset({"spot"})}


def provenance_columns(found: Recognition) -> ColumnKinds:
    """Those columns of the file, to be read along."""
    return {column: "text" for column in _COLUMNS if column in found.head.columns}


def refuse_foreign(found: Recognition, table: pa.Table, kind: str) -> None:
    """Refuse a file that names another exchange than its name does, or spot for futures (`kind`: spot, perp, funding).

    Raises:
        RawFileError: at the first row that does.
    """
    foreign = (_EXCHANGES - {found.key.venue}) | _FOREIGN.get(kind, frozenset())
    for column in provenance_columns(found):
        values = texts(table, column)
        wrong = {str(value) for value in values.unique() if foreign & set(re.split(r"[^a-z]+", str(value).lower()))}
        if wrong:
            rows = values.isin(wrong).to_numpy()
            named = f"{found.key.venue} {kind}"
            raise reject(
                "wrong_content",
                f"says {sorted(wrong)[0]!r} where the file name says {named} ({int(rows.sum())} rows).",
                remedy="rename the file or replace it.",
                file=found.file.name,
                row=int(source_rows(found, len(values))[int(rows.argmax())]),
                column=column,
                count=int(rows.sum()),
            )
