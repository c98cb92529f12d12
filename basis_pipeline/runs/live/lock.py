"""One session per mode and environment at a time, and one per wallet, whoever starts it.

The kernel lets go of a lock when its process ends.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

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
