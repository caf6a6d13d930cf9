"""One host of the model: a real engine on a real folder, driven by hand, one pass at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

from support.fake_store import FakeObjects, proven
from support.model_fuse import Fuse, FusedObjects, FusedRoot, Trouble
from support.model_records import MemoryRecords
from syncd.config.types import Pair
from syncd.core.filters import Filter
from syncd.core.model import LocalState
from syncd.core.paths import RelPath, parse_relpath
from syncd.core.rules import REFRESH, Do
from syncd.engine.backlog import Backlog
from syncd.engine.context import Context
from syncd.engine.context import Host as Writer
from syncd.engine.crew import Crew
from syncd.engine.cycle import Cycle
from syncd.engine.hot import HotPath
from syncd.engine.leftover import drop_left_uploads, tidy_uploads
from syncd.engine.outcome import Outcome
from syncd.engine.pool import Pool
from syncd.engine.report import CycleReport
from syncd.engine.sweep import Memory
from syncd.engine.tally import Tally
from syncd.lifecycle.stop import Stop
from syncd.lifecycle.transfers import TransferBoard
from syncd.local.digest import Digester
from syncd.ports import Marker

EPOCH = 4_102_444_800
"""The model's time begins in 2100: later than any ctime of a real file, so the mtimes that tests set decide."""

OURS = ".syncd"


@dataclass
class ModelClock:
    """Time as the model moves it, the same for all hosts but for each one's skew (whole seconds)."""

    seconds: float = EPOCH
    skew: int = 0
    shared: ModelClock | None = None

    def now(self) -> float:
        """Seconds since the epoch."""
        return (self.shared.now() if self.shared is not None else self.seconds) + self.skew

    def now_ns(self) -> int:
        """Nanoseconds since the epoch."""
        return int(self.now() * 1_000) * 1_000_000

    def monotonic(self) -> float:
        """Seconds."""
        return self.now()


class InlinePool(Pool):
    """Runs each task where it is handed out: one order, every time."""

    def __init__(self) -> None:
        self.threads = 1

    @property
    def queued(self) -> int:
        """Nothing ever waits."""
        return 0

    def submit(self, task: Callable[[], None]) -> Future[None]:
        """Run it now."""
        future: Future[None] = Future()
        try:
            task()
        except BaseException as error:
            future.set_exception(error)
        else:
            future.set_result(None)
        return future

    def later(self, task: Callable[[], None]) -> Future[None]:
        """Run it now too. What it raises stays in its future, as a real pool's does: it is no failure of who asked."""
        return self.submit(task)


class Silence:
    """Events that nobody reads."""

    def emit(self, event: str, **fields: object) -> None:
        """Say nothing."""


@dataclass(slots=True)
class Ledger(Tally):
    """A tally that keeps every outcome."""

    outcomes: list[Outcome] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Count it, and keep it."""
        Tally.add(self, outcome)
        self.outcomes.append(outcome)


@dataclass(frozen=True, slots=True)
class Passed:
    """A pass that ended: its report, and the steps as (path, rule); a refresh touches no side and is in no plan."""

    report: CycleReport
    steps: list[tuple[str, str]]


class ModelHost:
    """A host that can be run, crashed, restarted and robbed of its database."""

    def __init__(
        self, pair: Pair, bucket: FakeObjects, clock: ModelClock, unlinking: Callable[[RelPath, bytes], None]
    ) -> None:
        self.pair = pair
        self.name = pair.name
        self.path: Path = pair.local
        self.clock = clock
        self.fuse = Fuse()
        self.records = MemoryRecords(self.fuse.through, now=clock.now)
        self._bucket = bucket
        self._unlinking = unlinking
        self.restart()

    def restart(self, trouble: Trouble | None = None) -> None:
        """A new process on the same disk: what was only in memory is gone, what lay half done is tidied.

        As assembly and section do it. Raises Crash where the `trouble` is one: then it is started once more.
        """
        self.fuse.renew()
        self.records.crash()
        self.fuse.arm(trouble)
        root = FusedRoot.at(self.path, create=True, now=self.clock.now)
        root.fuse, root.unlinking = self.fuse, self._unlinking
        marker = root.marker()
        if marker is None:
            marker = Marker(f"root-of-{self.name}", 0)
            root.write_marker(marker)
        if marker.generation > self.records.generation():
            self.records.drop_all()
            self.records.set_generation(marker.generation)
        self.root = root
        self.backlog = Backlog()
        self.memory = Memory()
        self.context = self._context(root)
        root.sweep_temporaries()
        root.sweep_staged(lambda: [r.path for r in self.records.walk() if r.local is LocalState.CLEANING])
        tidy_uploads(self.context)

    def _context(self, root: FusedRoot) -> Context:
        return Context(
            pair=self.pair,
            wants=Filter(self.pair.include, self.pair.exclude).wants,
            tree=root,
            objects=FusedObjects(self._bucket, self.fuse),
            records=self.records,
            endpoint=proven(self._bucket.capabilities),
            host=Writer(name=self.name, id=f"id-of-{self.name}", software="syncd/model"),
            clock=self.clock,
            events=Silence(),
            transfers=TransferBoard(self.clock),
            stop=Stop(),
            digester=Digester,
            ready=lambda *_: True,
            quiet=lambda path, _: len(path) % 2 == 0,  # by both ways
            crew=Crew(streams=1),
        )

    def run_pass(self, *, dry: bool = False) -> Passed:
        """One full pass, or what one would do. Raises what stops it: RemoteError, Crash."""
        drop_left_uploads(self.context)
        cycle = Cycle(self.context, InlinePool(), self.backlog, once=lambda *_: True, dry=dry, memory=self.memory)
        cycle.tally = ledger = Ledger()
        report = cycle.run()
        decided = cycle.steps if dry else [outcome.step for outcome in ledger.outcomes]
        told = [step for step in decided if step.rule.do is not Do.NOTHING and step.rule is not REFRESH]
        return Passed(report, sorted((step.path, step.rule.id) for step in told))

    def run_hot(self, *paths: str) -> None:
        """What the watcher does for paths that it heard of, in that order. Raises what stops it, as a pass does."""

        def nothing(*_: object) -> None:
            return None

        hot = HotPath(
            self.context,
            InlinePool(),
            self.backlog,
            again=nothing,
            unready=nothing,
            forget=nothing,
            hand_over=lambda: None,
            finished=nothing,
        )
        hot.run([parse_relpath(path) for path in paths])
        hot.run([])  # raises what a path crashed with

    def files(self) -> dict[str, bytes]:
        """What a person sees in the folder."""
        return {path: _read(file) for path, file in _walk(str(self.path), ours=False)}

    def everything(self) -> dict[str, bytes]:
        """Every regular file below the root, ours too, but for what is only half written."""
        return {path: _read(file) for path, file in _walk(str(self.path), ours=True)}

    def inodes(self) -> dict[str, tuple[int, int, int]]:
        """Every file with what changes whenever somebody writes it."""
        found = {path: os.stat(file) for path, file in _walk(str(self.path), ours=True)}
        return {path: (seen.st_ino, seen.st_size, seen.st_mtime_ns) for path, seen in found.items()}

    def free(self, path: str) -> bool:
        """Whether nobody holds the path's claim any more."""
        relpath = parse_relpath(path)
        if not self.context.claims.take(relpath):
            return False
        self.context.claims.release(relpath)
        return True


NEVER = {f"{OURS}/tmp", f"{OURS}/root.json"}


def _walk(folder: str, prefix: str = "", *, ours: bool) -> Iterator[tuple[str, str]]:
    """Every regular file as its path from the root and its whole path: thousands of times an example, so no Path."""
    with os.scandir(folder) as entries:
        for entry in entries:
            path = prefix + entry.name
            if path in NEVER or (entry.name == OURS and not ours):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path, f"{path}/", ours=ours)
            else:
                yield path, entry.path


def _read(file: str) -> bytes:
    fd = os.open(file, os.O_RDONLY)
    try:
        return os.read(fd, 1 << 16)
    finally:
        os.close(fd)
