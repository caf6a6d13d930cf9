"""When a changed file may go: closed by its writer, or left alone for long enough. Clocks are arguments."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from syncd.core.model import LocalStat
from syncd.core.paths import RelPath
from syncd.ports import Openness

_MOST = 100_000  # paths remembered; one more waits by its own times alone
_SOONEST_S = 0.25  # between two looks at the same file, even with settle = 0
_LATEST_S = 30.0  # between two looks at a file that stays open or is held


@dataclass(frozen=True, slots=True)
class Ready:
    """The file may go now. The tracker has forgotten it."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Look again at `until` (monotonic seconds), or at its next event."""

    until: float


@dataclass(frozen=True, slots=True)
class Held:
    """It was not stable for `settle_max`: counted and listed. Look again at `until`, or at its next event."""

    until: float


Verdict = Ready | Wait | Held


@dataclass(frozen=True, slots=True, kw_only=True)
class Unsettled:
    """One file that waits, for a status. `since`: monotonic seconds of the first sight of this unrest."""

    path: RelPath
    since: float
    size: int | None  # bytes at the last look; None: not looked at yet


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trace:
    """What is known of one unstable path. Monotonic seconds; None: known by an event alone, not looked at yet."""

    first: float | None
    stat: LocalStat | None = None
    since: float = 0.0  # this stat was first seen, or the last event came
    closed: bool = False
    held: bool = False
    due: float = 0.0
    seen: float | None = None


class Stability:
    """Remembers the files that are not stable yet. Thread-safe; `openness` is asked outside its lock.

    `settle`, `settle_max`: seconds. A path is forgotten when it is Ready, by `forget`, and by `forget_unseen`.
    """

    def __init__(self, settle: float, settle_max: float) -> None:
        self._settle = settle
        self._settle_max = settle_max
        self._lock = threading.Lock()
        self._traces: dict[RelPath, _Trace] = {}

    def closed(self, path: RelPath) -> None:
        """Its writer closed it, or it was moved in: it is due at once, whatever it looks like at the next look."""
        with self._lock:
            trace = self._traces.get(path, _Trace(first=None))
            self._keep(path, replace(trace, stat=None, closed=True, due=0.0))

    def touched(self, path: RelPath, stat: LocalStat, now: float) -> None:
        """It was written, created or given other attributes at `now`, and is not known to be closed."""
        with self._lock:
            trace = self._traces.get(path, _Trace(first=now))
            first = now if trace.first is None else trace.first
            due = now + max(self._settle, _SOONEST_S)
            self._keep(path, replace(trace, first=first, stat=stat, since=now, closed=False, due=due, seen=now))

    def consider(
        self, path: RelPath, stat: LocalStat, now: float, wall_ns: int, openness: Callable[[], Openness]
    ) -> Verdict:
        """Decide on a file that was just seen as `stat`. `now`: monotonic seconds; `wall_ns`: since the epoch.

        Ready: closed by an event since its last change, or unchanged for `settle` (by its times, or where these lie
        in the future by our own sight), and not open. Where openness is unknown a close event alone is not enough.
        """
        with self._lock:
            known = self._traces.get(path)
        trace = self._looked(known, stat, now)
        quiet_at = self._quiet_at(trace, stat, now, wall_ns)
        ready, until = False, quiet_at
        if trace.closed or quiet_at <= now:
            state = openness()
            ready = state is Openness.CLOSED or (state is Openness.UNKNOWN and quiet_at <= now)
            until = now + self._patience(trace, now) if state is Openness.OPEN else quiet_at
        with self._lock:
            if self._traces.get(path) is not known:  # an event came while we looked: it is younger than our look
                return Wait(now + max(self._settle, _SOONEST_S))
            return self._conclude(path, trace, ready, until, now)

    def quiet(self, path: RelPath, stat: LocalStat, wall_ns: int) -> bool:
        """Whether no event told of it, and by its times it was left alone for `settle`: it is ready if not open."""
        if path in self._traces:
            return False
        touched = stat.mtime_ns if stat.mtime_ns > stat.ctime_ns else stat.ctime_ns
        return wall_ns - touched >= self._settle * 1e9

    def forget(self, path: RelPath) -> None:
        """The file is gone, or is no concern any more."""
        with self._lock:
            self._traces.pop(path, None)

    def forget_unseen(self, before: float) -> int:
        """Drop what was neither looked at nor touched since `before` (the start of a whole pass). Returns how many."""
        with self._lock:
            unseen = [path for path, trace in self._traces.items() if trace.seen is not None and trace.seen < before]
            for path in unseen:
                del self._traces[path]
            return len(unseen)

    def pending(self) -> list[Unsettled]:
        """The files that wait and are not held."""
        return self._listed(held=False)

    def held(self) -> list[Unsettled]:
        """The files that were still written, or open, after `settle_max`."""
        return self._listed(held=True)

    def due(self, now: float) -> list[RelPath]:
        """The paths to consider (or forget, where they are gone) now."""
        with self._lock:
            return [path for path, trace in self._traces.items() if trace.due <= now]

    def next_due(self, now: float) -> float | None:
        """Seconds until the next path is due, 0 where one is; None where nothing waits."""
        with self._lock:
            soonest = min((trace.due for trace in self._traces.values()), default=None)
        return None if soonest is None else max(0.0, soonest - now)

    # --- under the lock, or pure ---

    def _looked(self, known: _Trace | None, stat: LocalStat, now: float) -> _Trace:
        if known is None:
            return _Trace(first=now, stat=stat, since=now, seen=now)
        first = now if known.first is None else known.first
        if known.stat == stat:
            return replace(known, first=first, seen=now)
        # A close is worth the first look after it; another stat after that look is a later change.
        closed = known.closed and known.stat is None
        return replace(known, first=first, stat=stat, since=now, closed=closed, seen=now)

    def _quiet_at(self, trace: _Trace, stat: LocalStat, now: float, wall_ns: int) -> float:
        age_ns = wall_ns - max(stat.mtime_ns, stat.ctime_ns)  # negative: times in the future, so our sight comes first
        return min(trace.since + self._settle, now + self._settle - age_ns / 1e9)

    def _patience(self, trace: _Trace, now: float) -> float:
        waited = 0.0 if trace.first is None else now - trace.first
        return max(self._settle, _SOONEST_S, min(waited / 4, _LATEST_S))

    def _conclude(self, path: RelPath, trace: _Trace, ready: bool, until: float, now: float) -> Verdict:
        if ready:
            self._traces.pop(path, None)
            return Ready()
        held = trace.first is not None and now - trace.first >= self._settle_max
        until = max(until, now + self._patience(trace, now)) if held else until
        self._keep(path, replace(trace, held=held, due=until))
        return Held(until) if held else Wait(until)

    def _keep(self, path: RelPath, trace: _Trace) -> None:
        if path in self._traces or len(self._traces) < _MOST:
            self._traces[path] = trace

    def _listed(self, *, held: bool) -> list[Unsettled]:
        with self._lock:
            return [
                Unsettled(path=path, since=trace.first, size=None if trace.stat is None else trace.stat.size)
                for path, trace in self._traces.items()
                if trace.held is held and trace.first is not None
            ]
