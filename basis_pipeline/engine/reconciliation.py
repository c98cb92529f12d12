"""Checks that can fail also where real positions are a copy of the simulated ones.

Free functions from report to verdict: a handshake must conserve value up to its stated costs, and the venues must
hold what we think they hold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from basis_pipeline.domain.accounting import inverse_pnl, unrealised_pnl
from basis_pipeline.domain.errors import AccountingError, DataError
from basis_pipeline.domain.market import Floats, MarketSnapshot
from basis_pipeline.domain.orders import ExecutionHandshake, Mismatch
from basis_pipeline.domain.position_keys import PositionType, Universe
from basis_pipeline.domain.records import Positions
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.timeline import iso

CONSERVATION_TOLERANCE = 1e-9
"""Of the value moved: several times the float noise of the largest sums, far below one satoshi of a million."""


def check_conservation(
    handshake: ExecutionHandshake,
    before: Positions,
    after: Positions,
    market: MarketSnapshot,
    settings: EngineSettings,
) -> None:
    """Change of value = -(fee + slippage + gas), or AccountingError PNL-002.

    Independent of the venue's own arithmetic: positions are valued before and after, what was traded at the venue's
    reference price (so that slippage shows), everything else at its own value.
    """
    universe, tolerance = settings.universe, settings.tolerance
    change = moved = 0.0
    for slot in sorted({delta.slot for delta in handshake.deltas}):
        perp = universe.instruments[slot].position_type is PositionType.PERP
        prices = market.last if perp else market.value
        start = _value(slot, before, prices, market, universe)
        end = _value(slot, after, prices, market, universe)
        traded = sum(delta.amount for delta in handshake.deltas if delta.slot == slot and delta.price is not None)
        at_reference = 0.0 if perp else traded * (market.last[slot] - market.value[slot])
        change += end - start + at_reference
        unit = market.value[slot] if perp else prices[slot]
        moved = max(moved, abs(start), abs(end), abs(after.quantities[slot] * unit), abs(traded * unit))
    expected = -(handshake.fee + handshake.slippage + handshake.gas)
    allowed = max(CONSERVATION_TOLERANCE, tolerance.relative) * max(moved, 1.0)
    if not abs(change - expected) <= max(allowed, tolerance.usdt):
        raise AccountingError(
            f"operation {handshake.operation_id} changed value by {change!r} USDT but states costs of {-expected!r} "
            f"(gap {change - expected!r}).",
            code="PNL-002",
            remedy="the venue's answer is incomplete: a fee, a leg or a realised profit is missing from its deltas.",
        )


def check_market(market: MarketSnapshot, universe: Universe, unlisted: tuple[int, ...] = ()) -> None:
    """DataError DATA-005 where a price, mark, index or rate is NaN or infinite, or a price is not above zero.

    No comparison downstream would notice. Gas may be free; its prices are None where the mode does not know them.
    The tokens at `unlisted` slots may have no price yet; holding one of them is then an error of the exposure.
    """
    priced = (market.price, market.mark, market.last, market.low, market.high)
    columns = (*priced, market.value, market.index, market.ratio, market.funding or ())
    single = (market.share_price, market.usd, 1.0 if market.gas_token_price is None else market.gas_token_price)
    total = sum(map(sum, columns)) + sum(single) + (market.gas_price or 0.0)
    positive = min(*map(min, priced), *single) > 0.0 or _listed_positive(priced, single, unlisted)
    if math.isfinite(total) and positive and (market.gas_price or 0.0) >= 0.0:
        return
    bad = [
        key
        for slot, key in enumerate(universe.keys)
        if not all(math.isfinite(column[slot]) for column in columns if column)
        or (slot not in unlisted and min(column[slot] for column in priced) <= 0.0)
    ]
    raise DataError(
        f"the market at {iso(market.timestamp)} has no usable number for "
        f"{', '.join(bad) or 'the share price, USD per USDT or gas'}.",
        code="DATA-005",
        remedy="the data provider must raise for a missing value instead of handing it on.",
    )


def _listed_positive(priced: tuple[Floats, ...], single: tuple[float, ...], unlisted: tuple[int, ...]) -> bool:
    """Whether every price is above zero but those of unlisted tokens, which are zero or above."""
    if not unlisted or min(single) <= 0.0:
        return False
    lowest = list(map(min, zip(*priced, strict=True)))
    return all(low > 0.0 or (slot in unlisted and low == 0.0) for slot, low in enumerate(lowest))


def compare_positions(
    expected: Positions, real: Mapping[int, float], market: MarketSnapshot, settings: EngineSettings
) -> tuple[Mismatch, ...]:
    """Slots where a venue's word differs from ours by more than the tolerance."""
    return tuple(
        Mismatch(settings.universe.keys[slot], held, quantity)
        for slot, quantity in real.items()
        if quantity != (held := expected.quantities[slot])
        and not settings.tolerance.allows(quantity - held, held, market.value[slot])
    )


def _value(slot: int, positions: Positions, prices: Floats, market: MarketSnapshot, universe: Universe) -> float:
    quantity, entry, instrument = positions.quantities[slot], positions.entry_prices[slot], universe.instruments[slot]
    if instrument.inverse:
        return inverse_pnl(quantity, entry, prices[slot]) * market.price[slot]
    if instrument.position_type is PositionType.PERP:
        return unrealised_pnl(quantity, entry, prices[slot])
    return quantity * prices[slot]
