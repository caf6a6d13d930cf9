"""A database in a folder of its own, a clock that tests set, builders of records and archives, and crashes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from syncd.core.archive import Archive, Member, Original
from syncd.core.model import Digest, ETag, HashType, LocalStat, LocalState, Origin, ProofKind, Record, RemoteState
from syncd.core.paths import parse_relpath
from syncd.store.archives import Archives
from syncd.store.database import Database
from syncd.store.pairs import PairStore, RecordSetIdentity


@dataclass
class SetClock:
    """A clock that stands until a test moves it."""

    seconds: float = 1_700_000_000.0

    def now(self) -> float:
        return self.seconds

    def now_ns(self) -> int:
        return int(self.seconds * 1e9)

    def monotonic(self) -> float:
        return self.seconds


IDENTITY = RecordSetIdentity(root_uuid="root-1", endpoint="http://s3", bucket="logs", prefix="a/")
TEMPLATE = Record(
    path=parse_relpath("a"),
    local=LocalState.PRESENT,
    remote=RemoteState.PRESENT,
    size=10,
    digest=Digest(HashType.SHA256, "ab" * 32),
    stat=LocalStat(10, 1_700_000_000_123_456_789, 1_700_000_000_223_456_789, 42),
    looked_ns=1_700_000_003_000_000_000,
    etag=ETag("0123456789abcdef"),
    proof=ProofKind.ETAG,
    origin=Origin.UPLOADED,
)
ARCHIVE = Archive(
    uuid="u1",
    bucket="logs",
    key=parse_relpath("h1/u1.tar"),
    size=20_480,
    sha256="ab" * 32,
    md5="cd" * 16,
    crc64nvme=2**64 - 2,
    operation="op-u1",
    created_at=1_700_000_000.25,
    manifest_offset=10_240,
    manifest_size=512,
)

MakeRecord = Callable[..., Record]
MakeArchive = Callable[..., Archive]
MakeOriginals = Callable[..., list[Original]]
Crash = Callable[[], Path]


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def identity() -> RecordSetIdentity:
    return IDENTITY


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


@pytest.fixture
def database(path: Path, clock: SetClock) -> Iterator[Database]:
    with Database.open(path, clock=clock) as opened:
        yield opened


@pytest.fixture
def pair(database: Database) -> PairStore:
    return database.pair("logs", IDENTITY)


@pytest.fixture
def record() -> MakeRecord:
    def make(path: str = "a", **changes: Any) -> Record:
        return replace(TEMPLATE, path=parse_relpath(path), **changes)

    return make


@pytest.fixture
def store(database: Database) -> Archives:
    return database.archives("small files")


@pytest.fixture
def archive() -> MakeArchive:
    def make(uuid: str = "u1", *, bucket: str = "logs", **changes: Any) -> Archive:
        key = parse_relpath(f"h1/{uuid}.tar")
        return replace(ARCHIVE, **{"uuid": uuid, "bucket": bucket, "key": key, "operation": f"op-{uuid}", **changes})

    return make


@pytest.fixture
def originals() -> MakeOriginals:
    """Originals of these paths, 100 bytes each, in that order; those of `void` are void."""

    def make(*paths: str, void: tuple[str, ...] = (), inode: int = 1) -> list[Original]:
        made = []
        for place, text in enumerate(paths):
            path, mtime_ns = parse_relpath(text), 1_700_000_000_123_456_789 + place
            member = Member(
                path=path,
                offset=512 + 1024 * place,
                size=100,
                sha256=f"{place:064x}",
                mtime_ns=mtime_ns,
                mode=0o640,
                uid=1000,
                gid=4_000_000_000,
                void=text in void,
            )
            made.append(Original(member=member, stat=LocalStat(100, mtime_ns, mtime_ns + 5, inode + place)))
        return made

    return make


@pytest.fixture
def crash(path: Path, tmp_path: Path) -> Crash:
    """What a crash now would leave: the database and its log as they are on the disk, in a folder of their own."""
    left: list[Path] = []

    def copy() -> Path:
        folder = tmp_path / f"crash-{len(left)}"
        folder.mkdir()
        for suffix in ("", "-wal"):
            if Path(f"{path}{suffix}").exists():
                shutil.copyfile(f"{path}{suffix}", folder / f"{path.name}{suffix}")
        left.append(folder / path.name)
        return left[-1]

    return copy
