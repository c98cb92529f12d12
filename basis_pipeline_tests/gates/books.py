"""The books of the hand-made months: a basis book, a lending book, and lending books that do one thing differently."""

from __future__ import annotations

import math

from basis_pipeline.domain.records import Category
from basis_pipeline.domain.timeline import HOUR, month_start
from basis_pipeline_tests.gates.bookkeeping import CAPITAL, CASH, COIN, PERP, STAKED, SUPPLIED, WALLET, Book


class BasisBook(Book):
    """1.5 BTC long spot, 1.5 BTC short perp from the opening; 0.1 of both is closed in hours 300 and 900."""

    QUANTITY, FEE, RATE = 1.5, 5e-4, 1e-4

    def prices(self, timestamp: int) -> tuple[float, float]:
        """(spot, mark), USDT."""
        hour = (timestamp - month_start(self.opening_month)) / HOUR
        spot = 40_000.0 * (1.0 + 0.02 * math.sin(hour / 50.0))
        return spot, spot * (1.0 + 2e-4 * math.cos(hour / 30.0))

    def quote(self, key: str) -> tuple[float, float, float, float]:
        spot, mark = self.prices(self.timestamp)
        if key == PERP:
            return spot, mark, 1.0, self.RATE if self.timestamp % (8 * HOUR) == 0 else 0.0
        return (spot, spot, 1.0, 0.0) if key == COIN else (1.0, 1.0, 1.0, 0.0)

    def values(self) -> dict[str, float]:
        spot, mark = self.prices(self.timestamp)
        held = self.quantities
        return {WALLET: held[WALLET], CASH: held[CASH], COIN: held[COIN] * spot, PERP: held[PERP] * (mark - self.entry)}

    def margin_ratio(self) -> float | None:
        values, (_, mark) = self.values(), self.prices(self.timestamp)
        notional = abs(self.quantities[PERP]) * mark
        return (values[CASH] + values[PERP]) / notional if notional else None

    def refresh(self) -> None:
        if self.opens:
            return
        (spot, mark), (spot_before, mark_before) = self.prices(self.timestamp), self.prices(self.timestamp - HOUR)
        held, rise = self.quantities, spot - spot_before
        self.parts[Category.DELTA] = (held[COIN] + held[PERP]) * rise
        self.parts[Category.BASIS] = held[PERP] * (mark - mark_before - rise)
        if self.timestamp % (8 * HOUR) == 0:
            self.parts[Category.FUNDING] = -held[PERP] * mark * self.RATE
            self.change(CASH, self.parts[Category.FUNDING], "funding")

    def trade(self) -> None:
        if self.opens:
            self.change(WALLET, -99_000.0, "transfer")
            self.change(CASH, 99_000.0, "transfer")
            self.order(WALLET, 99_000.0)
            self.buy_spot(self.QUANTITY)
            self.sell_perp(self.QUANTITY)
        elif self.hour in (300, 900):
            self.sell_perp(-0.1)
            self.buy_spot(-0.1)

    def buy_spot(self, quantity: float) -> None:
        spot, _ = self.prices(self.timestamp)
        fee = abs(quantity) * spot * self.FEE
        self.parts[Category.TRANSACTION_COSTS] -= fee
        self.change(COIN, quantity, "trade", spot)
        self.change(CASH, -quantity * spot - fee, "trade")
        self.order(COIN, abs(quantity))

    def sell_perp(self, quantity: float) -> None:
        """Opens the short once; a negative quantity closes part of it and realises its profit."""
        _, mark = self.prices(self.timestamp)
        fee = abs(quantity) * mark * self.FEE
        self.entry = mark if quantity > 0.0 else self.entry
        self.parts[Category.TRANSACTION_COSTS] -= fee
        self.change(PERP, -quantity, "trade", mark)
        self.change(CASH, -quantity * (self.entry - mark) * (quantity < 0.0) - fee, "trade")
        self.order(PERP, abs(quantity))


class RollingBook(BasisBook):
    """Closes the short and opens it again at the first step of February, which realises its profit."""

    def trade(self) -> None:
        super().trade()
        if self.timestamp == month_start("2024-02"):
            held = -self.quantities[PERP]
            self.sell_perp(-held)
            self.sell_perp(held)


class LendingBook(Book):
    """Everything is supplied at the opening for 5 USDT of gas and grows with the index."""

    GAS, HOURLY = 5.0, 6e-6

    def index(self, key: str) -> float:
        if key != SUPPLIED:
            return 1.0
        return 1.05 * (1.0 + self.HOURLY) ** self.hour

    def values(self) -> dict[str, float]:
        return {key: held * self.index(key) for key, held in self.quantities.items()}

    def refresh(self) -> None:
        now = self.index(SUPPLIED)
        self.parts[Category.SUPPLY_YIELD] = self.quantities[SUPPLIED] * (now - now / (1.0 + self.HOURLY))

    def trade(self) -> None:
        if self.opens:
            self.parts[Category.TRANSACTION_COSTS] = -self.GAS
            self.supply(CAPITAL, CAPITAL - self.GAS)

    def supply(self, paid: float, supplied: float) -> None:
        self.change(WALLET, -paid, "trade")
        self.change(SUPPLIED, supplied / self.index(SUPPLIED), "trade")
        self.order(SUPPLIED, supplied)


class FlowingBook(LendingBook):
    """Receives a deposit in hour 200, which it supplies, and is withdrawn completely in hour 700."""

    DEPOSIT = 50_000.0

    def refresh(self) -> None:
        super().refresh()
        if self.hour == 200:
            self.change(WALLET, self.DEPOSIT, "deposit")
            self.flow += self.DEPOSIT
        if self.hour == 700:
            paid = self.values()[SUPPLIED]
            self.change(SUPPLIED, -self.quantities[SUPPLIED], "trade")
            self.change(WALLET, paid, "trade")
            self.change(WALLET, -self.quantities[WALLET], "withdrawal")
            self.flow -= paid

    def trade(self) -> None:
        super().trade()
        if self.hour == 200:
            self.supply(self.DEPOSIT, self.DEPOSIT)


class MintedOneToOne(LendingBook):
    """Credits the amount supplied as scaled balance, without dividing by the index of 1.05."""

    def supply(self, paid: float, supplied: float) -> None:
        super().supply(paid, supplied * self.index(SUPPLIED))


class IdleBook(LendingBook):
    """Holds its capital and supplies nothing."""

    def trade(self) -> None:
        if self.opens:
            self.order(WALLET, CAPITAL)


class LateBook(LendingBook):
    """Supplies four days late."""

    def trade(self) -> None:
        if self.hour == 96:
            self.supply(CAPITAL, CAPITAL)


class StakingBook(Book):
    """Everything is staked at the opening for 5 coins of gas and grows with the ratio."""

    GAS, HOURLY = 5.0, 5e-6

    def index(self, key: str) -> float:
        return 1.04 * (1.0 + self.HOURLY) ** self.hour if key == STAKED else 1.0

    def values(self) -> dict[str, float]:
        return {key: held * self.index(key) for key, held in self.quantities.items()}

    def refresh(self) -> None:
        now = self.index(STAKED)
        self.parts[Category.STAKING_YIELD] = self.quantities[STAKED] * (now - now / (1.0 + self.HOURLY))

    def trade(self) -> None:
        if self.opens:
            self.parts[Category.TRANSACTION_COSTS] = -self.GAS
            self.change(WALLET, -CAPITAL, "trade")
            self.change(STAKED, (CAPITAL - self.GAS) / self.index(STAKED), "trade")
            self.order(STAKED, CAPITAL - self.GAS)


class OvervaluedStack(StakingBook):
    """Values what is staked a little too high from the second day on."""

    def values(self) -> dict[str, float]:
        found = super().values()
        return found | {STAKED: found[STAKED] * (1.0002 if self.hour >= 24 else 1.0)}


class ShortBook(BasisBook):
    """Sells 1.5 perps at the opening and buys 0.1 back in hours 300 and 900; it holds no coin."""

    def values(self) -> dict[str, float]:
        _, mark = self.prices(self.timestamp)
        held = self.quantities
        return {WALLET: held[WALLET], CASH: held[CASH], PERP: held[PERP] * (mark - self.entry)}

    def refresh(self) -> None:
        if self.opens:
            return
        (spot, mark), (spot_before, mark_before) = self.prices(self.timestamp), self.prices(self.timestamp - HOUR)
        held, rise = self.quantities[PERP], spot - spot_before
        self.parts[Category.DELTA] = held * rise
        self.parts[Category.BASIS] = held * (mark - mark_before - rise)
        if self.timestamp % (8 * HOUR) == 0:
            self.parts[Category.FUNDING] = -held * mark * self.RATE
            self.change(CASH, self.parts[Category.FUNDING], "funding")

    def trade(self) -> None:
        if self.opens:
            self.change(WALLET, -99_000.0, "transfer")
            self.change(CASH, 99_000.0, "transfer")
            self.order(WALLET, 99_000.0)
            self.sell_perp(self.QUANTITY)
        elif self.hour in (300, 900):
            self.sell_perp(-0.1)

    def net_delta(self) -> float:
        return self.quantities[PERP] * self.prices(self.timestamp)[0]
