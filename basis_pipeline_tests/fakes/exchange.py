"""The books of an exchange: balances, orders, perps on cross margin, income. Protocols are skins around it.

Money is rounded to eight decimals like the real ones do. Time is the market's, set by the test; wall-clock time only
matters for signatures, which are the skins' business.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import count
from uuid import uuid4

from basis_pipeline_tests.fakes.network import Deposit, FakeNetwork, Withdrawal
from basis_pipeline_tests.fakes.others import Others
from basis_pipeline_tests.fakes.records import Income, Market, PlacedOrder, RejectedError, Trade

BNB_PRICE = 600.0
MAINTENANCE, LIQUIDATION_FEE = 0.005, 0.0125


class FakeExchange:
    """One account on one exchange.

    Attributes:
        uid: the exchange's own name of the account; no other one anywhere has it.
        others: what somebody else does on the account.
        marks_behind: microseconds by which marks are older than last prices.
        other_perps: names of open perps that are settled in coins, on the same margin.
        leaves: wallets that withdrawals are taken from, in order; deposits reach the first.
        allowed: addresses that the account may withdraw to.

    Args:
        spot_fee, perp_fee: taker fees, fractions; a spot buy pays in the token bought.
        slippage: every fill is this fraction worse than the price.
        initial_margin: of the notional, to open.
    """

    def __init__(self, *, spot_fee: float = 0.001, perp_fee: float = 0.0005, slippage: float = 0.0002) -> None:
        self.spot: dict[str, float] = defaultdict(float)
        self.margin: dict[str, float] = defaultdict(float)
        self.perps: dict[str, tuple[float, float]] = {}
        self.orders: list[PlacedOrder] = []
        self.uid, self.others = str(uuid4().int), Others(self)
        self.income: list[Income] = []
        self.withdrawals: list[Withdrawal] = []
        self.deposits: list[Deposit] = []
        self.leaves: tuple[dict[str, float], ...] = (self.spot,)
        self.deposit_address, self.network = "", FakeNetwork()
        self.withdrawal_fee, self.may_withdraw, self.withdrawals_open = 1.0, True, True
        self.withdrawal_fees: dict[str, float] = {}
        self.allowed: set[str] = set()
        self.markets: list[Market] = []
        self.now = self.marks_behind = 0
        self.slippage, self.initial_margin = slippage, 0.1
        self.spot_fee, self.perp_fee = spot_fee, perp_fee
        self.fill_fraction: list[float] = []
        self.late_polls: list[int] = []
        self.hidden_polls: list[int] = []
        self.trades_per_fill = 2
        self.liquidated: list[str] = []
        self.other_perps: list[str] = []
        self.leverage, self.isolated = 20.0, False
        self.hedge_mode = self.fees_in_bnb = self.multi_assets = self.spot_only = False
        self._ids = count(1_001)

    def list_coin(
        self, base: str, price: float, *, spot_lot: float = 1e-5, perp_lot: float = 1e-3, contract: float = 0.01
    ) -> None:
        self.markets.append(Market(base, False, spot_lot, 10.0, self.spot_fee, price, price))
        self.markets.append(Market(base, True, perp_lot, 100.0, self.perp_fee, price, price, contract=contract))

    def market(self, symbol: str, *, perp: bool) -> Market:
        for market in self.markets:
            if market.symbol == symbol and market.perp is perp:
                return market
        raise RejectedError("unknown symbol")

    def set_price(self, base: str, price: float, mark: float | None = None) -> None:
        for market in self.markets:
            if market.base == base:
                market.price, market.mark = price, mark if mark is not None else price
        self._liquidate()

    def place(
        self, market: Market, client_id: str, *, buy: bool, quantity: float, reduce_only: bool = False
    ) -> PlacedOrder:
        """A market order. A client id that was used by an order that is done is accepted again, as on the real one."""
        if any(order.client_id == client_id and not order.done for order in self.orders):
            raise RejectedError("perp duplicate" if market.perp else "duplicate")
        lots = quantity / market.lot
        if quantity <= 0.0 or abs(lots - round(lots)) > 1e-6:
            raise RejectedError("perp lot" if market.perp else "lot")
        if quantity * market.price < market.min_notional and not reduce_only:
            raise RejectedError("perp notional" if market.perp else "notional")
        held = self.perps.get(market.symbol, (0.0, 0.0))[0]
        if reduce_only and (held == 0.0 or (held > 0.0) == buy):
            raise RejectedError("reduce only")
        quantity = min(quantity, abs(held)) if reduce_only else quantity
        order = PlacedOrder(next(self._ids), client_id, market, buy, quantity, reduce_only, self.now)
        self._check_funds(order)
        order.waits_for = self.late_polls.pop(0) if self.late_polls else 0
        order.hidden = self.hidden_polls.pop(0) if self.hidden_polls else 0
        self.orders.append(order)
        if not order.waits_for:
            self._fill(order)
        return order

    @property
    def open_orders(self) -> list[PlacedOrder]:
        return [*(order for order in self.orders if not order.done), *self.others.resting]

    def next_id(self) -> int:
        return next(self._ids)

    def fill(self, order: PlacedOrder) -> None:
        """An order of somebody else."""
        self.orders.append(order)
        self._fill(order)

    def poll(self, market: Market, *, client_id: str = "", order_id: int = 0) -> PlacedOrder:
        """Look an order up; one that is late comes nearer to its fill each time."""
        for order in reversed(self.orders):
            if order.market is market and (order.client_id == client_id or order.order_id == order_id):
                if order.hidden:
                    order.hidden -= 1
                    break
                if not order.done:
                    order.waits_for -= 1
                    if order.waits_for <= 0:
                        self._fill(order)
                return order
        raise RejectedError("unknown order")

    def trades(
        self, market: Market, order_id: int | None = None, *, since: int = 0, until: int = 10**15
    ) -> list[Trade]:
        """Of one order, or all of the market with times (milliseconds) from `since` to `until`."""
        return [
            trade
            for order in self.orders
            if order.market is market and order_id in (None, order.order_id)
            for trade in order.trades
            if since <= trade.at // 1_000 <= until
        ]

    def pay_funding(self, symbol: str, rate: float) -> float:
        """-quantity x mark x rate into the margin wallet and the income history; returns the amount."""
        quantity, _ = self.perps.get(symbol, (0.0, 0.0))
        if not quantity:
            return 0.0
        amount = round(-quantity * self.market(symbol, perp=True).mark * rate, 8)
        self.margin["USDT"] += amount
        self.income.append(Income(str(next(self._ids)), "FUNDING_FEE", symbol, amount, self.now))
        return amount

    def move(self, token: str, amount: float, *, to_margin: bool) -> int:
        """Between the spot and the margin wallet."""
        source, target = (self.spot, self.margin) if to_margin else (self.margin, self.spot)
        free = source[token] if to_margin else min(source[token], self.free_margin)
        if amount > free + 1e-9:
            raise RejectedError("balance")
        source[token] = round(source[token] - amount, 8)
        target[token] = round(target[token] + amount, 8)
        return next(self._ids)

    def withdraw(self, client_id: str, token: str, amount: float, address: str) -> Withdrawal:
        """`amount` arrives at `address`, `amount` and the fee leave the wallets of withdrawals, the first one first."""
        if not self.may_withdraw:
            raise RejectedError("permission")
        if any(done.client_id == client_id for done in self.withdrawals):
            raise RejectedError("duplicate")
        if address not in self.allowed:
            raise RejectedError("address")
        fee = self.fee_of(token)
        gross = amount + fee
        if gross > sum(wallet[token] for wallet in self.leaves) + 1e-9:
            raise RejectedError("balance")
        for wallet in self.leaves:
            taken = min(gross, wallet[token])
            wallet[token], gross = round(wallet[token] - taken, 8), gross - taken

        def refund(returned: float) -> None:
            self.leaves[0][token] = round(self.leaves[0][token] + returned, 8)

        made = Withdrawal(str(next(self._ids)), client_id, token, amount, fee, address, self.now, refund)
        self.withdrawals.append(made)
        self.network.takes(made)
        return made

    def fee_of(self, token: str) -> float:
        """Tokens, on top of what a withdrawal of `token` brings."""
        return self.withdrawal_fees.get(token, self.withdrawal_fee)

    def opens_deposits(self, address: str, network: FakeNetwork) -> None:
        """Deposits to `address` reach the first wallet that withdrawals leave; `network` brings them."""
        self.deposit_address, self.network = address, network

        def credit(line: Deposit, in_balance: bool) -> None:
            self.deposits.append(line)
            if in_balance:
                self.leaves[0][line.token] = round(self.leaves[0][line.token] + line.amount, 8)

        network.serves(address, credit)

    @property
    def unrealised(self) -> float:
        """What all open perps have gained at their marks, USDT."""
        return sum(q * (self.market(symbol, perp=True).mark - entry) for symbol, (q, entry) in self.perps.items())

    @property
    def free_margin(self) -> float:
        """Cash and unrealised P&L above the initial margin of what is open."""
        open_value = sum(abs(q) * self.market(symbol, perp=True).mark for symbol, (q, _) in self.perps.items())
        return self.margin["USDT"] + self.unrealised - self.initial_margin * open_value

    def _liquidate(self) -> None:
        """Below the maintenance margin of the wallet that perps live on they are closed, whatever another one holds."""
        open_value = sum(abs(q) * self.market(symbol, perp=True).mark for symbol, (q, _) in self.perps.items())
        if not self.perps or self.margin["USDT"] + self.unrealised > MAINTENANCE * open_value:
            return
        for symbol, (quantity, _) in tuple(self.perps.items()):
            mark = self.market(symbol, perp=True).mark
            realised = self._change_perp(symbol, -quantity, mark)
            self.margin["USDT"] += realised - LIQUIDATION_FEE * abs(quantity) * mark
            self.liquidated.append(symbol)
        self.margin["USDT"] = max(0.0, round(self.margin["USDT"], 8))

    def _check_funds(self, order: PlacedOrder) -> None:
        market, cost = order.market, order.quantity * order.market.price * (1.0 + self.slippage)
        if not market.perp:
            token, needed = (market.quote, cost) if order.buy else (market.base, order.quantity - 1e-12)
            short = self.spot[token] - self.others.locked(token) < needed
            if short:
                raise RejectedError("balance")
            return
        held = self.perps.get(market.symbol, (0.0, 0.0))[0]
        opens = held == 0.0 or (held > 0.0) == order.buy
        if opens and self.free_margin < cost * (self.initial_margin + market.taker_fee):
            raise RejectedError("margin")

    def _fill(self, order: PlacedOrder) -> None:
        market = order.market
        fraction = self.fill_fraction.pop(0) if self.fill_fraction else 1.0
        quantity = round(round(order.quantity * fraction / market.lot) * market.lot, 8)
        order.done = True
        price = round(market.price * (1.0 + self.slippage if order.buy else 1.0 - self.slippage), 2)
        part, left = round(round(quantity / self.trades_per_fill / market.lot) * market.lot, 8), quantity
        for _ in range(self.trades_per_fill - 1):
            if 0.0 < part < left:
                order.trades.append(self._book(order, part, price))
                left = round(left - part, 8)
        if left > 0.0:
            order.trades.append(self._book(order, left, price))

    def _book(self, order: PlacedOrder, quantity: float, price: float) -> Trade:
        market, signed = order.market, quantity if order.buy else -quantity
        realised, fee_token = 0.0, market.quote
        if market.perp:
            fee = round(quantity * price * market.taker_fee, 8)
            realised = self._change_perp(market.symbol, signed, price)
            self.margin[market.quote] = round(self.margin[market.quote] + realised - fee, 8)
        elif self.fees_in_bnb:
            fee, fee_token = round(quantity * price * market.taker_fee * 0.75 / BNB_PRICE, 8), "BNB"
            self.spot["BNB"] = round(self.spot["BNB"] - fee, 8)
            self.spot[market.base] = round(self.spot[market.base] + signed, 8)
            self.spot[market.quote] = round(self.spot[market.quote] - signed * price, 8)
        elif order.buy:
            fee, fee_token = round(quantity * market.taker_fee, 8), market.base
            self.spot[market.base] = round(self.spot[market.base] + quantity - fee, 8)
            self.spot[market.quote] = round(self.spot[market.quote] - quantity * price, 8)
        else:
            fee = round(quantity * price * market.taker_fee, 8)
            self.spot[market.base] = round(self.spot[market.base] - quantity, 8)
            self.spot[market.quote] = round(self.spot[market.quote] + quantity * price - fee, 8)
        return Trade(
            next(self._ids), order.order_id, market, order.buy, quantity, price, fee, fee_token, realised, self.now,
            order.client_id,
        )  # fmt: skip

    def _change_perp(self, symbol: str, change: float, price: float) -> float:
        """Average entry on the way in, realised P&L on the way out."""
        quantity, entry = self.perps.get(symbol, (0.0, 0.0))
        after = round(quantity + change, 8)
        if quantity * change >= 0.0:
            self.perps[symbol] = (after, (quantity * entry + change * price) / after)
            return 0.0
        closed = min(abs(change), abs(quantity)) * (1.0 if quantity > 0.0 else -1.0)
        if after == 0.0:
            del self.perps[symbol]
        else:
            self.perps[symbol] = (after, entry if after * quantity > 0.0 else price)
        return round(closed * (price - entry), 8)
