"""One pair with a real folder, a real database, a bucket in memory, and a clock that tests move by days."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from support.fake_store import EVERYTHING, FakeObjects, proven
from support.model_host import InlinePool, ModelClock
from support.recorded import KeptEvents
from syncd.config.types import S3, Pair
from syncd.core.filters import Filter
from syncd.core.paths import RelPath, conflict_name
from syncd.engine.backlog import Backlog
from syncd.engine.context import Context, Host
from syncd.engine.cycle import Cycle
from syncd.engine.expiring import Expired, TrashBook, expire
from syncd.engine.pool import Pool
from syncd.engine.report import CycleReport
from syncd.lifecycle.stop import Stop
from syncd.lifecycle.transfers import TransferBoard
from syncd.local.digest import Digester
from syncd.local.root import Root
from syncd.ports import Capabilities, Marker, TrashRow
from syncd.runtime import recovery
from syncd.store.database import Database
from syncd.store.pairs import RecordSetIdentity

DAY = 86_400.0
OURS_TEXT, THEIRS_TEXT = b"what was written here", b"what was written on S3"


@dataclass(slots=True)
class TrashHost:
    """The pair, its world, and what was said. It is a `Place` of its own."""

    context: Context
    database: Database
    bucket: FakeObjects
    clock: ModelClock
    said: KeptEvents
    backlog: Backlog

    @property
    def name(self) -> str:
        return self.context.pair.name

    @property
    def root(self) -> Path:
        return self.context.pair.local

    def open(self) -> Context:
        """The world, as `Place` has it."""
        return self.context

    def set(self, **settings: Any) -> None:
        """Go on with other settings."""
        self.context = replace(self.context, pair=replace(self.context.pair, **settings))

    def write(self, path: str, body: bytes) -> Path:
        """Make a file, or put another one in its place."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(file.name + ".new")
        fresh.write_bytes(body)
        return fresh.replace(file)

    def pass_(self, seconds: float = 60) -> CycleReport:
        """One whole pass, so long after the last."""
        self.clock.seconds += seconds
        cycle = Cycle(self.context, InlinePool(), self.backlog, once=lambda *_: True)
        report = cycle.run()
        assert not report.errors, [str(outcome.error) for outcome in report.unfinished]
        return report

    def threaded_pass(self, seconds: float = 60, *, stop: Stop | None = None) -> CycleReport:
        """One whole pass with a thread of its own, whatever fails in it. `stop`: what ends it early."""
        self.clock.seconds += seconds
        context = self.context if stop is None else replace(self.context, stop=stop)
        pool = Pool(1)
        try:
            return Cycle(context, pool, self.backlog, once=lambda *_: True).run()
        finally:
            pool.close()

    def later(self, days: float) -> None:
        """The time goes on."""
        self.clock.seconds += days * DAY

    def expire(self, trash: TrashBook | None = None) -> Expired:
        """One round of the housekeeper."""
        return expire(self.context, trash or self.database.trash, self.database.conflicts)

    def lose(self, path: str = "a.txt") -> None:
        """A conflict at that path; by the pair's policy one of the two goes to trash."""
        self.write(path, b"once agreed, and in nobody's way")
        self.pass_()
        self.write(path, OURS_TEXT)
        self.bucket.plant(f"p/{path}", THEIRS_TEXT)
        self.pass_()

    def displace(self, path: str, body: bytes) -> None:
        """A file that a deletion on S3 takes to trash."""
        self.write(path, body)
        self.pass_()
        self.bucket.take_away(f"p/{path}")
        self.pass_()

    def rows(self) -> list[TrashRow]:
        """What `trash list` shows."""
        return recovery.trash_rows(self, self.database)

    def kept_words(self) -> list[str]:
        """Why what is shown outlives its time."""
        found = recovery.outlooks(self, self.database)
        return [found[row.where][1] for row in self.rows()]

    def trash(self) -> list[bytes]:
        """What lies in the local trash."""
        return sorted(file.read_bytes() for file in (self.root / ".syncd" / "trash").glob("*"))

    def aside(self) -> list[bytes]:
        """What lies below .syncd/trash in the bucket."""
        return sorted(body for key, body in self.bucket.contents().items() if "/.syncd/trash/" in key)

    def conflict_copy(self, path: str, hex: str) -> str:
        """The conflict name of a path."""
        return str(conflict_name(RelPath(path), hex))


@contextmanager
def trash_host(
    folder: Path, *, capabilities: Capabilities = EVERYTHING, bucket: FakeObjects | None = None, **settings: Any
) -> Iterator[TrashHost]:
    """The pair of these settings in that folder; what lies there already is gone on with."""
    clock, said = ModelClock(), KeptEvents()
    objects = bucket or FakeObjects(capabilities=capabilities, now=clock.now)
    pair = replace(Pair(name="logs", local=folder / "root", bucket="bucket", prefix="p/", s3=S3()), **settings)
    with ExitStack() as stack:
        folder.mkdir(parents=True, exist_ok=True)
        database = Database.open(folder / "db", clock=clock)
        stack.callback(database.close)
        root = Root.at(pair.local, create=True, now=clock.now)
        marker = root.marker() or Marker("uuid-of-the-root", 0)
        root.write_marker(marker)
        identity = RecordSetIdentity(root_uuid=marker.uuid, endpoint="", bucket=pair.bucket, prefix=pair.prefix)
        records = database.pair(pair.name, identity)
        records.set_generation(marker.generation)
        context = Context(
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
            stop=Stop(),
            digester=Digester,
            ready=lambda *_: True,
            quiet=lambda *_: True,
        )
        yield TrashHost(context, database, objects, clock, said, Backlog())
