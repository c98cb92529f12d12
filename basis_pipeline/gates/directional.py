"""The bound of a directional book: between holding nothing and holding what there was."""

from __future__ import annotations

import numpy as np

from basis_pipeline.domain.position_keys import PositionType
from basis_pipeline.domain.records import CATEGORIES, Category
from basis_pipeline.gates.columns import Floats, integers, largest, numbers, positions_in, present, relative
from basis_pipeline.gates.evidence import EMPTIED, MonthEvidence
from basis_pipeline.gates.findings import OFF_THE_MARKET, Finding, not_applicable
from basis_pipeline.gates.perps import gain, inverse, perps


def directional_bound(evidence: MonthEvidence) -> Finding:
    """A directional book gains or loses in a step no more than what it held or traded moved by.

    |step P&L before costs and funding| <= sum of |q(t-1)| x |move of the mark| + sum over trades and forced closes of
    |quantity| x |mark - reference price|, in the share class, of the largest equity so far. Applies where every perp
    settles in the share class and nothing else is held, so that no conversion hides a move.
    """
    if not evidence.profile.directional:
        return not_applicable("the mode is not directional")
    if not evidence.aligned:
        return OFF_THE_MARKET
    share = evidence.profile.share_asset
    coins = {held.asset for held in evidence.universe if held.position_type is not PositionType.PERP}
    settles = {evidence.universe.instruments[s].asset if inverse(evidence, s) else "USDT" for s in perps(evidence)}
    if coins | settles != {share}:
        return not_applicable(f"the mode holds more than {share} and perps that settle in it")
    ledger, _ = evidence.ledgers
    besides = [CATEGORIES.index(name) for name in (Category.TRANSACTION_COSTS, Category.FUNDING)]
    gained = np.abs(ledger.step - ledger.attribution[:, besides].sum(axis=1))
    excess = np.maximum(0.0, gained - _moved(evidence) - _traded(evidence))
    worst = largest(relative(excess, np.maximum(ledger.peak, EMPTIED)), evidence.timestamps)
    return Finding(
        violated=worst.value > evidence.profile.thresholds.closing_tolerance,
        message=f"largest excess over what was held, as a fraction of equity: {worst}",
        value=worst.value,
    )


def _moved(evidence: MonthEvidence) -> Floats:
    """By step what the held perps moved by, settlement currency, not negative."""
    mark, held = evidence.market.mark, np.abs(evidence.held_before)
    moves = [np.abs(gain(evidence, s, held[:, s], mark[:-1, s], mark[1:, s])) for s in perps(evidence)]
    total: Floats = np.sum(moves, axis=0)
    return total


def _traded(evidence: MonthEvidence) -> Floats:
    """By step how far fills were from the mark they are valued at, settlement currency, not negative."""
    deltas = evidence.tables["deltas"]
    deltas = deltas.filter(present(deltas, "reference_price"))
    slots = positions_in(evidence.universe.keys, deltas, "position_key")
    rows = np.minimum(np.searchsorted(evidence.timestamps, integers(deltas, "timestamp")), len(evidence.timestamps) - 1)
    amounts, references = np.abs(numbers(deltas, "delta_amount")), numbers(deltas, "reference_price")
    total = np.zeros(len(evidence.timestamps))
    for slot in perps(evidence):
        own = slots == slot
        marks = evidence.market.mark[1:, slot][rows[own]]
        np.add.at(total, rows[own], np.abs(gain(evidence, slot, amounts[own], references[own], marks)))
    return total
