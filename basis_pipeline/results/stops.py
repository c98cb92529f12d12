"""Stop-losses and takes of profit that a venue carried out, from the deltas: no order states what they cost."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from basis_pipeline.domain.deltas import BRACKET_CLOSES
from basis_pipeline.results.tables import USDT


def bracket_closes(deltas: pa.Table) -> pa.Table:
    """`timestamp`, `notional`, `fee` and `slippage` in USDT, positive = paid; one row for each leg of a close.

    The leg of the contract has notional and slippage, amount x (price - reference); that of the cash has the fee. A
    coin-margined contract is worth one USD, taken at par, and its slippage, amount x (1 / reference - 1 / price) coins,
    counts at the reference price.
    """
    closed = deltas.filter(pc.is_in(deltas["source"], pa.array(sorted(BRACKET_CLOSES), pa.string())))
    amount, price, reference = closed["delta_amount"], closed["price"], closed["reference_price"]
    linear = pc.ends_with(pc.cast(closed["position_key"], pa.string()), USDT)
    dollars = pc.if_else(
        linear, pc.multiply(amount, price), pc.if_else(pc.is_valid(price), amount, pa.scalar(None, pa.float64()))
    )
    return pa.table(
        {
            "timestamp": closed["timestamp"],
            "notional": pc.fill_null(pc.abs(dollars), 0.0),
            "fee": closed["fee"],
            "slippage": pc.fill_null(pc.multiply(dollars, pc.subtract(1.0, pc.divide(reference, price))), 0.0),
        }
    )
