"""Why an entry has to wait although the strategy wants it: dear debt, a token off its peg, a model that has drifted,
gas out of proportion.

Only entries wait. Nothing is sold for these reasons: a sale would make a discount a loss, and whether dear debt is
worth repaying is a matter of carry, not of one day. Each function answers with the reason, or with an empty text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import Order
from basis_pipeline.domain.quotes_chain import gas_of
from basis_pipeline.domain.quotes_trading import slipped_notional
from basis_pipeline.domain.records import ChainSnapshot, RiskFinding, RiskLevel
from basis_pipeline.domain.settings import EngineSettings

_SUSPENDING = {
    "peg_discount": "staked tokens sell at a discount of {value:.2%}",
    "borrow_apr": "borrowing costs {value:.2%} a year",
    "model_drift": "the model no longer speaks as in training, stability index {value:.3f}",
}
_RESTORED = {
    "health_factor": "health factor {value:.4f} below {limit:g}",
    "loan_to_value": "loan to value {value:.4f} above {limit:g}",
    "delta_drift": "delta drift {value:.2%} of equity",
}


def mended_by_resizing(finding: RiskFinding) -> str:
    """In words, a breach that is mended by going back to the targets; empty for others."""
    return _RESTORED.get(finding.dimension, "").format(value=finding.value, limit=finding.limit)


def suspension(snapshot: ChainSnapshot) -> str:
    """A breach of risk in which nothing may be entered."""
    if snapshot.risk.level < RiskLevel.BREACH:
        return ""
    for finding in snapshot.risk.findings:
        if finding.level >= RiskLevel.BREACH and finding.dimension in _SUSPENDING:
            return _SUSPENDING[finding.dimension].format(value=abs(finding.value))
    return ""


def dear_gas(orders: Iterable[Order], market: MarketSnapshot, settings: EngineSettings) -> str:
    """Gas of a plan above its share of the largest amount that the plan moves."""
    gas = moved = 0.0
    for order in orders:
        gas += gas_of(order, market, settings)[0]
        moved = max(moved, order.quantity * abs(market.value[order.slot]) / market.index[order.slot])
    limit = settings.steering_limits.max_gas_share
    return (
        f"gas of {gas:.2f} USDT is {gas / moved:.2%} of what is moved, above {limit:.2%}" if gas > limit * moved else ""
    )


def extrapolated(
    orders: Iterable[Order], market: MarketSnapshot, settings: EngineSettings
) -> Iterator[tuple[Order, float, float]]:
    """Parts of trades larger than any size their slippage was stated for, the trade's notional in USD, that size."""
    for order in orders:
        rules = settings.rules_of(order.venue).trades.get(order.slot)
        instrument = settings.universe.instruments[order.slot]
        notional = slipped_notional(order, instrument, market.last[order.slot]) * market.usd
        if rules is not None and rules.slippage.extrapolates(notional):
            yield order, notional, rules.slippage.sizes[-1]
