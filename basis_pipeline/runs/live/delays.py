"""When each order of a tick was decided, sent, acknowledged, executed, settled and reconciled (R61, R99-R101).

The journal knows when its entries were written: an intent right before its order leaves, the reference right after the
venue's first answer, the facts once the whole story is known. The engine's log has the two ends.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from basis_pipeline.domain.intents import Facts, Intent
from basis_pipeline.domain.orders import OrderState
from basis_pipeline.domain.position_keys import PositionKey, PositionType
from basis_pipeline.domain.run_log import RunLog
from basis_pipeline.domain.timeline import SECOND
from basis_pipeline.domain.timings import CHAIN_BUDGETS, EXCHANGE_BUDGETS, Budgets, Phase, Timing, timing
from basis_pipeline.live_journal.database import Kind
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.live_journal.pulse import OrderDelays
from basis_pipeline.runs.live.parts import LiveClock

_DECIDED, _RECONCILED = 2, 3
"""Places in `Moments.steps` and `Moments.orders`."""

_ON_CHAIN = frozenset({PositionType.A_TOKEN, PositionType.DEBT_TOKEN, PositionType.LST})
_PHASES = {
    "observe": Phase.REFRESH,
    "exposure_monitor": Phase.EXPOSURE,
    "risk_monitor": Phase.RISK,
    "pnl_monitor": Phase.PNL,
    "decide": Phase.STRATEGY,
    "execute": Phase.EXECUTION,
    "persist": Phase.LOGGING,
    "sent to settled": Phase.VENUE,
    "settled to reconciled": Phase.RECONCILE,
    "sent to reconciled": Phase.ORDER,
}
"""The phase whose budget a part of a tick or of an order is held against."""


def order_delays(log: RunLog, journal: LiveJournal, clock: LiveClock, *, after: int) -> list[OrderDelays]:
    """Of every order that was tried in the tick that `log` is of; the journal had `after` entries before it."""
    tried = [result for result in log.orders if result.result.state is not OrderState.SKIPPED]
    if not tried:
        return []
    wall = clock.wall() - round(clock.now() * SECOND)
    decided = wall + round(log.moments.steps[-1][_DECIDED] * SECOND)
    written = _written(journal, after)
    found = []
    for sequenced, moments in zip(tried, log.moments.orders, strict=False):
        order = sequenced.result.order
        stamps = written.get(order.operation_id, {})
        reconciled = wall + round(moments[_RECONCILED] * SECOND) if len(moments) > _RECONCILED else None
        found.append(OrderDelays(order.operation_id, order.venue, decided, reconciled=reconciled, **stamps))
    return found


def live_budgets(positions: Iterable[str]) -> Budgets:
    """What the phases of a session may take whose book has `positions` (keys); nobody hurries a transaction."""
    on_chain = any(PositionKey.parse(key).position_type in _ON_CHAIN for key in positions)
    return CHAIN_BUDGETS if on_chain else EXCHANGE_BUDGETS


def distributions(times: Iterable[Mapping[str, float]], budgets: Budgets) -> dict[str, Timing]:
    """By name of a part of a tick or of an order, over all of `times` in which it occurs."""
    found: dict[str, list[float]] = {}
    for named in times:
        for name, seconds in named.items():
            found.setdefault(name, []).append(seconds)
    return {name: timing(took, _budget(name, budgets)) for name, took in found.items()}


def _budget(name: str, budgets: Budgets) -> float | None:
    phase = _PHASES.get(name)
    return budgets.get(phase) if phase else None


def _written(journal: LiveJournal, after: int) -> dict[int, dict[str, int | None]]:
    """By operation, what the entries since `after` say about when."""
    operations: dict[str, int] = {}
    stamps: dict[int, dict[str, int | None]] = {}
    for entry in journal.entries(Kind.INTENT, Kind.SENT, Kind.FACTS, after=after):
        if entry.kind is Kind.INTENT:
            operations[entry.key] = msgspec.json.decode(entry.payload, type=Intent).order.operation_id
            stamps[operations[entry.key]] = {"sent": entry.written_at}
        elif entry.key not in operations:
            continue
        elif entry.kind is Kind.SENT:
            stamps[operations[entry.key]]["acknowledged"] = entry.written_at
        else:
            executed = msgspec.json.decode(entry.payload, type=Facts).executed_at
            stamps[operations[entry.key]] |= {"executed": executed, "settled": entry.written_at}
    return stamps
