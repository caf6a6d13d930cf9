"""The order of stopping: stages that are asked to drain one after the other, each within its time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from syncd.workers.base import Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class StopStage:
    """One step of stopping. All three are called in the main thread, also where start-up failed half way.

    `drain` asks and returns at once. `ended(seconds)` waits so long at most and says whether it is over. `abandon`
    asks to drop what is under way and returns at once; it comes when `drain_s` is over, or on a second signal.
    """

    name: str
    drain: Callable[[], None]
    ended: Callable[[float], bool]
    abandon: Callable[[], None]
    drain_s: float


def worker_stage(name: str, workers: Sequence[Worker], *, drain_s: float) -> StopStage:
    """A stage that stops these workers."""

    def drain() -> None:
        for worker in workers:
            worker.stop.drain()

    def abandon() -> None:
        for worker in workers:
            worker.stop.abandon()

    def ended(seconds: float) -> bool:
        still = [worker for worker in workers if worker.alive]
        return all(worker.join(seconds / len(still)) for worker in still)

    return StopStage(name=name, drain=drain, ended=ended, abandon=abandon, drain_s=drain_s)


def closing_stage(name: str, close: Callable[[], None]) -> StopStage:
    """A stage that is over when `close` returns: for what closes at once (a socket, a database)."""
    return StopStage(name=name, drain=close, ended=lambda _seconds: True, abandon=lambda: None, drain_s=0.0)
