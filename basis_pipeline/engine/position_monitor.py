"""The only writer of positions: one code path for every delta, whatever its source (R18, R25)."""

from __future__ import annotations

from collections.abc import Iterable

from basis_pipeline.domain.accounting import INVERSE, LINEAR
from basis_pipeline.domain.brackets import Bracket
from basis_pipeline.domain.deltas import PositionDelta
from basis_pipeline.domain.errors import PositionError
from basis_pipeline.domain.position_keys import PositionType, Universe
from basis_pipeline.domain.records import Positions
from basis_pipeline.domain.timeline import iso

DUST = 1e-12
"""A remainder below this fraction of what was there before the update is float noise and becomes zero."""


class PositionMonitor:
    """Holds stored quantities, perp entry prices and brackets by slot.

    Deltas are applied to a working copy that becomes current with `commit`, together with the rest of the chain, or
    disappears with `roll_back`.
    """

    def __init__(self, universe: Universe, positions: Positions, last_operation: int) -> None:
        self._universe = universe
        perps = universe.slots_of(PositionType.PERP)
        self._contracts = {slot: INVERSE if universe.instruments[slot].inverse else LINEAR for slot in perps}
        self._committed = positions
        self._current = positions
        self._last_operation = last_operation
        self._applied_operation = last_operation

    def get_current_positions(self) -> Positions:
        """Quantities after everything applied so far."""
        return self._current

    @property
    def committed(self) -> Positions:
        """What exposure, risk and P&L were last computed from."""
        return self._committed

    @property
    def last_operation(self) -> int:
        """Highest operation id whose deltas are in the committed positions."""
        return self._last_operation

    def update_state(self, timestamp: int, deltas: Iterable[PositionDelta], operation_id: int = 0) -> Positions:
        """Apply deltas once and return the new positions, not yet committed.

        Raises:
            PositionError: POS-003 when deltas of this operation were applied before, POS-004 when something
                owned or owed would become negative, POS-002 for a slot that was never declared.
        """
        if operation_id:
            if operation_id <= self._applied_operation:
                raise PositionError(
                    f"deltas of operation {operation_id} were already applied ({iso(timestamp)}).", code="POS-003"
                )
            self._applied_operation = operation_id
        quantities, entries = list(self._current.quantities), list(self._current.entry_prices)
        brackets = dict(self._current.brackets)
        for delta in deltas:
            self._apply(delta, quantities, entries, timestamp)
            _follow(brackets, delta, quantities[delta.slot])
        self._current = Positions(tuple(quantities), tuple(entries), tuple(brackets.items()))
        return self._current

    def overdrafts(self, deltas: Iterable[PositionDelta]) -> dict[int, float]:
        """By how much `deltas`, in their order, would take something below zero, by slot; nothing is applied."""
        left, missing = dict(enumerate(self._current.quantities)), dict[int, float]()
        for delta in deltas:
            if delta.slot in left and delta.slot not in self._contracts:
                before, after = left[delta.slot], left[delta.slot] + delta.amount
                left[delta.slot] = after
                if after < -DUST * max(abs(before), abs(delta.amount)):
                    missing[delta.slot] = max(missing.get(delta.slot, 0.0), -after)
        return missing

    def commit(self) -> None:
        self._committed = self._current
        self._last_operation = self._applied_operation

    def roll_back(self) -> None:
        self._current = self._committed
        self._applied_operation = self._last_operation

    def _apply(self, delta: PositionDelta, quantities: list[float], entries: list[float], timestamp: int) -> None:
        slot = delta.slot
        if not 0 <= slot < len(quantities):
            raise PositionError(f"a delta names slot {slot}, which this mode does not declare.", code="POS-002")
        before = quantities[slot]
        after = before + delta.amount
        if abs(after) <= DUST * max(abs(self._current.quantities[slot]), abs(before), abs(delta.amount)):
            after = 0.0
        if (contract := self._contracts.get(slot)) is not None:
            if delta.price is None:
                raise PositionError(f"a perp delta of {self._universe.keys[slot]} has no price.", code="POS-002")
            entries[slot] = (
                contract.fill(before, entries[slot], delta.amount, delta.price).entry_price if after else 0.0
            )
        elif after < 0.0:
            raise PositionError(
                f"{self._universe.keys[slot]} would become {after!r} at {iso(timestamp)} "
                f"({delta.source} of {delta.amount!r} on {before!r}).",
                code="POS-004",
                remedy="an order was planned or filled with more than there is.",
            )
        quantities[slot] = after


def _follow(brackets: dict[int, Bracket], delta: PositionDelta, quantity: float) -> None:
    """A bracket lives as long as the position it was set for: fixed at entry, gone when it is closed."""
    if delta.bracket is not None:
        brackets[delta.slot] = delta.bracket
    elif quantity == 0.0:
        brackets.pop(delta.slot, None)
