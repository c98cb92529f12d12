"""Gates on the joints: a month goes on exactly where the one before ended, and running it again changes nothing."""

from __future__ import annotations

import math

import numpy as np

from basis_pipeline.domain.state import EngineState
from basis_pipeline.domain.timeline import iso
from basis_pipeline.gates.accounting import quantity_scale, step_changes
from basis_pipeline.gates.columns import integers, largest, panel, positions_in, relative
from basis_pipeline.gates.evidence import MonthEvidence
from basis_pipeline.gates.findings import Finding, from_problems


def state_continuity(evidence: MonthEvidence) -> Finding:
    """The first step opens with the previous checkpoint, sums go on, the new checkpoint is the last closing record."""
    previous = evidence.previous
    if (previous is None) != evidence.opening:
        found = "no checkpoint to continue from" if previous is None else "an opening that continues a checkpoint"
        return Finding(violated=True, message=f"{evidence.month} has {found}")
    joint = [*_lineage_problems(evidence, previous), *_carried_problems(evidence, previous)] if previous else []
    problems = [*joint, *_cumulative_problems(evidence), *_checkpoint_problems(evidence)]
    start = f"continues the checkpoint of {iso(previous.timestamp)}" if previous else "opens without a past"
    return from_problems(problems, f"{evidence.month} {start}")


def _lineage_problems(evidence: MonthEvidence, previous: EngineState) -> list[str]:
    state = evidence.state
    pairs = (
        ("mode", previous.mode, state.mode),
        ("configuration digest", previous.config_digest, state.config_digest),
        ("first step", iso(previous.timestamp + evidence.profile.step), iso(int(evidence.timestamps[0]))),
    )
    return [f"{name} is {found}, the previous checkpoint says {past}" for name, past, found in pairs if past != found]


def _carried_problems(evidence: MonthEvidence, previous: EngineState) -> list[str]:
    """Positions before the deltas of the first step, and entry prices of what it did not trade."""
    problems = [
        f"{key} of the previous checkpoint ({held.quantity:.12g}) is not declared any more"
        for key, held in previous.positions.items()
        if held.quantity and evidence.universe.find(key) is None
    ]
    opening = evidence.quantities[0] - step_changes(evidence)[0]
    errors = relative(opening - evidence.opening_quantities, quantity_scale(evidence))
    problems += [
        f"{evidence.universe.keys[slot]} opens with {opening[slot]:.12g} at {iso(int(evidence.timestamps[0]))}, "
        f"the previous checkpoint has {evidence.opening_quantities[slot]:.12g}"
        for slot in np.flatnonzero(errors > evidence.profile.thresholds.fold_tolerance)
    ]
    return problems + _entry_price_problems(evidence, previous)


def _entry_price_problems(evidence: MonthEvidence, previous: EngineState) -> list[str]:
    """A roll closes and reopens, so deltas that sum to zero may still change the entry price."""
    positions, deltas, first = evidence.tables["positions"], evidence.tables["deltas"], evidence.timestamps[:1]
    entries = np.nan_to_num(panel(positions, "entry_price", "position_key", evidence.universe.keys, first)[0])
    traded = set(positions_in(evidence.universe.keys, deltas, "position_key")[integers(deltas, "timestamp") == first])
    carried = {key: held.entry_price for key, held in previous.positions.items()}
    return [
        f"entry price of {key} opens at {entry:.12g}, the previous checkpoint has {carried.get(key, 0.0):.12g}"
        for slot, (key, entry) in enumerate(zip(evidence.universe.keys, entries, strict=True))
        if slot not in traded and entry != carried.get(key, 0.0)
    ]


def _cumulative_problems(evidence: MonthEvidence) -> list[str]:
    tolerance = evidence.profile.thresholds.closing_tolerance
    problems = []
    for ledger in evidence.ledgers:
        scale = np.maximum.accumulate(np.maximum(np.abs(ledger.equity), np.abs(ledger.equity_before)))
        error = ledger.cumulative - (ledger.cumulative_before + np.cumsum(ledger.step))
        worst = largest(relative(error, scale), evidence.timestamps)
        if worst.value > tolerance:
            problems.append(f"cumulative P&L in {ledger.currency} is not the sum of its steps: {worst} of equity")
    return problems


def _checkpoint_problems(evidence: MonthEvidence) -> list[str]:
    state, (share, usd) = evidence.state, evidence.ledgers
    held = {key: position.quantity for key, position in state.positions.items()}
    pairs = [
        ("timestamp", float(state.timestamp), float(evidence.timestamps[-1])),
        ("equity", state.pnl.equity, float(share.equity[-1])),
        ("equity in USD", state.pnl.equity_usd, float(usd.equity[-1])),
        ("cumulative P&L", state.pnl.cumulative, float(share.cumulative[-1])),
        ("cumulative P&L in USD", state.pnl.cumulative_usd, float(usd.cumulative[-1])),
    ]
    pairs += [
        (f"quantity of {key}", held.get(key, 0.0), float(quantity))
        for key, quantity in zip(evidence.universe.keys, evidence.quantities[-1], strict=True)
    ]
    exact = evidence.profile.thresholds.fold_tolerance
    return [
        f"{name} of the new checkpoint is {kept:.12g}, the last closing record has {found:.12g}"
        for name, kept, found in pairs
        if not math.isclose(kept, found, rel_tol=exact)
    ]


def determinism_digest(evidence: MonthEvidence) -> Finding:
    """The checkpoint names the configuration it was run with, and a second run of the month has the same content."""
    problems = []
    if evidence.state.config_digest != evidence.profile.config_digest:
        problems.append(
            f"the checkpoint of {iso(evidence.state.timestamp)} carries configuration "
            f"{evidence.state.config_digest}, the run had {evidence.profile.config_digest}"
        )
    if evidence.second_digest is None:
        problems.append(f"{evidence.month} was run once, so nothing shows that it can be reproduced")
    elif evidence.second_digest != evidence.digest:
        problems.append(f"run again, {evidence.month} has digest {evidence.second_digest} instead of {evidence.digest}")
    return from_problems(problems, "run twice with equal digests")
