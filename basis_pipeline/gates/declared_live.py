"""Gates on months of live records. Those that backtests have too are taken from there where they need no grid."""

from __future__ import annotations

from basis_pipeline.domain.evidence import GateSeverity
from basis_pipeline.gates import live
from basis_pipeline.gates.declared_books import BOOK_GATES
from basis_pipeline.gates.declared_markets import MARKET_GATES
from basis_pipeline.gates.findings import Gate

ERROR, WARN = GateSeverity.ERROR, GateSeverity.WARN

_SHARED = (
    "orders_reconciled",
    "positions_fold",
    "no_negative_quantity",
    "liquidation",
    "delta_band",
    "delta_drift",
    "margin_floor",
    "margin_derisk",
    "health_factor_floor",
    "health_factor_derisk",
)

LIVE_GATES: tuple[Gate, ...] = (
    Gate(
        name="live_orders",
        severity=ERROR,
        title="Journal and tables tell of the same orders",
        protects_from="an order that was executed and is in no table, or in it twice",
        computed="settled intents of the journal against orders, by operation: there once, same outcome, same quantity",
        threshold="0 differences",
        check=live.orders_agree,
    ),
    Gate(
        name="live_open_intents",
        severity=ERROR,
        title="The fate of every order is known",
        protects_from="a position that nobody has counted",
        computed="intents before the last tick, or older than ten minutes, without the venue's facts",
        threshold="0 intents",
        check=live.no_open_intent,
    ),
    Gate(
        name="live_comparisons",
        severity=WARN,
        title="The venues hold what the book says",
        protects_from="a book that drifts from the accounts it is about",
        computed="adjustments of the book to what venues hold; differences within the tolerance are none",
        threshold="0 adjustments",
        check=live.comparisons_agree,
    ),
    Gate(
        name="live_unexplained",
        severity=ERROR,
        title="What nobody can explain is small",
        protects_from="losses that hide behind differences",
        computed="unexplained profit and residual by UTC day, against the largest equity of the day",
        threshold="|sum| <= {unexplained_day:.0e} of equity a day",
        configured=("unexplained_day",),
        check=live.unexplained_by_day,
    ),
    Gate(
        name="live_attribution",
        severity=ERROR,
        title="Every cent of profit is explained, up to what venues round",
        protects_from="profit or loss from nowhere: a fee, a price or a payment that is wrong",
        computed="step residual; categories against step_pnl, step_pnl against the change of equity less flows",
        threshold="residual <= {live_residual:.0e} of equity a step, sums to {closing_tolerance:.0e}",
        configured=("live_residual", "closing_tolerance"),
        check=live.attribution_adds_up,
    ),
    Gate(
        name="live_ticks",
        severity=WARN,
        title="Few ticks are skipped",
        protects_from="a session that does not see what happens to its book",
        computed="ticks without prices or overrun, of all that were due while a session ran",
        threshold="<= {skipped_ticks:.0%}",
        configured=("skipped_ticks",),
        check=live.few_ticks_skipped,
    ),
    Gate(
        name="live_values",
        severity=WARN,
        title="The book is valued at its own time",
        protects_from="equity that looks like today's and is made of the rates of an hour ago",
        computed="closing records at values that were held (`as_of`), and whether the month ends with one",
        threshold="<= {skipped_ticks:.0%}, never the last",
        configured=("skipped_ticks",),
        check=live.values_of_their_time,
    ),
    Gate(
        name="live_delays",
        severity=WARN,
        title="The delay of every order is known",
        protects_from="delays that nobody can compare with what a backtest assumes",
        computed="moments of decision, sending, execution and knowledge of every settled intent",
        threshold="0 missing or out of order",
        check=live.delays_recorded,
    ),
    *(gate for gate in (*BOOK_GATES, *MARKET_GATES) if gate.name in _SHARED),
)
