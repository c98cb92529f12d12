"""Servers of this project listen on loopback only: none of them asks who is there."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from basis_pipeline.domain.errors import ConfigError

LOOPBACK = "127.0.0.1"


def free_port(wanted: int | None, usual: int) -> int:
    """`wanted`, else `usual` or, where that is taken, a free one; ConfigError if `wanted` is taken."""
    for port in (wanted,) if wanted else (usual, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise port_taken(wanted)


def port_taken(port: int | None) -> ConfigError:
    return ConfigError(f"port {port} of {LOOPBACK} is taken.", remedy="choose another --port.")


@contextmanager
def stoppable() -> Iterator[None]:
    """SIGTERM means the same as Ctrl-C, and neither is ignored: shells start background jobs that ignore them."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    with handled_by(interrupt):
        yield


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Within `stoppable`: Ctrl-C and SIGTERM wait for the end of the block. A process being started would be lost."""
    arrived: list[int] = []
    with handled_by(lambda number, _frame: arrived.append(number)):
        yield
    if arrived:
        raise KeyboardInterrupt


@contextmanager
def handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Ctrl-C and SIGTERM go to `handler` while the block runs; what they did before is restored."""
    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
