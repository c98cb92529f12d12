"""Modelled execution costs: `execution_costs_lookup.json` {pair: {size: {date: bp}}}, and its summary."""

from __future__ import annotations

from datetime import date

from basis_pipeline.market_data.corrections import Corrections, start_of
from basis_pipeline.market_data.findings import reject
from basis_pipeline.market_data.sources.json_files import decode, item_frame
from basis_pipeline.market_data.sources.layout import Layout, Reading, Recognition, fixed

_SUFFIXES = {"k": 1e3, "m": 1e6}
_KEY = fixed("execution_costs", "modelled", "ALL")


def read(found: Recognition, _corrections: Corrections) -> Reading:
    lookup = decode(found, dict[str, dict[str, dict[date, float]]])
    rows = [
        (start_of(day), pair, _size(found, size), cost)
        for pair, sizes in lookup.items()
        for size, days in sizes.items()
        for day, cost in days.items()
    ]
    when, pairs, sizes_usd, costs = zip(*rows, strict=True) if rows else ((), (), (), ())
    return Reading(item_frame(when, {"pair": pairs, "size_usd": sizes_usd, "cost_bps": costs}))


def _size(found: Recognition, text: str) -> float:
    scale = _SUFFIXES.get(text[-1:].lower())
    if scale is None or not text[:-1].isdigit():
        raise reject(
            "wrong_content", f"size {text!r} is not like 10k or 1m.", remedy="correct it.", file=found.file.name
        )
    return float(text[:-1]) * scale


LOOKUP = Layout("execution costs", "execution_costs_lookup", (".json",), (), identify=_KEY, read=read)
SUMMARY = Layout(
    "execution cost summary",
    "execution_cost_summary",
    (".json",),
    ("cost_ranges",),
    identify=_KEY,
    unused="it sums up execution_costs_lookup.json, which is read instead",
)
