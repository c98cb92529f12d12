"""Where a change of equity came from, exactly.

A position worth q x I x R x p changes by the telescoping sum

    q (I1 - I0) R1 p1   supply yield or borrow cost
    q I0 (R1 - R0) p1   staking yield
    q I0 R0 (p1 - p0)   price: delta, dust, or fx for the quote currency itself

and a perp worth q (F - e) n by q (S1 - S0) n1 (delta), q [(F1 - F0) - (S1 - S0)] n1 (basis), q (F0 - e) (n1 - n0)
(fx), where p = P x n and n converts USDT into the numeraire (share class or USD). END prices for index and ratio
terms, START indices for the price term: no cross terms remain, so the residual is float noise.

An inverse perp of c contracts is worth c (1/e - 1/F) coins of price p: c (1/S0 - 1/S1) p1 is delta, what the mark did
beyond that basis, and the coins it had earned before, c (1/e - 1/F0), take part in the price move p1 - p0 (delta).
"""

from __future__ import annotations

from collections.abc import Iterable

from basis_pipeline.domain.accounting import INVERSE, LINEAR, inverse_pnl
from basis_pipeline.domain.deltas import BRACKET_CLOSES, EXTERNAL_FLOWS, DeltaSource, PositionDelta
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.position_keys import PositionType
from basis_pipeline.domain.records import CATEGORIES, LIVE_CATEGORIES, Positions
from basis_pipeline.domain.settings import EngineSettings, ExecutionMode

_INDICES = range(len(LIVE_CATEGORIES))
SUPPLY, BORROW, STAKING, REWARDS, FUNDING, DELTA, BASIS, DUST, COSTS, FX, LIQUIDATION, RESIDUAL, UNEXPLAINED = _INDICES

_BY_SOURCE = {
    DeltaSource.FUNDING: FUNDING,
    DeltaSource.REWARD: REWARDS,
    DeltaSource.FEE: COSTS,
    DeltaSource.GAS: COSTS,
    DeltaSource.ADJUSTMENT: UNEXPLAINED,
}


class Attribution:
    """Wired once per engine: which slots have an index, a ratio, a price, a perp.

    Attributes:
        width: number of categories: nothing is adjusted in a backtest.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self.width = len(LIVE_CATEGORIES if settings.execution_mode is ExecutionMode.LIVE else CATEGORIES)
        universe = settings.universe
        perps = universe.slots_of(PositionType.PERP)
        self._contracts = {slot: INVERSE if universe.instruments[slot].inverse else LINEAR for slot in perps}
        self._linear = tuple(slot for slot, contract in self._contracts.items() if contract is LINEAR)
        self._inverse = tuple(slot for slot, contract in self._contracts.items() if contract is INVERSE)
        self._supplied = universe.slots_of(PositionType.A_TOKEN)
        self._borrowed = universe.slots_of(PositionType.DEBT_TOKEN)
        self._staked = tuple((slot, i.sign) for slot, i in enumerate(universe) if i.ratio)
        core = {i.asset for i in universe if i.position_type is not PositionType.BASE_TOKEN} | {settings.share_asset}
        self._priced = tuple(
            (slot, FX if i.asset == "USDT" else DELTA if i.asset in core else DUST)
            for slot, i in enumerate(universe)
            if slot not in self._contracts
        )

    def revalue(
        self, positions: Positions, before: MarketSnapshot, after: MarketSnapshot, start: float, end: float
    ) -> list[float]:
        """Attribution of holding `positions` from `before` to `after`; `start`, `end`: numeraire per USDT."""
        out = [0.0] * self.width
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
        for slot in self._linear:
            if quantity := quantities[slot]:
                spot_move = price1[slot] - price0[slot]
                out[DELTA] += quantity * spot_move * end
                out[BASIS] += quantity * (after.mark[slot] - before.mark[slot] - spot_move) * end
                out[FX] += quantity * (before.mark[slot] - positions.entry_prices[slot]) * (end - start)
        for slot in self._inverse:
            if quantity := quantities[slot]:
                self._revalue_inverse(slot, positions, before, after, (start, end), out)
        return out

    @staticmethod
    def _revalue_inverse(  # noqa: PLR0917 - one interval of one position
        slot: int,
        positions: Positions,
        before: MarketSnapshot,
        after: MarketSnapshot,
        numeraires: tuple[float, float],
        out: list[float],
    ) -> None:
        contracts, coin = positions.quantities[slot], after.price[slot] * numeraires[1]
        by_spot = inverse_pnl(contracts, before.price[slot], after.price[slot])
        by_mark = inverse_pnl(contracts, before.mark[slot], after.mark[slot])
        earned = inverse_pnl(contracts, positions.entry_prices[slot], before.mark[slot])
        out[DELTA] += by_spot * coin + earned * (coin - before.price[slot] * numeraires[0])
        out[BASIS] += (by_mark - by_spot) * coin

    def explain(
        self, deltas: Iterable[PositionDelta], market: MarketSnapshot, numeraire: float, out: list[float]
    ) -> float:
        """Add the effect of `deltas` to `out` by category and return the external flow among them."""
        flow = 0.0
        for delta in deltas:
            source = delta.source
            if source is DeltaSource.TRADE:
                self._explain_trade(delta, market, numeraire, out, BASIS)
            elif source in BRACKET_CLOSES:
                self._explain_trade(delta, market, numeraire, out, DELTA)
            elif source in EXTERNAL_FLOWS:
                flow += delta.amount * market.value[delta.slot] * numeraire
            elif source is DeltaSource.LIQUIDATION:
                if delta.slot in self._contracts and delta.price is not None:
                    out[LIQUIDATION] += self._gain(delta, delta.price, market.mark[delta.slot], market) * numeraire
                out[LIQUIDATION] -= delta.fee * numeraire
            elif source is not DeltaSource.TRANSFER:
                out[_BY_SOURCE[source]] += self._worth(delta, market) * numeraire
        return flow

    def _worth(self, delta: PositionDelta, market: MarketSnapshot) -> float:
        """USDT that a delta brings by itself; a contract brings what its mark is away from its entry."""
        if delta.slot in self._contracts and delta.price is not None:
            return self._gain(delta, delta.price, market.mark[delta.slot], market)
        return delta.amount * market.value[delta.slot]

    def _explain_trade(
        self, delta: PositionDelta, market: MarketSnapshot, numeraire: float, out: list[float], rest: int
    ) -> None:
        """Fee and slippage are costs; valuing at another price than the reference is basis.

        Of a stop it is delta: `revalue` has moved the position to the mark, but it was closed inside the bar.
        """
        out[COSTS] -= delta.fee * numeraire
        if delta.price is None or delta.reference_price is None:
            return
        valuation = market.mark[delta.slot] if delta.slot in self._contracts else market.value[delta.slot]
        out[COSTS] += self._gain(delta, delta.price, delta.reference_price, market) * numeraire
        out[rest] += self._gain(delta, delta.reference_price, valuation, market) * numeraire

    def _gain(self, delta: PositionDelta, start: float, end: float, market: MarketSnapshot) -> float:
        """USDT that the amount of a delta gains between two prices."""
        if self._contracts.get(delta.slot, LINEAR) is LINEAR:
            return delta.amount * (end - start)
        return inverse_pnl(delta.amount, start, end) * market.price[delta.slot]
