"""What a live session says while it runs: one JSON object per line, with what it belongs to, without a secret."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TextIO

from basis_pipeline.domain.secret import Secret
from basis_pipeline.live_journal.journal import Action


class LiveLog:
    """Writes actions to `stream`.

    Args:
        session: id of this run of the session; `correlation_id` is `<session>.<tick>`.
        secrets: replaced by `***` wherever they would appear.
    """

    def __init__(self, stream: TextIO, session: str, secrets: Iterable[Secret]) -> None:
        self._stream, self._session = stream, session
        self._secrets = tuple(secret.reveal() for secret in secrets)
        self._tick = 0

    def __call__(self, action: Action) -> None:
        record: dict[str, object] = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": action.level,
            "correlation_id": f"{self._session}.{self._tick}",
            "component": action.component,
            "what": action.what,
        }
        if action.detail:
            record["detail"] = action.detail
        if action.seconds is not None:
            record["seconds"] = round(action.seconds, 6)
        if action.phases:
            record["phases"] = {name: round(seconds, 6) for name, seconds in action.phases.items()}
        self._stream.write(self.redacted(json.dumps(record, ensure_ascii=False)) + "\n")
        self._stream.flush()
        if action.what == "tick":
            self._tick += 1

    def redacted(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text
