"""Leaving the market on demand, and coming back: what an operator's emergency stop does to the strategy's memory."""

from __future__ import annotations

from msgspec.structs import replace

from basis_pipeline.domain.records import RiskLevel
from basis_pipeline.domain.state import StrategyState

BY_QUEUE = "leave by the redemption queue"
"""The one reason to leave the market that may take days: nobody is in a hurry."""


def may_wait(state: StrategyState, level: RiskLevel) -> bool:
    """Whether what is left may take days to be paid: not once the risk asks for it as well."""
    return state.halted == BY_QUEUE and level < RiskLevel.CRITICAL


def leaving(state: StrategyState, reason: str, equity: float) -> StrategyState:
    """Everything is to be sold, also where only half of a book was entered and so none was sized.

    A stop that the strategy made itself keeps its own reason: lifting another one does not lift it.
    """
    reference = equity if state.reference_equity is None else state.reference_equity
    return replace(state, halted=state.halted or reason, reference_equity=reference)


def has_left(state: StrategyState) -> bool:
    """Nothing is held any more that could be sold."""
    return bool(state.halted) and state.reference_equity is None


def resumed(state: StrategyState, reason: str) -> StrategyState:
    """The strategy plans again, if it was `reason` that kept it from it."""
    return replace(state, halted="") if state.halted == reason else state
