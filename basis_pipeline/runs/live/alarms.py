"""Alerts about what lasts too long or will not mend itself; each is told once, and again only after it was over."""

from __future__ import annotations

from collections.abc import Iterable

from basis_pipeline.domain.orders import Action, OrderResult, OrderState
from basis_pipeline.engine.health import HealthManager
from basis_pipeline.runs.live.parts import Alert, SessionParts

REDUCTION = "reduction failed"
_REDUCTIONS = frozenset({Action.EXIT_PARTIAL, Action.EXIT_FULL})
_READ_ONLY = "EXEC-015"
"""Nothing failed: the session was told to send nothing."""
NOT_TRADING = "not trading"
CREDENTIALS = "credentials refused"


class Alarms:
    """Looks at the health of a session after every tick, completed or not."""

    def __init__(self, parts: SessionParts) -> None:
        self._parts = parts
        self._closed_since: float | None = None
        self._told: set[str] = set()

    def look(self, health: HealthManager) -> None:
        """Credentials at once; trading that is closed for whatever reason, after the heartbeat's patience."""
        refused = self._parts.hearing.refused if self._parts.hearing else {}
        for venue, words in refused.items():
            self._once(f"{CREDENTIALS} {venue}", Alert(CREDENTIALS, words, "renew them; nothing is traded meanwhile."))
        self._told -= {key for key in self._told if key.startswith(CREDENTIALS) and key.split()[-1] not in refused}
        now = self._parts.clock.now()
        if health.may_execute:
            self._closed_since = None
            self._told.discard(NOT_TRADING)
            return
        self._closed_since = now if self._closed_since is None else self._closed_since
        if now - self._closed_since > self._parts.heartbeat:
            summary = f"nothing was traded for {now - self._closed_since:.0f} s: {health.check(0).summary}."
            self._once(NOT_TRADING, Alert(NOT_TRADING, summary, "basis live MODE --status"))

    def look_at_orders(self, results: Iterable[OrderResult]) -> None:
        """At once where a book had to get smaller and did not: what refuses one order refuses the next one as well."""
        reductions = [result for result in results if result.order.action in _REDUCTIONS]
        failed = [result for result in reductions if result.state is OrderState.FAILURE]
        if failed and (answer := failed[0].handshake) is not None and answer.error_code != _READ_ONLY:
            order = failed[0].order
            what = f"{order.operation} of {order.quantity:.10g} at {order.venue}, operation {order.operation_id}"
            message = f"{what}, was to make the book smaller and failed: [{answer.error_code}] {answer.error_message}"
            remedy = "it is planned again at every tick; remove the reason, or reduce the book by hand."
            self._once(REDUCTION, Alert(REDUCTION, message, remedy))
        elif any(result.success for result in reductions):
            self._told.discard(REDUCTION)

    def _once(self, key: str, alert: Alert) -> None:
        if key not in self._told:
            self._told.add(key)
            self._parts.alert("session", alert)
