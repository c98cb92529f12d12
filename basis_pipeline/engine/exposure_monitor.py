"""What the positions are worth and what they depend on (domain V2, V3, V5; R9, R66)."""

from __future__ import annotations

from operator import mul

from basis_pipeline.domain.accounting import inverse_pnl, unrealised_pnl
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.position_keys import PositionType
from basis_pipeline.domain.records import Exposure, Positions
from basis_pipeline.domain.settings import EngineSettings


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
        self._coin_share_class = settings.coin_share_class
        self._assets = tuple(
            (asset, tuple(slot for slot, instrument in enumerate(universe) if instrument.asset == asset))
            for asset in universe.assets
        )

    def calculate_exposure(self, positions: Positions, market: MarketSnapshot) -> Exposure:
        """Exposure of `positions` at `market`, all amounts USDT."""
        quantities, mark, price = positions.quantities, market.mark, market.price
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
