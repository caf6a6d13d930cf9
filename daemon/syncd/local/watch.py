"""Watching one root: a reader thread that turns inotify into hints, or says that only polling is left."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from syncd import events as log
from syncd import ports
from syncd.local.inotify_events import (
    Closed,
    Degraded,
    FolderAppeared,
    FolderGone,
    Gone,
    HotEvent,
    Overflowed,
    RootGone,
    Touched,
)
from syncd.local.inotify_kernel import Exhausted, Inotify
from syncd.local.inotify_mounts import file_system, hears_all
from syncd.local.inotify_tree import Lost, WatchedTree

__all__ = [
    "Closed",
    "Degraded",
    "FolderAppeared",
    "FolderGone",
    "Gone",
    "HotEvent",
    "Overflowed",
    "RootGone",
    "Touched",
    "Watch",
    "WatchMode",
]

_GATHER_S = 0.025  # between two reads, so that a storm of writes is forty wakes a second at most
_LIMBO_LOOK_S = 0.5
_IDLE_LOOK_S = 60.0
_STOP_S = 5.0


class WatchMode(str, Enum):
    """How changes of a root are found: `off` before the start, after the stop and once the root is gone."""

    INOTIFY = "inotify"
    POLLING = "polling"
    OFF = "off"


class Watch:
    """Hears of changes below `root` and hands each to `sink`, which must be quick and must not raise.

    One life: start, stop. `sink` is called by the thread that starts, until `start` returns, then by the reader
    thread alone. Hints may repeat and may be late; none is lost without an Overflowed or Degraded. `.syncd`,
    symlinked folders, other mounts and names that cannot be keys yield nothing.
    """

    def __init__(
        self,
        root: Path,
        sink: Callable[[HotEvent], None],
        *,
        events: ports.Events,
        file_system: Callable[[Path], str] = file_system,
    ) -> None:
        self._root = root
        self._sink = sink
        self._events = events
        self._file_system = file_system
        self._mode = WatchMode.OFF
        self._stopping = threading.Event()
        self._wake_lock = threading.Lock()
        self._wake: int | None = None
        self._thread: threading.Thread | None = None

    @property
    def mode(self) -> WatchMode:
        """How changes are found now."""
        return self._mode

    def start(self) -> None:
        """Watch the whole tree; scan once after it returned, for what was there before.

        No watches or instances left, or a file system that other hosts write to: Degraded and mode polling. No
        root: RootGone and mode off. It never raises for them.
        """
        kind = self._file_system(self._root)
        if not hears_all(kind):
            self._degrade(f"on {kind}, inotify does not hear what other hosts write")
            return
        with ExitStack() as stack:
            queue = stack.enter_context(ExitStack())
            opened = self._open(queue)
            if opened is None:
                return
            self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
            stack.callback(self._close_wake)
            self._mode = WatchMode.INOTIFY
            self._events.emit(log.WATCH_STARTED, root=str(self._root), folders=len(opened.tree))
            name = f"watch {self._root.name}"
            arguments = (opened, queue, stack.pop_all())
            self._thread = threading.Thread(target=self._run, args=arguments, name=name, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the reader and give its watches back. Prompt; may be called twice, and by the sink."""
        self._stopping.set()
        with self._wake_lock:
            if self._wake is not None:
                os.eventfd_write(self._wake, 1)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_STOP_S)
        self._mode = WatchMode.OFF

    # --- opening ---

    def _open(self, queue: ExitStack) -> _Opened | None:
        """A kernel queue and the whole tree on it, closed with the stack. None: it was said why, or stopped."""
        try:
            while not self._stopping.is_set():
                with ExitStack() as attempt:
                    inotify = Inotify()
                    attempt.callback(inotify.close)
                    opened = self._walked(inotify)
                    if opened is not None:
                        queue.push(attempt.pop_all())
                        return opened
        except Exhausted as error:
            self._degrade(str(error))
        except (FileNotFoundError, NotADirectoryError):
            self._lose_root()
        except OSError as error:
            self._degrade(f"the root cannot be watched: {error.strerror}")
        return None

    def _walked(self, inotify: Inotify) -> _Opened | None:
        try:
            tree = WatchedTree(os.fsencode(os.path.realpath(self._root)), inotify, self._stopping.is_set)
        except Lost:  # renames while we walked: once more
            return None
        return None if self._stopping.is_set() else _Opened(inotify, tree)

    # --- the reader thread ---

    def _run(self, opened: _Opened, queue: ExitStack, everything: ExitStack) -> None:
        current: _Opened | None = opened
        with everything:
            try:
                while current is not None:
                    current = self._follow(current, queue)
            finally:
                if self._mode is WatchMode.INOTIFY:
                    self._mode = WatchMode.OFF

    def _follow(self, opened: _Opened, queue: ExitStack) -> _Opened | None:
        """Read until the end (None) or until records were lost; then go on with new watches."""
        try:
            self._read(opened)
        except Exhausted as error:
            self._degrade(str(error))
        except Lost:
            queue.close()
            return self._reopen(queue)
        return None

    def _reopen(self, queue: ExitStack) -> _Opened | None:
        # Folders that came and went while records were lost are unknown: only new watches are surely the right ones.
        opened = self._open(queue)
        if opened is not None:
            self._events.emit(log.WATCH_OVERFLOWED, root=str(self._root), folders=len(opened.tree))
            self._sink(Overflowed())
        return opened

    def _read(self, opened: _Opened) -> None:
        poll = select.poll()
        poll.register(opened.inotify.fileno(), select.POLLIN)
        if self._wake is not None:
            poll.register(self._wake, select.POLLIN)
        while not self._stopping.is_set():
            poll.poll((_LIMBO_LOOK_S if opened.tree.unsettled else _IDLE_LOOK_S) * 1000)
            if self._stopping.is_set() or not self._deliver(opened):
                return
            self._stopping.wait(_GATHER_S)

    def _deliver(self, opened: _Opened) -> bool:
        """Hand on what is queued, a file's repeated writes once. False when the root is gone."""
        now = time.monotonic()
        touched: set[str] = set()
        for raw in opened.inotify.read():
            for event in opened.tree.apply(raw, now):
                match event:
                    case RootGone():
                        self._lose_root()
                        return False
                    case Touched(path):
                        if path in touched:
                            continue
                        touched.add(path)
                    case Closed(path) | Gone(path):
                        touched.discard(path)
                self._sink(event)
        opened.tree.expire(now)
        return True

    # --- ends ---

    def _degrade(self, reason: str) -> None:
        self._mode = WatchMode.POLLING
        self._events.emit(log.WATCH_DEGRADED, root=str(self._root), reason=reason)
        self._sink(Degraded(reason))

    def _lose_root(self) -> None:
        self._mode = WatchMode.OFF
        self._sink(RootGone())

    def _close_wake(self) -> None:
        with self._wake_lock:
            wake, self._wake = self._wake, None
            if wake is not None:
                os.close(wake)


@dataclass(frozen=True, slots=True)
class _Opened:
    inotify: Inotify
    tree: WatchedTree
