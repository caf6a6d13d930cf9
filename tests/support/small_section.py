"""One section of our own parts on a bucket in memory: a real folder, a real database, real threads."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

from support.fake_store import FakeObjects, proven
from support.recorded import KeptEvents
from syncd.config.types import S3, Pair
from syncd.core.filters import Filter
from syncd.core.inodes import PASSES
from syncd.core.paths import RelPath
from syncd.engine.context import Context, Host
from syncd.engine.pool import Pool
from syncd.lifecycle.clock import SystemClock
from syncd.lifecycle.stop import Stop
from syncd.lifecycle.transfers import TransferBoard
from syncd.local.digest import Digester
from syncd.local.openat2 import open_beneath
from syncd.local.root import Root
from syncd.ports import LocalTree, Marker
from syncd.runtime.forced import Request, force_sync
from syncd.store.database import Database
from syncd.store.pairs import RecordSetIdentity
from syncd.workers.hotfolder import HotFolder
from syncd.workers.reconciler import Reconciler
from syncd.workers.section import Opened, Section

WITHIN = 20.0
"""Seconds after which something that should happen will not."""


@dataclass
class Gate:
    """Holds the first thread that comes to it until it is opened."""

    reached: threading.Event = field(default_factory=threading.Event)
    opened: threading.Event = field(default_factory=threading.Event)

    def pass_through(self) -> None:
        """Come to it, and wait."""
        self.reached.set()
        assert self.opened.wait(WITHIN), "nobody opened the gate"


@dataclass
class Asked:
    """A `force-sync --wait` that runs in a thread of its own. `waits`: set once it has told its progress."""

    waits: threading.Event = field(default_factory=threading.Event)
    gone: threading.Event = field(default_factory=threading.Event)
    answer: dict[str, Any] = field(default_factory=dict)
    thread: threading.Thread | None = None

    def answered(self) -> dict[str, Any]:
        """The answer, once it is there."""
        assert self.thread is not None
        self.thread.join(WITHIN)
        assert not self.thread.is_alive(), "no answer"
        return self.answer

    @property
    def missing(self) -> dict[str, str]:
        """Why, by path."""
        return {row["path"]: row["reason"] for row in self.answered()["missing"]}


@dataclass
class SmallSection:
    """A section with its workers at hand, none of them started."""

    root: Path
    bucket: FakeObjects
    stop: Stop
    transfers_stop: Stop
    section: Section
    reconciler: Reconciler
    hot: HotFolder
    said: KeptEvents
    clock: SystemClock
    rescans: list[bool]
    shut: set[str]  # folders that may not be read
    database: Database

    def write(self, path: str, body: bytes) -> Path:
        """Make or overwrite a file."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(body)
        return file

    def objects(self) -> dict[str, bytes]:
        """The objects by path, ours left out."""
        found = {key.removeprefix("p/"): body for key, body in self.bucket.contents().items()}
        return {path: body for path, body in found.items() if ".syncd" not in path.split("/")}

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
            asked.answer.update(force_sync([self.reconciler], request, self.clock))

        asked.thread = threading.Thread(target=run, daemon=True)
        asked.thread.start()
        return asked

    def drain(self) -> None:
        """As the daemon begins to stop."""
        self.section.state = "draining"
        self.transfers_stop.drain()
        self.reconciler.stop.drain()


@contextmanager
def small_section(
    folder: Path,
    *,
    bucket: FakeObjects | None = None,
    probe: Callable[[SmallSection, Context], Context] | None = None,
    tree: Callable[[Root], LocalTree] = lambda root: root,
    **settings: Any,
) -> Iterator[SmallSection]:
    """A section of these settings. `probe`: what a first pass does to learn of the endpoint. `tree`: what is seen."""
    clock, said, stop = SystemClock(), KeptEvents(), Stop()
    transfers_stop = stop.child()
    pair = replace(
        Pair(name="logs", local=folder / "root", bucket="bucket", prefix="p/", s3=S3()),
        **{"settle": timedelta(0), "watch": False, **settings},
    )
    pair.local.mkdir(parents=True)
    objects = bucket or FakeObjects()
    with ExitStack() as stack:
        database = Database.open(folder / "db", clock=clock)
        stack.callback(database.close)
        pool = Pool(4)
        stack.callback(pool.close)

        shut: set[str] = set()

        def opener(section: Section) -> Opened:
            root = Root.at(pair.local, opener=partial(_open_what_is_not_shut, shut))
            context = replace(_opened(section, root, database, objects, clock, said, transfers_stop), tree=tree(root))

            def prove(known: Context) -> Context:
                return known if probe is None or known.capabilities.probed_at else probe(small, known)

            return Opened(context=context, prove=prove)

        section = Section(pair, opener=opener, pool=pool, clock=clock, events=said)
        reconciler = Reconciler(section, stop=stop.child(), events=said, clock=clock, after=lambda: None)
        rescans: list[bool] = []
        hot = HotFolder(
            section, pool=pool, stop=stop.child(), events=said, clock=clock, rescan=lambda: rescans.append(True)
        )
        small = SmallSection(
            pair.local, objects, stop, transfers_stop, section, reconciler, hot, said, clock, rescans, shut, database
        )
        stack.callback(lambda: [worker.join(WITHIN) for worker in (reconciler, hot)])
        stack.callback(stop.abandon)
        yield small


def _open_what_is_not_shut(shut: set[str], folder: int, path: str, flags: int) -> int:
    if path in shut:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    return open_beneath(folder, path, flags)


def _opened(
    section: Section,
    root: Root,
    database: Database,
    objects: FakeObjects,
    clock: SystemClock,
    said: KeptEvents,
    stop: Stop,
) -> Context:
    pair = section.pair
    marker = root.marker()
    if marker is None:
        marker = Marker("uuid-of-the-root", 0)
        root.write_marker(marker)
    identity = RecordSetIdentity(
        root_uuid=marker.uuid, endpoint=pair.s3.endpoint_url, bucket=pair.bucket, prefix=pair.prefix
    )
    records = database.pair(pair.name, identity)
    if marker.generation > records.generation():
        records.drop_all()
        records.set_generation(marker.generation)
    return Context(
        pair=pair,
        wants=Filter(pair.include, pair.exclude).wants,
        tree=root,
        objects=objects,
        records=records,
        endpoint=proven(objects.capabilities),
        host=Host(name="host", id="id-of-host", software="syncd/test"),
        clock=clock,
        events=said,
        transfers=TransferBoard(clock),
        stop=stop,
        digester=Digester,
        ready=section.ready,
        quiet=section.quiet,
        claims=section.claims,
        numbered=records.renumbered_passes() < PASSES,
    )
