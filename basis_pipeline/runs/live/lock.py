"""One session per mode and environment at a time, one per wallet, and one per account at an exchange.

The kernel lets go of a lock when its process ends. What another machine does on an account no lock can see, but
`foreign_orders.py`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from hashlib import sha256
from pathlib import Path

from basis_pipeline.domain.errors import StorageError
from basis_pipeline.runs.workspace import Workspace
from basis_pipeline.storage.files import exclusive_lock
from basis_pipeline.storage.locations import Location


def session_lock(workspace: Workspace, mode: str, environment: str) -> AbstractContextManager[None]:
    """Hold it while the block runs; StorageError STORE-002 where another session of the mode runs."""
    return exclusive_lock(_file(workspace, mode, environment), purpose=f"a live session of {mode}")


def wallet_lock(workspace: Workspace, executor: str) -> AbstractContextManager[None]:
    """The same for the wallet of an executor: two books would count, and spend, the same ETH."""
    file = workspace.root.path / "locks" / f"live-executor-{executor.lower()}.lock"
    return exclusive_lock(file, purpose=f"a live session on the executor {executor}")


@contextmanager
def account_locks(workspace: Workspace, accounts: Mapping[str, Sequence[str]], *, production: bool) -> Iterator[None]:
    """The same for accounts at exchanges: in the data root, which machines may share, and for all data roots of a user.

    Args:
        workspace: of the session.
        accounts: by venue, the exchange's own names of the accounts behind its keys. Only a digest of them is in a file
            name; keys would not do, because one account may have many.
        production: an account and its demo may have one name.
    """
    folders = (workspace.root.path / "locks", _of_this_machine())
    with ExitStack() as held:
        for venue, identities in accounts.items():
            for identity in identities:
                digest = sha256(f"{production} {venue} {identity}".encode()).hexdigest()[:16]
                for folder in folders:
                    file = folder / f"live-account-{venue}-{digest}.lock"
                    held.enter_context(exclusive_lock(file, purpose=f"a live session on this account at {venue}"))
        yield


def is_running(workspace: Workspace, mode: str, environment: str) -> bool:
    """Whether some process is in a session of `mode`."""
    if not _file(workspace, mode, environment).is_file():
        return False
    try:
        with session_lock(workspace, mode, environment):
            return False
    except StorageError as error:
        if error.code == "STORE-002":
            return True
        raise


def _file(workspace: Workspace, mode: str, environment: str) -> Location:
    return workspace.root.path / "locks" / f"live-{mode}-{environment}.lock"


def _of_this_machine() -> Path:
    """Where programs keep what outlives a reboot and is nobody's data (XDG base directories)."""
    state = os.environ.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "basis-pipeline" / "locks"
