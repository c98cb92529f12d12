"""What a live record and a backtest of the same time differ by: order by order, source by source, tick by tick.

Both lives explain their profit by the same categories, exactly. Their difference is therefore the sum of the
differences by category, the residual among them: whatever is not named has nowhere to hide.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from basis_pipeline.domain.orders import Operation, OrderState, Side
from basis_pipeline.domain.position_keys import Universe
from basis_pipeline.domain.records import LIVE_CATEGORIES, Category
from basis_pipeline.domain.run_log import RunLog
from basis_pipeline.domain.timeline import DAY, HOUR, SECOND
from basis_pipeline.results.build_journal import NO_HANDSHAKE
from basis_pipeline.results.columns import FloatArray, IntArray

SAME_DECISION = HOUR
"""Orders of two lives that were decided on within this time of one another are held against one another."""

BP = 1e4


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """One order of one life; costs are in the share class, positive = paid.

    Attributes:
        decided: the timestep it was decided in, microseconds UTC.
        quantity: what was decided; `filled` what was executed.
        price: average fill price, USDT; None where nothing was traded.
        slippage_bp: of the traded value, against the venue's last price; positive = paid.
        delay: seconds from the decision to the execution at the venue; None in a backtest.
        outcome: state the order ended in.
    """

    decided: int
    operation_id: int
    venue: str
    operation: str
    side: str
    position_key: str
    quantity: float
    filled: float
    price: float | None
    fee: float
    slippage: float
    gas: float
    slippage_bp: float | None
    delay: float | None
    outcome: str

    @property
    def kind(self) -> tuple[str, str, str, str]:
        return self.venue, self.operation, self.position_key, self.side


class Life:
    """What one life did, summed up while its log goes by; amounts in the share class.

    Attributes:
        orders: in the order of their execution.
        profit: by `LIVE_CATEGORIES`, over all timesteps.
        flow: external flows, positive = into the book.
    """

    def __init__(self, universe: Universe) -> None:
        self._universe = universe
        self._stamps: list[int] = []
        self._equity: list[float] = []
        self.orders: list[Execution] = []
        self.profit: FloatArray = np.zeros(len(LIVE_CATEGORIES))
        self.flow = 0.0

    @property
    def stamps(self) -> IntArray:
        return np.array(self._stamps, dtype=np.int64)

    @property
    def equity(self) -> FloatArray:
        return np.array(self._equity)

    def add(self, log: RunLog, timing: dict[int, tuple[int, int | None]] | None = None) -> None:
        """Go on with `log`; `timing` has, by operation, when it was decided and when the venue executed it."""
        prices = {commit.sequence: commit.market.share_price for commit in log.commits}
        for entry in log.orders:
            decided, executed = (timing or {}).get(entry.result.order.operation_id, (entry.timestamp, None))
            order, answer = entry.result.order, entry.result.handshake or NO_HANDSHAKE
            traded = answer.filled * (answer.price or 0.0)
            unit = prices.get(entry.sequence, 1.0)
            self.orders.append(
                Execution(
                    decided=decided,
                    operation_id=order.operation_id,
                    venue=order.venue,
                    operation=order.operation,
                    side=order.side or "",
                    position_key=self._universe.keys[order.slot],
                    quantity=order.quantity,
                    filled=answer.filled,
                    price=answer.price,
                    fee=answer.fee / unit,
                    slippage=answer.slippage / unit,
                    gas=answer.gas / unit,
                    slippage_bp=answer.slippage / traded * BP if traded else None,
                    delay=(executed - decided) / SECOND if executed else None,
                    outcome=entry.result.state,
                )
            )
        for commit in log.closing_commits:
            self._stamps.append(commit.timestamp)
            self._equity.append(commit.pnl.equity)
            self.profit[: len(commit.pnl.attribution)] += commit.pnl.attribution
            self.flow += commit.pnl.flow


class Item(msgspec.Struct, frozen=True):
    """One source of profit in both lives, share class, negative = paid."""

    name: str
    live: float
    backtest: float

    @property
    def difference(self) -> float:
        return self.live - self.backtest


class Pair(NamedTuple):
    """An order that both lives decided on, or one that only one of them did."""

    live: Execution | None
    backtest: Execution | None

    @property
    def price_difference_bp(self) -> float | None:
        """Live fill price against that of the backtest, positive = worse for us; None where one of them has none."""
        if self.live is None or self.backtest is None or not self.live.price or not self.backtest.price:
            return None
        worse = 1.0 if self.live.side == Side.BUY else -1.0
        return worse * (self.live.price / self.backtest.price - 1.0) * BP


class Day(NamedTuple):
    """A UTC day: the equity of both lives at its last common timestep, and the largest gap within it."""

    start: int
    live: float
    backtest: float
    widest_bp: float

    @property
    def difference_bp(self) -> float:
        return (self.live / self.backtest - 1.0) * BP


class LiveDifferences(msgspec.Struct, frozen=True, kw_only=True):
    """A live record beside a backtest of the same time.

    Attributes:
        mode, record: what was compared; `record` is the name of the live one.
        currency: the share class.
        items: sources of profit and external flows; their differences sum to the difference of equity at the end.
        pairs: orders in the order of their decisions.
        stamps: common timesteps, microseconds UTC; `live` and `backtest` are the equity of both at them.
    """

    mode: str
    record: str
    currency: str
    items: tuple[Item, ...]
    pairs: tuple[Pair, ...]
    stamps: IntArray
    live: FloatArray
    backtest: FloatArray

    @property
    def gaps_bp(self) -> FloatArray:
        """Live against backtest at every common timestep, bp of the backtest's equity."""
        found: FloatArray = (self.live / self.backtest - 1.0) * BP
        return found

    @property
    def widest_bp(self) -> float:
        """Largest gap of the two equity paths in either direction."""
        return float(np.abs(self.gaps_bp).max())

    @property
    def difference(self) -> float:
        """Live less backtest at the end, share class."""
        return float(self.live[-1] - self.backtest[-1])

    @property
    def unnamed(self) -> float:
        """What of the difference no item names: float noise, or a defect."""
        return self.difference - sum(item.difference for item in self.items)

    def days(self) -> Iterator[Day]:
        day = self.stamps // DAY * DAY
        gaps = np.abs(self.gaps_bp)
        for start in np.unique(day).tolist():
            rows = np.flatnonzero(day == start)
            last = rows[-1]
            yield Day(start, float(self.live[last]), float(self.backtest[last]), float(gaps[rows].max()))

    def item(self, name: str) -> Item:
        return next(item for item in self.items if item.name == name)

    def counts(self) -> tuple[int, int]:
        """Orders that succeeded, live and in the backtest."""
        done = [
            [side for side in sides if side is not None and side.outcome == OrderState.SUCCESS]
            for sides in ([pair.live for pair in self.pairs], [pair.backtest for pair in self.pairs])
        ]
        return len(done[0]), len(done[1])


def differences(mode: str, record: str, currency: str, live: Life, backtest: Life) -> LiveDifferences:
    """Hold two lives over the same time, from the same start, against one another."""
    common, ours, theirs = np.intersect1d(live.stamps, backtest.stamps, return_indices=True)
    return LiveDifferences(
        mode=mode,
        record=record,
        currency=currency,
        items=tuple(_items(live, backtest)),
        pairs=tuple(_pairs(live.orders, backtest.orders)),
        stamps=common,
        live=live.equity[ours],
        backtest=backtest.equity[theirs],
    )


FEES, SLIPPAGE, GAS, TRANSFERS = "trading_fees", "slippage", "gas", "transfers"
OTHER_COSTS, FLOWS = "other_costs", "external_flows"
_QUEUED = frozenset({Operation.REDEEM, Operation.CLAIM})


def _items(live: Life, backtest: Life) -> Iterator[Item]:
    """Transaction costs by kind, every other category, and flows."""
    costs = [_costs(life) for life in (live, backtest)]
    for name in costs[0]:
        yield Item(name, costs[0][name], costs[1][name])
    for index, category in enumerate(LIVE_CATEGORIES):
        if category is not Category.TRANSACTION_COSTS:
            yield Item(category, float(live.profit[index]), float(backtest.profit[index]))
    yield Item(FLOWS, live.flow, backtest.flow)


def _costs(life: Life) -> dict[str, float]:
    """What orders state as their costs, and what is left of the category: what belongs to no order.

    So does what a redemption queue pays less than it promised: nobody took it as a fee.
    """
    moved = [order for order in life.orders if order.operation == Operation.TRANSFER]
    traded = [order for order in life.orders if order.operation != Operation.TRANSFER]
    stated = {
        FEES: 0.0 - sum(order.fee for order in traded if order.operation not in _QUEUED),
        SLIPPAGE: 0.0 - sum(order.slippage for order in traded),
        GAS: 0.0 - sum(order.gas for order in traded),
        TRANSFERS: 0.0 - sum(order.fee + order.slippage + order.gas for order in moved),
    }
    whole = float(life.profit[LIVE_CATEGORIES.index(Category.TRANSACTION_COSTS)])
    return stated | {OTHER_COSTS: whole - sum(stated.values())}


def _pairs(live: Sequence[Execution], backtest: Sequence[Execution]) -> list[Pair]:
    """Orders of the same kind in the order of their decisions; those too far apart stand alone."""
    kinds = dict.fromkeys(order.kind for order in (*live, *backtest))
    found = [pair for kind in kinds for pair in _matched(_of_kind(live, kind), _of_kind(backtest, kind))]
    return sorted(found, key=lambda pair: min(_key(side) for side in pair if side is not None))


def _key(order: Execution) -> tuple[int, int]:
    return order.decided, order.operation_id


def _of_kind(orders: Iterable[Execution], kind: tuple[str, str, str, str]) -> list[Execution]:
    return sorted((order for order in orders if order.kind == kind), key=_key)


def _matched(live: Sequence[Execution], backtest: Sequence[Execution]) -> Iterator[Pair]:
    ours, theirs = iter(live), iter(backtest)
    one, other = next(ours, None), next(theirs, None)
    while one is not None and other is not None:
        if abs(one.decided - other.decided) <= SAME_DECISION:
            yield Pair(one, other)
            one, other = next(ours, None), next(theirs, None)
        elif one.decided < other.decided:
            yield Pair(one, None)
            one = next(ours, None)
        else:
            yield Pair(None, other)
            other = next(theirs, None)
    yield from (Pair(left, None) for left in (one, *ours) if left is not None)
    yield from (Pair(None, left) for left in (other, *theirs) if left is not None)
