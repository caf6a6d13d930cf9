"""Several archives at once, on the threads that move bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from functools import partial
from typing import TypeVar

from syncd.engine.pool import Pool
from syncd.ports import StopToken

T = TypeVar("T")

LOOK_S = 0.5


def each(pool: Pool, items: Iterable[T], work: Callable[[T], None], *, stop: StopToken) -> None:
    """Do the work for every item, and return when all that began is over; what it raises first is raised then.

    After that, or once the daemon stops, nothing new begins.
    """
    begun: list[Future[None]] = []
    for item in items:
        if stop.stopped() or _crash(begun) is not None:
            break
        begun.append(pool.submit(partial(work, item)))
    pending = set(begun)
    while pending:
        _, pending = wait(pending, timeout=LOOK_S, return_when=FIRST_EXCEPTION)
    crash = _crash(begun)
    if crash is not None:
        raise crash


def _crash(begun: Iterable[Future[None]]) -> BaseException | None:
    """The first failure; a task that was cancelled with its pool was promised to nobody."""
    over = (future for future in begun if future.done() and not future.cancelled())
    return next((error for future in over if (error := future.exception()) is not None), None)
