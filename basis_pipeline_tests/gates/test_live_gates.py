"""Every gate of live months passes a clean month of a real journal and finds each defect that is planted in it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from msgspec import structs

from basis_pipeline.domain.evidence import DataUsage, GateSeverity, GateStatus
from basis_pipeline.gates.declared_live import LIVE_GATES
from basis_pipeline.gates.evidence import MonthEvidence
from basis_pipeline.gates.market import MonthMarket
from basis_pipeline.gates.registry import GATES, evaluate
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.runs.live.record import session_abouts
from basis_pipeline.runs.live.tables import live_evidence, live_tables, settled_orders
from basis_pipeline_tests.builders import START
from basis_pipeline_tests.live.stage import MINUTE, stage

OWN = [gate for gate in LIVE_GATES if gate not in GATES]
Defect = Callable[[MonthEvidence], MonthEvidence]


@pytest.fixture(scope="module")
def month() -> Iterator[MonthEvidence]:
    """Half an hour with an entry and a funding payment."""
    with tempfile.TemporaryDirectory() as folder, stage(Path(folder)) as there:
        there.session().run(until=START + 10 * MINUTE)
        there.books.pay_funding("BTCUSDT", 0.0001)
        there.session().run(until=START + 30 * MINUTE)
        journal = LiveJournal.read(there.path, there.clock.wall)
        about, ticks, orders = session_abouts(journal)[-1], journal.ticks(), settled_orders(journal)
        made, state = live_tables(journal, about, ticks, None, orders), journal.state_of(ticks[-1])
        assert state.market is not None
        yield MonthEvidence(
            month="2024-01",
            opening=True,
            profile=about.profile,
            universe=about.universe,
            tables=made.tables,
            market=MonthMarket.of([state.market], None),
            usage=DataUsage(),
            state=state,
            previous=None,
            live=live_evidence(made, orders, (0, state.operation_id), ()),
        )


def table(name: str, change: Callable[[pa.Table], pa.Table], month: MonthEvidence) -> MonthEvidence:
    return replace(month, tables={**month.tables, name: change(month.tables[name])})


def orders(change: Callable[[pa.Table], pa.Table]) -> Defect:
    return partial(table, "orders", change)


def first_order(month: MonthEvidence, **changes: object) -> MonthEvidence:
    assert month.live is not None
    first, *rest = month.live.orders
    return replace(month, live=structs.replace(month.live, orders=(structs.replace(first, **changes), *rest)))


def journal(month: MonthEvidence, **changes: object) -> MonthEvidence:
    assert month.live is not None
    return replace(month, live=structs.replace(month.live, **changes))


def with_column(found: pa.Table, name: str, values: pa.Array) -> pa.Table:
    return found.set_column(found.column_names.index(name), found.schema.field(name), values)


def source(name: str, found: pa.Table) -> pa.Table:
    """The funding payment as something else."""
    sources = [name if one == "funding" else one for one in found["source"].to_pylist()]
    return with_column(found, "source", pa.array(sources, pa.string()).dictionary_encode())


def shifted(category: str, amount: float, found: pa.Table) -> pa.Table:
    """`amount` more in a category at the last timestep, and as much less in transaction costs."""
    last = pc.equal(found["timestamp"], pc.max(found["timestamp"]))
    moved = np.zeros(found.num_rows)
    for name, sign in ((category, 1.0), ("transaction_costs", -1.0)):
        moved += sign * amount * pc.and_(last, pc.equal(found["category"].cast(pa.string()), name)).to_numpy()
    return with_column(found, "pnl", pa.array(found["pnl"].to_numpy() + moved))


def held(found: pa.Table, *, first: int, last: int | None) -> pa.Table:
    """The values of some timesteps are of the beginning of the month."""
    told = [None] * found.num_rows
    told[first:last] = [START] * len(told[first:last])
    return with_column(found, "as_of", pa.array(told, pa.timestamp("us")))


def more(name: str, by: float, found: pa.Table) -> pa.Table:
    return with_column(found, name, pa.array(found[name].to_numpy() + by))


DEFECTS: dict[str, tuple[str, Defect]] = {
    "an order is in the table twice": ("live_orders", orders(lambda found: pa.concat_tables([found, found[:1]]))),
    "an order is missing": ("live_orders", orders(lambda found: found[1:])),
    "an order filled something else": ("live_orders", orders(partial(more, "filled", 0.001))),
    "the journal refused it": ("live_orders", partial(first_order, executed=False)),
    "an order that was never sent": ("live_orders", partial(journal, orders=())),
    "an intent is open": ("live_open_intents", partial(journal, open_intents=("bp1",))),
    "the book was adjusted": ("live_comparisons", partial(table, "deltas", partial(source, "adjustment"))),
    "a perp was taken over": ("live_comparisons", partial(table, "deltas", partial(source, "trade"))),
    "15 USDT of 100,000 cannot be explained": (
        "live_unexplained", partial(table, "pnl_attribution", partial(shifted, "residual", 15.0))),
    "2 USDT vanish in a step": (
        "live_attribution", partial(table, "pnl_attribution", partial(shifted, "residual", -2.0))),
    "profit that no category has": ("live_attribution", partial(table, "timesteps", partial(more, "step_pnl", 0.01))),
    "every tenth tick is skipped": ("live_ticks", partial(journal, ticks=90, skipped=10)),
    "the month ends at values that are held": (
        "live_values", partial(table, "timesteps", partial(held, first=-1, last=None))),
    "two of 31 steps are at values that are held": (
        "live_values", partial(table, "timesteps", partial(held, first=5, last=7))),
    "known before it was sent": ("live_delays", partial(first_order, known=1)),
    "nobody knows when it was executed": ("live_delays", partial(first_order, executed_at=None)),
}  # fmt: skip


def test_a_clean_month_passes_every_gate(month: MonthEvidence) -> None:
    assert [found for found in evaluate(month, LIVE_GATES) if found.status is not GateStatus.PASSED] == []


@pytest.mark.parametrize("name", DEFECTS)
def test_a_planted_defect_is_found(month: MonthEvidence, name: str) -> None:
    gate, defect = DEFECTS[name]
    verdicts = {found.gate: found for found in evaluate(defect(month), LIVE_GATES)}
    error = next(one for one in LIVE_GATES if one.name == gate).severity is GateSeverity.ERROR
    assert verdicts[gate].status is (GateStatus.FAILED if error else GateStatus.WARNED), verdicts[gate]


@pytest.mark.parametrize(
    ("row", "cut", "status"),
    [
        ("start", None, GateStatus.PASSED),  # bought, killed, booked at the start, hedged in the tick after it
        ("start", "after", GateStatus.FAILED),  # and nothing came after the start
        ("tick", None, GateStatus.FAILED),
    ],
)
def test_a_book_that_died_half_bought_is_judged_by_the_tick_after_its_start(
    month: MonthEvidence, row: str, cut: str | None, status: GateStatus
) -> None:
    assert month.live is not None
    start = month.live.started[1]
    at = int(np.flatnonzero(month.timestamps == start)[0])
    delta = np.zeros(len(month.timestamps))
    delta[at if row == "start" else at + 1] = 30_000.0
    steps = with_column(month.tables["timesteps"], "net_delta_usd", pa.array(delta))
    steps = steps[: at + 1] if cut else steps
    verdicts = {
        found.gate: found for found in evaluate(replace(month, tables={**month.tables, "timesteps": steps}), TWO)
    }
    assert verdicts["delta_band"].status is status
    assert verdicts["delta_drift"].status is GateStatus.WARNED, "what was open between two lives is told"


TWO = [gate for gate in LIVE_GATES if gate.name in {"delta_band", "delta_drift"}]


def test_every_gate_of_its_own_has_a_defect_and_the_others_have_theirs_with_the_backtests() -> None:
    assert {gate for gate, _ in DEFECTS.values()} == {gate.name for gate in OWN}
    assert len(LIVE_GATES) == len({gate.name for gate in LIVE_GATES}) == len(OWN) + 10
