"""What just changed in the hot folder goes up at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from syncd.core.exhaustive import assert_never
from syncd.core.model import Mode
from syncd.core.paths import RelPath
from syncd.engine.context import Context
from syncd.engine.hot import HotPath
from syncd.engine.pool import Pool
from syncd.errors import FatalError, ItemError, PairHalted, SyncdError
from syncd.lifecycle.mailbox import Payloads
from syncd.lifecycle.stop import Stop
from syncd.local import inotify_events as hints
from syncd.local.watch import Watch
from syncd.ports import Clock, Events, ScanEntry
from syncd.workers.base import Worker
from syncd.workers.section import Section

EVENT = "event"
AGAIN = "again"
TIMER = "timer"

AGAIN_S = 0.1
LOOK_FOR_ROOT_S = 5.0


class HotFolder(Worker):
    """Listens to a root and works on its dirty paths. Events are hints: a lost one costs a pass, never a file."""

    def __init__(
        self,
        section: Section,
        *,
        pool: Pool,
        stop: Stop,
        events: Events,
        clock: Clock,
        rescan: Callable[[], None],
    ) -> None:
        super().__init__(f"hotfolder {section.name}", deadline=120.0, stop=stop, events=events, clock=clock)
        self.section = section
        self._pool = pool
        self._rescan = rescan
        self._watch: Watch | None = None
        self._watched: tuple[Path, bool] | None = None
        self._hot: tuple[Context, HotPath] | None = None
        self._later: dict[RelPath, float] = {}  # when each is looked at again

    def run_once(self, reasons: frozenset[str], payloads: Payloads) -> float | None:
        """Take in the hints, then send what is due."""
        context = self._listening()
        if context is None:
            return LOOK_FOR_ROOT_S
        dirty = self._put_off(payloads.get(AGAIN, ()))
        for hint in payloads.get(EVENT, ()):
            with suppress(ItemError, PairHalted):  # what cannot be seen now is the next pass's to tell
                dirty.update(self._taken_in(context, hint))  # type: ignore[arg-type]  # the watch posts HotEvents only
            self.progress.moved()
        due = self.section.stability.due(self.clock.monotonic())
        dirty.update(path for path in due if path not in self._later)
        if self.section.pair.mode is Mode.DOWNLOAD:
            return None
        if not self.section.working:
            self._keep_waiting(context, dirty)
            self._forget_later(dirty)
            return LOOK_FOR_ROOT_S  # what is dirty stays known to the next pass
        if dirty or TIMER in reasons:
            with self.progress.waiting("a place among the transfers"):
                self._path(context).run(dirty)
            self._forget_later(dirty)
            self.section.changed()
        return self._next_due()

    def _put_off(self, paths: Iterable[object]) -> set[RelPath]:
        """Let these wait a little, for whoever has them now; those that have waited."""
        now = self.clock.monotonic()
        for path in paths:
            self._later.setdefault(RelPath(str(path)), now + AGAIN_S)
        return {path for path, at in self._later.items() if at <= now}

    def _forget_later(self, paths: Iterable[RelPath]) -> None:
        for path in paths:
            self._later.pop(path, None)

    def _next_due(self) -> float | None:
        now = self.clock.monotonic()
        grown = self.section.stability.next_due(now)
        waits = [] if grown is None else [max(grown, AGAIN_S)]
        if self._later:
            waits.append(max(min(self._later.values()) - now, 0.0))
        return min(waits, default=None)

    def _keep_waiting(self, context: Context, dirty: Iterable[RelPath]) -> None:
        """What is not sent now is unprotected all the same: status shows it, the next pass sends it."""
        for path in dirty:
            stat = None
            with suppress(ItemError, PairHalted):  # the next pass's to tell
                stat = context.tree.lstat(path)
            if stat is not None:
                self.section.backlog.note(path, stat.size, self.clock.now(), "queued", self.section.state)
        self.section.changed()

    def overflowed(self, reasons: frozenset[str]) -> None:
        """More hints than we keep: a pass sees everything."""
        self._rescan()

    def close(self) -> None:
        """Give the watches back."""
        if self._watch is not None:
            self._watch.stop()
            self._watch = None
            self.section.watch = "off"

    def _listening(self) -> Context | None:
        """The open world, with a watch on it where the pair wants one. None: the root is not there (yet)."""
        try:
            context = self.section.open()
        except FatalError:
            raise
        except SyncdError:  # the pass meets the same, and tells of it
            self.close()
            return None
        if self._watched != (self.section.pair.local, self.section.pair.watch):
            self.close()
            self._watched = (self.section.pair.local, self.section.pair.watch)
        if self.section.pair.watch and self._watch is None:
            self._watch = Watch(self.section.pair.local, self._hear, events=self.events)
            self._watch.start()
            self.section.watch = self._watch.mode.value
            self.section.changed()
            self._rescan()
        return context

    def _hear(self, hint: hints.HotEvent) -> None:
        self.wake(EVENT, hint)

    def _path(self, context: Context) -> HotPath:
        if self._hot is None or self._hot[0] is not context:
            path = HotPath(
                context,
                self._pool,
                self.section.backlog,
                again=lambda path: self.wake(AGAIN, path),
                unready=lambda: self.wake(TIMER),
                forget=self.section.stability.forget,
                hand_over=self._rescan,
                finished=self.section.hot_outcome,
            )
            self._hot = (context, path)
        return self._hot[1]

    def _taken_in(self, context: Context, hint: hints.HotEvent) -> Iterable[RelPath]:
        """What a hint makes dirty."""
        stability = self.section.stability
        match hint:
            case hints.Closed(path):
                if context.wants(path):
                    stability.closed(path)
                    return (path,)
            case hints.Touched(path):
                wanted = context.wants(path) and self.section.pair.mode is not Mode.DOWNLOAD
                stat = context.tree.lstat(path) if wanted else None
                if stat is not None:
                    stability.touched(path, stat, self.clock.monotonic())
                    self.section.backlog.note(path, stat.size, self.clock.now(), "writing", "being written")
            case hints.Gone(path):
                stability.forget(path)
                self.section.backlog.done(path)
            case hints.FolderAppeared(path):
                found = [entry.path for entry in context.tree.scan(path) if isinstance(entry, ScanEntry)]
                return [path for path in found if context.wants(path)]
            case hints.FolderGone(_):
                pass
            case hints.Overflowed():
                self._rescan()
            case hints.RootGone() | hints.Degraded(_):
                self.section.watch = "polling" if isinstance(hint, hints.Degraded) else "off"
                if isinstance(hint, hints.RootGone):
                    self.close()
                self._rescan()
            case _:
                assert_never(hint)
        return ()
