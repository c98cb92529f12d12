"""The registry of quality gates: every gate declared once, in the order in which they are judged and reported.

A month with a failed gate of severity ERROR is not published; a violated WARN gate is shown beside the month. To add a
gate write one function over MonthEvidence, declare it here, and plant its defect in the gallery of the tests.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from basis_pipeline.domain.evidence import GateResult, GateSeverity, GateStatus
from basis_pipeline.gates import accounting, chain, continuity, data, opening, risk, signals, yields
from basis_pipeline.gates.evidence import GateThresholds, MonthEvidence
from basis_pipeline.gates.findings import Gate, GateDescription

ERROR, WARN = GateSeverity.ERROR, GateSeverity.WARN

GATES: tuple[Gate, ...] = (
    Gate(
        name="initial_capital",
        severity=ERROR,
        title="The book opens with the configured capital, once",
        protects_from="a run without money, or funded twice because its positions were empty",
        computed="sum of deltas of source initial, all at the first step of the opening month, none later",
        threshold="configured capital in an opening month, otherwise 0",
        check=opening.initial_capital,
    ),
    Gate(
        name="first_loop_action",
        severity=ERROR,
        title="The first timestep acts",
        protects_from="a strategy that is configured and does nothing",
        computed="orders that succeeded at the first timestep of the opening month, moving and wrapping funds excepted "
        "unless they are in transit",
        threshold="at least 1",
        check=opening.first_loop_action,
    ),
    Gate(
        name="orders_succeed",
        severity=ERROR,
        experiment_severity=WARN,
        title="Every order is executed",
        protects_from="a plan that cannot be carried out and is given up in silence; in an experiment it is a finding",
        computed="orders of another status than success",
        threshold="0 orders",
        check=opening.orders_succeed,
    ),
    Gate(
        name="chain_integrity",
        severity=ERROR,
        title="No timestep or commit is skipped, repeated or incomplete",
        protects_from="lost timesteps, commits in part, a decision on positions that were not refreshed",
        computed="commits in exposures and risk against timesteps, the time grid and the checkpoints on both sides",
        threshold="0 breaks",
        check=chain.chain_integrity,
    ),
    Gate(
        name="attribution_closes",
        severity=ERROR,
        title="Every cent of profit is explained",
        protects_from="profit or loss from nowhere: a formula, a price or a flow that is wrong",
        computed="step and cumulative residual, categories against step_pnl, step_pnl against the change of equity "
        "less flows; share class and USD",
        threshold="|gap| <= {closing_tolerance:.0e} of equity",
        configured=("closing_tolerance",),
        check=accounting.attribution_closes,
    ),
    Gate(
        name="state_continuity",
        severity=ERROR,
        title="The month goes on where the one before ended",
        protects_from="positions, profit or configuration that change between two months",
        computed="first positions less first deltas against the previous checkpoint, running sums of P&L, last "
        "closing record against the new checkpoint",
        threshold="0 breaks; quantities to {fold_tolerance:.0e} of scale, P&L to {closing_tolerance:.0e} of equity",
        configured=("fold_tolerance", "closing_tolerance"),
        check=continuity.state_continuity,
    ),
    Gate(
        name="positions_fold",
        severity=ERROR,
        title="Positions are the sum of their deltas",
        protects_from="a position that changed without a record of why",
        computed="previous checkpoint plus running sum of deltas against positions, by slot and step",
        threshold="|gap| <= {fold_tolerance:.0e} of the largest quantity of the slot",
        configured=("fold_tolerance",),
        check=accounting.positions_fold,
    ),
    Gate(
        name="no_negative_quantity",
        severity=ERROR,
        title="Nothing owned or owed is negative",
        protects_from="spending what is not there",
        computed="lowest stored quantity of all positions but perps",
        threshold=">= 0",
        check=accounting.no_negative_quantity,
    ),
    Gate(
        name="data_completeness",
        severity=ERROR,
        title="Exactly the data the mode needs, to the end of the month",
        protects_from="a result that rests on missing, cut off or undeclared data",
        computed="series used against series declared by the mode; an open month may end early",
        threshold="0 series missing, undeclared or cut off",
        check=data.data_completeness,
    ),
    Gate(
        name="walk_forward",
        severity=ERROR,
        title="No model has seen what it predicts",
        protects_from="look-ahead through training: a backtest of signals that knew the outcome",
        computed="when the last outcome trained on was known against the first prediction, as published with the "
        "signals",
        threshold="earlier",
        check=signals.walk_forward,
    ),
    Gate(
        name="liquidation",
        severity=ERROR,
        experiment_severity=WARN,
        title="No venue liquidated the book",
        protects_from="a strategy that survives only on paper; in an experiment it is a finding, hence a warning",
        computed="deltas of source liquidation",
        threshold="0 timesteps",
        check=risk.liquidation,
    ),
    Gate(
        name="delta_band",
        severity=ERROR,
        title="A market-neutral book is neutral",
        protects_from="profit that is a bet on the price",
        computed="|net delta| / equity at closing records; excess delta for coin share classes",
        threshold="<= {delta_breach:.1%} of equity",
        configured=("delta_breach",),
        check=risk.delta_band,
    ),
    Gate(
        name="delta_drift",
        severity=WARN,
        title="A market-neutral book stays close to neutral",
        protects_from="a hedge that is kept up too loosely",
        computed="as delta_band",
        threshold="<= {delta_warn:.1%} of equity",
        configured=("delta_warn",),
        check=risk.delta_drift,
    ),
    Gate(
        name="margin_floor",
        severity=ERROR,
        title="Margin stays above the emergency level",
        protects_from="a book one bar away from liquidation",
        computed="lowest margin balance / notional of any venue at closing records",
        threshold=">= {margin_emergency:.3g}",
        configured=("margin_emergency",),
        check=risk.margin_floor,
    ),
    Gate(
        name="margin_derisk",
        severity=WARN,
        title="Margin stays above the derisk level",
        protects_from="derisking that comes late or falls short",
        computed="as margin_floor",
        threshold=">= {margin_derisk:.3g}",
        configured=("margin_derisk",),
        check=risk.margin_derisk,
    ),
    Gate(
        name="health_factor_floor",
        severity=ERROR,
        title="Health factor stays above the emergency level",
        protects_from="collateral one bar away from liquidation",
        computed="lowest threshold x collateral / debt at closing records",
        threshold=">= {health_emergency:.3g}",
        configured=("health_emergency",),
        check=risk.health_factor_floor,
    ),
    Gate(
        name="health_factor_derisk",
        severity=WARN,
        title="Health factor stays above the derisk level",
        protects_from="derisking that comes late or falls short",
        computed="as health_factor_floor",
        threshold=">= {health_derisk:.3g}",
        configured=("health_derisk",),
        check=risk.health_factor_derisk,
    ),
    Gate(
        name="determinism_digest",
        severity=ERROR,
        title="The month can be reproduced",
        protects_from="results that depend on anything but configuration, data and the previous checkpoint",
        computed="configuration digest of the checkpoint against the run's; content digest against that of a second "
        "run",
        threshold="equal digests",
        check=continuity.determinism_digest,
    ),
    Gate(
        name="lending_growth",
        severity=ERROR,
        title="Lending earns what its index pays",
        protects_from="scaled balances minted or valued wrongly, idle capital, yield from nowhere",
        computed="profit before costs against supplied fraction x index growth, between the first and the last 00:00",
        threshold="within {lending_tolerance:.0e} of the largest equity",
        configured=("lending_tolerance",),
        check=yields.lending_growth,
    ),
    Gate(
        name="fills_budget",
        severity=WARN,
        title="Second sources fill little",
        protects_from="a series that is mostly another one",
        computed="filled / used values, the most filled series",
        threshold="<= {fills_budget:.1%} of the values used",
        configured=("fills_budget",),
        check=data.fills_budget,
    ),
    Gate(
        name="proxied_funding",
        severity=WARN,
        title="No rate is an estimate",
        protects_from="earnings that no venue paid",
        computed="values estimated from other venues",
        threshold="0 values",
        check=data.proxied_funding,
    ),
    Gate(
        name="slippage_stated",
        severity=WARN,
        title="Costs are not guessed beyond what was stated",
        protects_from="orders so large that their slippage is an extrapolation",
        computed="events of type slippage_extrapolated",
        threshold="0 orders",
        check=data.slippage_stated,
    ),
    Gate(
        name="carry_bound",
        severity=WARN,
        title="The carry is worth having",
        protects_from="a hedge that pays more funding than its mode allows for",
        computed="funding_pnl of the month / average equity, per year of 365 days; positive = received",
        threshold=">= {carry_bound:.2%} a year",
        configured=("carry_bound",),
        check=yields.carry_bound,
    ),
    Gate(
        name="signal_skill",
        severity=WARN,
        title="Predictions are better than chance",
        protects_from="profit by luck that is taken for a model's merit",
        computed="area under the ROC curve of the month's predictions, none of whose outcomes was trained on, with "
        "the 95% interval of independent outcomes (Hanley-McNeil)",
        threshold="the whole interval above 0.5",
        check=signals.signal_skill,
    ),
    Gate(
        name="no_order_in_month",
        severity=WARN,
        title="A directional book was traded",
        protects_from="a strategy that fell silent without saying so",
        computed="orders that succeeded; lending, staking and hedged books may hold what they have",
        threshold="at least 1 in a directional mode",
        check=opening.no_order_in_month,
    ),
)


class Summary(NamedTuple):
    """How many gates passed, warned and failed."""

    passed: int
    warned: int
    failed: int


GATES_OF_ONE_PASS = tuple(gate for gate in GATES if gate.name != "determinism_digest")
"""What a month can be held to that was simulated once, as the points of a sweep are."""


def evaluate(evidence: MonthEvidence, gates: Iterable[Gate] = GATES) -> tuple[GateResult, ...]:
    """The verdict of every one of `gates` on one month, in the order of the registry."""
    return tuple(gate.evaluate(evidence) for gate in gates)


def first_failure(results: Iterable[GateResult]) -> GateResult | None:
    """The first result that keeps a month from being published."""
    return next((result for result in results if result.status is GateStatus.FAILED), None)


def summary(results: Iterable[GateResult]) -> Summary:
    statuses = [result.status for result in results]
    return Summary(*(statuses.count(status) for status in GateStatus))


def describe(thresholds: GateThresholds | None = None) -> list[GateDescription]:
    """All gates in words, with the numbers of `thresholds` (default: those of GateThresholds) filled in."""
    return [gate.described(thresholds or GateThresholds()) for gate in GATES]
