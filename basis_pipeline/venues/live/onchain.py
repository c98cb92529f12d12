"""The wallet, Aave, staking, pools and atomic groups in staging and live: one account, one way of sending.

Every order is one transaction of the executor: played through on the node, journalled, signed, journalled by its hash,
sent, found, booked from its receipt. The venues differ in what they take and in what they hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from basis_pipeline.domain.deltas import PositionDelta
from basis_pipeline.domain.errors import OrderError, VenueError, VenueSilence
from basis_pipeline.domain.intents import Facts, Intent, IntentJournal, OpenIntent, SettledIntent
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import ExecutionHandshake, Operation, Order
from basis_pipeline.domain.position_keys import Instrument, PositionType
from basis_pipeline.domain.protocols import Clock, SettlementKind
from basis_pipeline.domain.records import Positions
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.timeline import SECOND
from basis_pipeline.venues.live import booking_chain
from basis_pipeline.venues.live.arrivals import Arrivals, Income
from basis_pipeline.venues.live.booking import refused, unknown
from basis_pipeline.venues.live.calls import Program, wei
from basis_pipeline.venues.live.chain import Chain, Receipt
from basis_pipeline.venues.live.collateral import released
from basis_pipeline.venues.live.deployment import Deployment
from basis_pipeline.venues.live.deployment_check import check_deployment, check_executor
from basis_pipeline.venues.live.onchain_limits import Limits, check_allowed, check_gas, check_size, highest_fee
from basis_pipeline.venues.live.patience import Patience
from basis_pipeline.venues.live.programs import Account, Terms, program
from basis_pipeline.venues.live.redemptions import QUEUED, QueueReport, Redemptions
from basis_pipeline.venues.live.swap_prices import SwapPrices
from basis_pipeline.venues.live.transactions import Sender, Signer
from basis_pipeline.venues.live.transit import Transit
from basis_pipeline.venues.live.wallet_end import confirmed_block

WALLET = "wallet"
EXCHANGE_DECIMALS = 8
"""Exchanges credit no more of them: the rest of a transfer would be nobody's."""
OPERATIONS = {
    "wallet": frozenset({Operation.TRANSFER, Operation.WRAP, Operation.UNWRAP}),
    "lending": frozenset({Operation.SUPPLY, Operation.WITHDRAW, Operation.BORROW, Operation.REPAY}),
    "staking": frozenset({Operation.STAKE, Operation.REDEEM, Operation.CLAIM}),
    "dex": frozenset({Operation.SWAP}),
    "executor": frozenset({Operation.ATOMIC_LEVER, Operation.ATOMIC_DELEVER}),
}
"""By kind of venue, as the configuration names kinds."""


class IncomeJournal(IntentJournal, Income, Protocol):
    """Also remembers which transfers of others were booked, and what became of earlier orders."""

    def settled_after(self, operation_id: int) -> tuple[SettledIntent, ...]: ...


class OnChainAccount:
    """The executor contract, the key that owns it, and the node both are reached through.

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
        deadline: float = 120.0,
        transit: Transit | None = None,
        relay: Chain | None = None,
    ) -> None:
        self._patience = Patience(clock)
        self._patience.ask(lambda: check_executor(chain, deployment, settings, signer.address))
        self._patience.ask(lambda: check_deployment(chain, deployment, settings))
        self._chain, self._deployment, self._settings = chain, deployment, settings
        self._journal, self._limits, self._deadline = journal, limits, deadline
        self._transit = transit
        self._ledger = booking_chain.ledger(settings, deployment, signer.address)
        self._arrivals = Arrivals(chain, deployment, settings, journal)
        self._terms = Terms(deployment, settings, limits.slippage)
        self._swap_prices = SwapPrices(chain, deployment, settings, limits)
        queues = settings.stack is not None and settings.stack.queues
        self._redemptions = Redemptions(chain, deployment, settings, journal) if queues else None
        self._sender = Sender(
            chain, signer, journal, clock, self._facts,
            confirmations=deployment.confirmations, deadline=deadline, relay=relay,
        )  # fmt: skip

    def execute(self, order: Order, positions: Positions, market: MarketSnapshot) -> ExecutionHandshake:
        """One transaction, sent once; refused without cost where it can be seen to fail, PENDING if nobody knows."""
        try:
            order = self._sendable(order, positions) if order.operation is Operation.TRANSFER else order
            intent = Intent(
                intent_id=self._journal.next_id(order.operation_id), timestamp=market.timestamp, order=order
            )
            account = self._account_for(order)
            check_size(self._limits, order, market, self._settings)
            check_gas(self._limits, order, self._chain.gas_price())
            made = self._program(order, positions, market, account)
            most = highest_fee(self._limits, order)
            payload = self._sender.prepare(self._deployment.executor, made.data, made.value, most=most)
            check_allowed(self._limits, order)
            facts = self._sender.send(intent, payload)
        except (OrderError, VenueError) as error:
            return refused(order, market, error)
        if facts is None:
            late = f"no block had it within {2 * self._deadline:g} s."
            return unknown(order, market.timestamp, self._sender.trouble or late)
        self._watch(intent, facts)
        return self.booked(order, facts, market)

    def _program(self, order: Order, positions: Positions, market: MarketSnapshot, account: Account) -> Program:
        if self._redemptions is not None and order.operation in QUEUED:
            return self._redemptions.program(order, account)
        made = program(order, positions, market, account, self._terms)
        freed = self._patience.ask(lambda: released(self._chain, self._deployment, self._settings, order))
        return msgspec.structs.replace(made, calls=(*freed, *made.calls))

    def booked(self, order: Order, facts: Facts, market: MarketSnapshot) -> ExecutionHandshake:
        return booking_chain.handshake(order, facts, market, self._settings)

    def resolve(self, left: OpenIntent) -> Facts | None:
        """As `Sender.resolve`; VenueSilence where it stays open until somebody does something."""
        facts = self._sender.resolve(left)
        if facts is not None:
            self._watch(left.intent, facts)
        elif self._sender.trouble:
            raise VenueSilence(self._sender.trouble)
        return facts

    @property
    def settles(self) -> frozenset[SettlementKind]:
        """What others may send to the executor."""
        return self._arrivals.kinds

    def settle(self, kind: SettlementKind, positions: Positions, market: MarketSnapshot) -> tuple[PositionDelta, ...]:
        """Transfers of ours that have ended in the wallet; or what others have sent and no saved state contains."""
        if kind is SettlementKind.ARRIVAL:
            return self._transit.settle(WALLET, positions) if self._transit else ()
        return self._patience.ask(lambda: self._arrivals.due(kind, market))

    def unbooked(self) -> Mapping[int, float]:
        """What has reached the wallet and is still in transit for the book."""
        return self._transit.unbooked(WALLET) if self._transit else {}

    def waiting(self, block: int) -> Mapping[int, float]:
        """What redemption queues owe at `block` by slot; empty for books that leave by the pool."""
        if self._redemptions is None:
            return {}
        redemptions = self._redemptions
        return self._patience.ask(lambda: redemptions.waiting(block))

    def queue(self, venue: str) -> QueueReport | None:
        """What waits in the queue of `venue`; None where the book has nothing to do with one. Raises VenueError."""
        mine = self._redemptions is not None and self._redemptions.venue == venue
        return self._redemptions.report() if mine and self._redemptions is not None else None

    def confirmed_block(self) -> int:
        """The newest block that is final; what is held is read there, so that nothing counts before it is."""
        return confirmed_block(self._chain, self._deployment)

    def holding(self, instrument: Instrument, block: int) -> float:
        """Stored units of a position at `block`: tokens, scaled balances at Aave, all of the executor.

        ETH of the owner, who pays the gas, is in the book as well, and one with WETH where a mode does not tell them
        apart. Other tokens of the owner are not: no order can reach them. A silent node is asked again (R37).
        """
        return self._patience.ask(lambda: self._holding(instrument, block))

    def _holding(self, instrument: Instrument, block: int) -> float:
        lending, executor, owner = self._deployment.lending, self._deployment.executor, self._sender.address
        kind, token = instrument.position_type, instrument.token
        if kind in (PositionType.A_TOKEN, PositionType.DEBT_TOKEN) and lending is not None:
            reserve = lending.reserves[token]
            address = reserve.a_token if kind is PositionType.A_TOKEN else reserve.debt_token
            units = self._units(address, "scaledBalanceOf(address)", executor, block)
        elif token == "ETH":
            units = self._chain.balance(owner, block) + self._chain.balance(executor, block)
            if self._settings.universe.find("wallet:BaseToken:WETH") is None:
                units += self._units(self._deployment.weth, "balanceOf(address)", executor, block)
        elif token == "WETH" or token in self._deployment.tokens:
            units = self._units(self._deployment.token(token).address, "balanceOf(address)", executor, block)
        else:
            return 0.0
        return float(units) / 10.0 ** self._deployment.token(token).decimals

    def _units(self, contract: str, function: str, holder: str, block: int | None = None) -> int:
        return int(self._chain.read(contract, function, ("uint256",), holder, block=block))

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
        time, destination = self._chain.head().timestamp // SECOND, self._destination(order)
        ether = self._chain.balance(executor)
        lowest = self._patience.ask(lambda: self._swap_prices.lowest(order))
        return Account(self._sender.address, units, emode, time, destination, ether, lowest)

    def _destination(self, order: Order) -> str:
        if order.operation is not Operation.TRANSFER:
            return ""
        if self._transit is None:
            raise OrderError(
                "this session moves no funds out of the wallet.",
                code="TRANSFER-006",
                remedy="list deposit addresses in configs/live.yaml, or place the funds by hand.",
            )
        destination = self._transit.destination(order)
        if destination.network != self._deployment.network:
            raise OrderError(
                f"{destination.address} is an address on {destination.network}, the wallet sends on "
                f"{self._deployment.network}: nothing is sent.",
                code="TRANSFER-008",
                remedy="list an address on the wallet's own network in `transfers.addresses` of configs/live.yaml.",
            )
        return destination.address

    def _sendable(self, order: Order, positions: Positions) -> Order:
        """What is there of the quantity of a transfer, in units that contract and exchanges both count.

        A sale of the same plan may have brought less than was planned, and ETH that pays the gas stays.
        """
        token = self._settings.universe.instruments[order.slot].token
        if token != booking_chain.GAS_TOKEN and token not in self._deployment.tokens:
            raise OrderError(f"the deployment has no contract of {token}.", remedy="add it to its `tokens`.")
        decimals = min(self._deployment.token(token).decimals, EXCHANGE_DECIMALS)
        kept = self._settings.gas_tank if token == booking_chain.GAS_TOKEN else 0.0
        units = wei(min(order.quantity, positions.quantities[order.slot] - kept), decimals)
        if units <= 0:
            raise OrderError(f"there is no {token} in the wallet that could be sent.", code="EXEC-008")
        return msgspec.structs.replace(order, quantity=units / 10**decimals)

    def _watch(self, intent: Intent, facts: Facts) -> None:
        if self._transit is not None:
            self._transit.sent(SettledIntent(intent, facts))
        if self._redemptions is not None:
            self._redemptions.settled(intent, facts)

    def _facts(self, order: Order, receipt: Receipt, executed_at: int) -> Facts:
        return booking_chain.facts(order, receipt, executed_at, self._ledger)


class LiveOnChain:
    """One venue of the configuration on the account."""

    def __init__(self, name: str, kind: str, account: OnChainAccount, settings: EngineSettings) -> None:
        self.name = name
        self.settles = account.settles | {SettlementKind.ARRIVAL} if kind == WALLET else frozenset()
        self.operations = OPERATIONS[kind]
        self._account = account
        self._slots = tuple(
            (slot, instrument)
            for slot, instrument in enumerate(settings.universe)
            if instrument.key.venue == name and instrument.position_type is not PositionType.RECEIVABLE
        )

    def execute(self, order: Order, positions: Positions, market: MarketSnapshot) -> ExecutionHandshake:
        return self._account.execute(order, positions, market)

    def resolve(self, open_intent: OpenIntent) -> Facts | None:
        return self._account.resolve(open_intent)

    def booked(self, order: Order, facts: Facts, market: MarketSnapshot) -> ExecutionHandshake:
        """The handshake of facts that were found later."""
        return self._account.booked(order, facts, market)

    def positions(self, expected: Positions) -> Mapping[int, float]:
        arrived = self._account.unbooked() if self.name == WALLET else {}
        block = self._account.confirmed_block()
        held = {slot: self._account.holding(i, block) - arrived.get(slot, 0.0) for slot, i in self._slots}
        return {**held, **self._account.waiting(block)} if self.name == WALLET else held

    def queue(self) -> QueueReport | None:
        """What waits here for its issuer to pay it; None where nothing ever does. Raises VenueError."""
        return self._account.queue(self.name)

    def settle(self, kind: SettlementKind, positions: Positions, market: MarketSnapshot) -> tuple[PositionDelta, ...]:
        """Transfers of ours that have ended here, and what others have sent to the executor: by the wallet alone."""
        return self._account.settle(kind, positions, market)
