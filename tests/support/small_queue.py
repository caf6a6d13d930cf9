"""A batch's journal with archives that wait for the index, an indexer over it, and time that passes as it waits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from support.members import member
from support.recorded import HandClock, KeptEvents
from syncd.archive.indexing import Indexer, IndexState
from syncd.config.types import S3
from syncd.core.archive import Archive, Original
from syncd.core.manifest import archive_key
from syncd.core.model import ETag, LocalStat, ProofKind
from syncd.engine.context import Host
from syncd.lifecycle.stop import Stop
from syncd.ports import ArchiveIndex
from syncd.store.database import Database

HOST = Host(name="lt-07", id="host-1", software="syncd/0.3.0")
ENDPOINT = S3(endpoint_url="http://s3.example:9000")


class Passing(Stop):
    """A stop whose waits are over at once: the clock is that much later."""

    def __init__(self, clock: HandClock) -> None:
        super().__init__()
        self._passing = clock

    def wait(self, seconds: float) -> bool:
        self._passing.tick(seconds)
        return self.stopped()


class SmallQueue:
    """Use as a context manager. `written` keeps the uuids whose manifest the fallback wrote."""

    def __init__(self, folder: Path) -> None:
        self.clock = HandClock()
        self.events = KeptEvents()
        self.database = Database.open(folder / "state.db", clock=self.clock)
        self.store = self.database.archives("small")
        self.stop = Passing(self.clock)
        self.written: list[str] = []
        self._made = 0

    def __enter__(self) -> SmallQueue:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.database.close()

    def archive(self, files: int = 3, *, void: int = 0, manifest_at: str = "") -> str:
        """A proven archive that waits for the index, its last members void. Returns its uuid."""
        self._made += 1
        uuid = f"018f3b5c-7a10-7abc-8def-{self._made:012}"
        folder = f"d{self._made}"
        originals = [
            Original(
                member=member(f"{folder}/f{number:06}", offset=1024 * number, void=number >= files - void),
                stat=LocalStat(3, 1, 1, number + 1),
            )
            for number in range(files)
        ]
        sealed = Archive(
            uuid=uuid,
            bucket="photos",
            key=archive_key(folder, uuid),
            size=10_240,
            sha256="ab" * 32,
            md5="cd" * 16,
            crc64nvme=7,
            operation=f"op-{self._made}",
            created_at=self.clock.now(),
            manifest_offset=0,
            manifest_size=0,
        )
        self.store.seal(sealed, originals)
        self.store.prove(
            uuid, etag=ETag("e"), version_id=None, proof=ProofKind.ETAG, manifest_at=manifest_at, index=True
        )
        return uuid

    def indexer(self, index: ArchiveIndex | None, **settings: Any) -> Indexer:
        """One that writes no fallbacks if not told otherwise."""
        return Indexer(
            self.store,
            index,
            name="small",
            s3=ENDPOINT,
            host=HOST,
            events=self.events,
            clock=self.clock,
            **{"chance": lambda: 1.0, **settings},
        )

    def drain(self, indexer: Indexer, *, moved: Callable[[], None] = lambda: None) -> IndexState:
        return indexer.drain(self.stop, moved)

    def until_empty(self, indexer: Indexer, *, rounds: int = 100) -> int:
        """Drain, each time when it is asked to, until nothing waits. Returns how often."""
        for count in range(1, rounds + 1):
            state = self.drain(indexer)
            if state.again_s is None:
                return count
            self.clock.tick(state.again_s)
        raise AssertionError(f"after {rounds} drains still {state}")

    def fall_back(self, archive: Archive) -> None:
        """Write a manifest, as far as the journal knows."""
        self.written.append(archive.uuid)
        self.store.record_manifest(archive.uuid, f"s3://photos/{archive.uuid}.manifest.json")
