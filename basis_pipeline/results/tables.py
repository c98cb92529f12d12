"""The Arrow schemas of every result table, in one place. Each column says its unit and its meaning.

Files hold these columns only; `mode`, `month` and, for experiments, `experiment` are hive keys and appear as columns in
the catalogue's views. Timestamps are microseconds UTC without zone, money is float64, P&L is without external flows.
"Share class" as a unit means one unit of the currency that the mode reports in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa

from basis_pipeline.domain.errors import StateError
from basis_pipeline.domain.records import CATEGORIES

SCHEMA_VERSION = 1
"""Raised when a column changes its meaning; columns are only added within a version."""

TIMESTAMP = pa.timestamp("us")
TEXT = pa.dictionary(pa.int32(), pa.string())

UTC, USD, USDT, SHARE, FRACTION, COUNT, NONE = "UTC", "USD", "USDT", "share class", "fraction", "count", ""


class ColumnDoc(NamedTuple):
    """One column as a reader of an export needs to know it."""

    table: str
    column: str
    type: str
    unit: str
    nullable: bool
    description: str


def _field(name: str, kind: pa.DataType, unit: str, description: str, *, nullable: bool = False) -> pa.Field:
    return pa.field(name, kind, nullable, {"unit": unit, "description": description})


def _number(name: str, unit: str, description: str, *, nullable: bool = False) -> pa.Field:
    return _field(name, pa.float64(), unit, description, nullable=nullable)


def _text(name: str, description: str) -> pa.Field:
    return _field(name, TEXT, NONE, description)


def _schema(table: str, description: str, *fields: pa.Field) -> pa.Schema:
    return pa.schema(fields, {"table": table, "description": description, "schema_version": str(SCHEMA_VERSION)})


_AT = _field("timestamp", TIMESTAMP, UTC, "engine time of the step")
_SEQUENCE = _field("sequence", pa.int64(), COUNT, "sequence of the commit it belongs to; goes on across months")
_TRIGGER = _text("trigger", "why the chain ran: position_refresh or execution_manager")
_KEY = _text("position_key", "venue:position_type:symbol")

TIMESTEPS = _schema(
    "timesteps",
    "one row per timestep: the record it closed with",
    _AT,
    _text("trigger", "the last trigger that ran in the step"),
    _field("sequence", pa.int64(), COUNT, "sequence of the closing commit; goes on across months"),
    _number("equity_share_class", SHARE, "net asset value: assets - debt + unrealised perp P&L"),
    _number("equity_usd", USD, "the same in USD; sum of positions.value_usd at the timestamp"),
    _number("net_delta_usd", USD, "signed exposure to every asset but the share-class asset"),
    _number("excess_delta_usd", USD, "net delta plus (delta - equity) in the share coin for coin share classes"),
    _number("gross_exposure_usd", USD, "sum over positions of |delta x price|"),
    _number(
        "min_margin_ratio",
        FRACTION,
        "lowest margin balance / notional of any venue as the step closed; null without a perp",
        nullable=True,
    ),
    _number("min_health_factor", FRACTION, "threshold x collateral / debt; null without debt", nullable=True),
    _number("step_pnl", SHARE, "profit since the previous step closed"),
    _number("step_pnl_usd", USD, "profit since the previous step closed"),
    _number("cumulative_pnl", SHARE, "profit since the opening of the record"),
    _number("cumulative_pnl_usd", USD, "profit since the opening of the record"),
    _number("flow", SHARE, "external flows of the step, positive = into the book"),
    _number("flow_usd", USD, "external flows of the step, positive = into the book"),
    _text("risk_level", "info, warning, breach or critical: the worst finding"),
    _number("share_price_usd", USD, "price of one unit of the share class"),
)

POSITIONS = _schema(
    "positions",
    "every declared position at every timestep, as the step closed",
    _AT,
    _KEY,
    _number(
        "quantity", "stored units", "stored quantity: scaled for Aave (debt positive), signed base units for a perp"
    ),
    _number("underlying_quantity", "token units", "quantity x liquidity or borrow index"),
    _number("entry_price", USDT, "average entry of a perp position; null without one", nullable=True),
    _number("value_usd", USD, "signed value: debt negative, a perp its unrealised P&L; sums to equity_usd"),
    _number(
        "stop_loss", USDT, "price that closes a perp position at a loss, fixed at entry; null without", nullable=True
    ),
    _number("take_profit", USDT, "price that closes it at a gain, fixed at entry; null without", nullable=True),
)

EXPOSURES = _schema(
    "exposures",
    "net exposure by asset after every commit of the chain",
    _AT,
    _SEQUENCE,
    _TRIGGER,
    _text("asset", "the asset that prices the positions, e.g. ETH for weETH and an ETH perp"),
    _number("net_delta", "asset units", "spot, staked, lent, owed and perp together; 0 for USDT"),
    _number("price_usd", USD, "reference spot price of the asset"),
    _number("net_delta_usd", USD, "net_delta x price_usd"),
)

RISK = _schema(
    "risk",
    "risk by dimension after every commit of the chain",
    _AT,
    _SEQUENCE,
    _TRIGGER,
    _text(
        "dimension",
        "margin_ratio, health_factor, loan_to_value, borrow_apr, peg_discount, delta_drift, funding_apr, drawdown, "
        "predicted_sd, model_drift, liquidation or rewards",
    ),
    _text("venue", "the venue the value belongs to; empty for the whole book"),
    _number("value", FRACTION, "null where the dimension does not apply at that moment", nullable=True),
    _text("level", "info, warning, breach or critical: the worst finding in this dimension"),
)

PNL_ATTRIBUTION = _schema(
    "pnl_attribution",
    "profit of every timestep by source; the categories of a timestep sum to its step_pnl",
    _AT,
    _text("category", ", ".join(CATEGORIES)),
    _number("pnl", SHARE, "profit since the previous step closed, positive = gain"),
    _number("pnl_usd", USD, "profit since the previous step closed, positive = gain"),
)

ORDERS = _schema(
    "orders",
    "every order and how it ended",
    _SEQUENCE,
    _AT,
    _field("operation_id", pa.int64(), COUNT, "unique and increasing; goes on across months"),
    _text("venue", "who executed it"),
    _text("operation", "spot_trade, perp_trade, transfer, supply, withdraw, wrap or unwrap"),
    _text("action", "the decision it serves: entry_full, entry_partial, exit_partial, exit_full or sell_dust"),
    _text("side", "buy or sell; empty where nothing is traded"),
    _KEY,
    _text("counter_position_key", "the other leg: quote token, margin cash, destination, token received"),
    _number("quantity", "token units", "quantity ordered, positive"),
    _number("filled", "token units", "quantity executed"),
    _number("price", USDT, "average fill price; null where nothing was traded", nullable=True),
    _number("notional", USDT, "traded value at the fill price; null where nothing was traded", nullable=True),
    _number("fee", USDT, "stated fee, positive = paid"),
    _number("slippage", USDT, "cost against the venue's last price, positive = paid"),
    _number("gas", USDT, "gas burnt, positive = paid"),
    _text("status", "state the order ended in: success, failure, system_failure or skipped"),
    _text("trail", "states the order went through, separated by >"),
    _text("tag", "why the order exists inside its plan; empty for the obvious ones"),
    _text("reason", "why the strategy decided on it"),
    _field("reduce_only", pa.bool_(), NONE, "may only shrink a perp position"),
    _number("planned_quantity", "token units", "of the whole trade it is a part of, whose slippage it pays; 0 = alone"),
    _text("error_code", "empty unless it failed"),
    _field("error_message", pa.string(), NONE, "empty unless it failed"),
)

DELTAS = _schema(
    "deltas",
    "every change of a position; folding them from the opening gives `positions`",
    _SEQUENCE,
    _AT,
    _KEY,
    _number("delta_amount", "stored units", "signed change of the stored quantity"),
    _text(
        "source",
        "initial, trade, transfer, fee, gas, funding, reward, deposit, withdrawal, liquidation, stop_loss, "
        "take_profit, adjustment or receipt",
    ),
    _number(
        "price", USDT, "fill price of the leg, liquidation price, or the mark of a funding settlement", nullable=True
    ),
    _number("fee", USDT, "fee stated for this leg; already contained in the amounts"),
    _number("reference_price", USDT, "what the fill is measured against: the venue's last price", nullable=True),
    _number(
        "rate", FRACTION, "funding rate of the settlement, per interval; positive = longs pay shorts", nullable=True
    ),
    _number(
        "reference_quantity", "token units", "quantity a settlement was computed on, before any trade", nullable=True
    ),
    _field("operation_id", pa.int64(), COUNT, "the order it belongs to; 0 for settlements and flows"),
)

EVENTS = _schema(
    "events",
    "the audit trail",
    _field("sequence", pa.int64(), COUNT, "place in the order of events; goes on across months"),
    _AT,
    _text("event_type", "settlement, decision, order, risk, health or slippage_extrapolated"),
    _text("severity", "info, warning, error or critical"),
    _field("message", pa.string(), NONE, "what happened, in words"),
    _field("payload", pa.string(), "JSON", "the other fields of the event"),
)

METRICS = _schema(
    "metrics",
    "headline figures of the month",
    _text("metric", "name of the figure"),
    _number("value", "see unit", "the figure; null where it is not defined", nullable=True),
    _text("unit", "unit of the figure"),
    _field("description", pa.string(), NONE, "how the figure is defined"),
)

WALL_TIME = _field(
    "wall_time",
    TIMESTAMP,
    UTC,
    "of a live record: when it was written down, of an order when its fate was known; null in a backtest",
    nullable=True,
)
AS_OF = _field(
    "as_of",
    TIMESTAMP,
    UTC,
    "of a live record: when prices and rates were told, where nobody said newer ones (R97); null: at the timestamp",
    nullable=True,
)
LIVE_COLUMNS = (AS_OF, WALL_TIME)
"""Last columns of every live table but `metrics`. Files of backtests have neither: their values are of the step."""

SOURCE = "source"
"""Column of the catalogue's views that says what a row is a record of; of `deltas` it is what caused the change."""

SCHEMAS: dict[str, pa.Schema] = {
    "timesteps": TIMESTEPS,
    "positions": POSITIONS,
    "exposures": EXPOSURES,
    "risk": RISK,
    "pnl_attribution": PNL_ATTRIBUTION,
    "orders": ORDERS,
    "deltas": DELTAS,
    "events": EVENTS,
    "metrics": METRICS,
}
"""All result tables by name, in the order a reader wants them."""


def as_declared(content: pa.Table, table: str, partition: str) -> pa.Table:
    """Rows of `table` as `partition` has them, with NULL in the columns that were added since they were written.

    Raises:
        StateError: one of these columns has no NULL; figures made from it would be of some months only.
    """
    schema, present = SCHEMAS[table], set(content.column_names)
    added = [field for field in schema if field.name not in present]
    if required := [field.name for field in added if not field.nullable]:
        raise StateError(
            f"{partition} was published by an older version: its table {table} has no {', '.join(required)}.",
            remedy="run its mode again with --reopen.",
        )
    for field in added:
        content = content.append_column(field, pa.nulls(content.num_rows, field.type))
    return content.select(schema.names) if added else content


def view_docs() -> Iterator[ColumnDoc]:
    """The columns that the catalogue's views have beyond those of every file."""
    for table, schema in SCHEMAS.items():
        for field in LIVE_COLUMNS:
            described = field.metadata[b"description"].decode()
            yield ColumnDoc(table, field.name, str(TIMESTAMP), UTC, nullable=True, description=described)
        if SOURCE not in schema.names:
            said = "backtest or live: what the row is a record of"
            yield ColumnDoc(table, SOURCE, "string", NONE, nullable=False, description=said)


def column_docs() -> Iterator[ColumnDoc]:
    """Every column of every table with its unit and meaning, in table and column order."""
    for table, schema in SCHEMAS.items():
        for field in schema:
            kind = "string" if pa.types.is_dictionary(field.type) else str(field.type)
            unit, description = (field.metadata[key].decode() for key in (b"unit", b"description"))
            yield ColumnDoc(table, field.name, kind, unit, field.nullable, description)
