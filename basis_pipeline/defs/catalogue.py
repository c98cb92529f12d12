"""What the asset catalogue says about modes and datasets: descriptions with formulas, units, column schemas."""

from __future__ import annotations

import dagster as dg
import yaml

from basis_pipeline.config.wiring import WiredMode
from basis_pipeline.domain.timeline import HOUR
from basis_pipeline.market_data.dataset_types import PROVENANCE, Column, Dataset
from basis_pipeline.results.tables import SCHEMAS, column_docs

_STACK = """
* plain: LST units `E / R`, `R` = ETH per token at the protocol
* levered at loan to value `l`: collateral `S = E / (1 - l)`, debt `B = l E / (1 - l)`, so that `S - B = E`
* unmanaged growth: `(r s - l b) / (1 - l)` with the growth of ratio, collateral index and borrow index
"""
_FORMULAS = {
    "staking": f"""
Equity in ETH grows with the protocol ratio; leverage earns the difference to the borrow rate.
{_STACK}""",
    "hedged_staking": f"""
A stack worth `a × E` whose net ETH delta is sold short; `(1 - a) × E` is margin on the shorts' venues.
{_STACK}""",
    "basis": """
The price cancels between the legs, the funding stays.

* funding of a settlement, per venue: `-q × mark × rate` (short: q < 0; positive rate = received)
* size: spot notional `s × E`, `s` = spot fraction; the rest is margin
* margin ratio of a venue: `(cash + unrealised) / notional`; steered inside its band
""",
    "directional": """
Follows a model: long, short or flat with one perp.

* size: `max_position_size × E / P`; an inverse contract counts USD and earns `C × (1/entry - 1/mark)` coins
* stop-loss and take-profit: `entry × (1 ∓ k × sd)`, sd of the predicted return, fixed at entry, hit inside the bar
* a signal acts at the open of the bar it is stamped with; its model was trained on earlier months only
""",
    "lending": """
The balance grows with the liquidity index of the reserve.

* value at t: `scaled balance × LI(t)`
* between snapshots: `LI(t) = LI(k) × (1 + r_k × dt)`, dt in years of 365 days
""",
}
_MONTHS = """
Every month starts from the checkpoint of the month before; the record opens in the mode's opening month. A range of
months is one run, in order. Gates are the checks of this asset: a month that fails one is not published.
"""
_KNOWN = {
    "stamp": "at the timestamp",
    "bar_close": "when the bar closes",
    "midnight": "00:00 values only",
    "day_end": "at the end of the day",
    "day_after_payout": "00:00 after the payout date",
    "block_timestamp": "at block_timestamp",
}


def mode_description(wired: WiredMode) -> str:
    file = wired.file
    return f"{file.description}\n{_FORMULAS[file.strategy.shape]}\n{_MONTHS}"


def mode_metadata(wired: WiredMode) -> dict[str, dg.MetadataValue]:
    """The configuration, and the columns of every result table."""
    content = wired.file.model_dump(mode="json", exclude_defaults=True)
    return {
        "initial capital": dg.MetadataValue.text(f"{wired.file.initial_capital:,.10g} {wired.file.share_class}"),
        "step": dg.MetadataValue.text(wired.file.step),
        "configuration": dg.MetadataValue.md(f"```yaml\n{yaml.safe_dump(content, sort_keys=False)}```"),
        "needs": dg.MetadataValue.md("\n".join(f"* `{series}`" for series in wired.profile.required_series)),
        "uses if present": dg.MetadataValue.md("\n".join(f"* `{series}`" for series in wired.profile.optional_series)),
        "tables": dg.MetadataValue.md(
            "\n".join(f"* `{name}`: {schema.metadata[b'description'].decode()}" for name, schema in SCHEMAS.items())
        ),
        "dagster/column_schema": dg.MetadataValue.table_schema(
            dg.TableSchema(
                [
                    dg.TableColumn(
                        f"{doc.table}.{doc.column}",
                        doc.type,
                        f"{doc.description} [{doc.unit}]" if doc.unit else doc.description,
                        dg.TableColumnConstraints(nullable=doc.nullable),
                    )
                    for doc in column_docs()
                ]
            )
        ),
    }


def dataset_metadata(dataset: Dataset) -> dict[str, dg.MetadataValue]:
    columns = [_column(column) for column in (*dataset.columns, *PROVENANCE)]
    stamp = dg.TableColumn("timestamp", "timestamp[us]", "UTC", dg.TableColumnConstraints(nullable=False))
    return {
        "key": dg.MetadataValue.text(", ".join(dataset.key)),
        "step": dg.MetadataValue.text(_hours(dataset.step, "irregular")),
        "maximum age at use": dg.MetadataValue.text(_hours(dataset.max_age, "not used as of a time")),
        "dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema([stamp, *columns])),
    }


def _hours(micros: int | None, otherwise: str) -> str:
    return otherwise if micros is None else f"{micros / HOUR:g} h"


def _column(column: Column) -> dg.TableColumn:
    bounds = [
        f"{sign} {bound:g}"
        for sign, bound in ((">", column.above), (">=", column.low), ("<=", column.high))
        if bound is not None
    ]
    known = "" if column.known == "stamp" else f" Known {_KNOWN[column.known]}."
    return dg.TableColumn(
        column.name,
        column.kind,
        f"{column.description} [{column.unit}]{known}",
        dg.TableColumnConstraints(nullable=column.nullable, other=bounds),
    )
