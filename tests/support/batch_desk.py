"""One bucket folder of a batch on a real folder, a real spool and a real database, with a bucket in memory."""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from support.fake_store import FakeObjects, proven
from support.model_fuse import Crash, Fuse
from support.model_host import InlinePool
from syncd.archive.report import PlanRow, RunReport
from syncd.archive.run import Run
from syncd.archive.world import BatchFolder, staged_paths
from syncd.config.types import S3, Batch, Pair
from syncd.core.filters import Filter
from syncd.core.model import Mode
from syncd.engine.context import Context, Host
from syncd.engine.pool import Pool
from syncd.lifecycle.stop import Stop
from syncd.lifecycle.transfers import TransferBoard
from syncd.local.digest import Digester
from syncd.local.root import Root
from syncd.local.spool import SpoolFolder
from syncd.ports import Marker
from syncd.store.database import Database
from syncd.store.pairs import RecordSetIdentity

T = TypeVar("T")

AT_ONCE = {
    "min_files": 1,
    "max_age": timedelta(0),
    "min_age": timedelta(0),
    "settle": timedelta(0),
    "spool_max": 1 << 30,
}
"""A batch that waits for nothing."""

BUCKET = "lab"


@dataclass
class Later:
    """The real time, moved on by a test."""

    ahead: float = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    def now_ns(self) -> int:
        return time.time_ns() + int(self.ahead * 1e9)

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


class Heard:
    """Events as they were said."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, object]]] = []

    def emit(self, event: str, **fields: object) -> None:
        self.said.append((event, fields))

    def names(self) -> list[str]:
        return [event for event, _ in self.said]

    def of(self, event: str) -> list[dict[str, object]]:
        return [fields for name, fields in self.said if name == event]


class NamingFuse(Fuse):
    """Knows at which call it blew."""

    last = ""

    def through(self, name: str, call: Callable[[], T]) -> T:
        if not self.blown:
            self.last = name
        return super().through(name, call)


class Fused:
    """Something of the host's world whose every call goes through a fuse. After a crash nothing is tidied up."""

    corpses: list[object] = []  # noqa: RUF012  # kept from the garbage collector, which would run their clean-up

    def __init__(self, inner: Any, fuse: Fuse, room: str) -> None:
        self._inner, self._fuse, self._room = inner, fuse, room

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found
        point = f"{self._room}.{name}"

        def call(*args: Any, **words: Any) -> Any:
            result = self._fuse.through(point, lambda: found(*args, **words))
            if isinstance(result, AbstractContextManager):
                return _FusedContext(result, self._fuse, self._room, point)
            return self._through(result, point) if isinstance(result, Iterator) else result

        return call

    def _through(self, rows: Iterator[Any], point: str) -> Iterator[Any]:
        for row in rows:
            yield self._fuse.through(f"{point} row", lambda: row)  # noqa: B023  # called at once


class _FusedContext:
    def __init__(self, inner: AbstractContextManager[Any], fuse: Fuse, room: str, point: str) -> None:
        self._inner, self._fuse, self._room, self._point = inner, fuse, room, point
        self._entered: Any = None

    def _enter(self) -> None:
        self._entered = self._inner.__enter__()

    def __enter__(self) -> Any:
        try:
            self._fuse.through(f"{self._point} in", self._enter)
        except Crash:
            if self._entered is not None:
                self.__exit__(None, None, None)
            raise
        return Fused(self._entered, self._fuse, "spool.file") if self._point == "spool.create" else self._entered

    def __exit__(self, *exc: Any) -> Any:
        if self._fuse.blown and self._point == "spool.create":  # it would remove the file
            Fused.corpses.append(self._inner)
            self._entered.close()
            return None
        return self._inner.__exit__(*exc)  # a dead process holds nothing open


class BatchDesk:
    """Run by hand, one run at a time. `fuse` may blow at any call that leaves the archiver."""

    def __init__(
        self,
        place: Path,
        *,
        bucket: FakeObjects | None = None,
        s3: S3 | None = None,
        pool: Pool | None = None,
        clock: Later | None = None,
        **settings: Any,
    ) -> None:
        self.place = place
        self.folder = place / "root" / BUCKET
        self.spool_path = place / "spool"
        self.state = place / "state" / "state.db"
        for path in (self.folder, self.state.parent):
            path.mkdir(parents=True, exist_ok=True)
        self.batch = Batch(
            name="small", root=place / "root", s3=s3 or S3(endpoint_url="http://s3"), **{**AT_ONCE, **settings}
        )
        self.clock = clock or Later()
        self.bucket = bucket or FakeObjects(bucket=BUCKET, now=self.clock.now)
        self.manifests = FakeObjects(bucket="manifests", now=self.clock.now)
        self.pool = pool or InlinePool()
        self.heard = Heard()
        self.fuse = NamingFuse()
        self.said: set[tuple[str, str]] = set()
        self.blind_age = timedelta(minutes=10)
        self.database = Database.open(self.state, clock=self.clock)
        self.restart()

    def close(self) -> None:
        self.database.close()

    # --- the daemon ---

    def restart(self) -> None:
        """A new process: what was only in memory is gone, what lay half done is tidied."""
        self.fuse.renew()
        self.stop = Stop()
        self.root = Root.at(self.folder, now=self.clock.now)
        marker = self.root.marker() or Marker("of-the-folder", 0)
        self.root.write_marker(marker)
        pair = Pair(
            name=f"small/{BUCKET}",
            local=self.folder,
            bucket=BUCKET,
            prefix="",
            s3=self.batch.s3,
            mode=Mode.UPLOAD,
            cleanup=True,
            cleanup_blind_age=self.blind_age,
            include=self.batch.include,
            exclude=self.batch.exclude,
            watch=False,
        )
        identity = RecordSetIdentity(root_uuid=marker.uuid, endpoint="http://s3", bucket=BUCKET, prefix="")
        records = self.database.pair(pair.name, identity)
        if marker.generation > records.generation():
            records.drop_all()
            records.set_generation(marker.generation)
        context = Context(
            pair=pair,
            wants=Filter(pair.include, pair.exclude).wants,
            tree=Fused(self.root, self.fuse, "tree"),
            objects=Fused(self.bucket, self.fuse, "objects"),
            records=Fused(records, self.fuse, "records"),
            endpoint=proven(self.bucket.capabilities),
            host=Host(name="desk", id="id-of-desk", software="syncd/test"),
            clock=self.clock,
            events=self.heard,
            transfers=TransferBoard(self.clock),
            stop=self.stop,
            digester=Digester,
            ready=lambda *_: True,
            quiet=lambda *_: True,
        )
        self.world = BatchFolder(
            batch=self.batch,
            context=context,
            store=Fused(self.database.archives("small"), self.fuse, "store"),
            spool=Fused(SpoolFolder(self.spool_path), self.fuse, "spool"),
            pool=self.pool,
            manifests=self._apart(context) if self.batch.manifest_bucket else None,
            once=self._once,
        )
        self.root.sweep_temporaries()
        self.root.sweep_staged(lambda: staged_paths(self.world))

    def _apart(self, context: Context) -> Context:
        pair = replace(context.pair, bucket="manifests", prefix=f"{BUCKET}/")
        return replace(context, pair=pair, objects=Fused(self.manifests, self.fuse, "manifests"))

    def _once(self, kind: str, name: str) -> bool:
        new = (kind, name) not in self.said
        self.said.add((kind, name))
        return new

    def configure(self, **settings: Any) -> None:
        """Other settings, from a restart on."""
        self.batch = replace(self.batch, **settings)
        self.restart()

    def run(self, *, forced: bool = False) -> RunReport:
        return Run(self.world, forced=forced).run()

    def plan(self, *, forced: bool = False) -> list[PlanRow]:
        return list(Run(self.world, forced=forced).plan())

    def finish(self, most: int = 8) -> list[RunReport]:
        """Run until a run changes nothing more."""
        reports = []
        for _ in range(most):
            reports.append(report := self.run())
            if not (report.archives or report.staged or report.unlinked or report.alone or report.kept):
                return reports
        raise AssertionError(f"no end after {most} runs: {reports[-1]}")

    def save_database(self) -> Path:
        """A copy of the state as it is now, as a backup takes it."""
        copy = self.place / "backup.db"
        self.database.close()
        shutil.copyfile(self.state, copy)
        self.database = Database.open(self.state, clock=self.clock)
        self.restart()
        return copy

    def restore_database(self, copy: Path) -> None:
        """Bring that copy back."""
        self.database.close()
        shutil.copyfile(copy, self.state)
        self.database = Database.open(self.state, clock=self.clock)
        self.restart()

    # --- people ---

    def write(self, path: str, body: bytes) -> Path:
        """As an editor saves: a new file takes the place."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(".fresh")
        fresh.write_bytes(body)
        os.replace(fresh, file)
        return file

    @contextmanager
    def holding(self, path: str, mode: str = "rb") -> Iterator[Any]:
        """Have a file open, as another process would."""
        with (self.folder / path).open(mode) as held:
            yield held

    # --- what is ---

    @property
    def journal(self) -> Any:
        return self.database.archives("small")

    def files(self) -> dict[str, bytes]:
        """The files of the folder but for ours."""
        return {
            name: file.read_bytes()
            for file in sorted(self.folder.rglob("*"))
            if file.is_file() and not (name := file.relative_to(self.folder).as_posix()).startswith(".syncd/")
        }

    def staged(self) -> list[bytes]:
        return [file.read_bytes() for file in sorted((self.folder / ".syncd" / "cleaning").glob("*"))]

    def trash(self) -> list[bytes]:
        return [file.read_bytes() for file in sorted((self.folder / ".syncd" / "trash").glob("*"))]

    def spooled(self) -> list[str]:
        return sorted(file.name for file in self.spool_path.glob("*")) if self.spool_path.exists() else []

    def archives(self) -> dict[str, dict[str, bytes]]:
        """Members of every archive on S3 by its key, read by the standard library; our manifest left out."""
        return {
            key: {name: body for name, body in members(found).items() if not name.startswith(".syncd/")}
            for key, found in self.bucket.contents().items()
            if key.endswith(".tar")
        }

    def proven(self) -> Counter[tuple[str, bytes]]:
        """Every version in an archive that the journal calls proven and that is on S3 as it was proven."""
        found: Counter[tuple[str, bytes]] = Counter()
        contents = self.bucket.contents()
        for archive in self.journal.archives("", limit=10_000):
            there = self.bucket.live(archive.key)
            assert there is not None, archive.key
            assert there.etag == archive.etag, archive.key
            body = contents[archive.key]
            for original in self.journal.originals(archive.uuid):
                member = original.member
                if not member.void:
                    found[member.path, body[member.offset : member.offset + member.size]] += 1
        return found

    def proven_keys(self) -> list[str]:
        """The archives that the journal calls proven."""
        return sorted(archive.key for archive in self.journal.archives("", limit=10_000))

    def manifest(self, key: str) -> dict[str, Any]:
        """The manifest that stands beside an archive."""
        found: dict[str, Any] = json.loads(self.bucket.contents()[key.removesuffix(".tar") + ".manifest.json"])
        return found


def members(body: bytes) -> dict[str, bytes]:
    """Name to content of a tar."""
    with tarfile.open(fileobj=io.BytesIO(body)) as tar:
        return {one.name: read.read() for one in tar if (read := tar.extractfile(one)) is not None}
