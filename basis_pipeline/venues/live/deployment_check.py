"""Whether the contracts are what the deployment file says, asked of the contracts themselves when a session starts.

An address that was mistyped, or that belongs to another market, would take money without a word. Everything the mode
uses is asked who it is: tokens for symbol and decimals, the lending pool for its oracle, its aTokens and its
liquidation threshold, Uniswap's factory for the pool, EtherFi's adapter for its token, Morpho for its domain (EIP 712).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eth_abi.exceptions import DecodingError
from eth_utils.crypto import keccak

from basis_pipeline.domain.errors import ConfigError, VenueRefusal
from basis_pipeline.domain.position_keys import Instrument, PositionType
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.venues.live.abi import call_data, pack, unpack
from basis_pipeline.venues.live.booking_chain import ETH
from basis_pipeline.venues.live.chain import Chain
from basis_pipeline.venues.live.contracts import executor_code
from basis_pipeline.venues.live.deployment import (
    Deployment,
    Lender,
    LenderKind,
    Lending,
    Pool,
    Queue,
    Staking,
    StakingKind,
)

DOMAIN = keccak(text="EIP712Domain(uint256 chainId,address verifyingContract)")
RATIOS = (0.5, 3.0)
"""ETH per staked token: nothing outside is a ratio of a token that has been accruing, and slashed, for a few years."""
_THRESHOLD_BIT = 16
"""Where a reserve's configuration has its liquidation threshold, 16 bits of basis points (ReserveConfiguration.sol)."""
_CATEGORY_BIT = 168
"""Where it had its e-mode category before Aave 3.2, 8 bits."""
_RESERVE_NUMBER = 7
"""Word of a reserve's data that has its number, which bitmaps name it by."""
_OF_CHAIN = (PositionType.BASE_TOKEN, PositionType.LST, PositionType.A_TOKEN, PositionType.DEBT_TOKEN)


def check_deployment(chain: Chain, deployment: Deployment, settings: EngineSettings) -> None:
    """Refuse a deployment that is not what it says, or that has not all that the mode needs.

    Raises:
        ConfigError: CHAIN-005 naming everything that is wrong.
        VenueSilence: the node did not answer.
    """
    if wrong := list(_Inspection(chain, deployment, settings).findings()):
        raise ConfigError(
            f"the contracts of chain {deployment.chain_id} are not what the deployment says: {'; '.join(wrong)}.",
            code="CHAIN-005",
            remedy="compare the addresses in configs/chains with the protocols' own pages; nothing was sent.",
        )


def check_executor(chain: Chain, deployment: Deployment, settings: EngineSettings, owner: str) -> None:
    """Refuse an executor that is not ours, of this version, or that obeys somebody else than `owner`.

    Raises:
        ConfigError: CHAIN-003 naming what is there, CHAIN-004 the mode holds no ETH to pay gas from.
        VenueSilence: the node did not answer.
    """
    executor = deployment.executor
    if settings.universe.find(ETH) is None:
        raise ConfigError(
            f"{settings.mode} does not hold {ETH}, but gas is paid in it.",
            code="CHAIN-004",
            remedy="declare the position; on chain no other token pays gas.",
        )
    wrong, code = "", chain.code(executor)
    ours = chain.code_made_by(bytes.fromhex(executor_code().removeprefix("0x")) + pack(("address",), owner))
    if not code:
        wrong = "there is no contract"
    elif code != ours:
        wrong = f"there is something else than an executor of this version that obeys {owner}"
    if wrong:
        raise ConfigError(
            f"at the executor's address {executor} {wrong}.",
            code="CHAIN-003",
            remedy="`basis executor` deploys one; the wallet gets what an old one holds by calling its sweep(token).",
        )


class _Inspection:
    """One pass over everything the mode uses; every finding is a sentence without its full stop."""

    def __init__(self, chain: Chain, deployment: Deployment, settings: EngineSettings) -> None:
        self._chain, self._deployment, self._settings = chain, deployment, settings

    def findings(self) -> Iterator[str]:
        deployment, settings = self._deployment, self._settings
        held = [i for i in settings.universe if i.position_type in _OF_CHAIN and self._on_chain(i)]
        for token in sorted({"WETH", *(i.token for i in held)} - {"ETH"}):
            yield from self._token(token)
        if deployment.lending is not None:
            yield from self._lending(deployment.lending, held)
        for venue, rules in settings.venues.items():
            if rules.kind == "staking":
                yield from self._staking(venue, deployment.staking.get(venue))
            if rules.kind == "dex":
                yield from self._pools(venue)
            if rules.kind == "executor":
                yield from self._lender(deployment.lender)

    def _on_chain(self, instrument: Instrument) -> bool:
        venue = instrument.key.venue
        return venue not in self._settings.venues or self._settings.venues[venue].kind != "cex"

    def _token(self, symbol: str) -> Iterator[str]:
        if symbol != "WETH" and symbol not in self._deployment.tokens:
            yield f"`tokens` has no {symbol}, which {self._settings.mode} holds"
            return
        token = self._deployment.token(symbol)
        found = self._ask(token.address, "symbol()", "string")
        decimals = self._ask(token.address, "decimals()", "uint8")
        if (found, decimals) != (symbol, token.decimals):
            yield f"{token.address} is {found} with {decimals} decimals, not {symbol} with {token.decimals}"

    def _lending(self, lending: Lending, held: list[Instrument]) -> Iterator[str]:
        provider = self._ask(lending.pool, "ADDRESSES_PROVIDER()", "address")
        if not _is_address(provider):
            yield f"the lending pool {lending.pool} is {provider}"
            return
        for function, said in (("getPool()", lending.pool), ("getPriceOracle()", lending.oracle)):
            found = self._ask(str(provider), function, "address")
            if not _same(found, said):
                yield f"{function} of the lending pool's provider is {found}, not {said}"
        for instrument in held:
            if instrument.position_type in (PositionType.A_TOKEN, PositionType.DEBT_TOKEN):
                yield from self._reserve(lending, instrument)
        yield from self._threshold(lending)

    def _reserve(self, lending: Lending, instrument: Instrument) -> Iterator[str]:
        """Words 8 and 10 of the reserve's data are its aToken and its variable debt token (DataTypes.sol)."""
        reserve, token = lending.reserves.get(instrument.token), instrument.token
        debt = instrument.position_type is PositionType.DEBT_TOKEN
        said = "" if reserve is None else reserve.debt_token if debt else reserve.a_token
        if not said:
            yield f"`reserves` has no {'debt' if debt else 'aToken'} of {token}, which {self._settings.mode} holds"
            return
        underlying = self._deployment.token(token).address
        data = self._chain.read(lending.pool, "getReserveData(address)", ("uint256",) * 15, underlying)
        found = f"0x{data[10 if debt else 8]:040x}"
        if not _same(found, said):
            yield f"{'debt token' if debt else 'aToken'} of {token} is {found}, not {said}"

    def _threshold(self, lending: Lending) -> Iterator[str]:
        """What is to be borrowed was sized for the configured threshold; it must be the protocol's.

        Where something is owed already the health factor is computed with the protocol's own at every tick: a session
        that cannot start would look after nothing.
        """
        account = self._settings.lending
        if account is None or self._owes(lending):
            return
        collateral = self._settings.universe.instruments[account.collateral_slots[0]].token
        if lending.emode:
            category = ("(uint16,uint16,uint16,address,string)",)
            found = self._chain.read(lending.pool, "getEModeCategoryData(uint8)", category, lending.emode)[1] / 1e4
            if not self._counts(lending, collateral):
                yield f"{collateral} is no collateral of e-mode {lending.emode}, so that its own lower threshold counts"
        else:
            found = (self._configuration(lending, collateral) >> _THRESHOLD_BIT & 0xFFFF) / 1e4
        if abs(found - account.liquidation_threshold) > 1e-9:
            where = f"e-mode {lending.emode}" if lending.emode else collateral
            yield (
                f"the liquidation threshold of {where} is {found:g}, `collateral` of {account.venue} says "
                f"{account.liquidation_threshold:g}"
            )

    def _counts(self, lending: Lending, token: str) -> bool:
        """Aave has the collateral of a category in a bitmap since 3.2, before that in the reserves' configurations."""
        words, address = ("uint256",) * 15, self._deployment.token(token).address
        number = self._chain.read(lending.pool, "getReserveData(address)", words, address)[_RESERVE_NUMBER]
        members = self._ask(lending.pool, "getEModeCategoryCollateralBitmap(uint8)", "uint128", lending.emode)
        if isinstance(members, int):
            return bool(members >> number & 1)
        return self._configuration(lending, token) >> _CATEGORY_BIT & 0xFF == lending.emode

    def _configuration(self, lending: Lending, token: str) -> int:
        address = self._deployment.token(token).address
        return int(self._chain.read(lending.pool, "getConfiguration(address)", ("uint256",), address))

    def _owes(self, lending: Lending) -> bool:
        executor, words = self._deployment.executor, ("uint256",) * 6
        return bool(self._chain.read(lending.pool, "getUserAccountData(address)", words, executor)[1])

    def _staking(self, venue: str, staking: Staking | None) -> Iterator[str]:
        if staking is None:
            yield f"`staking` has no {venue}, which {self._settings.mode} uses"
            return
        token = self._deployment.token(staking.token).address
        lido = staking.kind is StakingKind.LIDO
        minted = staking.mint if lido else self._ask(staking.mint, "weETH()", "address")
        if not _same(minted, token):
            yield f"{staking.mint} mints {minted}, not {staking.token} at {token}"
        ratio = self._ask(token, "stEthPerToken()" if lido else "getRate()", "uint256")
        if not isinstance(ratio, int) or not RATIOS[0] <= ratio / 1e18 <= RATIOS[1]:
            yield f"{staking.token} says one is worth {ratio} wei"
        if self._settings.stack is not None and self._settings.stack.queues and staking.queue is not None:
            yield from self._queue(token, staking.queue, lido=lido)

    def _queue(self, token: str, queue: Queue, *, lido: bool) -> Iterator[str]:
        """Lido's queue says which token it takes; EtherFi's pool which NFT it hands out, and for which eETH."""
        if lido:
            asked = [(queue.requests, "WSTETH()", token)]
            if not _same(queue.receipts, queue.requests):
                yield f"the receipts of Lido's queue {queue.requests} are its own, not those of {queue.receipts}"
        else:
            eeth = self._ask(token, "eETH()", "address")
            asked = [(queue.requests, "withdrawRequestNFT()", queue.receipts), (queue.requests, "eETH()", str(eeth))]
        for contract, function, said in asked:
            if not _same(found := self._ask(contract, function, "address"), said):
                yield f"{function} of the redemption queue {contract} is {found}, not {said}"

    def _pools(self, venue: str) -> Iterator[str]:
        pools, instruments = self._deployment.pools.get(venue, {}), self._settings.universe.instruments
        for slot in self._settings.venues[venue].trades:
            token = instruments[slot].token
            if token not in pools:
                yield f"`pools` of {venue} has no {token}, which {self._settings.mode} sells there"
            elif token in self._deployment.tokens:
                yield from self._pool(token, pools[token])

    def _pool(self, token: str, pool: Pool) -> Iterator[str]:
        """The factory that the router belongs to knows the one pool of two tokens and a fee."""
        factory = self._ask(pool.router, "factory()", "address")
        if not _is_address(factory):
            yield f"the router {pool.router} is {factory}"
            return
        pair = (self._deployment.token(token).address, self._deployment.weth, pool.fee)
        found = self._ask(str(factory), "getPool(address,address,uint24)", "address", *pair)
        if not _same(found, pool.address):
            yield f"the pool of {token} at {pool.fee / 100:g} bp is {found}, not {pool.address}"

    def _lender(self, lender: Lender) -> Iterator[str]:
        lending = self._deployment.lending
        if lender.kind is LenderKind.AAVE:
            if lending is None or not _same(lender.address, lending.pool):
                yield f"the flash lender {lender.address} is not the lending pool"
            return
        expected = keccak(pack(("bytes32", "uint256", "address"), DOMAIN, self._deployment.chain_id, lender.address))
        found = self._ask(lender.address, "DOMAIN_SEPARATOR()", "bytes32")
        if found != expected:
            yield f"the flash lender {lender.address} is no Morpho Blue of this chain"

    def _ask(self, contract: str, function: str, returns: str, *arguments: Any) -> object:
        """The answer, or in words why there is none."""
        try:
            return unpack((returns,), self._chain.call(contract, call_data(function, *arguments)))[0]
        except (VenueRefusal, DecodingError):
            return f"something without {function}"


def _is_address(found: object) -> bool:
    return isinstance(found, str) and found.startswith("0x") and int(found, 16) != 0


def _same(found: object, said: str) -> bool:
    return str(found).lower() == said.lower()
