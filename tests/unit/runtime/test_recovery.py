"""What was displaced comes back, and conflicts are settled: real files, a real database, an S3 server."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from support.moto import MotoServer
from support.recorded import KeptEvents
from syncd.config.types import S3, Pair
from syncd.control.port import BadRequest, NotFound
from syncd.core.model import ConflictPolicy, Deletes, Mode
from syncd.core.paths import RelPath, conflict_name
from syncd.engine.pool import Pool
from syncd.errors import SyncdError
from syncd.lifecycle.clock import SystemClock
from syncd.lifecycle.stop import Stop
from syncd.lifecycle.transfers import TransferBoard
from syncd.ports import ConflictRow, TrashRow
from syncd.runtime import displaced, recovery
from syncd.runtime.assembly import Assembly
from syncd.runtime.recovery import resolve, restore, trash_rows, wire_id
from syncd.s3.connect import connect
from syncd.s3.counts import RequestCounts
from syncd.s3.lean import LeanObjects
from syncd.store.database import Database
from syncd.workers.section import Section

NUMBERS = itertools.count()
OURS_TEXT, THEIRS_TEXT = b"what was written here", b"what was written on S3"
NAMES = {OURS_TEXT: "local", THEIRS_TEXT: "remote"}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """One pair with everything real around it."""

    section: Section
    database: Database
    server: MotoServer

    @property
    def root(self) -> Path:
        return self.section.pair.local

    def cycle(self) -> None:
        report, _ = self.section.run_pass()
        assert not report.errors, [outcome.error for outcome in report.unfinished]

    def write(self, path: str, body: bytes) -> Path:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(body)
        return target

    def store(self, path: str, body: bytes) -> None:
        """Write an object as another tool does."""
        self.server.client().put_object(Bucket=self.section.pair.bucket, Key=f"p/{path}", Body=body)

    def take_away(self, path: str) -> None:
        self.server.client().delete_object(Bucket=self.section.pair.bucket, Key=f"p/{path}")

    @property
    def files(self) -> dict[str, bytes]:
        return {
            str(file.relative_to(self.root)): file.read_bytes()
            for file in sorted(self.root.rglob("*"))
            if file.is_file() and ".syncd" not in file.parts
        }

    @property
    def objects(self) -> dict[str, bytes]:
        """The live objects outside `.syncd`."""
        found = self.server.contents(self.section.pair.bucket, "p/")
        return {key[2:]: body for key, body in found.items() if ".syncd" not in key.split("/")}

    @property
    def everything(self) -> set[bytes]:
        """Every content that can still be had: live, in trash, aside on S3, or in a previous version."""
        bucket, client = self.section.pair.bucket, self.server.client()
        held = {file.read_bytes() for file in self.root.rglob("*") if file.is_file()}
        for row in client.list_object_versions(Bucket=bucket).get("Versions", ()):
            held.add(client.get_object(Bucket=bucket, Key=row["Key"], VersionId=row["VersionId"])["Body"].read())
        return held

    def trash(self) -> list[TrashRow]:
        return trash_rows(self.section, self.database)

    def one(self) -> TrashRow:
        (row,) = self.trash()
        return row

    def conflict(self) -> ConflictRow:
        (row,) = self.database.conflicts.unresolved(self.section.name)
        return row

    def resolve(self, keep: str) -> None:
        resolve(self.section, self.database, self.conflict(), keep)

    def open_conflicts(self) -> int:
        return self.database.conflicts.count(self.section.name)


@pytest.fixture(scope="module")
def server() -> Iterator[MotoServer]:
    with MotoServer() as running:
        yield running


@pytest.fixture
def make(server: MotoServer, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Make a world; `versioned` is the bucket's, the rest is the pair's."""
    with ExitStack() as stack:

        def world(*, versioned: bool = False, **settings: Any) -> World:
            number = next(NUMBERS)
            bucket = server.new_bucket(f"recovery-{number}", versioned=versioned)
            home = tmp_path / str(number)
            (home / "root").mkdir(parents=True)
            database, section = opened(home, server.endpoint, bucket, stack, **settings)
            return World(section=section, database=database, server=server)

        yield world


def opened(home: Path, endpoint: str, bucket: str, stack: ExitStack, **settings: Any) -> tuple[Database, Section]:
    """The pair whose root and database lie in `home`, as a daemon opens it."""
    clock, said = SystemClock(), KeptEvents()
    database = stack.enter_context(Database.open(home / "syncd.db", clock=clock))
    pool = Pool(2)
    stack.callback(pool.close)
    pair = Pair(
        name="logs",
        local=home / "root",
        bucket=bucket,
        prefix="p/",
        s3=S3(endpoint_url=endpoint, retries=0),
        settle=timedelta(0),
        **settings,
    )
    assembly = Assembly(
        database=database,
        clock=clock,
        events=said,
        transfers=TransferBoard(clock),
        stop=Stop(),
        counts=RequestCounts(),
        hostname="here",
        machine_id="machine",
    )
    return database, Section(pair, opener=assembly.open, pool=pool, clock=clock, events=said)


def conflicted(world: World, path: str = "a/x.log.gz") -> World:
    """A file that both sides changed since they agreed, after the pass that met it."""
    world.write(path, b"once agreed")
    world.cycle()
    world.write(path, OURS_TEXT)
    world.store(path, THEIRS_TEXT)
    world.cycle()
    assert world.open_conflicts() == 1
    return world


def beside(world: World, body: bytes) -> str:
    del world
    return conflict_name(RelPath("a/x.log.gz"), hashlib.sha256(body).hexdigest())


# --- the trash -------------------------------------------------------------------------------------------


def test_a_propagated_deletion_is_listed_and_comes_back_to_its_own_path(make: Callable[..., World]) -> None:
    world = make(deletes=Deletes.PROPAGATE)
    written = world.write("a/b.gz", b"content")
    os.utime(written, ns=(1, 1_600_000_000_123_456_789))
    world.cycle()
    world.take_away("a/b.gz")
    world.cycle()
    assert world.files == {}
    row = world.one()
    assert (row.path, row.reason, row.size, row.pair, wire_id(row)) == ("a/b.gz", "deleted", 7, "logs", str(row.id))
    assert restore(world.section, world.database, row, None) == "a/b.gz"
    assert world.files == {"a/b.gz": b"content"}
    assert written.stat().st_mtime_ns == 1_600_000_000_123_456_789
    assert world.trash() == []
    (done,) = world.database.history.query(pair="logs", path="a/b.gz", limit=1)
    assert (done.operation, done.result) == ("restore", "done")
    world.cycle()
    assert world.objects == {"a/b.gz": b"content"}


@pytest.mark.parametrize("versioned", [False, True])
def test_a_displaced_object_comes_down_verified_and_its_copy_stays(make: Callable[..., World], versioned: bool) -> None:
    world = make(deletes=Deletes.PROPAGATE, versioned=versioned)
    written = world.write("a/b.gz", b"content")
    os.utime(written, ns=(1, 1_600_000_000_123_456_789))
    world.cycle()
    written.unlink()
    world.cycle()
    assert world.objects == {}
    row = world.one()
    assert row.where.partition(":")[0] == ("version" if versioned else "s3")
    assert restore(world.section, world.database, row, None) == "a/b.gz"
    assert world.files == {"a/b.gz": b"content"}
    assert written.stat().st_mtime_ns == 1_600_000_000_123_456_789
    assert world.trash() == [row]
    world.cycle()
    assert world.objects == {"a/b.gz": b"content"}


def test_a_version_is_restored_though_newer_ones_stand_over_it(make: Callable[..., World]) -> None:
    world = make(deletes=Deletes.PROPAGATE, versioned=True)
    world.write("k.gz", b"first")
    world.cycle()
    (world.root / "k.gz").unlink()
    world.cycle()
    row = world.one()
    world.write("k.gz", b"second")
    world.cycle()
    assert restore(world.section, world.database, row, "first.gz") == "first.gz"
    assert world.files == {"k.gz": b"second", "first.gz": b"first"}


def test_nothing_is_restored_over_a_file_and_the_way_out_is_named(make: Callable[..., World]) -> None:
    world = make(deletes=Deletes.PROPAGATE)
    world.write("a/b.gz", b"content")
    world.cycle()
    world.take_away("a/b.gz")
    world.cycle()
    world.write("a/b.gz", b"newer")
    with pytest.raises(SyncdError, match=r"a/b\.gz exists.*--to PATH"):
        restore(world.section, world.database, world.one(), None)
    assert restore(world.section, world.database, world.one(), str(world.root / "c" / "d.gz")) == "c/d.gz"
    assert world.files == {"a/b.gz": b"newer", "c/d.gz": b"content"}


@pytest.mark.parametrize(
    "to", ["../out.gz", "/etc/passwd", "a/../../out", "", "folder/", ".syncd/trash/x", "a\0b", "ROOT/../out", "ROOT"]
)
def test_a_place_outside_the_root_is_refused_in_words(make: Callable[..., World], to: str) -> None:
    world = make(deletes=Deletes.PROPAGATE)
    world.write("b.gz", b"content")
    world.cycle()
    world.take_away("b.gz")
    world.cycle()
    with pytest.raises(BadRequest):
        restore(world.section, world.database, world.one(), to.replace("ROOT", str(world.root)))
    assert len(world.trash()) == 1
    assert world.files == {}


def test_a_folder_in_the_way_is_not_touched(make: Callable[..., World]) -> None:
    world = make(deletes=Deletes.PROPAGATE)
    world.write("b.gz", b"content")
    world.cycle()
    world.take_away("b.gz")
    world.cycle()
    (world.root / "b.gz").mkdir()
    with pytest.raises(SyncdError, match="folder of that name"):
        restore(world.section, world.database, world.one(), None)
    assert len(world.trash()) == 1


def test_a_file_in_the_trash_without_a_row_is_found_by_its_inode(make: Callable[..., World]) -> None:
    world = make()
    world.write("a/b.gz", b"content")
    world.cycle()
    context = world.section.open()
    stat = context.tree.lstat(RelPath("a/b.gz"))
    assert stat is not None
    name = context.tree.trash(RelPath("a/b.gz"), expect=stat)  # and here the process was killed
    row = world.one()
    assert (row.path, row.reason, row.size, row.id) == ("a/b.gz", "found", 7, 0)
    assert wire_id(row) == f"local:{name}"
    assert abs(row.at - SystemClock().now()) < 60
    assert restore(world.section, world.database, row, None) == "a/b.gz"
    assert world.files == {"a/b.gz": b"content"}
    assert world.trash() == []


def test_a_file_that_nobody_remembers_needs_a_place_to_go(make: Callable[..., World]) -> None:
    world = make()
    world.cycle()
    trash = world.root / ".syncd" / "trash"
    trash.mkdir(exist_ok=True)
    (trash / "20200102T030405Z-0123456789abcdef-b.gz").write_bytes(b"content")
    row = world.one()
    assert (row.path, row.at, row.reason) == ("b.gz", 1577934245.0, "found")
    with pytest.raises(BadRequest, match="--to PATH"):
        restore(world.section, world.database, row, None)
    assert restore(world.section, world.database, row, "a/b.gz") == "a/b.gz"
    assert world.files == {"a/b.gz": b"content"}


def test_a_row_whose_file_was_brought_back_by_a_killed_process_is_not_shown(make: Callable[..., World]) -> None:
    world = make(deletes=Deletes.PROPAGATE)
    world.write("b.gz", b"content")
    world.cycle()
    world.take_away("b.gz")
    world.cycle()
    row = world.one()
    world.section.open().tree.untrash(row.where.partition(":")[2], RelPath("b.gz"))  # and here it was killed
    assert world.trash() == []
    assert world.database.trash.rows("logs") == [row]
    (world.root / "b.gz").unlink()
    with pytest.raises(SyncdError, match="not in the trash"):
        restore(world.section, world.database, row, None)


def test_the_rows_are_listed_though_the_root_is_gone(make: Callable[..., World]) -> None:
    world = make(deletes=Deletes.PROPAGATE, mode=Mode.UPLOAD)
    (world.root / "b.gz").write_bytes(b"content")
    world.cycle()
    (world.root / "b.gz").unlink()
    world.cycle()
    world.root.rename(world.root.with_name("elsewhere"))
    assert [row.path for row in world.trash()] == ["b.gz"]


def test_a_copy_that_is_gone_from_s3_is_said(make: Callable[..., World]) -> None:
    world = make(deletes=Deletes.PROPAGATE)
    world.write("b.gz", b"content")
    world.cycle()
    (world.root / "b.gz").unlink()
    world.cycle()
    row = world.one()
    world.server.client().delete_object(Bucket=world.section.pair.bucket, Key=row.where.partition(":")[2])
    with pytest.raises(SyncdError, match="no longer on S3"):
        restore(world.section, world.database, row, None)
    assert world.files == {}


def test_a_copy_with_other_content_is_not_brought_back(make: Callable[..., World]) -> None:
    world = make(deletes=Deletes.PROPAGATE)
    world.write("b.gz", b"content")
    world.cycle()
    (world.root / "b.gz").unlink()
    world.cycle()
    row = replace(world.one(), digest=f"sha256:{'0' * 64}")
    with pytest.raises(SyncdError, match="does not hold the content"):
        restore(world.section, world.database, row, None)
    assert world.files == {}


def test_a_path_that_is_being_worked_on_is_left_alone(
    make: Callable[..., World], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "CLAIM_TRIES", 2)
    world = make(deletes=Deletes.PROPAGATE)
    world.write("b.gz", b"content")
    world.cycle()
    world.take_away("b.gz")
    world.cycle()
    claims = world.section.open().claims
    assert claims.take(RelPath("b.gz"))
    with pytest.raises(SyncdError, match="being worked on"):
        restore(world.section, world.database, world.one(), None)
    claims.release(RelPath("b.gz"))
    assert restore(world.section, world.database, world.one(), None) == "b.gz"
    assert claims.take(RelPath("b.gz"))


# --- conflicts -------------------------------------------------------------------------------------------

LOCAL_WINS = {"conflict": ConflictPolicy.LOCAL}
REMOTE_WINS = {"conflict": ConflictPolicy.REMOTE}
BOTH_KEPT = {"conflict": ConflictPolicy.KEEP_BOTH}


@pytest.mark.parametrize("versioned", [False, True])
@pytest.mark.parametrize("policy", [LOCAL_WINS, REMOTE_WINS, BOTH_KEPT], ids=["local", "remote", "keep-both"])
@pytest.mark.parametrize("wanted", [OURS_TEXT, THEIRS_TEXT], ids=["ours", "theirs"])
def test_the_version_that_a_person_keeps_is_on_both_sides_after_the_next_cycle(
    make: Callable[..., World], policy: dict[str, Any], wanted: bytes, versioned: bool
) -> None:
    world = conflicted(make(versioned=versioned, **policy))
    before = world.everything
    world.resolve(NAMES[wanted])
    assert world.files["a/x.log.gz"] == wanted
    assert world.open_conflicts() == 0
    assert before <= world.everything
    world.cycle()
    assert world.objects["a/x.log.gz"] == world.files["a/x.log.gz"] == wanted
    assert {OURS_TEXT, THEIRS_TEXT} <= world.everything
    assert world.open_conflicts() == 0


@pytest.mark.parametrize("policy", [LOCAL_WINS, REMOTE_WINS, BOTH_KEPT], ids=["local", "remote", "keep-both"])
def test_both_are_kept_under_two_names_on_both_sides(make: Callable[..., World], policy: dict[str, Any]) -> None:
    world = conflicted(make(**policy))
    winner = world.files["a/x.log.gz"]
    (loser,) = {OURS_TEXT, THEIRS_TEXT} - {winner}
    world.resolve("both")
    assert world.files == {"a/x.log.gz": winner, beside(world, loser): loser}
    assert world.open_conflicts() == 0
    world.cycle()
    assert world.objects == world.files == {"a/x.log.gz": winner, beside(world, loser): loser}


def test_what_lay_at_the_path_is_in_the_trash_with_a_row(make: Callable[..., World]) -> None:
    world = conflicted(make(**REMOTE_WINS))
    world.resolve("local")
    rows = {row.digest: row for row in world.trash()}
    theirs = rows[f"sha256:{hashlib.sha256(THEIRS_TEXT).hexdigest()}"]
    assert (theirs.path, theirs.reason, theirs.size) == ("a/x.log.gz", "conflict", len(THEIRS_TEXT))
    assert not [row for row in world.trash() if row.reason == "found"]
    assert restore(world.section, world.database, theirs, "theirs.gz") == "theirs.gz"
    assert world.files["theirs.gz"] == THEIRS_TEXT


def test_an_upload_only_pair_sends_its_own_version_over_the_object_which_is_kept(make: Callable[..., World]) -> None:
    world = conflicted(make(mode=Mode.UPLOAD, **REMOTE_WINS))
    assert world.objects["a/x.log.gz"] == THEIRS_TEXT
    world.resolve("local")
    assert world.objects["a/x.log.gz"] == world.files["a/x.log.gz"] == OURS_TEXT
    assert world.open_conflicts() == 0
    (row,) = world.trash()
    restore(world.section, world.database, row, "theirs.gz")
    assert world.files["theirs.gz"] == THEIRS_TEXT
    mark = world.server.mark()
    (world.root / "theirs.gz").unlink()
    world.cycle()
    assert world.server.requests(mark)["PUT"] == 0


@pytest.mark.parametrize("keep", ["remote", "both"])
def test_an_upload_only_pair_leaves_the_object_where_a_person_keeps_it(make: Callable[..., World], keep: str) -> None:
    world = conflicted(make(mode=Mode.UPLOAD, **REMOTE_WINS))
    mark = world.server.mark()
    world.resolve(keep)
    world.cycle()
    assert world.objects == {"a/x.log.gz": THEIRS_TEXT, beside(world, OURS_TEXT): OURS_TEXT}
    assert world.server.requests(mark)["PUT"] == 0
    assert world.open_conflicts() == 0


def test_an_upload_only_pair_whose_file_is_gone_takes_its_bytes_from_the_conflict_copy(
    make: Callable[..., World],
) -> None:
    world = conflicted(make(mode=Mode.UPLOAD, **REMOTE_WINS))
    (world.root / "a" / "x.log.gz").unlink()
    world.resolve("local")
    assert world.objects["a/x.log.gz"] == world.files["a/x.log.gz"] == OURS_TEXT


def test_an_object_of_another_tool_that_carries_no_hash_can_be_kept(make: Callable[..., World]) -> None:
    world = conflicted(make(**LOCAL_WINS))
    assert world.conflict().loser_digest == ""
    world.resolve("both")
    assert world.files == {"a/x.log.gz": OURS_TEXT, beside(world, THEIRS_TEXT): THEIRS_TEXT}


def test_a_conflict_is_settled_once(make: Callable[..., World]) -> None:
    world = conflicted(make(**REMOTE_WINS))
    conflict = world.conflict()
    resolve(world.section, world.database, conflict, "remote")
    with pytest.raises(NotFound, match="is settled"):
        resolve(world.section, world.database, conflict, "local")
    assert world.files == {"a/x.log.gz": THEIRS_TEXT}
    settled = world.database.conflicts.get(conflict.id)
    assert settled is not None
    assert settled.resolved == "remote"


def test_a_word_that_settles_nothing_is_refused(make: Callable[..., World]) -> None:
    world = conflicted(make(**REMOTE_WINS))
    with pytest.raises(BadRequest):
        world.resolve("newer")
    assert world.open_conflicts() == 1


def test_a_file_that_is_open_for_writing_elsewhere_is_not_taken_away(make: Callable[..., World]) -> None:
    world = conflicted(make(**REMOTE_WINS))
    with (world.root / "a" / "x.log.gz").open("ab"), pytest.raises(SyncdError, match="open for writing"):
        world.resolve("local")
    assert world.files == {"a/x.log.gz": THEIRS_TEXT}
    world.resolve("local")
    assert world.files == {"a/x.log.gz": OURS_TEXT}


def test_a_conflict_copy_that_a_person_edited_is_not_taken_for_the_loser(make: Callable[..., World]) -> None:
    world = conflicted(make(**BOTH_KEPT))
    (world.root / beside(world, OURS_TEXT)).write_bytes(b"edited by hand")
    for keep, said in (("local", "does not hold the content"), ("both", "holds something else")):
        with pytest.raises(SyncdError, match=said):
            world.resolve(keep)
    assert world.files == {"a/x.log.gz": THEIRS_TEXT, beside(world, OURS_TEXT): b"edited by hand"}
    assert world.open_conflicts() == 1


def test_a_loser_that_is_nowhere_any_more_is_said_with_what_is_left_to_do(make: Callable[..., World]) -> None:
    world = conflicted(make(**REMOTE_WINS))
    for file in (world.root / ".syncd" / "trash").iterdir():
        file.unlink()
    with pytest.raises(SyncdError, match=r"no longer where it was left.*--keep"):
        world.resolve("local")
    world.resolve("remote")
    assert world.open_conflicts() == 0


# --- kill -9 between any two lines that change something -------------------------------------------------


def victims() -> None:
    """As a program: settle in children that kill themselves at a line. Reads `home keep step`, says how it ended."""
    endpoint, bucket, mode, policy = sys.argv[1:]
    connect(S3(endpoint_url=endpoint))  # so that no child needs to load the library again
    for line in sys.stdin:
        home, keep, step = line.split()
        child = os.fork()
        if child == 0:
            lines = 0
            try:
                lines = victim(Path(home), endpoint, bucket, Mode(mode), ConflictPolicy(policy), keep, int(step))
            finally:
                print(lines, flush=True)
                os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            print("killed", flush=True)


def victim(home: Path, endpoint: str, bucket: str, mode: Mode, policy: ConflictPolicy, keep: str, step: int) -> int:
    """Settle the one conflict; die before the line `step` of those that find another world than the line before.

    Returns how many such lines there were.
    """
    worlds: list[object] = []

    def on_line(frame: FrameType, event: str, argument: Any) -> Any:
        del frame, argument
        if event == "line" and (world := fingerprint(home, section)) not in worlds[-1:]:
            worlds.append(world)
            if len(worlds) == step:
                os.kill(os.getpid(), signal.SIGKILL)
        return on_line

    def on_call(frame: FrameType, event: str, argument: Any) -> Any:
        del event, argument
        return on_line if frame.f_code.co_filename in {recovery.__file__, displaced.__file__} else None

    with ExitStack() as stack:
        database, section = opened(home, endpoint, bucket, stack, mode=mode, conflict=policy)
        section.open()
        (conflict,) = database.conflicts.unresolved("logs")
        sys.settrace(on_call)
        try:
            resolve(section, database, conflict, keep)
        finally:
            sys.settrace(None)
    return len(worlds)


def fingerprint(home: Path, section: Section) -> object:
    """What a kill would leave: the files, what is committed, what was written to S3."""
    files = [(str(file), file.stat().st_ino, file.stat().st_size) for file in sorted(home.rglob("*")) if file.is_file()]
    context = section.context
    assert context is not None
    assert isinstance(context.objects, LeanObjects)
    sent = context.objects.counts.snapshot()
    return files, sent.put, sent.copy, sent.delete


@contextmanager
def forking(world: World) -> Iterator[Callable[..., str]]:
    """The program above for that world's bucket and settings; call it with home, keep and step."""
    pair, tests = world.section.pair, Path(__file__).parents[2]
    words = [world.server.endpoint, pair.bucket, pair.mode.value, pair.conflict.value]
    with subprocess.Popen(
        [sys.executable, __file__, *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tests)},
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None

        def run(home: Path, keep: str, step: int) -> str:
            assert program.stdin is not None
            assert program.stdout is not None
            program.stdin.write(f"{home} {keep} {step}\n")
            program.stdin.flush()
            return program.stdout.readline().strip()

        yield run
        program.stdin.close()
        assert program.wait(30) == 0


@pytest.mark.parametrize(
    ("policy", "mode", "keep"),
    [
        (REMOTE_WINS, Mode.BIDIRECTIONAL, "local"),
        (REMOTE_WINS, Mode.BIDIRECTIONAL, "both"),
        (LOCAL_WINS, Mode.BIDIRECTIONAL, "remote"),
        (REMOTE_WINS, Mode.UPLOAD, "local"),
    ],
    ids=["trash", "trash-both", "object", "upload"],
)
def test_a_kill_between_two_lines_loses_nothing_and_the_second_try_settles_it(
    make: Callable[..., World], tmp_path: Path, policy: dict[str, Any], mode: Mode, keep: str
) -> None:
    first = conflicted(make(mode=mode, **policy))
    bucket, before = Aside(first), first.everything
    settings = {"mode": mode, "conflict": first.section.pair.conflict}
    first.section.close()
    first.database.close()
    with forking(first) as run:

        def copied(step: int) -> Path:
            bucket.bring_back()
            return Path(shutil.copytree(first.root.parent, tmp_path / f"{keep}-{step}"))

        count = int(run(copied(0), keep, 0))
        assert count >= 4
        for step in range(1, count + 1):
            home = copied(step)
            assert run(home, keep, step) == "killed"
            with ExitStack() as stack:
                database, section = opened(home, first.server.endpoint, first.section.pair.bucket, stack, **settings)
                world = World(section=section, database=database, server=first.server)
                assert before <= world.everything, step
                assert "a/x.log.gz" in world.files, "a path that is gone for a moment would be taken for a deletion"
                if world.open_conflicts():
                    world.resolve(keep)
                assert before <= world.everything, step
                assert NAMES[world.files["a/x.log.gz"]] == ("remote" if keep == "both" else keep)
                assert len(world.files) == (2 if keep == "both" else 1)
                if mode is Mode.UPLOAD:
                    assert world.objects["a/x.log.gz"] == OURS_TEXT


class Aside:
    """The objects of a world's bucket as they are now, to begin from again."""

    def __init__(self, world: World) -> None:
        self._client, self._bucket = world.server.client(), world.section.pair.bucket
        self._objects = [self._get(key) for key in world.server.contents(self._bucket)]

    def _get(self, key: str) -> dict[str, Any]:
        seen = self._client.get_object(Bucket=self._bucket, Key=key)
        return {"Key": key, "Body": seen["Body"].read(), "Metadata": seen["Metadata"]}

    def bring_back(self) -> None:
        for row in self._client.list_objects_v2(Bucket=self._bucket).get("Contents", ()):
            self._client.delete_object(Bucket=self._bucket, Key=row["Key"])
        for one in self._objects:
            self._client.put_object(Bucket=self._bucket, **one)


if __name__ == "__main__":
    victims()
