"""What can go wrong while a book is redeemed, and while what was redeemed is claimed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from basis_pipeline.live_journal.database import JournalDatabase, Kind
from basis_pipeline.live_journal.halts import EmergencyPolicy
from basis_pipeline.runs.live.operator import emergency_stop, lift_emergency_stop
from basis_pipeline_tests.chain.faults import BUSY, DOWN, SEND, Case
from basis_pipeline_tests.chain.proxy import RpcFault
from basis_pipeline_tests.chain.stage import Stage
from basis_pipeline_tests.live.faults import KilledError, dying_at

PAUSED, PAID = 150.0, 180.0
"""Seconds for which the queue is paused; after which a redemption is paid."""


def _after(there: Stage, seconds: float, happens: Callable[[Stage], None]) -> None:
    end = there.clock.now() + seconds

    def passes() -> None:
        if there.clock.now() >= end:
            there.clock.passing.remove(passes)
            happens(there)

    there.clock.passing.append(passes)


def _leaves(there: Stage) -> None:
    emergency_stop(there.path, EmergencyPolicy.EXIT_QUEUE)


def _is_paid(there: Stage) -> None:
    """By EtherFi, when an operator has thought better of leaving."""
    assert there.issuer is not None
    lift_emergency_stop(there.path)
    there.issuer.finalize(1)


def _pauses(there: Stage, *, paused: bool) -> None:
    assert there.issuer is not None
    there.issuer.pause(paused)


def _redeeming(*faults: Callable[[], RpcFault], database: type[JournalDatabase] = JournalDatabase) -> Case:
    """An operator has the book redeemed in the second minute."""

    def strikes(there: Stage) -> None:
        _leaves(there)
        there.provider.faults.extend(make() for make in faults)

    return Case(strikes, when="holding", redeems=True, database=database)


def _claiming(*faults: Callable[[], RpcFault], database: type[JournalDatabase] = JournalDatabase) -> Case:
    """And three minutes later it is paid, claimed, and staked again."""

    def paid(there: Stage) -> None:
        _is_paid(there)
        there.provider.faults.extend(make() for make in faults)

    def strikes(there: Stage) -> None:
        _leaves(there)
        _after(there, PAID, paid)

    return Case(strikes, when="holding", redeems=True, database=database, minutes=8)


def _paused(there: Stage) -> None:
    _pauses(there, paused=True)
    _leaves(there)
    _after(there, PAUSED, lambda later: _pauses(later, paused=False))


def _second(kind: Kind, *, after: bool) -> type[JournalDatabase]:
    """A journal whose process dies at its second entry of a kind: the first is the redemption's."""

    class Dying(JournalDatabase):
        seen = 0

        def append(self, written_at: int, of: Kind, key: str, payload: bytes) -> bool:
            self.seen += of is kind
            if of is kind and self.seen == 2 and not after:
                raise KilledError
            done = super().append(written_at, of, key, payload)
            if of is kind and self.seen == 2:
                raise KilledError
            return done

    return Dying


QUEUE_CASES: dict[str, Case] = {
    "redemption: answer to sending lost, the node has it": _redeeming(lambda: RpcFault(SEND, "after", DOWN)),
    "redemption: sending hits the rate limit": _redeeming(lambda: RpcFault(SEND, "before", BUSY)),
    "redemption: killed after the hash is written": _redeeming(database=dying_at(Kind.SENT, after=True)),
    "redemption: killed before the facts are written": _redeeming(database=dying_at(Kind.FACTS, after=False)),
    "redemption: killed after the facts are written": _redeeming(database=dying_at(Kind.FACTS, after=True)),
    "redemption: the queue is paused for minutes": replace(_redeeming(), strikes=_paused, minutes=6),
    "claim: answer to sending lost, the node has it": _claiming(lambda: RpcFault(SEND, "after", DOWN)),
    "claim: killed after the hash is written": _claiming(database=_second(Kind.SENT, after=True)),
    "claim: killed before the facts are written": _claiming(database=_second(Kind.FACTS, after=False)),
    "claim: killed after the facts are written": _claiming(database=_second(Kind.FACTS, after=True)),
}
