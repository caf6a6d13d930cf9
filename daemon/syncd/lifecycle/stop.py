"""Stopping: a token that is asked between steps, with children, at two levels."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable


class Stop:
    """A stop token. Two levels, each also reaching every child: `drain` (finish what you do), `abandon` (drop it).

    Neither can be taken back. All methods are thread-safe; callbacks run in the thread that stops.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drain = threading.Event()
        self._now = threading.Event()
        self._children: weakref.WeakSet[Stop] = weakref.WeakSet()
        self._callbacks: dict[object, Callable[[], None]] = {}

    def child(self) -> Stop:
        """A token that stops with this one, and alone without touching it."""
        child = Stop()
        with self._lock:
            self._children.add(child)
        # Asked after it was added: a stop between the two lines reaches the child twice, never not at all.
        if self.abandoned():
            child.abandon()
        elif self.stopped():
            child.drain()
        return child

    def drain(self) -> None:
        """Ask to finish what is under way and begin nothing new."""
        self._set(self._drain)
        for child in self._offspring():
            child.drain()

    def abandon(self) -> None:
        """Ask to drop what is under way. Implies drain."""
        self._now.set()
        self._set(self._drain)
        for child in self._offspring():
            child.abandon()

    def stopped(self) -> bool:
        """Whether nothing new may begin (either level)."""
        return self._drain.is_set()

    def abandoned(self) -> bool:
        """Whether what is under way is to be dropped."""
        return self._now.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep so long, less if stopped. True when stopped."""
        return self._drain.wait(_bounded(seconds))

    def wait_abandoned(self, seconds: float) -> bool:
        """Sleep so long, less if abandoned. True when abandoned: for what goes on while it drains."""
        return self._now.wait(_bounded(seconds))

    def on_stop(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call once when it stops, at once where it has already. Returns what takes the callback back."""
        token = object()
        with self._lock:
            late = self._drain.is_set()
            if not late:
                self._callbacks[token] = callback
        if late:
            callback()

        def forget() -> None:
            with self._lock:
                self._callbacks.pop(token, None)

        return forget

    def _set(self, event: threading.Event) -> None:
        with self._lock:
            event.set()
            callbacks = list(self._callbacks.values())
            self._callbacks.clear()
        for callback in callbacks:
            callback()

    def _offspring(self) -> list[Stop]:
        with self._lock:
            return list(self._children)


def _bounded(seconds: float) -> float:
    """The wait as the platform takes it: not negative, not over its largest."""
    return min(max(seconds, 0.0), threading.TIMEOUT_MAX)
