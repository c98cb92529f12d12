"""Every error this project raises on purpose.

::

    BasisError                    code, message, remedy
    ├── ConfigError               CONFIG-*   a file or key that a person typed is wrong
    ├── DataError                 DATA-*     market data is missing, corrupt or implausible
    │   ├── DataGapError          DATA-004   a value is older than its declared maximum age
    │   └── DownloadError         DATA-006   a vendor does not give what was asked for, or not whole
    ├── StorageError              STORE-*    disk full, read-only folder, broken manifest, held lock
    ├── StateError                STATE-*, JOURNAL-*  a checkpoint or journal is missing or belongs to something else
    ├── GateError                 GATE-*     a quality gate of severity ERROR failed; nothing was published
    ├── NotificationError         NOTIFY-*   a webhook or a mail server did not take a notice
    └── EngineError               the engine refuses to go on
        ├── PositionError         POS-*      undeclared key, negative balance, delta applied twice
        ├── AccountingError       PNL-*      attribution does not close, a handshake does not conserve value
        ├── OrderError            EXEC-*     an order that cannot be right
        ├── VenueError            VEN-*      a real venue would not or could not do what was asked
        │   ├── VenueRefusal      VEN-003    it said no: nothing happened
        │   └── VenueSilence      VEN-004    it said nothing: anything may have happened
        └── BacktestError         ENGINE-*   an order failed or did not reconcile in a backtest
    SystemFailure(SystemExit)     EXEC-004   live only: leaves the process through every `except Exception`
"""

from __future__ import annotations


class BasisError(Exception):
    """Base of all expected failures. `str()` gives `[code] message Remedy: ...` on one line.

    Attributes:
        code: stable identifier `AREA-nnn`, safe to search logs for.
        message: what is wrong, naming file, key, row or timestamp.
        remedy: what a person can do about it; may be empty where the message already says it.
    """

    default_code = "BASIS-000"

    def __init__(self, message: str, *, code: str | None = None, remedy: str = "") -> None:
        self.code = code or self.default_code
        self.message = message
        self.remedy = remedy
        super().__init__(f"[{self.code}] {message}" + (f" Remedy: {remedy}" if remedy else ""))

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.code, self.remedy)


def _rebuild(kind: type[BasisError], message: str, code: str, remedy: str) -> BasisError:
    return kind(message, code=code, remedy=remedy)


class ConfigError(BasisError):
    default_code = "CONFIG-001"


class DataError(BasisError):
    default_code = "DATA-002"


class DataGapError(DataError):
    default_code = "DATA-004"


class DownloadError(DataError):
    default_code = "DATA-006"


class StorageError(BasisError):
    default_code = "STORE-001"


class StateError(BasisError):
    default_code = "STATE-001"


class GateError(BasisError):
    default_code = "GATE-001"


class NotificationError(BasisError):
    default_code = "NOTIFY-001"


class EngineError(BasisError):
    default_code = "ENGINE-001"


class PositionError(EngineError):
    default_code = "POS-001"


class AccountingError(EngineError):
    default_code = "PNL-001"


class OrderError(EngineError):
    default_code = "EXEC-007"


class VenueError(EngineError):
    default_code = "VEN-002"


class VenueRefusal(VenueError):  # noqa: N818 - a word of the domain, as in `SystemFailure`
    default_code = "VEN-003"


class VenueSilence(VenueError):  # noqa: N818
    default_code = "VEN-004"


class BacktestError(EngineError):
    default_code = "ENGINE-002"


class SystemFailure(SystemExit):
    """A live session must stop now. Derives from SystemExit so that no `except Exception` swallows it.

    Attributes:
        completed: results of the orders that were executed before the failure; real money moved for them.
    """

    def __init__(self, reason: str, completed: tuple[object, ...] = ()) -> None:
        self.reason = reason
        self.completed = completed
        super().__init__(f"[EXEC-004] system failure: {reason}")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.reason, self.completed)
