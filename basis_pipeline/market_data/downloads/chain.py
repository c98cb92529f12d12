"""What is read from Ethereum: Aave reserve snapshots, oracle prices, redemption ratios of staked tokens, gas prices.

Signatures: github.com/aave/aave-v3-core (Pool, IAaveOracle), github.com/lidofinance/lido-dao (Lido), weETH's `getRate`
(ETH per weETH, 18 decimals). A value at 00:00 is the state after the last block at or before it.
"""

from __future__ import annotations

from collections.abc import Iterator

from basis_pipeline.domain.accounting import accrued_borrow_index, accrued_liquidity_index
from basis_pipeline.domain.errors import ConfigError
from basis_pipeline.domain.timeline import SECOND, iso
from basis_pipeline.market_data.downloads.month_files import Fetched, Request
from basis_pipeline.market_data.downloads.rpc import Block, BlockClock, Rpc, address_of, address_word
from basis_pipeline.market_data.downloads.settings import Ethereum
from basis_pipeline.market_data.downloads.targets import Target

RESERVE_DATA_UPDATED = "0x804c9b842b2748a22bb64b345453a3de7ca54a6ca45ce00d415894979e22897a"
"""ReserveDataUpdated(address,uint256,uint256,uint256,uint256,uint256)"""
TOKEN_REBASED = "0xff08c3ef606d198e316ef5b822193c489965899eb4e3c248cea1a4626c3eda50"
"""TokenRebased(uint256,uint256,uint256,uint256,uint256,uint256,uint256)"""
GET_RESERVE_DATA, GET_ASSET_PRICE, GET_RATE = "0x35ea6a75", "0xb3596f07", "0x679aefce"
TOTAL_SUPPLY, DECIMALS = "0x18160ddd", "0x313ce567"
A_TOKEN_WORD, DEBT_TOKEN_WORD = 8, 10
"""Places in `ReserveData`: aTokenAddress, variableDebtTokenAddress."""
_RAY, _WAD, _USD, _GWEI = 10**27, 10**18, 10**8, 10**9
_LOOKBACK = 7200 * 7
"""Blocks of a week: every reserve that is used at all, and Lido every day, has an event in it."""


class ChainClient:
    """Ethereum through one node.

    Args:
        rpc: the node; None where none is configured.
        settings: contracts.
    """

    def __init__(self, rpc: Rpc | None, settings: Ethereum) -> None:
        self._rpc, self._settings = rpc, settings
        self._clock = BlockClock(rpc) if rpc else None

    def fetch(self, target: Target, start: int, end: int) -> Fetched:
        """Rows of [start, end), microseconds.

        Raises:
            ConfigError: no endpoint is configured.
            SourceDownError: the node does not answer.
            DownloadError: it refuses, keeps no history, or an address is none of the contract meant.
        """
        if self._rpc is None or self._clock is None:
            raise ConfigError(
                "no Ethereum endpoint is configured.",
                remedy="set BASIS_RPC_URL to an archive node's URL, or leave the series out with --venue.",
            )
        step = target.shape.step
        stamps = range(-(-start // step) * step, end, step)
        reader = {
            "aave_reserves_1d": self._reserves,
            "aave_rates_1h": self._rates,
            "oracle_prices": self._prices,
            "gas_prices_1h": self._gas,
        }[target.key.dataset]
        rows = dict(reader(self._rpc, self._clock, target, stamps))
        asked = f"{iso(stamps[0])}/{iso(stamps[-1])}" if rows else "nothing"
        return Fetched(rows, (Request(self._rpc.place, asked, len(rows)),))

    def _reserves(
        self, rpc: Rpc, clock: BlockClock, target: Target, stamps: range
    ) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Indices and rates from the reserve's last event, accrued to the stamp; totals and price at its block."""
        token, pool = self._settings.reserves[target.key.symbol], self._settings.pool
        topics = _updates_of(token)
        for stamp in stamps:
            block = clock.last_at(stamp)
            event = rpc.last_log(pool, topics, block.number, _LOOKBACK)
            supply_rate, _stable, borrow_rate, supply, borrow = (word / _RAY for word in event.words)
            elapsed = stamp - clock.at(event.block).time * SECOND
            yield (
                stamp,
                (
                    repr(accrued_liquidity_index(supply, supply_rate, elapsed)),
                    repr(supply_rate),
                    repr(accrued_borrow_index(borrow, borrow_rate, elapsed)),
                    repr(borrow_rate),
                    *self._totals(rpc, token, block),
                    repr(self._price(rpc, token, block)),
                ),
            )

    def _rates(
        self, rpc: Rpc, clock: BlockClock, target: Target, stamps: range
    ) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Rates of the reserve's last event at or before each hour, and when that was; one pass over the events."""
        topics = _updates_of(self._settings.reserves[target.key.symbol])
        blocks = {stamp: clock.last_at(stamp).number for stamp in stamps}
        first, last = min(blocks.values()), max(blocks.values())
        event = rpc.last_log(self._settings.pool, topics, first, _LOOKBACK)
        later = rpc.logs(self._settings.pool, topics, first + 1, last)
        coming = next(later, None)
        for stamp, block in blocks.items():
            while coming and coming.block <= block:
                event, coming = coming, next(later, None)
            supply_rate, _stable, borrow_rate, *_indices = (word / _RAY for word in event.words)
            yield stamp, (repr(supply_rate), repr(borrow_rate), str(clock.at(event.block).time))

    def _totals(self, rpc: Rpc, token: str, block: Block) -> tuple[str, str]:
        """Supplied and borrowed, in tokens."""
        reserve = rpc.read(self._settings.pool, GET_RESERVE_DATA, token, block=block.number)
        unit = 10 ** rpc.read(token, DECIMALS, block=block.number)[0]
        supplied, borrowed = (
            rpc.read(address_of(reserve[place]), TOTAL_SUPPLY, block=block.number)[0] / unit
            for place in (A_TOKEN_WORD, DEBT_TOKEN_WORD)
        )
        return repr(supplied), repr(borrowed)

    def _price(self, rpc: Rpc, token: str, block: Block) -> float:
        return rpc.read(self._settings.oracle, GET_ASSET_PRICE, token, block=block.number)[0] / _USD

    def _prices(
        self, rpc: Rpc, clock: BlockClock, target: Target, stamps: range
    ) -> Iterator[tuple[int, tuple[str, ...]]]:
        """USD prices of the Aave oracle, or ETH per staked token as its protocol redeems it."""
        token, quote = target.key.symbol.split("_")
        if quote == "USD":
            for stamp in stamps:
                price = self._price(rpc, self._settings.reserves[token], clock.last_at(stamp))
                yield stamp, (repr(price),)
            return
        ratio = self._settings.ratios[token]
        if ratio.rebases_of:
            for stamp in stamps:
                event = rpc.last_log(ratio.rebases_of, [TOKEN_REBASED], clock.last_at(stamp).number, _LOOKBACK)
                _elapsed, _shares, _ether, shares, ether, _fees = event.words
                yield stamp, (repr(ether / shares),)
        elif ratio.rate_of:
            for stamp in stamps:
                rate = rpc.read(ratio.rate_of, GET_RATE, block=clock.last_at(stamp).number)[0]
                yield stamp, (repr(rate / _WAD),)

    def _gas(
        self, rpc: Rpc, clock: BlockClock, _target: Target, stamps: range
    ) -> Iterator[tuple[int, tuple[str, ...]]]:
        """Base fee and median tip of the last block at the stamp, in gwei."""
        for stamp in stamps:
            block = clock.last_at(stamp)
            history = rpc.call("eth_feeHistory", hex(1), hex(block.number), [50])
            base, tip = int(history["baseFeePerGas"][0], 16), int(history["reward"][0][0], 16)
            gwei = (repr((base + tip) / _GWEI), repr(base / _GWEI), repr(tip / _GWEI))
            yield stamp, (str(block.number), str(block.time), *gwei)


def _updates_of(token: str) -> list[str]:
    """Topics of the events that change rates and indices of a reserve."""
    return [RESERVE_DATA_UPDATED, "0x" + address_word(token)]
