"""One batch of our own parts on buckets in memory: real folders, a real spool, a real database, real threads."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from support.fake_store import EVERYTHING, FakeObjects
from support.recorded import KeptEvents
from support.small_section import WITHIN, Asked
from syncd.config.types import S3, Batch, Pair
from syncd.core.paths import RelPath
from syncd.engine.pool import Pool
from syncd.errors import RemoteError, RemoteKind
from syncd.lifecycle.clock import SystemClock
from syncd.lifecycle.stop import Stop
from syncd.lifecycle.transfers import TransferBoard
from syncd.local.spool import SpoolFolder
from syncd.ports import ArchiveIndex, Capabilities, ObjectStore, Spool
from syncd.runtime.batch_assembly import BatchAssembly
from syncd.runtime.forced import Request, force_sync
from syncd.s3.counts import RequestCounts
from syncd.store.database import Database
from syncd.workers.archiver import Archiver
from syncd.workers.base import START
from syncd.workers.batch import BatchSection

AT_ONCE = {"min_files": 1, "max_age": timedelta(0), "min_age": timedelta(0), "settle": timedelta(0)}
"""A batch that waits for nothing."""


def no_such_bucket(name: str) -> RemoteError:
    """What a request to a bucket that is not there meets."""
    return RemoteError(RemoteKind.MISSING, f"the bucket {name} does not exist on memory", code="NoSuchBucket")


def lost(kind: RemoteKind = RemoteKind.UNAVAILABLE, code: str = "") -> RemoteError:
    """What a request meets that does not come through."""
    return RemoteError(kind, f"memory is {kind.value}", code=code)


@dataclass
class Endpoint:
    """Buckets in memory. What is in `failing` fails with that, its probe too."""

    buckets: dict[str, FakeObjects] = field(default_factory=dict)
    failing: dict[str, RemoteError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def make(self, name: str) -> FakeObjects:
        """A bucket."""
        self.failing.pop(name, None)
        self.buckets[name] = FakeObjects(bucket=name)
        return self.buckets[name]

    def fail(self, error: RemoteError, *names: str) -> None:
        """Let these buckets fail (all that are there, where none is named)."""
        for name in names or tuple(self.buckets):
            self.failing[name] = error
            self.buckets[name].down = error

    def mend(self) -> None:
        """All is well again."""
        self.failing.clear()
        for bucket in self.buckets.values():
            bucket.down = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryLink:
    """The way to one bucket of an endpoint in memory."""

    pair: Pair
    endpoint: Endpoint

    def objects(self, capabilities: Capabilities, journal: object = None) -> ObjectStore:
        name = self.pair.bucket
        if name not in self.endpoint.buckets:
            absent = FakeObjects(bucket=name)
            absent.down = no_such_bucket(name)
            return absent
        return self.endpoint.buckets[name]

    def probe(self) -> Capabilities:
        name = self.pair.bucket
        self.endpoint.asked.append(name)
        if name in self.endpoint.failing:
            raise self.endpoint.failing[name]
        if name not in self.endpoint.buckets:
            raise no_such_bucket(name)
        return EVERYTHING


class NarrowSpool(SpoolFolder):
    """A spool on a file system with only so much room."""

    room = 0

    def free(self) -> int:
        return self.room


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryWorld(BatchAssembly):
    """The assembly of the daemon, with buckets in memory and the index that a test gives it."""

    endpoint: Endpoint
    searched: Callable[[], ArchiveIndex | None] = lambda: None
    room: int | None = None

    def spool(self, batch: Batch) -> Spool:
        if self.room is None:
            return BatchAssembly.spool(self, batch)
        narrow = NarrowSpool(self.state_dir / "spool" / batch.name)
        narrow.room = self.room
        return narrow

    def index(self, batch: Batch) -> ArchiveIndex | None:
        return self.searched()

    def _link(self, batch: Batch, pair: Pair) -> Any:
        return MemoryLink(pair=pair, endpoint=self.endpoint)


@dataclass
class SmallBatch:
    """A batch with its worker at hand, not started."""

    root: Path
    endpoint: Endpoint
    stop: Stop
    transfers_stop: Stop
    section: BatchSection
    archiver: Archiver
    said: KeptEvents
    clock: SystemClock
    database: Database
    spool: Path
    reports: list[object]

    def write(self, path: str, body: bytes = b"x", *, age_s: float = 0.0) -> Path:
        """Make or overwrite `bucket/key`, last written so long ago."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
        at = time.time_ns() - int(age_s * 1e9)
        os.utime(file, ns=(at, at))
        return file

    def round(self, *reasons: str) -> float | None:
        """One round of the worker in this thread, as if woken by these; by its start where none is named."""
        return self.archiver.run_once(frozenset(reasons or {START}), {})

    def here(self) -> list[str]:
        """What lies in the folders under its own name."""
        files = (path for path in self.root.rglob("*") if path.is_file() and ".syncd" not in path.parts)
        return sorted(path.relative_to(self.root).as_posix() for path in files)

    def staged(self, bucket: str) -> int:
        """How many originals are taken aside."""
        return sum(1 for path in (self.root / bucket / ".syncd" / "cleaning").glob("*"))

    def archives(self, bucket: str) -> list[str]:
        """The key folders of the archives in that bucket."""
        keys = [key for key in self.endpoint.buckets[bucket].contents() if key.endswith(".tar")]
        return sorted(key.rpartition("/")[0] for key in keys)

    def reasons(self) -> dict[str, str]:
        """Why which folder waits."""
        return {each.bucket: each.reason for each in self.section.folders() if each.reason}

    def force_sync(self, path: str | None = None, *, timeout: float | None = None) -> Asked:
        """`synctl force-sync --wait`, begun."""
        asked = Asked()
        request = Request(
            wait=True,
            timeout=timeout,
            path=None if path is None else RelPath(path),
            progress=lambda _: asked.waits.set(),
            gone=asked.gone.is_set,
            rest=self.stop.wait,
        )

        def run() -> None:
            asked.answer.update(force_sync([], request, self.clock, [self.archiver]))

        asked.thread = threading.Thread(target=run, daemon=True)
        asked.thread.start()
        return asked


@contextmanager
def small_batch(
    folder: Path,
    *buckets: str,
    searched: Callable[[], ArchiveIndex | None] = lambda: None,
    room: int | None = None,
    **settings: Any,
) -> Iterator[SmallBatch]:
    """A batch of these settings; of these buckets each is there, and so is its folder. `room`: bytes for the spool."""
    clock, said, stop = SystemClock(), KeptEvents(), Stop()
    transfers_stop = stop.child()
    root, state = folder / "root", folder / "state"
    for path in (root, state, *(root / bucket for bucket in buckets)):
        path.mkdir(parents=True, exist_ok=True)
    batch = replace(Batch(name="small", root=root, s3=S3(endpoint_url="http://memory")), **{**AT_ONCE, **settings})
    endpoint = Endpoint()
    for bucket in buckets:
        endpoint.make(bucket)
    reports: list[object] = []
    with ExitStack() as stack:
        database = stack.enter_context(Database.open(state / "syncd.db", clock=clock))
        pool = Pool(4)
        stack.callback(pool.close)
        world = MemoryWorld(
            database=database,
            clock=clock,
            events=said,
            transfers=TransferBoard(clock),
            stop=transfers_stop,
            counts=RequestCounts(),
            pool=pool,
            hostname="here",
            machine_id="machine",
            state_dir=state,
            endpoint=endpoint,
            searched=searched,
            room=room,
        )
        section = BatchSection(batch, world=world, clock=clock, events=said, stop=transfers_stop)
        archiver = Archiver(
            section,
            stop=stop.child(),
            events=said,
            clock=clock,
            after=lambda: reports.append(section.last_report),
        )
        stack.callback(lambda: archiver.join(WITHIN))
        stack.callback(stop.abandon)
        yield SmallBatch(
            root,
            endpoint,
            stop,
            transfers_stop,
            section,
            archiver,
            said,
            clock,
            database,
            state / "spool" / "small",
            reports,
        )
