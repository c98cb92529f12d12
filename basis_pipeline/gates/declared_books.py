"""Gates on what the engine wrote: capital, orders, commits, profit, positions, the joints between months."""

from __future__ import annotations

from basis_pipeline.domain.evidence import GateSeverity
from basis_pipeline.gates import accounting, chain, continuity, opening
from basis_pipeline.gates.findings import Gate

ERROR, WARN = GateSeverity.ERROR, GateSeverity.WARN

BOOK_GATES: tuple[Gate, ...] = (
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
        name="orders_reconciled",
        severity=ERROR,
        title="Every order is followed by the chain",
        protects_from="an order whose effect on exposure, risk and P&L was never looked at; a commit without a cause",
        computed="successful orders against commits of trigger execution_manager, by sequence",
        threshold="0 orders without a commit of their own, 0 commits without an order",
        check=chain.orders_reconciled,
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
        name="no_order_in_month",
        severity=WARN,
        title="A directional book was traded",
        protects_from="a strategy that fell silent without saying so",
        computed="orders that succeeded; lending, staking and hedged books may hold what they have",
        threshold="at least 1 in a directional mode",
        check=opening.no_order_in_month,
    ),
)
