"""What an order is on chain: a list of calls that the executor runs in one transaction, a flash loan around some.

Pure: from the order, what is known of the account, and where the contracts are. Every ETH amount inside is WETH; what
is missing of it comes as ETH with the transaction, from the owner who pays the gas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from basis_pipeline.domain.accounting import unscale
from basis_pipeline.domain.errors import OrderError
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.orders import Operation, Order
from basis_pipeline.domain.records import Positions
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.venues.live.abi import MAX_UINT, call_data, pack, word
from basis_pipeline.venues.live.calls import CALLS, NOBODY, Call, Program, wei
from basis_pipeline.venues.live.deployment import Deployment, LenderKind, Lending, Pool, StakingKind

VARIABLE_RATE = 2
WHOLE = 1e-9
"""An order for all but this fraction of what is supplied means all of it."""
CLEARED = 1e-6
"""An order to repay all but this fraction of the debt means all of it: interest accrues while the order travels."""
INTEREST_ROOM = 1e-5
"""A debt that is cleared is flash-borrowed with this much more; what is not needed goes straight back."""
IDLE = 10**16
"""Wei of WETH from which on an order that leaves it returns it: less is not worth the gas."""
SWAP_WINDOW = 300
"""Seconds after which a swap that is still waiting for a block is refused by the pool."""


class Account(msgspec.Struct, frozen=True):
    """What a program is made for.

    Attributes:
        owner: of the executor.
        units: what the executor holds of the tokens of the order and of WETH, in their smallest units.
        emode: category it is in at the lending pool.
        time: of the last block, seconds.
        destination: the address that a transfer goes to; empty for other orders.
        ether: wei that the executor itself has; nobody means to send it any, but somebody may have.
        lowest: WETH per token below which it is not sold, of the tokens that the order sells (`swap_prices`).
    """

    owner: str
    units: Mapping[str, int]
    emode: int
    time: int
    destination: str = ""
    ether: int = 0
    lowest: Mapping[str, float] = {}


class Terms(msgspec.Struct, frozen=True):
    """The same for all orders: `slippage` is the largest fraction a swap may lose against the pool's price."""

    deployment: Deployment
    settings: EngineSettings
    slippage: float


def program(order: Order, positions: Positions, market: MarketSnapshot, account: Account, terms: Terms) -> Program:
    """The transaction that `order` is.

    Raises:
        OrderError: EXEC-007 the deployment has no contract for it.
    """
    writer = _Writer(order, positions, market, account, terms)
    for step in order.steps or (order,):
        writer.write(step)
    return writer.finished()


class _Writer:
    """Calls in the order of the steps, with the WETH at hand as they go along: as expected, and what is certain."""

    def __init__(
        self, order: Order, positions: Positions, market: MarketSnapshot, account: Account, terms: Terms
    ) -> None:
        self._positions, self._market, self._account, self._terms = positions, market, account, terms
        self._deployment, self._settings = terms.deployment, terms.settings
        self._calls: list[Call] = []
        self._outer: list[Call] | None = None
        self._weth = self._certain = account.units["WETH"]
        self._loan = self._lowest = self._wrapped = 0
        self._whole: set[str] = set()
        steps = order.steps or (order,)
        # What a pool will pay is not known before; the chain refuses a loan that its proceeds do not cover.
        self._sells = any(step.operation is Operation.SWAP for step in steps)
        self._clears = any(step.operation is Operation.REPAY and self._is_all(step, CLEARED) for step in steps)

    def write(self, step: Order) -> None:
        writers: dict[Operation, Callable[[Order], None]] = {
            Operation.FLASH_BORROW: self._flash_borrow,
            Operation.FLASH_REPAY: self._flash_repay,
            Operation.STAKE: self._stake,
            Operation.SUPPLY: self._supply,
            Operation.WITHDRAW: self._withdraw,
            Operation.BORROW: self._borrow,
            Operation.REPAY: self._repay,
            Operation.SWAP: self._swap,
            Operation.WRAP: self._wrap,
            Operation.UNWRAP: self._unwrap,
            Operation.TRANSFER: self._transfer,
        }
        if step.operation not in writers:
            raise OrderError(f"{step.operation} at {step.venue} cannot be done on chain yet.")
        writers[step.operation](step)

    def finished(self) -> Program:
        """With the ETH that is missing wrapped first, and what is left of it returned to the owner, who pays the gas.

        Where a mode tells ETH from WETH, WETH is a position of its own that other orders unwrap.
        """
        missing = max(0, -self._lowest)
        lead = (Call(self._deployment.weth, call_data("deposit()"), missing),) if missing else ()
        left = self._certain + missing
        if left >= IDLE and self._settings.universe.find("wallet:BaseToken:WETH") is None:
            self._return(left)
        lender = self._deployment.lender.address if self._loan else NOBODY
        return Program((*lead, *self._calls), lender, max(0, missing + self._wrapped - self._account.ether))

    def _return(self, amount: int) -> None:
        unwrap = Call(self._deployment.weth, call_data("withdraw(uint256)", amount))
        self._calls += [unwrap, Call(self._account.owner, b"", amount)]

    def _flash_borrow(self, step: Order) -> None:
        amount = wei(step.quantity)
        self._loan = amount + round(amount * INTEREST_ROOM) if self._clears else amount
        self._outer, self._calls = self._calls, []
        self._gain(self._loan)

    def _flash_repay(self, step: Order) -> None:
        """Everything since the loan becomes what the lender calls back with; it collects what is due itself."""
        if self._outer is None:
            raise OrderError("a flash loan is repaid that was not taken.", code="EXEC-005")
        weth, lender = self._deployment.weth, self._deployment.lender
        rate = self._settings.rules_of(step.venue).flash_fee
        due = self._loan + (round(self._loan * rate) + 1 if rate else 0)
        if self._sells:
            self._certain -= due
        else:
            self._spend(due)
        inside = pack(("address", CALLS), weth, [call.packed for call in self._calls])
        if lender.kind is LenderKind.MORPHO:
            data = call_data("flashLoan(address,uint256,bytes)", weth, self._loan, inside)
        else:
            flash = "flashLoanSimple(address,address,uint256,bytes,uint16)"
            data = call_data(flash, self._deployment.executor, weth, self._loan, inside, 0)
        self._calls, self._outer = [*self._outer, Call(lender.address, data)], None

    def _stake(self, step: Order) -> None:
        staking = self._deployment.staking.get(step.venue)
        if staking is None:
            raise self._absent(step)
        amount = wei(step.quantity)
        self._spend(amount)
        mint = call_data("depositETHForWeETH(address)", NOBODY) if staking.kind is StakingKind.ETHERFI else b""
        unwrap = Call(self._deployment.weth, call_data("withdraw(uint256)", amount))
        self._calls += [unwrap, Call(staking.mint, mint, amount)]
        self._whole.add(staking.token)

    def _supply(self, step: Order) -> None:
        token = self._token(step.slot)
        amount, spent = self._amount(token, step.quantity)
        if token == "WETH":
            self._spend(amount)
        address, pool = self._deployment.token(token).address, self._lending(step).pool
        data = call_data("supply(address,uint256,address,uint16)", address, amount, self._deployment.executor, 0)
        self._calls += [self._approval(address, pool, amount, spent), Call(pool, data, 0, spent, self._at(spent, 1))]

    def _withdraw(self, step: Order) -> None:
        token = self._token(step.slot)
        amount = self._wei(token, step.quantity)
        if self._is_all(step, WHOLE):
            amount = MAX_UINT
            self._whole.add(token)
        if token == "WETH":
            self._gain(self._wei(token, step.quantity), 0)
        address = self._deployment.token(token).address
        data = call_data("withdraw(address,uint256,address)", address, amount, self._deployment.executor)
        self._calls.append(Call(self._lending(step).pool, data))

    def _borrow(self, step: Order) -> None:
        lending, amount = self._lending(step), wei(step.quantity)
        if lending.emode != self._account.emode:
            self._calls.append(Call(lending.pool, call_data("setUserEMode(uint8)", lending.emode)))
        arguments = (self._deployment.weth, amount, VARIABLE_RATE, 0, self._deployment.executor)
        self._calls.append(Call(lending.pool, call_data("borrow(address,uint256,uint256,uint16,address)", *arguments)))
        self._gain(amount)

    def _repay(self, step: Order) -> None:
        """A debt that is cleared is repaid to the last wei, whatever it has grown to; no approval is left behind."""
        weth, pool, cleared = self._deployment.weth, self._lending(step).pool, self._is_all(step, CLEARED)
        amount = wei(step.quantity)
        most = amount + round(amount * INTEREST_ROOM) if cleared else amount
        terms = (weth, MAX_UINT if cleared else amount, VARIABLE_RATE, self._deployment.executor)
        repay = Call(pool, call_data("repay(address,uint256,uint256,address)", *terms))
        self._calls += [self._approval(weth, pool, most, NOBODY), repay]
        if cleared:
            self._calls.append(self._approval(weth, pool, 0, NOBODY))
        self._spend(most)

    def _swap(self, step: Order) -> None:
        """For WETH: no less than the pool's price of the decision less the slippage allowed, nor than the lowest."""
        token = self._token(step.slot)
        pool, address = self._pool(step, token), self._deployment.token(token).address
        fair = step.quantity * self._market.last[step.slot] / self._market.value[step.counter_slot]
        least = wei(max(fair * (1.0 - self._terms.slippage), step.quantity * self._account.lowest[token]))
        amount, spent = self._amount(token, step.quantity)
        terms = (
            address, self._deployment.weth, pool.fee, self._deployment.executor, self._account.time + SWAP_WINDOW,
            amount, least, 0,
        )  # fmt: skip
        single = "exactInputSingle((address,address,uint24,address,uint256,uint256,uint256,uint160))"
        self._calls += [
            self._approval(address, pool.router, amount, spent),
            Call(pool.router, call_data(single, terms), 0, spent, self._at(spent, 5)),
        ]
        self._gain(wei(fair), least)

    def _wrap(self, step: Order) -> None:
        amount = wei(step.quantity)
        self._calls.append(Call(self._deployment.weth, call_data("deposit()"), amount))
        self._wrapped += amount

    def _unwrap(self, step: Order) -> None:
        """To the owner, who pays the gas."""
        self._return(self._held("WETH", step.quantity))

    def _transfer(self, step: Order) -> None:
        """To the address that the account was told to send to: no order can name another one."""
        destination, token = self._account.destination, self._token(step.slot)
        amount = self._wei(token, step.quantity)
        if token == "WETH":
            self._spend(amount)
            unwrap = Call(self._deployment.weth, call_data("withdraw(uint256)", amount))
            self._calls += [unwrap, Call(destination, b"", amount)]
            return
        data = call_data("transfer(address,uint256)", destination, amount)
        self._calls.append(Call(self._deployment.token(token).address, data))

    def _gain(self, amount: int, certain: int | None = None) -> None:
        self._weth += amount
        self._certain += amount if certain is None else certain

    def _spend(self, amount: int) -> None:
        self._weth -= amount
        self._certain -= amount
        self._lowest = min(self._lowest, self._weth)

    def _is_all(self, step: Order, but: float) -> bool:
        held = unscale(self._positions.quantities[step.slot], self._market.index[step.slot])
        return step.quantity >= held * (1.0 - but)

    def _amount(self, token: str, quantity: float) -> tuple[int, str]:
        """Units, and the token whose whole balance is meant instead where only the transaction will know it."""
        if token in self._whole:
            return self._wei(token, quantity), self._deployment.token(token).address
        return self._held(token, quantity), NOBODY

    def _held(self, token: str, quantity: float) -> int:
        """Units of `quantity`, but not the few too many that a float of the whole balance may name."""
        amount, held = self._wei(token, quantity), self._account.units.get(token, 0)
        return held if held < amount <= held * (1.0 + WHOLE) else amount

    def _approval(self, token: str, spender: str, amount: int, spent: str) -> Call:
        return Call(token, call_data("approve(address,uint256)", spender, amount), 0, spent, self._at(spent, 1))

    def _at(self, spent: str, position: int) -> int:
        return 0 if spent == NOBODY else word(position)

    def _wei(self, token: str, quantity: float) -> int:
        return wei(quantity, self._deployment.token(token).decimals)

    def _token(self, slot: int) -> str:
        token = self._settings.universe.instruments[slot].token
        return "WETH" if token == "ETH" else token

    def _lending(self, step: Order) -> Lending:
        if self._deployment.lending is None:
            raise self._absent(step)
        return self._deployment.lending

    def _pool(self, step: Order, token: str) -> Pool:
        pool = self._deployment.pools.get(step.venue, {}).get(token)
        if pool is None:
            raise self._absent(step)
        return pool

    def _absent(self, step: Order) -> OrderError:
        key = self._settings.universe.keys[step.slot]
        return OrderError(
            f"the deployment has no contract for {step.operation} of {key} at {step.venue}.",
            remedy="add its addresses to the deployment.",
        )
