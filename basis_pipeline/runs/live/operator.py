"""What an operator says to a live session from another shell: by its journal, which outlives both.

An acknowledgement covers the difference that was told, to what venues round; another one is told again. An emergency
stop also reaches a session that is only started later.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager
from pathlib import Path

from basis_pipeline.domain.errors import StateError
from basis_pipeline.domain.orders import Operation
from basis_pipeline.live_journal.database import JournalDatabase
from basis_pipeline.live_journal.halts import EmergencyPolicy, Halt, HaltEntry
from basis_pipeline.live_journal.journal import LiveJournal
from basis_pipeline.runs.live.record import session_abouts


def acknowledge(journal: Path) -> str:
    """Take the venues' word for the difference that a running session has told; what was acknowledged, in words."""
    with _Desk(journal) as desk:
        told = desk.halted(Halt.DIFFERENCE)
        if told is None or not told.active:
            raise StateError("the session waits for no acknowledgement.", code="LIVE-005")
        desk.halt(Halt.DIFFERENCE, HaltEntry(active=False, reason=told.reason, gaps=told.gaps, entries=told.entries))
        return told.reason


def emergency_stop(journal: Path, policy: EmergencyPolicy | None = None) -> None:
    """Stop trading before the next order; `policy` None: as configured.

    Raises:
        StateError: LIVE-005 the record is of a mode that does not leave by a redemption queue, and is told to.
    """
    with _Desk(journal) as desk:
        if policy is EmergencyPolicy.EXIT_QUEUE and not _has_queue(desk):
            raise StateError(
                "the record is of a mode that leaves by the pool.",
                code="LIVE-005",
                remedy="exit_full sells there; strategy.exit_route: queue has to be set when a record begins.",
            )
        reason = f"asked for by an operator at {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}"
        desk.halt(Halt.EMERGENCY, HaltEntry(active=True, reason=reason, policy=policy or ""))


def _has_queue(desk: LiveJournal) -> bool:
    strategy: dict[str, object] = session_abouts(desk)[-1].config["mode"]["strategy"]
    return strategy.get("exit_route") == "queue"


def lift_emergency_stop(journal: Path) -> str:
    """Let the mode trade again; the reason that no longer counts. A loss beyond the limit stops it again at once."""
    with _Desk(journal) as desk:
        stood = desk.halted(Halt.EMERGENCY)
        if stood is None or not stood.active:
            raise StateError("there is no emergency stop to lift.", code="LIVE-005")
        desk.halt(Halt.EMERGENCY, HaltEntry(active=False, reason="lifted by an operator"))
        return stood.reason


def transfer_ended(journal: Path, said: str) -> str:
    """Say what has arrived of a transfer that no venue tells of, `ID=TOKENS`; 0 writes it off. What was said, in words.

    The next tick takes the tokens out of transit; what was sent and did not arrive is a loss that nothing explains. Of
    one whose fate is not known 0 says that it was never made, which a start believes where no history can tell.
    """
    intent_id, _, text = said.partition("=")
    try:
        arrived = float(text)
    except ValueError:
        arrived = -1.0
    with _Desk(journal) as desk:
        if arrived == 0.0 and _is_open(desk, intent_id):
            desk.tell_transfer(intent_id, arrived)
            return f"transfer {intent_id} was never made"
        executed = {settled.intent.intent_id: settled for settled in desk.settled_after(0)}
        transfer = executed.get(intent_id)
        if transfer is None or transfer.intent.order.operation is not Operation.TRANSFER:
            raise StateError(f"no transfer {intent_id!r} was made by this record.", code="LIVE-005")
        if desk.told_transfer(intent_id) is not None or desk.booked_income("transit", intent_id) is not None:
            raise StateError(f"transfer {intent_id} has ended already.", code="LIVE-005")
        if not 0.0 <= arrived <= transfer.facts.filled:
            raise StateError(
                f"{text!r} is not between 0 and the {transfer.facts.filled:.10g} tokens that were sent.",
                code="LIVE-005",
                remedy="say ID=TOKENS, the tokens as the venue holds them; 0 if nothing will come.",
            )
        desk.tell_transfer(intent_id, arrived)
        return f"{arrived:.10g} of {transfer.facts.filled:.10g} tokens of transfer {intent_id} have arrived"


def _is_open(desk: LiveJournal, intent_id: str) -> bool:
    """Whether this is a transfer whose fate is not known."""
    transfers = (left for left in desk.open_intents() if left.intent.order.operation is Operation.TRANSFER)
    return any(left.intent.intent_id == intent_id for left in transfers)


class _Desk(AbstractContextManager[LiveJournal]):
    """The journal for a moment; one has to be there, because what is said belongs to a record."""

    def __init__(self, path: Path) -> None:
        reader = JournalDatabase.read(path)
        belongs_to = reader.about("belongs_to")
        reader.close()
        self._journal = LiveJournal.open(path, belongs_to=belongs_to, now=lambda: time.time_ns() // 1_000)

    def __enter__(self) -> LiveJournal:
        return self._journal

    def __exit__(self, *_: object) -> None:
        self._journal.close()
