"""kill -9, and databases of another time: an archive is journaled whole or not at all, and what was told is there."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import overload

import pytest

from support.journal import SEALED, TOLD, UNLINKED, UNLINKING, marked, prove, rows, states
from syncd.core.archive import Archive, ArchiveState, MemberState, Original
from syncd.core.paths import RelPath
from syncd.errors import Stale
from syncd.ports import Clock, Commit, Totals
from syncd.store.archives import SLICE, Archives
from syncd.store.database import Database
from syncd.store.migration import APPLICATION_ID, migrations
from syncd.store.pairs import PairStore

MakeArchive = Callable[..., Archive]
MakeOriginals = Callable[..., list[Original]]
Crash = Callable[[], Path]


def many(originals: MakeOriginals, count: int = 2 * SLICE + 10) -> list[Original]:
    return originals(*(f"h1/{number:06}" for number in range(count)))


class Watched(Sequence[Original]):
    """Originals that tell before each slice is taken of them."""

    def __init__(self, originals: list[Original], before: Callable[[], object]) -> None:
        self._originals = originals
        self._before = before

    def __len__(self) -> int:
        return len(self._originals)

    @overload
    def __getitem__(self, at: int) -> Original: ...
    @overload
    def __getitem__(self, at: slice) -> list[Original]: ...
    def __getitem__(self, at: int | slice) -> Original | list[Original]:
        if isinstance(at, slice):
            self._before()
        return self._originals[at]


def test_a_crash_while_sealing_leaves_nothing_and_the_archive_can_be_sealed_again(
    store: Archives, clock: Clock, archive: MakeArchive, originals: MakeOriginals, crash: Crash
) -> None:
    members, crashes = many(originals), list[Path]()
    store.seal(archive("u0"), originals("h0/a"))
    store.seal(archive(), Watched(members, lambda: crashes.append(crash())))
    assert [rows(left)["member"] for left in crashes] == [1, 1 + SLICE, 1 + 2 * SLICE]
    for left in crashes:
        with Database.open(left, clock=clock) as database:
            assert rows(left) == {"archive": 1, "member": 1, "index_queue": 0, "dead_letter": 0}
            again = database.archives("small files")
            assert [found.uuid for found in again.unfinished("logs")] == ["u0"]
            again.seal(archive(), members)
            assert list(again.originals("u1")) == members
    assert list(store.originals("u1")) == members


def test_an_archive_that_is_sealed_halfway_is_in_no_answer_and_holds_nobody_up(
    database: Database, store: Archives, pair: PairStore, archive: MakeArchive, originals: MakeOriginals
) -> None:
    seen: list[object] = []

    def look() -> None:
        pair.set_generation(len(seen))  # other work is done between the slices
        seen.append([store.get("u1"), store.unfinished("logs"), store.busy("logs"), list(store.originals("u1"))])
        store.drop("u1")  # nobody knows it
        for change in (lambda: prove(store), lambda: store.mark("u1", [])):
            with pytest.raises(Stale):
                change()

    store.seal(archive(), Watched(many(originals), look))
    assert seen == [[None, [], {}, []]] * 3
    assert len(store.busy("logs")) == 2 * SLICE + 10


def test_a_value_that_no_column_takes_leaves_nothing_of_its_archive(
    store: Archives, path: Path, archive: MakeArchive, originals: MakeOriginals
) -> None:
    members = many(originals)
    for number, member in ((3, replace(members[3].member, uid=2**64)), (-1, replace(members[-1].member, sha256="xyz"))):
        broken = list(members)
        broken[number] = replace(broken[number], member=member)
        with pytest.raises((OverflowError, ValueError)):
            store.seal(archive(), broken)
        assert rows(path) == {"archive": 0, "member": 0, "index_queue": 0, "dead_letter": 0}
    store.seal(archive(), members)
    assert list(store.originals("u1")) == members


def test_a_crash_while_dropping_is_finished_by_the_next_start(
    path: Path, clock: Clock, archive: MakeArchive, originals: MakeOriginals
) -> None:
    with Database.open(path, clock=clock) as database:
        database.archives("small files").seal(archive(), originals("a", "b"))
        database.archives("small files").seal(archive("u2"), originals("a", "b"))
    connection = sqlite3.connect(path)
    connection.execute("UPDATE archive SET state = 'dropped' WHERE uuid = 'u1'")
    connection.execute("DELETE FROM member WHERE archive_id = 1 AND place = 0")
    connection.commit()
    connection.close()
    with Database.open(path, clock=clock) as database:
        assert rows(path) == {"archive": 1, "member": 2, "index_queue": 0, "dead_letter": 0}
        assert [found.uuid for found in database.archives("small files").unfinished("logs")] == ["u2"]


def test_each_step_is_durable_when_it_returns(
    store: Archives, clock: Clock, archive: MakeArchive, originals: MakeOriginals, crash: Crash
) -> None:
    def left() -> tuple[Archive | None, list[tuple[str, MemberState]], Totals, list[str]]:
        with Database.open(crash(), clock=clock) as database:
            found = database.archives("small files")
            history = [row.operation for row in database.history.query(pair="small files")]
            return found.get("u1"), states(found), found.totals(), history

    def now(history: list[str]) -> object:
        return store.get("u1"), states(store), store.totals(), history

    store.seal(archive(), originals("a", "b"))
    assert left() == now([])
    prove(store, index=True, history=TOLD)
    assert left() == now(["archive"])
    store.mark("u1", [(RelPath("a"), UNLINKED)])
    assert left() == now(["archive"])
    store.record_manifest("u1", "s3://logs/m.json")
    assert left() == now(["archive"])
    store.mark("u1", [(RelPath("b"), UNLINKED)])
    assert left() == now(["archive"])
    assert store.unfinished("logs") == []


def test_a_copy_of_an_earlier_time_knows_what_it_knew_then_and_goes_on(
    store: Archives, clock: Clock, archive: MakeArchive, originals: MakeOriginals, crash: Crash
) -> None:
    members = originals("a", "b")
    store.seal(archive("u1"), members)
    earlier = crash()
    prove(store, "u1", index=True)
    store.mark("u1", marked(members, UNLINKED))
    store.seal(archive("u2"), originals("c"))
    prove(store, "u2")
    with Database.open(earlier, clock=clock) as database:
        again = database.archives("small files")
        assert again.unfinished("logs") == [archive("u1", files=2, bytes=200)]
        assert list(again.originals("u1")) == members
        assert sorted(again.busy("logs")) == ["a", "b"]
        assert again.totals() == Totals()
        prove(again, "u1")  # it is on S3: adopted
        again.mark("u1", marked(members, UNLINKED))
        again.seal(archive("u3"), originals("d"))
        assert [found.uuid for found in again.unfinished("logs")] == ["u3"]
        assert again.totals() == Totals(archives=1, files=2, bytes=200)


def test_a_database_of_the_first_version_learns_to_archive_and_keeps_what_it_had(
    path: Path, clock: Clock, archive: MakeArchive, originals: MakeOriginals
) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(migrations()[0].script)
    connection.executescript(
        f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1;"
        "INSERT INTO pair (id, name) VALUES (7, 'logs'), (8, 'small files');"
        "INSERT INTO history VALUES (1, 8, 2.0, x'61', 'upload', 'r', 'done', 1, '', '', '', '', 0.0);"
    )
    connection.close()
    with Database.open(path, clock=clock) as database:
        store = database.archives("small files")  # a section that was a pair until now
        store.seal(archive(), originals("a"))
        prove(store, history=TOLD)
        assert states(store) == [("a", UNLINKING)]
        told = [(row.pair, row.operation) for row in database.history.query()]
        assert told == [("small files", "archive"), ("small files", "upload")]
        assert database.requests("2026-11-20") == {}


def test_archives_are_sealed_by_many_threads_at_once(
    database: Database, store: Archives, pair: PairStore, archive: MakeArchive, originals: MakeOriginals
) -> None:
    members = {f"b{slot}": many(originals, SLICE + 500) for slot in range(4)}

    def seal(bucket: str) -> None:
        store.seal(archive(f"u-{bucket}", bucket=bucket), members[bucket])

    threads = [threading.Thread(target=seal, args=(bucket,)) for bucket in members]
    for thread in threads:
        thread.start()
    futures = [pair.commit(Commit(history=replace(TOLD, path=f"{number}"))) for number in range(300)]
    for thread in threads:
        thread.join(60)
    assert all(future.result(timeout=30) is None for future in futures)
    assert {bucket: list(store.originals(f"u-{bucket}")) for bucket in members} == members


CHILD = """
import sys, time
from pathlib import Path
from syncd.core.archive import Archive, Member, MemberState, Original
from syncd.core.model import LocalStat, ProofKind
from syncd.store.database import Database

class Clock:
    now, now_ns, monotonic = time.time, time.time_ns, time.monotonic

def original(place):
    member = Member(
        path=f"h1/{place:06}", offset=place, size=1, sha256="ab" * 32, mtime_ns=1, mode=0o600, uid=0, gid=0
    )
    return Original(member=member, stat=LocalStat(1, 1, 1, place))

database = Database.open(Path(sys.argv[1]), clock=Clock())
store = database.archives("small files")
members = [original(place) for place in range(12_000)]
number = int(sys.argv[2])
while True:
    uuid = f"u{number:04}"
    made = Archive(
        uuid=uuid, bucket="logs", key=f"{uuid}.tar", size=1, sha256="ab" * 32, md5="cd" * 16, crc64nvme=0,
        operation="op", created_at=1.0, manifest_offset=0, manifest_size=0,
    )
    store.seal(made, members)
    print("sealed", uuid, flush=True)
    if number % 3 == 0:
        store.drop(uuid)
        print("dropped", uuid, flush=True)
    else:
        store.prove(uuid, etag="e", version_id=None, proof=ProofKind.ETAG, manifest_at="", index=True)
        print("proven", uuid, flush=True)
        store.mark(uuid, [(original.member.path, MemberState.UNLINKED) for original in members])
        print("done", uuid, flush=True)
    number += 1
"""
STEPS = {"sealed": 1, "proven": 2, "done": 3, "dropped": 4}
MEMBERS_OF = {
    ArchiveState.SEALED: [{SEALED}],
    ArchiveState.UNLINKING: [{UNLINKING}, {UNLINKING, UNLINKED}],
    ArchiveState.DONE: [{UNLINKED}],
}


def run_and_kill(path: Path, number: int, after: float) -> dict[str, int]:
    """Let a process journal archives from that number on and kill it; the last step that it told of each."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path), str(number)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    with child.stdout:
        told = [child.stdout.readline()]
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(after)
        child.send_signal(signal.SIGKILL)
        told += child.stdout.read().splitlines()
    child.wait(30)
    return {uuid: STEPS[word] for word, uuid in (line.split() for line in told)}


def as_far_as_told(store: Archives, uuid: str, told: int) -> Archive | None:
    """The archive, which is as far as was told of it, or farther by the step that was under way."""
    found = store.get(uuid)
    if found is None:
        assert told in {0, STEPS["dropped"]} or (told == STEPS["sealed"] and int(uuid[1:]) % 3 == 0)
        return None
    members = [state for _, state in states(store, uuid)]
    assert told <= list(MEMBERS_OF).index(found.state) + 1 <= told + 1
    assert len(members) == 12_000
    assert set(members) in MEMBERS_OF[found.state]
    return found


def test_a_kill_at_any_moment_leaves_whole_archives_as_far_as_was_told(path: Path, clock: Clock) -> None:
    chance = random.Random(5)
    told: dict[str, int] = {}
    for _ in range(5):
        told |= run_and_kill(path, len(told) + 1, chance.uniform(0.0, 0.3))
        with Database.open(path, clock=clock) as database:
            store = database.archives("small files")
            under_way = f"u{len(told) + 1:04}"
            there = {uuid: as_far_as_told(store, uuid, told.get(uuid, 0)) for uuid in (*told, under_way)}
            archives = [found for found in there.values() if found]
            proven = [found for found in archives if found.state is not ArchiveState.SEALED]
            assert rows(path)["member"] == 12_000 * len(archives)  # none of an archive that is not there
            assert [queued.archive for queued in store.due(0.0, limit=9999)] == proven
            assert store.totals() == Totals(
                archives=len(proven), files=12_000 * len(proven), bytes=12_000 * len(proven), queued=len(proven)
            )
        if there[under_way]:
            told[under_way] = STEPS["sealed"]
    assert len(told) >= 5
