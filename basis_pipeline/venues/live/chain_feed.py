"""Indices, protocol ratios, pool and oracle prices and gas, all at one block."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from basis_pipeline.domain.errors import DataGapError, VenueError
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.position_keys import Instrument, PositionType
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.timeline import SECOND, iso
from basis_pipeline.venues.live.chain import Block, Chain
from basis_pipeline.venues.live.deployment import Deployment, Lending, Pool, StakingKind

RAY = 10**27
ORACLE_UNIT = 10**8
"""Aave's oracle answers in USD with eight decimals."""
GWEI = 10**9
BASIS_POINTS = 10**4
RATIO_FUNCTIONS = {StakingKind.ETHERFI: "getRate()", StakingKind.LIDO: "stEthPerToken()"}


class ChainLine(msgspec.Struct, frozen=True):
    """What the chain says of one position: Aave index, ETH per staked token, price at its pool in ETH if it has one."""

    index: float = 1.0
    ratio: float = 1.0
    pool_price: float | None = None


class _Account(NamedTuple):
    """What Aave's `getUserAccountData` says: USD in the oracle's units, basis points, the health factor in 1e-18."""

    collateral: int
    debt: int
    available: int
    threshold: int
    loan_to_value: int
    health: int


class ChainReader:
    """The market on chain.

    Args:
        maximum_age: seconds; a node whose newest block is older has nothing to say.

    Attributes:
        told: when the last block and the oracle's prices in it were made, microseconds UTC, by name.
    """

    def __init__(
        self, chain: Chain, deployment: Deployment, settings: EngineSettings, *, maximum_age: float = 120.0
    ) -> None:
        self._chain, self._deployment, self._settings = chain, deployment, settings
        self._maximum_age = maximum_age
        self.told: dict[str, int] = {}

    def block(self, timestamp: int) -> Block:
        """The newest block; DataGapError where it is too old, or of another chain: a provider may serve several."""
        serves, expected = self._chain.chain_id(), self._deployment.chain_id
        if serves != expected:
            raise DataGapError(
                f"the node serves chain {serves}, this session is on chain {expected}.",
                remedy="nothing is traded on it; check the RPC URL.",
            )
        head = self._chain.head()
        age = (timestamp - head.timestamp) / SECOND
        if age > self._maximum_age:
            raise DataGapError(
                f"the newest block {head.number} is {age:.0f} s old at {iso(timestamp)}, the maximum is "
                f"{self._maximum_age:.0f} s.",
                remedy="nothing is traded on it; check the node.",
            )
        self.told = {"chain block": head.timestamp}
        self._check_oracle(head)
        return head

    def line(self, instrument: Instrument, block: int) -> ChainLine:
        """Everything about one position at `block`."""
        return ChainLine(self._index(instrument, block), self._ratio(instrument, block), self._pool(instrument, block))

    def usd(self, token: str, block: int) -> float:
        """USD per token, as the lending protocol's oracle sees it."""
        lending = self._deployment.lending
        if lending is None:
            raise DataGapError(f"the deployment has no oracle for {token}.")
        address = self._deployment.token(token).address
        price = self._chain.read(lending.oracle, "getAssetPrice(address)", ("uint256",), address, block=block)
        return float(price) / ORACLE_UNIT

    def _check_oracle(self, block: Block) -> None:
        """DataGapError where a source of prices has not been heard of for longer than its heartbeat."""
        lending = self._deployment.lending
        if lending is None:
            return
        for token, heartbeat in lending.heartbeats.items():
            address = self._deployment.token(token).address
            source = self._chain.read(
                lending.oracle, "getSourceOfAsset(address)", ("address",), address, block=block.number
            )
            updated = self._chain.read(source, "latestTimestamp()", ("uint256",), block=block.number)
            self.told[f"oracle {token}"] = updated * SECOND
            age = block.timestamp / SECOND - updated
            if age > heartbeat:
                raise DataGapError(
                    f"the oracle's price of {token} is {age:.0f} s old in block {block.number}, its heartbeat is "
                    f"{heartbeat:.0f} s.",
                    remedy="nothing is traded on it; the lending protocol may still liquidate on it.",
                )

    def gas_price(self, block: Block) -> float:
        """Gwei per unit of gas: base fee and tip."""
        fees = self._chain.fees(block)
        return (block.base_fee + fees.tip) / GWEI

    def health_factor(self, block: int | None = None) -> float | None:
        """The account's health factor as the protocol computes it; None without debt."""
        lending = self._deployment.lending
        if lending is None:
            return None
        account = self._account(lending, block)
        return account.health / 1e18 if account.debt else None

    def liquidation_threshold(self, block: int) -> float | None:
        """What counts of the collateral as the book values it, ratio times price of ETH; None without debt.

        The account's own threshold, which governance may change and which is the e-mode's only while that applies,
        times the oracle's price of the token over the book's: Aave caps how fast a ratio may grow.
        """
        lending, backed = self._deployment.lending, self._settings.lending
        if lending is None or backed is None or not (account := self._account(lending, block)).debt:
            return None
        collateral = self._settings.universe.instruments[backed.collateral_slots[0]]
        priced = self.usd(collateral.token, block) / self.usd("WETH", block)
        return account.threshold / BASIS_POINTS * priced / self._ratio(collateral, block)

    def _account(self, lending: Lending, block: int | None) -> _Account:
        executor, words = self._deployment.executor, ("uint256",) * 6
        return _Account(*self._chain.read(lending.pool, "getUserAccountData(address)", words, executor, block=block))

    def _index(self, instrument: Instrument, block: int) -> float:
        kind, lending = instrument.position_type, self._deployment.lending
        if kind not in (PositionType.A_TOKEN, PositionType.DEBT_TOKEN) or lending is None:
            return 1.0
        debt = kind is PositionType.DEBT_TOKEN
        function = "getReserveNormalizedVariableDebt(address)" if debt else "getReserveNormalizedIncome(address)"
        token = self._deployment.token(instrument.token).address
        return float(self._chain.read(lending.pool, function, ("uint256",), token, block=block)) / RAY

    def _ratio(self, instrument: Instrument, block: int) -> float:
        if not instrument.ratio:
            return 1.0
        for staking in self._deployment.staking.values():
            if staking.token == instrument.token:
                token = self._deployment.token(instrument.token).address
                return float(self._chain.read(token, RATIO_FUNCTIONS[staking.kind], ("uint256",), block=block)) / 1e18
        raise DataGapError(f"the deployment has no ratio {instrument.ratio} for {instrument.key}.")

    def _pool(self, instrument: Instrument, block: int) -> float | None:
        if instrument.position_type not in (PositionType.LST, PositionType.BASE_TOKEN):
            return None
        for pools in self._deployment.pools.values():
            if pool := pools.get(instrument.token):
                return self.pool_price(pool, instrument.token, block)
        return None

    def pool_price(self, pool: Pool, token: str, block: int) -> float:
        """WETH per token from the pool's square root price; token0 is the lower address (Uniswap V3 whitepaper, 6.1).

        The state is read without the router's fee, which a swap pays on top.
        """
        sold = self._deployment.token(token)
        slot = self._chain.read(pool.address, "slot0()", ("uint160",), block=block)
        price = (float(slot) / 2**96) ** 2
        first = int(sold.address, 16) < int(self._deployment.weth, 16)
        return (price if first else 1.0 / price) * 10.0 ** (sold.decimals - 18)


class LiveChainFeed:
    """Implements `MarketFeed` for books that are on chain alone; prices are the lending protocol's own.

    Raises:
        DataGapError: the node is silent, behind, or says nothing about a position: the tick is skipped.
    """

    def __init__(self, settings: EngineSettings, reader: ChainReader) -> None:
        self._settings, self._reader = settings, reader

    @property
    def told(self) -> dict[str, int]:
        """As `LiveExchangeFeed.told`."""
        return self._reader.told

    def at(self, timestamp: int) -> MarketSnapshot:
        """The snapshot at `timestamp`, which must be now; everything in it is of one block."""
        try:
            return self._at(timestamp)
        except VenueError as error:
            raise DataGapError(f"the chain says nothing at {iso(timestamp)}: {error.message}") from error

    def _at(self, timestamp: int) -> MarketSnapshot:
        universe, reader = self._settings.universe, self._reader
        block = reader.block(timestamp)
        usdt = reader.usd("USDT", block.number)
        lines = [reader.line(instrument, block.number) for instrument in universe]
        eth = reader.usd("WETH", block.number) / usdt
        price = tuple(self._price(i, line, eth) for i, line in zip(universe, lines, strict=True))
        underlying = tuple(i.sign * line.index * line.ratio for i, line in zip(universe, lines, strict=True))
        last = tuple(
            p * line.ratio if line.pool_price is None else line.pool_price * eth
            for p, line in zip(price, lines, strict=True)
        )
        return MarketSnapshot(
            timestamp=timestamp,
            price=price,
            index=tuple(line.index for line in lines),
            ratio=tuple(line.ratio for line in lines),
            mark=price,
            last=last,
            value=tuple(u * p for u, p in zip(underlying, price, strict=True)),
            underlying=underlying,
            low=price,
            high=price,
            funding=None,
            usd=usdt,
            share_price=eth if self._settings.share_asset == "ETH" else 1.0,
            gas_price=reader.gas_price(block),
            gas_token_price=eth,
            liquidation_threshold=reader.liquidation_threshold(block.number),
        )

    def _price(self, instrument: Instrument, line: ChainLine, eth: float) -> float:
        """USDT per asset; a token of its own has its pool's price, and none before there is a pool."""
        if instrument.asset == "ETH":
            return eth
        if instrument.asset == "USDT":
            return 1.0
        return 0.0 if line.pool_price is None else line.pool_price * eth
