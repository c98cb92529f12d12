"""The wallet, Aave, staking, pools and atomic groups in staging and live: one account, one way of sending.

Every order is one transaction of the executor: played through on the node, journalled, signed, journalled by its hash,
sent, found, booked from its receipt. The venues differ in what they take and in what they hold.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Protocol

import msgspec

from basis_pipeline.domain.deltas import PositionDelta
from basis_pipeline.domain.errors import ConfigError, OrderError, VenueError
from basis_pipeline.domain.intents import Facts, Intent, IntentJournal, OpenIntent
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import Action, ExecutionHandshake, Operation, Order
from basis_pipeline.domain.position_keys import Instrument, PositionType
from basis_pipeline.domain.protocols import Clock, SettlementKind
from basis_pipeline.domain.records import Positions
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.timeline import SECOND
from basis_pipeline.venues.live import booking_chain
from basis_pipeline.venues.live.abi import pack
from basis_pipeline.venues.live.arrivals import Arrivals, Income
from basis_pipeline.venues.live.booking import refused, unknown
from basis_pipeline.venues.live.chain import Chain, Receipt
from basis_pipeline.venues.live.contracts import executor_code
from basis_pipeline.venues.live.deployment import Deployment
from basis_pipeline.venues.live.deployment_check import check_deployment
from basis_pipeline.venues.live.patience import Patience
from basis_pipeline.venues.live.programs import Account, Terms, program
from basis_pipeline.venues.live.transactions import Sender, Signer

OPERATIONS = {
    "wallet": frozenset({Operation.TRANSFER, Operation.WRAP, Operation.UNWRAP}),
    "lending": frozenset({Operation.SUPPLY, Operation.WITHDRAW, Operation.BORROW, Operation.REPAY}),
    "staking": frozenset({Operation.STAKE}),
    "dex": frozenset({Operation.SWAP}),
    "executor": frozenset({Operation.ATOMIC_LEVER, Operation.ATOMIC_DELEVER}),
}
"""By kind of venue, as the configuration names kinds."""


class Limits(msgspec.Struct, frozen=True):
    """What no order may exceed, whatever the strategy says.

    Attributes:
        max_notional: USDT.
        slippage: largest fraction that a swap may lose against the pool's price when it was ordered.
        max_gas_price: gwei per unit of gas; beyond it nothing is sent but what makes the book smaller.
        read_only: orders are played through on the node and never sent.
    """

    max_notional: float
    slippage: float = 0.005
    max_gas_price: float = math.inf
    read_only: bool = False


REDUCTIONS = frozenset({Action.EXIT_PARTIAL, Action.EXIT_FULL})
"""Orders that go out at any price of gas: it is highest when a stack has to be reduced most urgently."""


class IncomeJournal(IntentJournal, Income, Protocol):
    """Also remembers which transfers of others were booked."""


class OnChainAccount:
    """The executor contract, the key that owns it, and the node both are reached through.

    Args:
        since: microseconds, time of the last saved state; None where a record begins.

    Raises:
        ConfigError: CHAIN-003 there is no executor of this version that obeys the key; CHAIN-004 no ETH for gas;
            CHAIN-005 other contracts than the deployment says.
    """

    def __init__(
        self,
        chain: Chain,
        signer: Signer,
        deployment: Deployment,
        settings: EngineSettings,
        *,
        journal: IncomeJournal,
        clock: Clock,
        limits: Limits,
        since: int | None = None,
        deadline: float = 120.0,
    ) -> None:
        self._patience = Patience(clock)
        self._patience.ask(lambda: _check(chain, deployment, settings, signer.address))
        self._patience.ask(lambda: check_deployment(chain, deployment, settings))
        self._chain, self._deployment, self._settings = chain, deployment, settings
        self._journal, self._limits, self._deadline = journal, limits, deadline
        self._ledger = booking_chain.ledger(settings, deployment)
        self._arrivals = Arrivals(chain, deployment, settings, journal, since=since)
        self._terms = Terms(deployment, settings, limits.slippage)
        self._sender = Sender(
            chain, signer, journal, clock, self._facts, confirmations=deployment.confirmations, deadline=deadline
        )

    def execute(self, order: Order, positions: Positions, market: MarketSnapshot) -> ExecutionHandshake:
        """One transaction, sent once; refused without cost where it can be seen to fail, PENDING if nobody knows."""
        intent = Intent(intent_id=self._journal.next_id(order.operation_id), timestamp=market.timestamp, order=order)
        try:
            self._check_size(order, market)
            self._check_gas(order)
            made = program(order, positions, market, self._account_for(order), self._terms)
            payload = self._sender.prepare(self._deployment.executor, made.data, made.value)
            self._check_allowed(order)
            facts = self._sender.send(intent, payload)
        except (OrderError, VenueError) as error:
            return refused(order, market, error)
        if facts is None:
            return unknown(order, market.timestamp, f"no block had it within {2 * self._deadline:g} s.")
        return self.booked(order, facts, market)

    def booked(self, order: Order, facts: Facts, market: MarketSnapshot) -> ExecutionHandshake:
        return booking_chain.handshake(order, facts, market, self._settings)

    def resolve(self, left: OpenIntent) -> Facts | None:
        return self._sender.resolve(left)

    @property
    def settles(self) -> frozenset[SettlementKind]:
        """What others may send to the executor."""
        return self._arrivals.kinds

    def arrived(self, kind: SettlementKind, market: MarketSnapshot) -> tuple[PositionDelta, ...]:
        """What others have sent and no saved state contains; a silent node is asked again (R37)."""
        return self._patience.ask(lambda: self._arrivals.due(kind, market))

    def holding(self, instrument: Instrument) -> float:
        """Stored units of a position: tokens, scaled balances at Aave, all of the executor.

        ETH of the owner, who pays the gas, is in the book as well, and one with WETH where a mode does not tell them
        apart. Other tokens of the owner are not: no order can reach them. A silent node is asked again (R37).
        """
        return self._patience.ask(lambda: self._holding(instrument))

    def _holding(self, instrument: Instrument) -> float:
        lending, executor, owner = self._deployment.lending, self._deployment.executor, self._sender.address
        kind, token = instrument.position_type, instrument.token
        if kind in (PositionType.A_TOKEN, PositionType.DEBT_TOKEN) and lending is not None:
            reserve = lending.reserves[token]
            address = reserve.a_token if kind is PositionType.A_TOKEN else reserve.debt_token
            units = self._units(address, "scaledBalanceOf(address)", executor)
        elif token == "ETH":
            units = self._chain.balance(owner) + self._chain.balance(executor)
            if self._settings.universe.find("wallet:BaseToken:WETH") is None:
                units += self._units(self._deployment.weth, "balanceOf(address)", executor)
        elif token == "WETH" or token in self._deployment.tokens:
            units = self._units(self._deployment.token(token).address, "balanceOf(address)", executor)
        else:
            return 0.0
        return float(units) / 10.0 ** self._deployment.token(token).decimals

    def _units(self, contract: str, function: str, holder: str) -> int:
        return int(self._chain.read(contract, function, ("uint256",), holder))

    def _account_for(self, order: Order) -> Account:
        lending, executor, instruments = self._deployment.lending, self._deployment.executor, self._settings.universe
        emode = 0
        if lending is not None:
            emode = self._chain.read(lending.pool, "getUserEMode(address)", ("uint256",), executor)
        used = {instruments.instruments[step.slot].token for step in order.steps or (order,)}
        contracts = {token: self._deployment.token(token).address for token in used & self._deployment.tokens.keys()}
        units = {
            token: self._units(contract, "balanceOf(address)", executor)
            for token, contract in (contracts | {"WETH": self._deployment.weth}).items()
        }
        return Account(self._sender.address, units, emode, self._chain.head().timestamp // SECOND)

    def _facts(self, order: Order, receipt: Receipt, executed_at: int) -> Facts:
        return booking_chain.facts(order, receipt, executed_at, self._ledger)

    def _check_allowed(self, order: Order) -> None:
        if self._limits.read_only:
            raise OrderError(
                f"read only: {order.operation} of {order.quantity:.10g} at {order.venue} would succeed, was not sent.",
                code="EXEC-015",
                remedy="set BASIS_LIVE_TRADING__READ_ONLY=false to trade.",
            )

    def _check_gas(self, order: Order) -> None:
        price = self._chain.gas_price()
        if price > self._limits.max_gas_price and order.action not in REDUCTIONS:
            raise OrderError(
                f"gas costs {price:.1f} gwei, above the {self._limits.max_gas_price:g} that an order may pay.",
                code="CHAIN-006",
                remedy="it is planned again at the next tick; raise max_gas_price_gwei in configs/live.yaml if this "
                "price is to be paid.",
            )

    def _check_size(self, order: Order, market: MarketSnapshot) -> None:
        if not order.quantity > 0.0:
            raise OrderError(f"quantity {order.quantity!r} of {order.operation} is not positive.")
        notional = order.quantity * market.price[order.slot]
        if notional > self._limits.max_notional:
            raise OrderError(
                f"{notional:.2f} USDT of {self._settings.universe.keys[order.slot]} is above the largest order "
                f"allowed, {self._limits.max_notional:.2f}.",
                code="EXEC-014",
                remedy="raise BASIS_LIVE_TRADING__MAX_TRADE_SIZE_USD if this size is meant.",
            )


class LiveOnChain:
    """One venue of the configuration on the account."""

    def __init__(self, name: str, kind: str, account: OnChainAccount, settings: EngineSettings) -> None:
        self.name = name
        self.settles = account.settles if kind == "wallet" else frozenset()
        self.operations = OPERATIONS[kind]
        self._account = account
        self._slots = tuple((s, i) for s, i in enumerate(settings.universe) if i.key.venue == name)

    def execute(self, order: Order, positions: Positions, market: MarketSnapshot) -> ExecutionHandshake:
        return self._account.execute(order, positions, market)

    def resolve(self, open_intent: OpenIntent) -> Facts | None:
        return self._account.resolve(open_intent)

    def booked(self, order: Order, facts: Facts, market: MarketSnapshot) -> ExecutionHandshake:
        """The handshake of facts that were found later."""
        return self._account.booked(order, facts, market)

    def positions(self, expected: Positions) -> Mapping[int, float]:
        return {slot: self._account.holding(instrument) for slot, instrument in self._slots}

    def settle(self, kind: SettlementKind, positions: Positions, market: MarketSnapshot) -> tuple[PositionDelta, ...]:
        """Rewards and deposits that others have sent to the executor, by the wallet alone."""
        return self._account.arrived(kind, market)


def _check(chain: Chain, deployment: Deployment, settings: EngineSettings, owner: str) -> None:
    executor = deployment.executor
    if settings.universe.find(booking_chain.ETH) is None:
        raise ConfigError(
            f"{settings.mode} does not hold {booking_chain.ETH}, but gas is paid in it.",
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
