"""What the positions are worth and what they depend on (R9, R66)."""

from __future__ import annotations

from operator import mul

from basis_pipeline.domain.accounting import inverse_pnl, unrealised_pnl
from basis_pipeline.domain.errors import DataError
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.position_keys import PositionType
from basis_pipeline.domain.records import Exposure, Positions
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.timeline import iso


class ExposureMonitor:
    """Values every slot at the snapshot's prices and nets the slots of an asset into one delta.

    The delta of an inverse perp is its notional in coins plus its unrealised P&L, which is coins as well.
    """

    def __init__(self, settings: EngineSettings) -> None:
        universe = settings.universe
        perps = universe.slots_of(PositionType.PERP)
        self._linear = tuple(slot for slot in perps if not universe.instruments[slot].inverse)
        self._inverse = tuple(slot for slot in perps if universe.instruments[slot].inverse)
        self._share_asset = settings.share_asset
        self._universe = universe
        self._reward_slots = settings.rewards.token_slots if settings.rewards else ()
        self._assets = tuple(
            (asset, tuple(slot for slot, instrument in enumerate(universe) if instrument.asset == asset))
            for asset in universe.assets
        )

    def calculate_exposure(self, positions: Positions, market: MarketSnapshot) -> Exposure:
        """Exposure of `positions` at `market`, all amounts USDT; DataError for a held token that nothing prices."""
        quantities, mark, price = positions.quantities, market.mark, market.price
        for slot in self._reward_slots:
            if quantities[slot] and not price[slot]:
                raise _unpriced(self._universe.keys[slot], market.timestamp)
        values = list(map(mul, quantities, market.value))
        units = list(map(mul, quantities, market.underlying))
        for slot in self._linear:
            values[slot] = unrealised_pnl(quantities[slot], positions.entry_prices[slot], mark[slot])
        for slot in self._inverse:
            coins = inverse_pnl(quantities[slot], positions.entry_prices[slot], mark[slot])
            values[slot] = coins * price[slot]
            units[slot] += coins
        equity = sum(values)
        asset_deltas = []
        net = excess = gross = 0.0
        for asset, slots in self._assets:
            if asset == "USDT":
                asset_deltas.append(0.0)
                continue
            delta = 0.0
            for slot in slots:
                delta += units[slot]
                gross += abs(units[slot] * price[slot])
            asset_deltas.append(delta)
            if asset == self._share_asset:
                excess += delta * price[slots[0]] - equity
            else:
                net += delta * price[slots[0]]
        excess += net
        return Exposure(equity, tuple(values), tuple(asset_deltas), net, excess, gross)


def _unpriced(key: str, timestamp: int) -> DataError:
    return DataError(
        f"{key} is held at {iso(timestamp)} and nothing prices it.",
        code="DATA-005",
        remedy="ingest candles of its pool that reach back to its receipt.",
    )
