"""From a receipt to the engine's books: everything is read from the transaction itself, however much later.

Token amounts are the transfers it logged, lending balances the scaled amounts behind Aave's Mint and Burn events, gas
what the receipt says. No balance is asked for, so no node has to remember the state of an old block.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.errors import OrderError
from basis_pipeline.domain.intents import Booking, Facts, Fate
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import ExecutionHandshake, HandshakeStatus, Operation, Order
from basis_pipeline.domain.position_keys import PositionType
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.venues.live.abi import topic, unpack
from basis_pipeline.venues.live.booking_redemptions import RECEIVABLE, lost, requests_in
from basis_pipeline.venues.live.calls import paid_out
from basis_pipeline.venues.live.chain import Log, Receipt
from basis_pipeline.venues.live.deployment import Deployment

TRANSFER = topic("Transfer(address,address,uint256)")
DEPOSIT = topic("Deposit(address,uint256)")
WITHDRAWAL = topic("Withdrawal(address,uint256)")
MINT = topic("Mint(address,address,uint256,uint256,uint256)")
BURN = topic("Burn(address,address,uint256,uint256,uint256)")
RAY = 10**27
WEI = 1e-18
GAS_TOKEN = "ETH"
ETH = "wallet:BaseToken:ETH"


class Held(msgspec.Struct, frozen=True):
    """What a token contract is in the book: a position, in units of 10^-decimals; `scaled` for Aave's tokens."""

    key: str
    decimals: int = 18
    scaled: bool = False


class Ledger(msgspec.Struct, frozen=True):
    """How to read receipts: contracts of positions by address, our executor, whom it obeys, who sells and redeems.

    All lower case.
    """

    held: dict[str, Held]
    weth: str
    account: str
    owner: str
    pools: frozenset[str]
    queues: frozenset[str] = frozenset()


def ledger(settings: EngineSettings, deployment: Deployment, owner: str) -> Ledger:
    """The contracts behind the declared positions; WETH is ETH unless the mode declares it."""
    held: dict[str, Held] = {}
    for instrument in settings.universe:
        key, kind = str(instrument.key), instrument.position_type
        if kind is PositionType.RECEIVABLE:  # it stands for tokens that are not here
            continue
        if kind in (PositionType.A_TOKEN, PositionType.DEBT_TOKEN):
            reserve = deployment.lending.reserves.get(instrument.token) if deployment.lending else None
            if reserve is not None:
                address = reserve.a_token if kind is PositionType.A_TOKEN else reserve.debt_token
                held[address.lower()] = Held(key, deployment.token(instrument.token).decimals, scaled=True)
        elif instrument.key.venue == "wallet" or kind is PositionType.LST:
            if instrument.token == "ETH" and settings.universe.find("wallet:BaseToken:WETH") is not None:
                continue
            if instrument.token in {"ETH", "WETH"} or instrument.token in deployment.tokens:
                token = deployment.token(instrument.token)
                held[token.address.lower()] = Held(key, token.decimals)
    pools = frozenset(pool.address.lower() for by_token in deployment.pools.values() for pool in by_token.values())
    queues = frozenset(one.queue.receipts.lower() for one in deployment.staking.values() if one.queue is not None)
    return Ledger(held, deployment.weth.lower(), deployment.executor.lower(), owner.lower(), pools, queues)


def facts(order: Order, receipt: Receipt, executed_at: int, book: Ledger) -> Facts:
    """What the chain says became of `order`; a transaction that reverted still paid its gas."""
    gas = receipt.gas * WEI
    spent = Booking(ETH, -gas)
    if not receipt.succeeded:
        return Facts(
            fate=Fate.REVERTED,
            reference=receipt.hash,
            executed_at=executed_at,
            fee=gas,
            fee_token=GAS_TOKEN,
            bookings=(spent,),
            error_code="EXEC-005",
            error_message="the transaction was reverted; only its gas was paid.",
        )
    moved = _moved(receipt, book)
    requests = tuple(requests_in(receipt, order.operation, book.queues, book.account))
    if order.operation is Operation.CLAIM:
        moved |= {RECEIVABLE: -order.quantity, ETH: sum(request.amount for request in requests)}
    elif ether := paid_out(receipt.data, book.owner) - _wrapped(receipt, book):
        moved[ETH] = moved.get(ETH, 0.0) + ether * WEI
    if order.operation is Operation.REDEEM:
        moved[RECEIVABLE] = sum(request.amount for request in requests)
    sold, received = _swapped(order, receipt, book)
    return Facts(
        fate=Fate.EXECUTED,
        reference=receipt.hash,
        executed_at=executed_at,
        filled=sold or order.quantity,
        price=received / sold if sold else None,
        fee=gas,
        fee_token=GAS_TOKEN,
        bookings=(*(Booking(key, amount) for key, amount in moved.items() if amount), spent),
        requests=requests,
    )


def handshake(order: Order, told: Facts, market: MarketSnapshot, settings: EngineSettings) -> ExecutionHandshake:
    """The answer to `order`: bookings as they are, what a swap lost as slippage, gas and flash fee as stated costs.

    Raises:
        OrderError: VEN-005 something moved that the mode does not hold.
    """
    if told.fee and market.gas_token_price is None:
        raise OrderError(f"operation {order.operation_id} cost gas, but the mode has no price of ETH for it.")
    gas = told.fee * (market.gas_token_price or 0.0)
    spent = PositionDelta(settings.universe.slot(ETH), -told.fee, DeltaSource.GAS, order.operation_id, fee=gas)
    if told.fate is not Fate.EXECUTED:
        return _undone(order, told, market, (spent,) if told.fee else (), gas)
    moved = _by_slot(order, told, settings)
    moved[spent.slot] = moved.get(spent.slot, 0.0) + told.fee
    sale = _sale(order, told, market)
    if sale is not None:
        moved[sale.slot] = moved.get(sale.slot, 0.0) - sale.amount
    if order.operation is Operation.TRANSFER:
        target = settings.receivables.get(order.counter_slot, order.counter_slot)
        moved[target] = moved.get(target, 0.0) - moved[order.slot]
    missed = lost(order, moved, market)
    if missed is not None:
        moved[missed.slot] -= missed.amount
    transfers = (PositionDelta(slot, a, DeltaSource.TRANSFER, order.operation_id) for slot, a in moved.items() if a)
    return ExecutionHandshake(
        operation_id=order.operation_id,
        status=HandshakeStatus.CONFIRMED,
        deltas=(*transfers, *((sale,) if sale else ()), *((missed,) if missed else ()), spent),
        price=sale.price if sale else None,
        filled=told.filled,
        fee=missed.fee if missed else _flash_fee(order, market, settings),
        slippage=_slippage(sale),
        gas=gas,
        submitted_at=market.timestamp,
        executed_at=told.executed_at,
        simulated=False,
    )


def _undone(
    order: Order, told: Facts, market: MarketSnapshot, deltas: tuple[PositionDelta, ...], gas: float
) -> ExecutionHandshake:
    """Nothing moved but gas, where the chain got as far as charging it."""
    return ExecutionHandshake(
        operation_id=order.operation_id,
        status=HandshakeStatus.ROLLED_BACK if order.steps and deltas else HandshakeStatus.FAILED,
        deltas=deltas,
        gas=gas,
        error_code=told.error_code or "VEN-003",
        error_message=told.error_message,
        submitted_at=market.timestamp,
        simulated=False,
    )


def _sale(order: Order, told: Facts, market: MarketSnapshot) -> PositionDelta | None:
    """What was sold on a pool, against the price the pool showed before."""
    swap = next((step for step in order.steps or (order,) if step.operation is Operation.SWAP), None)
    if swap is None or told.price is None:
        return None
    return PositionDelta(
        swap.slot,
        -told.filled,
        DeltaSource.TRADE,
        order.operation_id,
        price=told.price * market.value[swap.counter_slot],
        reference_price=market.last[swap.slot],
    )


def _slippage(sale: PositionDelta | None) -> float:
    """USDT lost against the reference price, the pool's own fee included."""
    if sale is None or sale.price is None or sale.reference_price is None:
        return 0.0
    return sale.amount * (sale.price - sale.reference_price)


def _by_slot(order: Order, told: Facts, settings: EngineSettings) -> dict[int, float]:
    moved: dict[int, float] = {}
    for booking in told.bookings:
        slot = settings.universe.find(booking.position_key)
        if slot is None:
            raise OrderError(
                f"operation {order.operation_id} moved {booking.amount:.10g} of {booking.position_key}, which "
                f"{settings.mode} does not hold.",
                code="VEN-005",
                remedy="declare the position: gas is paid in ETH of the wallet.",
            )
        moved[slot] = moved.get(slot, 0.0) + booking.amount
    return moved


def _flash_fee(order: Order, market: MarketSnapshot, settings: EngineSettings) -> float:
    rate = settings.rules_of(order.venue).flash_fee
    lent = (step for step in order.steps if step.operation is Operation.FLASH_REPAY)
    return sum(step.quantity * rate * market.value[step.slot] for step in lent)


def _moved(receipt: Receipt, book: Ledger) -> dict[str, float]:
    """Change of every position in its stored units, from the logs of its contract; summed as integers."""
    units: dict[str, int] = {}
    for log in receipt.logs:
        held = book.held.get(log.address)
        if held is not None and log.topics:
            change = _scaled(log, book) if held.scaled else _plain(log, book)
            units[log.address] = units.get(log.address, 0) + change
    moved: dict[str, float] = {}
    for address, amount in units.items():
        held = book.held[address]
        moved[held.key] = moved.get(held.key, 0.0) + amount / 10**held.decimals
    return moved


def _plain(log: Log, book: Ledger) -> int:
    """Transfers to us less transfers from us; wrapping and unwrapping move WETH without a transfer."""
    if log.topics[0] == TRANSFER:
        amount = int(unpack(("uint256",), log.data)[0])
        return amount * ((_party(log, 2) == book.account) - (_party(log, 1) == book.account))
    if log.address == book.weth and log.topics[0] in (DEPOSIT, WITHDRAWAL) and _party(log, 1) == book.account:
        amount = int(unpack(("uint256",), log.data)[0])
        return amount if log.topics[0] == DEPOSIT else -amount
    return 0


def _wrapped(receipt: Receipt, book: Ledger) -> int:
    """Wei of ETH that became WETH: all of it that a transaction takes, the owner's and what the executor had.

    What is staked or sent away as ETH was WETH before, and is gone from there.
    """
    deposits = (log for log in receipt.logs if log.address == book.weth and log.topics[:1] == (DEPOSIT,))
    return sum(int(unpack(("uint256",), log.data)[0]) for log in deposits if _party(log, 1) == book.account)


def _scaled(log: Log, book: Ledger) -> int:
    """Scaled units minted or burnt for the account.

    Aave logs the amount together with the interest since the last change: `value` = amount + interest of a Mint,
    amount - interest of a Burn; a Mint with less value than interest was a withdrawal or repayment smaller than the
    interest (ScaledBalanceTokenBase.sol). The scaled amount is amount / index, rounded half up as rayDiv does.
    """
    if log.topics[0] not in (MINT, BURN):
        return 0
    value, interest, index = unpack(("uint256", "uint256", "uint256"), log.data)
    if log.topics[0] == MINT:
        amount = value - interest if _party(log, 2) == book.account else 0
    else:
        amount = -(value + interest) if _party(log, 1) == book.account else 0
    scaled = int((abs(amount) * RAY + index // 2) // index)
    return scaled if amount >= 0 else -scaled


def _swapped(order: Order, receipt: Receipt, book: Ledger) -> tuple[float, float]:
    """Tokens sold to pools and ETH received from them."""
    if not any(step.operation is Operation.SWAP for step in order.steps or (order,)):
        return 0.0, 0.0
    transfers = [log for log in receipt.logs if log.address in book.held and log.topics[:1] == (TRANSFER,)]
    sold = (log for log in transfers if log.address != book.weth and _party(log, 2) in book.pools)
    received = (log for log in transfers if log.address == book.weth and _party(log, 1) in book.pools)
    return _total(sold, book.held), _total(received, book.held)


def _total(logs: Iterable[Log], held: Mapping[str, Held]) -> float:
    return sum((int(unpack(("uint256",), log.data)[0]) / 10.0 ** held[log.address].decimals for log in logs), 0.0)


def _party(log: Log, position: int) -> str:
    return "0x" + log.topics[position][-40:]
