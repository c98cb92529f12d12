"""The tables of what happened: orders, deltas, events. Orders and events are few and are built row by row."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

import msgspec
import pyarrow as pa

from basis_pipeline.domain.events import AnyEvent, Event, SequencedDelta, SequencedResult
from basis_pipeline.domain.orders import ExecutionHandshake, HandshakeStatus
from basis_pipeline.domain.position_keys import Universe
from basis_pipeline.domain.valuation import order_notional
from basis_pipeline.results import tables
from basis_pipeline.results.columns import codes, floats, integers, stamps, table_of, words

BASE_FIELDS = frozenset(Event.__struct_fields__)
NO_HANDSHAKE = ExecutionHandshake(operation_id=0, status=HandshakeStatus.FAILED)
_OPTIONAL_DELTA_FIELDS = ("price", "reference_price", "rate", "reference_quantity")


def orders_table(results: Sequence[SequencedResult], universe: Universe) -> pa.Table:
    return pa.Table.from_pylist([_order_row(result, universe) for result in results], tables.ORDERS)


def _order_row(entry: SequencedResult, universe: Universe) -> dict[str, object]:
    order, keys = entry.result.order, universe.keys
    handshake = entry.result.handshake or NO_HANDSHAKE
    return {
        "sequence": entry.sequence,
        "timestamp": entry.timestamp,
        "operation_id": order.operation_id,
        "venue": order.venue,
        "operation": order.operation,
        "action": order.action,
        "side": order.side or "",
        "position_key": keys[order.slot],
        "counter_position_key": keys[order.counter_slot],
        "quantity": order.quantity,
        "filled": handshake.filled,
        "price": handshake.price,
        "notional": None
        if handshake.price is None
        else order_notional(universe.instruments[order.slot], handshake.filled, handshake.price),
        "fee": handshake.fee,
        "slippage": handshake.slippage,
        "gas": handshake.gas,
        "status": entry.result.state,
        "trail": ">".join(entry.result.trail),
        "tag": order.tag,
        "reason": entry.reason,
        "reduce_only": order.reduce_only,
        "error_code": handshake.error_code,
        "error_message": handshake.error_message,
    }


def deltas_table(entries: Sequence[SequencedDelta], universe: Universe) -> pa.Table:
    deltas = [entry.delta for entry in entries]
    optional = {name: pa.array(list(map(attrgetter(name), deltas)), pa.float64()) for name in _OPTIONAL_DELTA_FIELDS}
    columns = optional | {
        "sequence": integers(entries, "sequence"),
        "timestamp": stamps(entries),
        "position_key": codes(integers(deltas, "slot"), universe.keys),
        "delta_amount": floats(deltas, "amount"),
        "source": words(map(attrgetter("source"), deltas)),
        "fee": floats(deltas, "fee"),
        "operation_id": integers(deltas, "operation_id"),
    }
    return table_of(tables.DELTAS, columns)


def events_table(events: Sequence[AnyEvent]) -> pa.Table:
    columns = {
        "sequence": integers(events, "sequence"),
        "timestamp": stamps(events),
        "event_type": words(str(event.__struct_config__.tag) for event in events),
        "severity": words(map(attrgetter("severity"), events)),
        "message": [event.message for event in events],
        "payload": [_payload(event) for event in events],
    }
    return table_of(tables.EVENTS, columns)


def _payload(event: AnyEvent) -> str:
    own = {name: getattr(event, name) for name in event.__struct_fields__ if name not in BASE_FIELDS}
    return msgspec.json.encode(own).decode()
