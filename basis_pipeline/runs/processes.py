"""Pieces of work in processes of this machine. A worker imports no more than its pieces need."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from basis_pipeline.domain.errors import StateError

Piece = TypeVar("Piece")
Made = TypeVar("Made")


def side_by_side(
    run: Callable[[Piece], Made], pieces: Sequence[Piece], workers: int, *, purpose: str
) -> Iterator[tuple[Piece, Made]]:
    """Call `run`, which another process can import, in `workers` processes; each piece comes back when it is done.

    Workers are given one piece at a time, in order, so that none waits for another's slow ones.

    Raises:
        StateError: a worker ended unexpectedly.
    """
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent)
    try:
        running = {pool.submit(run, piece): piece for piece in pieces}
        for future in as_completed(running):
            yield running[future], future.result()
    except BrokenProcessPool as error:
        raise StateError(
            f"a worker process of {purpose} ended unexpectedly.",
            remedy="run it again, what it has published stays; with fewer --workers if memory is short.",
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """A worker whose parent is killed would wait for its next piece for ever."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
