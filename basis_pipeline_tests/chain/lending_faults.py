"""What can go wrong around a book that is lent: where other modes skip a tick, it is reported at the last values."""

from __future__ import annotations

from dataclasses import replace

from basis_pipeline_tests.chain.faults import (
    DOWN,
    FOREVER,
    READ,
    REFUSED,
    Case,
    lasting,
    oracle_stops,
    stale,
)
from basis_pipeline_tests.chain.proxy import RpcFault
from basis_pipeline_tests.chain.stage import Stage
from basis_pipeline_tests.live.faults import dying


def _down(_there: Stage) -> RpcFault:
    return RpcFault("", "before", DOWN, FOREVER)


def _no_index(there: Stage) -> RpcFault:
    return RpcFault(READ, reply=REFUSED, times=FOREVER, to=there.market.pool)


def _holding(minutes: int, fault: Case) -> Case:
    return replace(fault, when="holding", lends=True, minutes=minutes)


LENDING_CASES: dict[str, Case] = {
    "lending: node down for ten minutes": _holding(14, lasting(_down, 600.0)),
    "lending: node answers stale blocks for ten minutes": _holding(14, lasting(stale, 600.0)),
    "lending: the pool gives no index for five minutes": _holding(8, lasting(_no_index, 300.0)),
    "lending: oracle not updated for longer than its heartbeat": _holding(4, Case(oracle_stops)),
    "lending: node down for longer than values are held": _holding(90, lasting(_down, 4_000.0)),
    "lending: killed while values are held": _holding(8, lasting(_down, 300.0, database=dying(25, after=True))),
}
