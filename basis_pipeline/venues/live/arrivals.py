"""Tokens that others send to the executor: rewards of staked tokens, and deposits; read from Transfer events.

Every transfer is booked once: its line of income in the journal is named by transaction, token and place among the
transfers of that token in it, which a reorganisation does not change. What orders of ours move comes in transactions of
the executor, and is booked by those orders. Plain ETH leaves no event; it shows as a difference to the book.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

from basis_pipeline.domain.deltas import DeltaSource, PositionDelta
from basis_pipeline.domain.market import MarketSnapshot
from basis_pipeline.domain.protocols import SettlementKind
from basis_pipeline.domain.settings import EngineSettings
from basis_pipeline.domain.timeline import SECOND
from basis_pipeline.venues.live.abi import topic, unpack
from basis_pipeline.venues.live.chain import Chain
from basis_pipeline.venues.live.deployment import Deployment
from basis_pipeline.venues.live.wallet_end import confirmed_block

TRANSFER = topic("Transfer(address,address,uint256)")
SOURCES = {SettlementKind.REWARD: DeltaSource.REWARD, SettlementKind.DEPOSIT: DeltaSource.DEPOSIT}
MARGIN = 600 * SECOND
"""How much further back than the last saved state is looked: a block may come later than its stamp says."""
DUST = 0.01
"""USDT: a transfer worth less is no income. Whoever sends thousands of them must not keep a session busy; should they
ever add up to something, comparison finds it."""
_FIRST_STEP = 64
"""Blocks that the search for the block of a moment goes back at first; it doubles."""


class Income(Protocol):
    """The part of the journal that remembers what was booked."""

    def income(self, venue: str, reference: str, payload: bytes) -> bool: ...

    def settled_until(self) -> int | None: ...


class _Scan(NamedTuple):
    """A refresh of tick `at` has looked at every block up to `block`."""

    at: int
    block: int


class Arrivals:
    """What has arrived since the last saved state.

    Before a record has a state, what the executor holds is opening capital: transfers so far are written down as known.
    """

    def __init__(self, chain: Chain, deployment: Deployment, settings: EngineSettings, journal: Income) -> None:
        self._chain, self._deployment, self._settings, self._journal = chain, deployment, settings, journal
        self._scans: dict[SettlementKind, list[_Scan]] = {}
        self._slots = {SettlementKind.REWARD: _rewards(settings), SettlementKind.DEPOSIT: _deposits(settings)}

    @property
    def kinds(self) -> frozenset[SettlementKind]:
        return frozenset(kind for kind, slots in self._slots.items() if slots)

    def due(self, kind: SettlementKind, market: MarketSnapshot) -> tuple[PositionDelta, ...]:
        """Transfers that no saved state contains, one delta each, however many refreshes since were rolled back."""
        head, saved = self._chain.block(confirmed_block(self._chain, self._deployment)), self._journal.settled_until()
        before = self._saved_block(kind, head.timestamp if saved is None else saved)
        slots = {self._deployment.token(token).address.lower(): slot for token, slot in self._slots[kind].items()}
        found = tuple(self._transfers(slots, before + 1, head.number, market, SOURCES[kind]))
        self._scans[kind].append(_Scan(market.timestamp, head.number))
        return () if saved is None else found

    def _saved_block(self, kind: SettlementKind, saved: int) -> int:
        """All that came up to this block is in the state of the tick `saved`, or in an earlier one."""
        scans = self._scans.get(kind) or [_Scan(saved, block_at(self._chain, saved - MARGIN))]
        newest = max((index for index, scan in enumerate(scans) if scan.at <= saved), default=0)
        self._scans[kind] = scans[newest:]
        return self._scans[kind][0].block

    def _transfers(
        self, slots: Mapping[str, int], first: int, last: int, market: MarketSnapshot, source: DeltaSource
    ) -> Iterator[PositionDelta]:
        places: dict[tuple[str, str], int] = {}
        receivers: dict[str, str] = {}
        executor = self._deployment.executor
        if first > last:
            return
        for log in self._chain.logs(tuple(slots), TRANSFER, receiver=executor, first=first, last=last):
            place = places.setdefault((log.transaction, log.address), 0)
            places[log.transaction, log.address] += 1
            slot = slots[log.address]
            instrument = self._settings.universe.instruments[slot]
            amount = unpack(("uint256",), log.data)[0] / 10.0 ** self._deployment.token(instrument.token).decimals
            if not amount or 0.0 < amount * market.value[slot] < DUST:
                continue
            if log.transaction not in receivers:
                receivers[log.transaction] = self._chain.receiver_of(log.transaction).lower()
            if receivers[log.transaction] == executor.lower():
                continue
            reference = f"{log.transaction}:{instrument.token}:{place}"
            if self._journal.income(instrument.key.venue, reference, f"{source} {amount!r}".encode()):
                yield PositionDelta(slot, amount, source, price=market.value[slot])


def block_at(chain: Chain, moment: int) -> int:
    """The last block that is not younger than `moment` (microseconds)."""
    high, step = chain.head().number, _FIRST_STEP
    low = max(0, high - step)
    while low and chain.block(low).timestamp > moment:
        step *= 2
        high, low = low, max(0, low - step)
    while low < high:
        middle = (low + high + 1) // 2
        if chain.block(middle).timestamp <= moment:
            low = middle
        else:
            high = middle - 1
    return low


def _rewards(settings: EngineSettings) -> dict[str, int]:
    """Reward tokens by slot."""
    slots = settings.rewards.token_slots if settings.rewards else ()
    return {settings.universe.instruments[slot].token: slot for slot in slots}


def _deposits(settings: EngineSettings) -> dict[str, int]:
    """The token that capital comes in, ETH as WETH; not where exchanges send it too, and transfers are awaited.

    A book that tells ETH and WETH apart lends what it wraps itself: WETH that somebody sends would lie idle there.
    """
    if any(rules.kind == "cex" for rules in settings.venues.values()):
        return {}
    token = settings.universe.instruments[settings.capital_slot].token
    if token == "ETH":
        return {"WETH": settings.capital_slot} if settings.universe.find("wallet:BaseToken:WETH") is None else {}
    return {token: settings.capital_slot}
