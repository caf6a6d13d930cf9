"""A database in a folder of its own, a clock that tests set, and builders of records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from syncd.core.model import Digest, ETag, HashType, LocalStat, LocalState, Origin, ProofKind, Record, RemoteState
from syncd.core.paths import parse_relpath
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

MakeRecord = Callable[..., Record]


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
