"""Gates on months of live records: the journal, the venues and the tables tell one story.

They presuppose no grid: ticks come when they come, and a session may have been off. What went wrong with real money is
judged and told, never hidden.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from basis_pipeline.domain.deltas import DeltaSource
from basis_pipeline.domain.orders import OrderState
from basis_pipeline.domain.records import Category
from basis_pipeline.domain.timeline import DAY, SECOND, iso
from basis_pipeline.gates.columns import Floats, equal_to, integers, largest, numbers, present, relative
from basis_pipeline.gates.evidence import RESIDUAL, Ledger, MonthEvidence
from basis_pipeline.gates.findings import Finding, from_problems
from basis_pipeline.gates.live_evidence import LiveEvidence

_NOT_EXPLAINED = frozenset({Category.RESIDUAL, Category.UNEXPLAINED})


def orders_agree(evidence: MonthEvidence) -> Finding:
    """Every settled intent is one order of the table and every executed order is one settled intent."""
    live, orders = _live(evidence), evidence.tables["orders"]
    operations = integers(orders, "operation_id").tolist()
    done = dict(zip(operations, equal_to(orders, "status", OrderState.SUCCESS).tolist(), strict=True))
    filled = dict(zip(operations, numbers(orders, "filled").tolist(), strict=True))
    settled = {order.operation_id: order for order in live.orders}
    problems = [f"operation {number} is in the table {n} times" for number, n in Counter(operations).items() if n > 1]
    problems += [f"operation {number} was settled and is not in the table" for number in sorted(settled.keys() - done)]
    problems += [
        f"operation {number} succeeded in the table and the journal knows no fate of it"
        for number in sorted(number for number in done.keys() - settled.keys() if done[number])
    ]
    problems += [
        f"operation {number} was {'executed' if order.executed else 'refused'} with {order.filled:.10g}, the table "
        f"says {'success' if done[number] else 'no success'} with {filled[number]:.10g}"
        for number, order in settled.items()
        if number in done and (order.executed, order.filled) != (done[number], filled[number])
    ]
    return from_problems(problems, f"{len(settled)} settled intents, each one order of the table")


def no_open_intent(evidence: MonthEvidence) -> Finding:
    """The fate of every order is known."""
    return from_problems(
        [f"the fate of intent {name} is not known" for name in _live(evidence).open_intents], "every fate is known"
    )


def comparisons_agree(evidence: MonthEvidence) -> Finding:
    """No comparison with the venues ended in an adjustment of the book."""
    deltas = evidence.tables["deltas"]
    taken_over = equal_to(deltas, "source", DeltaSource.TRADE) & (integers(deltas, "operation_id") == 0)
    stamps = integers(deltas, "timestamp")[equal_to(deltas, "source", DeltaSource.ADJUSTMENT) | taken_over]
    first = f", the first at {iso(int(stamps[0]))}" if stamps.size else ""
    return Finding(
        violated=bool(stamps.size),
        message=f"{stamps.size} adjustments to what the venues hold{first}",
        value=float(stamps.size),
    )


def unexplained_by_day(evidence: MonthEvidence) -> Finding:
    """What no category explains stays small on every UTC day, as a fraction of the largest equity of the day."""
    ledger = evidence.ledgers[0]
    days, rows = np.unique(evidence.timestamps // DAY * DAY, return_inverse=True)
    amounts, scale = np.zeros(len(days)), np.zeros(len(days))
    columns = [index for index, name in enumerate(evidence.categories) if name in _NOT_EXPLAINED]
    np.add.at(amounts, rows, ledger.attribution[:, columns].sum(axis=1))
    np.maximum.at(scale, rows, np.maximum(ledger.equity, ledger.equity_before))
    worst = largest(relative(amounts, scale), days)
    return Finding(
        violated=worst.value > evidence.profile.thresholds.unexplained_day,
        message=f"largest unexplained share of equity in a day: {worst}",
        value=worst.value,
    )


def attribution_adds_up(evidence: MonthEvidence) -> Finding:
    """Categories sum to the step P&L, that to the change of equity less flows; the residual is what venues round."""
    limits = evidence.profile.thresholds
    problems = []
    for ledger in evidence.ledgers:
        scale = np.maximum(np.abs(ledger.equity), np.abs(ledger.equity_before))
        for name, (error, limit) in _gaps(ledger, limits.closing_tolerance, limits.live_residual).items():
            worst = largest(relative(error, scale), evidence.timestamps)
            if worst.value > limit:
                problems.append(f"{name} in {ledger.currency}: {worst} of equity")
    return from_problems(problems, f"{len(evidence.timestamps)} steps add up")


def _gaps(ledger: Ledger, exact: float, rounded: float) -> Mapping[str, tuple[Floats, float]]:
    profit = ledger.equity - ledger.equity_before - ledger.flow
    return {
        "step residual": (ledger.attribution[:, RESIDUAL], rounded),
        "sum of categories less step P&L": (ledger.attribution.sum(axis=1) - ledger.step, exact),
        "change of equity less flow and step P&L": (profit - ledger.step, exact),
    }


def few_ticks_skipped(evidence: MonthEvidence) -> Finding:
    """A session that skips many ticks does not see what happens to its book."""
    live = _live(evidence)
    share = live.skipped / (live.ticks + live.skipped)
    return Finding(
        violated=share > evidence.profile.thresholds.skipped_ticks,
        message=f"{live.skipped} of {live.ticks + live.skipped} ticks skipped in {live.starts} sessions, "
        f"{live.off / 3.6e9:.1f} h between sessions",
        value=share,
    )


def values_of_their_time(evidence: MonthEvidence) -> Finding:
    """Few closing records are valued at prices and rates that were held, and the last one is not."""
    steps = evidence.tables["timesteps"]
    held = present(steps, "as_of")
    told = integers(steps.filter(pa.array(held)), "as_of")
    oldest = max((evidence.timestamps[held] - told) / SECOND, default=0.0)
    share, ends_held = float(np.mean(held)), bool(held[-1])
    ends = f", the month ends with values of {iso(int(told[-1]))}" if ends_held else ""
    return Finding(
        violated=ends_held or share > evidence.profile.thresholds.skipped_ticks,
        message=f"{held.sum()} of {len(held)} steps valued at held values, up to {oldest:.0f} s old{ends}",
        value=share,
    )


def delays_recorded(evidence: MonthEvidence) -> Finding:
    """Of every order that was executed it is known when it was decided, sent, executed and known."""
    return from_problems(list(_delay_problems(_live(evidence))), "every moment of every order is recorded")


def _delay_problems(live: LiveEvidence) -> Iterator[str]:
    for order in live.orders:
        if not 0 < order.decided <= order.intended <= order.known:
            yield f"operation {order.operation_id} was sent or known before it was decided on"
        if order.executed and not order.executed_at:
            yield f"the venue's time of operation {order.operation_id} is missing"


def _live(evidence: MonthEvidence) -> LiveEvidence:
    if evidence.live is None:
        raise ValueError("gates of live months need the journal's evidence")
    return evidence.live
