"""What a swap must bring, whatever its pool says at the moment it is asked.

The price of a pool is what the last trade in it left behind: whoever trades just before an order is made sets the
price that the order takes for fair, and trades back afterwards. Two things he cannot set for the price of that: what
the pool said at the ends of the blocks of some twenty minutes, of which the median counts, so that he would have to
hold his price against everybody through half of them; and what a staked token is worth to its issuer and at the
lending protocol's oracle.

The pool's own memory (`observe`) is not asked: it reaches as far back as somebody has paid for, one trade by default,
and least far when trading is busiest, which is when a stack has to be reduced. Every node knows its last 128 states.
"""

from __future__ import annotations

from statistics import median

from basis_pipeline.domain.errors import OrderError
from basis_pipeline.domain.orders import Operation, Order
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.venues.live.chain import Chain
from basis_pipeline.venues.live.chain_feed import ChainReader
from basis_pipeline.venues.live.deployment import Deployment, Pool
from basis_pipeline.venues.live.onchain_limits import Limits

BACK = tuple(range(11, 100, 11))
"""Blocks before the newest one: nine moments, the last one twenty minutes ago where blocks take twelve seconds."""
FEE_UNIT = 1e6


class SwapPrices:
    """Asks pools, issuers and the oracle; `limits` says how far a pool may be below them."""

    def __init__(self, chain: Chain, deployment: Deployment, settings: EngineSettings, limits: Limits) -> None:
        self._chain, self._deployment, self._settings, self._limits = chain, deployment, settings, limits
        self._reader = ChainReader(chain, deployment, settings)

    def lowest(self, order: Order) -> dict[str, float]:
        """WETH per token below which nothing is sold, for each token that `order` sells; the pool's fee is paid of it.

        Raises:
            OrderError: CHAIN-009 a pool pays less now; EXEC-007 the deployment has no such pool.
            VenueError: the node does not say.
        """
        sales = [step for step in order.steps or (order,) if step.operation is Operation.SWAP]
        return {self._settings.universe.instruments[step.slot].token: self._lowest(step) for step in sales}

    def _lowest(self, step: Order) -> float:
        token = self._settings.universe.instruments[step.slot].token
        pool = self._deployment.pools.get(step.venue, {}).get(token)
        if pool is None:
            raise OrderError(f"the deployment has no pool of {token} at {step.venue}.", code="EXEC-007")
        head = self._chain.head().number
        usual = median(self._reader.pool_price(pool, token, max(0, head - back)) for back in BACK)
        lowest, why = usual * (1.0 - self._limits.swap_gap), f"{usual:.6g}, as in the last {BACK[-1]} blocks"
        worth = self._worth(step.slot, head)
        if worth is not None and worth * (1.0 - self._limits.swap_discount) > lowest:
            lowest, why = worth * (1.0 - self._limits.swap_discount), f"{worth:.6g}, what it is redeemed for"
        self._check(token, pool, head, lowest, why)
        return lowest

    def _worth(self, slot: int, block: int) -> float | None:
        """ETH per staked token: what its issuer says, or the oracle where that says less. None for other tokens."""
        instrument, lending = self._settings.universe.instruments[slot], self._deployment.lending
        if not instrument.ratio:
            return None
        ratio = self._reader.line(instrument, block).ratio
        if lending is None or instrument.token not in lending.reserves:
            return ratio
        return min(ratio, self._reader.usd(instrument.token, block) / self._reader.usd("WETH", block))

    def _check(self, token: str, pool: Pool, block: int, lowest: float, why: str) -> None:
        now = self._reader.pool_price(pool, token, block) * (1.0 - pool.fee / FEE_UNIT)
        if now < lowest:
            raise OrderError(
                f"the pool {pool.address} pays {now:.6g} ETH for {token}, not the {lowest:.6g} that is the least to "
                f"take of {why}.",
                code="CHAIN-009",
                remedy="somebody may be moving it; it is asked again at the next tick. Where the price is real, raise "
                "largest_swap_gap or largest_swap_discount in configs/live.yaml.",
            )
