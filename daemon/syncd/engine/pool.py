"""The threads that move bytes, shared by all pairs, with a bound on what waits for them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType

from syncd.engine.adaptive import Adaptive

AHEAD = 4
"""So many tasks per thread may wait: the merge stays a little ahead, and memory stays bounded."""

IDLE_S = 10.0
"""A thread without work ends after that."""

LOOK_S = 0.1

Task = Callable[[], None]


class Promise:
    """A task and the future that carries what it raised, so that no task ends a thread."""

    __slots__ = ("future", "room", "task")

    def __init__(self, task: Task, *, room: bool) -> None:
        self.task = task
        self.room = room  # whether it takes some of what is bounded
        self.future: Future[None] = Future()

    def keep(self) -> None:
        """Run it, unless nobody wants it any more."""
        if self.future.set_running_or_notify_cancel():
            with self:
                self.task()

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        if error is None:
            self.future.set_result(None)
        else:
            self.future.set_exception(error)
        return True


class Pool:
    """A bounded thread pool. `submit` waits for room; `later` never does (small after-work of a finished task).

    Threads are started as they are needed, up to `threads`. With an Adaptive that number moves while the pool works.
    Who waits for room is woken when half of it is free: one change of threads for many tasks, not for each.
    """

    def __init__(self, threads: int | Adaptive) -> None:
        self._adaptive = threads if isinstance(threads, Adaptive) else None
        self.threads = threads.threads if isinstance(threads, Adaptive) else threads
        lock = threading.Lock()
        self._work = threading.Condition(lock)
        self._room = threading.Condition(lock)
        self._still = threading.Condition(lock)
        self._tasks: deque[Promise] = deque()
        self._taken = 0  # tasks in the queue and at work that take room
        self._running = 0
        self._ended = 0
        self._hungry = 0  # so often a thread found nothing to do
        self._waiting = 0  # threads that have nothing to do
        self._crowded = 0  # who waits for room
        self._alive: set[threading.Thread] = set()
        self._watcher: threading.Thread | None = None
        self._started = 0
        self._closed = False

    @property
    def queued(self) -> int:
        """How many tasks wait for a thread."""
        return len(self._tasks)

    @property
    def full(self) -> bool:
        """Whether who submits has to wait."""
        return self._taken >= self.threads * AHEAD

    def submit(self, task: Task) -> Future[None]:
        """Run it on a thread of the pool, once there is room. The future carries what it raised."""
        promise = Promise(task, room=True)
        with self._work:
            if self.full:
                self._crowded += 1
                while self.full and not self._closed:
                    self._room.wait(LOOK_S)
                self._crowded -= 1
            self._put(promise)
            self._taken += 1
        return promise.future

    def later(self, task: Task) -> Future[None]:
        """The same, whenever."""
        promise = Promise(task, room=False)
        with self._work:
            self._put(promise)
        return promise.future

    def idle(self, seconds: float) -> bool:
        """Whether nothing runs or waits, after so long at most. For stopping, when nobody submits any more."""
        with self._still:
            return self._still.wait_for(lambda: not self._tasks and not self._running, seconds)

    def close(self) -> None:
        """Wait for what runs; drop what does not run yet (it was promised to nobody)."""
        with self._work:
            self._closed = True
            dropped, threads = list(self._tasks), [*self._alive]
            self._tasks.clear()
            for condition in (self._work, self._room, self._still):
                condition.notify_all()
            threads += [] if self._watcher is None else [self._watcher]
        for promise in dropped:
            promise.future.cancel()
        for thread in threads:
            while thread.is_alive() and thread is not threading.current_thread():
                thread.join(LOOK_S)

    # --- inside, under the lock -----------------------------------------------------------------------------

    def _put(self, promise: Promise) -> None:
        if self._closed:
            raise RuntimeError("the pool is closed: nothing runs any more")
        self._tasks.append(promise)
        if self._waiting:
            self._work.notify()
        if len(self._tasks) > self._waiting and len(self._alive) < self.threads:
            self._start()
        if self._adaptive is not None and self._watcher is None:
            self._watcher = threading.Thread(target=self._watch, name="transfer pace", daemon=True)
            self._watcher.start()

    def _start(self) -> None:
        self._started += 1
        thread = threading.Thread(target=self._serve, name=f"transfer_{self._started}", daemon=True)
        self._alive.add(thread)
        thread.start()

    def _next(self) -> Promise | None:
        """The task that has waited longest. None: this thread is of no more use."""
        hungry = False
        while not self._tasks and not self._closed:
            self._hungry += not hungry
            hungry = True
            self._waiting += 1
            woken = self._work.wait(IDLE_S)
            self._waiting -= 1
            if not woken and not self._tasks:
                return None
        if self._closed:
            return None
        if len(self._alive) > self.threads:
            self._work.notify()  # what it was woken for is another's
            return None
        self._running += 1
        return self._tasks.popleft()

    def _over(self, promise: Promise) -> None:
        self._running -= 1
        self._ended += 1
        self._taken -= promise.room
        if self._crowded and self._taken <= self.threads * AHEAD // 2:
            self._room.notify_all()
        if not self._tasks and not self._running:
            self._still.notify_all()

    # --- inside, the threads --------------------------------------------------------------------------------

    def _serve(self) -> None:
        promise: Promise | None = None
        while True:
            with self._work:
                if promise is not None:
                    self._over(promise)
                promise = self._next()
                if promise is None:
                    self._alive.discard(threading.current_thread())
                    return
            promise.keep()

    def _watch(self) -> None:
        """Look at the number of threads while there is work; without any, end until there is."""
        adaptive = self._adaptive
        assert adaptive is not None
        while True:
            with self._still:
                over = self._still.wait_for(lambda: self._closed or (not self._tasks and not self._running), LOOK_S)
                if over:
                    adaptive.rest()
                    self._watcher = None
                    return
                tasks, hungry = self._ended, self._hungry
                all_busy = self._running >= self.threads
            threads = adaptive.look(tasks=tasks, hungry=hungry, all_busy=all_busy)
            with self._work:
                self.threads = threads
                while not self._closed and len(self._alive) < min(threads, self._running + len(self._tasks)):
                    self._start()
                self._room.notify_all()
