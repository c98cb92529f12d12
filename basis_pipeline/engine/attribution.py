"""Where a change of equity came from, exactly (domain F).

A position worth q x I x R x p changes by the telescoping sum

    q (I1 - I0) R1 p1   supply yield or borrow cost
    q I0 (R1 - R0) p1   staking yield
    q I0 R0 (p1 - p0)   price: delta, dust, or fx for the quote currency itself

and a perp worth q (F - e) n by q (S1 - S0) n1 (delta), q [(F1 - F0) - (S1 - S0)] n1 (basis), q (F0 - e) (n1 - n0)
(fx), where p = P x n and n converts USDT into the numeraire (share class or USD). END prices for index and ratio
terms, START indices for the price term: no cross terms remain, so the residual is float noise.
"""

from __future__ import annotations

from collections.abc import Iterable

from basis_pipeline.domain.deltas import EXTERNAL_FLOWS, DeltaSource, PositionDelta
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.position_keys import PositionType
from basis_pipeline.domain.records import CATEGORIES, Positions
from basis_pipeline.domain.settings import EngineSettings

WIDTH = len(CATEGORIES)
SUPPLY, BORROW, STAKING, REWARDS, FUNDING, DELTA, BASIS, DUST, COSTS, FX, LIQUIDATION, RESIDUAL = range(WIDTH)

_BY_SOURCE = {
    DeltaSource.FUNDING: FUNDING,
    DeltaSource.REWARD: REWARDS,
    DeltaSource.FEE: COSTS,
    DeltaSource.GAS: COSTS,
    DeltaSource.ADJUSTMENT: RESIDUAL,
}


class Attribution:
    """Wired once per engine: which slots have an index, a ratio, a price, a perp."""

    def __init__(self, settings: EngineSettings) -> None:
        universe = settings.universe
        self._perps = universe.slots_of(PositionType.PERP)
        self._perp_set = frozenset(self._perps)
        self._supplied = universe.slots_of(PositionType.A_TOKEN)
        self._borrowed = universe.slots_of(PositionType.DEBT_TOKEN)
        self._staked = tuple((slot, i.sign) for slot, i in enumerate(universe) if i.ratio)
        core = {i.asset for i in universe if i.position_type is not PositionType.BASE_TOKEN} | {settings.share_asset}
        self._priced = tuple(
            (slot, FX if i.asset == "USDT" else DELTA if i.asset in core else DUST)
            for slot, i in enumerate(universe)
            if slot not in self._perp_set
        )

    def revalue(
        self, positions: Positions, before: MarketSnapshot, after: MarketSnapshot, start: float, end: float
    ) -> list[float]:
        """Attribution of holding `positions` from `before` to `after`; `start`, `end`: numeraire per USDT."""
        out = [0.0] * WIDTH
        quantities = positions.quantities
        price0, price1 = before.price, after.price
        for slot, category in self._priced:
            if quantity := quantities[slot]:
                change = price1[slot] * end - price0[slot] * start
                out[category] += quantity * before.underlying[slot] * change
        for slots, category in ((self._supplied, SUPPLY), (self._borrowed, BORROW)):
            for slot in slots:
                if quantity := quantities[slot]:
                    growth = after.index[slot] - before.index[slot]
                    sign = -1.0 if category == BORROW else 1.0
                    out[category] += sign * quantity * growth * after.ratio[slot] * price1[slot] * end
        for slot, sign in self._staked:
            if quantity := quantities[slot]:
                growth = after.ratio[slot] - before.ratio[slot]
                out[STAKING] += sign * quantity * before.index[slot] * growth * price1[slot] * end
        for slot in self._perps:
            if quantity := quantities[slot]:
                spot_move = price1[slot] - price0[slot]
                out[DELTA] += quantity * spot_move * end
                out[BASIS] += quantity * (after.mark[slot] - before.mark[slot] - spot_move) * end
                out[FX] += quantity * (before.mark[slot] - positions.entry_prices[slot]) * (end - start)
        return out

    def explain(
        self, deltas: Iterable[PositionDelta], market: MarketSnapshot, numeraire: float, out: list[float]
    ) -> float:
        """Add the effect of `deltas` to `out` by category and return the external flow among them."""
        flow = 0.0
        for delta in deltas:
            source = delta.source
            if source is DeltaSource.TRADE:
                self._explain_trade(delta, market, numeraire, out)
            elif source in EXTERNAL_FLOWS:
                flow += delta.amount * market.value[delta.slot] * numeraire
            elif source is DeltaSource.LIQUIDATION:
                if delta.slot in self._perp_set and delta.price is not None:
                    out[LIQUIDATION] += delta.amount * (market.mark[delta.slot] - delta.price) * numeraire
                out[LIQUIDATION] -= delta.fee * numeraire
            elif source is not DeltaSource.TRANSFER:
                out[_BY_SOURCE[source]] += delta.amount * market.value[delta.slot] * numeraire
        return flow

    def _explain_trade(self, delta: PositionDelta, market: MarketSnapshot, numeraire: float, out: list[float]) -> None:
        """Fee and slippage are costs; valuing at another price than the venue's reference is basis (decisions)."""
        out[COSTS] -= delta.fee * numeraire
        if delta.price is None or delta.reference_price is None:
            return
        valuation = market.mark[delta.slot] if delta.slot in self._perp_set else market.value[delta.slot]
        out[COSTS] -= delta.amount * (delta.price - delta.reference_price) * numeraire
        out[BASIS] += delta.amount * (valuation - delta.reference_price) * numeraire
