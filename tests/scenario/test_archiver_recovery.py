"""What the archiver makes of a spool, a journal or a root that is not as it left it."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from support.batch_desk import BUCKET, BatchDesk
from support.fake_store import FakeObjects
from support.model_fuse import Trouble
from syncd import events
from syncd.core.timeuuid import time_uuid
from syncd.errors import ItemError, PairHalted, RemoteError, RemoteKind
from syncd.local.spool import SpoolFolder
from syncd.ports import Capabilities, Openness

DOWN = RemoteError(RemoteKind.UNAVAILABLE, "no answer")
STRANGER = time_uuid(1_700_000_000_000, bytes(10))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[BatchDesk]:
    made = BatchDesk(tmp_path)
    yield made
    made.close()


def sealed(desk: BatchDesk) -> Path:
    """Seal one archive that does not come through; returns its file in the spool."""
    desk.write("logs/one", b"1")
    desk.bucket.fail_next("put", DOWN)
    assert desk.run().failure is DOWN
    (name,) = desk.spooled()
    return desk.spool_path / name


def once_and_nowhere_else(desk: BatchDesk, **files: bytes) -> None:
    desk.finish()
    assert desk.proven() == Counter({(f"logs/{name}", body): 1 for name, body in files.items()})
    assert (desk.files(), desk.staged(), desk.spooled()) == ({}, [], [])


def with_other(desk: BatchDesk, *, spool: Any = None, tree: Any = None) -> None:
    """Give the desk another spool, or another root."""
    context = desk.world.context if tree is None else replace(desk.world.context, tree=tree)
    desk.world = replace(desk.world, context=context, spool=spool or desk.world.spool)


# --- the spool -------------------------------------------------------------------------------------------------


def test_a_sealed_archive_is_sent_by_the_next_process_as_it_is(desk: BatchDesk) -> None:
    spooled = sealed(desk)
    body = spooled.read_bytes()
    desk.restart()
    once_and_nowhere_else(desk, one=b"1")
    assert desk.bucket.contents()[f"logs/{spooled.name}"] == body


def test_an_archive_lost_from_the_spool_is_packed_anew(desk: BatchDesk) -> None:
    lost = sealed(desk)
    lost.unlink()
    report = desk.run()
    assert report.errors == 1
    assert "neither S3 nor the spool" in report.problems[0].reason
    once_and_nowhere_else(desk, one=b"1")
    assert f"logs/{lost.name}" not in desk.archives()


@pytest.mark.parametrize("damage", [lambda body: body[:-1], lambda body: bytes([body[0] ^ 1]) + body[1:]])
def test_an_archive_spoilt_in_the_spool_is_never_sent(desk: BatchDesk, damage: Callable[[bytes], bytes]) -> None:
    spoilt = sealed(desk)
    spoilt.write_bytes(damage(spoilt.read_bytes()))
    assert desk.run().errors == 1
    once_and_nowhere_else(desk, one=b"1")
    assert f"logs/{spoilt.name}" not in desk.archives()


def test_an_archive_spoilt_in_the_spool_while_it_is_sent_is_not_proven(desk: BatchDesk) -> None:
    desk.write("logs/one", b"1")

    def spoil() -> None:
        (name,) = desk.spooled()
        file = desk.spool_path / name
        file.write_bytes(file.read_bytes().replace(b"logs/one", b"logs/two"))

    desk.fuse.arm(Trouble(frozenset({"spool.open in"}), 1, True, spoil))
    report = desk.run()
    assert (report.archives, report.errors) == (0, 1)
    assert desk.files() == {"logs/one": b"1"}
    desk.run()
    once_and_nowhere_else(desk, one=b"1")


def test_a_stranger_in_the_spool_is_left_alone_and_told_of(desk: BatchDesk) -> None:
    desk.spool_path.mkdir()
    (desk.spool_path / "thesis.tar").write_bytes(b"mine")
    (desk.spool_path / f"{STRANGER}.tar").mkdir()
    desk.write("logs/one", b"1")
    desk.finish()
    assert (desk.spool_path / "thesis.tar").read_bytes() == b"mine"
    assert [fields["path"] for fields in desk.heard.of(events.FILE_SKIPPED)] == [f"{STRANGER}.tar", "thesis.tar"]


def test_what_the_journal_does_not_know_goes_from_the_spool(desk: BatchDesk) -> None:
    desk.spool_path.mkdir()
    (desk.spool_path / f"{STRANGER}.tar").write_bytes(b"half an archive")
    desk.run()
    assert desk.spooled() == []


def test_a_spool_on_another_file_system_will_do(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        desk = BatchDesk(tmp_path)
        try:
            desk.spool_path = Path(elsewhere) / "spool"
            desk.restart()
            desk.write("logs/one", b"1")
            once_and_nowhere_else(desk, one=b"1")
            assert desk.spool_path.stat().st_mode & 0o777 == 0o700
        finally:
            desk.close()


class Narrow(SpoolFolder):
    """So many bytes are free."""

    room = 0

    def free(self) -> int:
        return self.room


def test_without_room_nothing_is_sealed_and_a_person_is_told(desk: BatchDesk) -> None:
    narrow = Narrow(desk.spool_path)
    with_other(desk, spool=narrow)
    desk.write("logs/one", b"1")
    report = desk.run()
    assert (report.archives, report.errors) == (0, 1)
    assert "0 bytes free" in report.problems[0].reason
    assert report.problems[0].where == "spool"
    assert desk.files() == {"logs/one": b"1"}
    narrow.room = 1 << 40
    once_and_nowhere_else(desk, one=b"1")


def test_a_disk_that_fills_while_it_is_sealed_loses_nothing(desk: BatchDesk) -> None:
    def full() -> None:
        raise ItemError("x.tar", "the disk is full", hint="free some space")

    desk.write("logs/one", b"1")
    desk.fuse.arm(Trouble(frozenset({"spool.file.write", "spool.file.finish"}), 1, False, full))
    report = desk.run()
    assert (report.archives, report.errors) == (0, 1)
    assert desk.spooled() == []
    assert desk.files() == {"logs/one": b"1"}
    once_and_nowhere_else(desk, one=b"1")


def test_a_spool_that_cannot_be_used_ends_the_run_with_a_sentence(desk: BatchDesk) -> None:
    desk.spool_path.write_bytes(b"a file")
    failure = desk.run().failure
    assert isinstance(failure, PairHalted)
    assert "the spool" in failure.message


# --- the journal --------------------------------------------------------------------------------------------------


def test_a_journal_from_before_the_archives_loses_no_version(desk: BatchDesk) -> None:
    desk.write("logs/one", b"1")
    backup = desk.save_database()
    desk.run()
    (key,) = desk.archives()
    assert desk.staged() == [b"1"]
    desk.restore_database(backup)
    desk.finish()
    assert desk.archives() == {key: {"logs/one": b"1"}}
    assert desk.trash() == [b"1"], "nobody knows any more where it belongs: a person finds it"


def test_a_journal_from_before_the_sending_finds_the_archive_on_s3(desk: BatchDesk) -> None:
    sealed(desk)
    backup = desk.save_database()
    once_and_nowhere_else(desk, one=b"1")
    desk.restore_database(backup)
    puts = desk.bucket.requests["put"]
    once_and_nowhere_else(desk, one=b"1")
    assert desk.bucket.requests["put"] == puts, "the archive and its manifest are there"


def test_a_journal_from_before_the_sending_finds_what_was_staged_since(desk: BatchDesk) -> None:
    sealed(desk)
    backup = desk.save_database()
    desk.run()
    assert desk.staged() == [b"1"]
    desk.restore_database(backup)
    once_and_nowhere_else(desk, one=b"1")
    assert desk.trash() == []


def test_a_spooled_archive_that_cannot_be_removed_is_proven_all_the_same(desk: BatchDesk) -> None:
    def denied() -> None:
        raise ItemError("x.tar", "permission denied")

    desk.write("logs/one", b"1")
    desk.fuse.arm(Trouble(frozenset({"spool.remove"}), 1, True, denied))
    report = desk.run()
    assert (report.archives, report.staged, report.errors) == (1, 1, 1)
    assert len(desk.spooled()) == 1
    once_and_nowhere_else(desk, one=b"1")


def test_a_journal_from_before_the_unlinking_takes_no_newer_version(desk: BatchDesk) -> None:
    desk.write("logs/one", b"old")
    desk.run()
    backup = desk.save_database()
    desk.finish()
    desk.write("logs/one", b"new")
    desk.restore_database(backup)
    report = desk.run()
    assert report.kept == 1
    desk.finish()
    assert desk.proven() == Counter({("logs/one", b"old"): 1, ("logs/one", b"new"): 1})


def test_an_archive_of_an_older_journal_that_s3_does_not_hold_is_packed_anew(desk: BatchDesk) -> None:
    sealed(desk)
    backup = desk.save_database()
    (name,) = desk.spooled()
    desk.restore_database(backup)
    (desk.spool_path / name).unlink()
    desk.run()
    once_and_nowhere_else(desk, one=b"1")


# --- the root -------------------------------------------------------------------------------------------------------


def test_a_root_that_went_away_ends_the_run(desk: BatchDesk) -> None:
    desk.write("logs/one", b"1")
    desk.folder.rename(desk.place / "elsewhere")
    assert isinstance(desk.run().failure, PairHalted)
    assert not desk.bucket.requests


def test_a_root_that_cannot_take_the_intent_keeps_its_files(desk: BatchDesk) -> None:
    def refused() -> None:
        raise ItemError(".syncd", "the disk is full")

    desk.write("logs/one", b"1")
    desk.fuse.arm(Trouble(frozenset({"tree.write_marker"}), 1, True, refused))
    report = desk.run()
    assert (report.archives, report.staged, report.unlinking) == (1, 0, 1)
    assert desk.files() == {"logs/one": b"1"}
    assert desk.heard.names().count(events.PAIR_DEGRADED) == 1
    once_and_nowhere_else(desk, one=b"1")


def test_a_file_that_may_not_be_read_is_counted_and_the_others_go(desk: BatchDesk) -> None:
    def denied() -> None:
        raise ItemError("logs/one", "permission denied", hint="let the daemon's user read the file")

    desk.write("logs/one", b"1")
    desk.write("logs/two", b"2")
    desk.fuse.arm(Trouble(frozenset({"tree.open_elsewhere"}), 1, True, denied))
    report = desk.run()
    assert (report.files, report.errors) == (1, 1)
    assert desk.files().get("logs/one") == b"1"
    once_and_nowhere_else(desk, one=b"1", two=b"2")


def test_a_file_that_may_not_be_removed_stays_and_is_not_packed_again(desk: BatchDesk) -> None:
    def denied() -> None:
        raise ItemError("logs/one", "not permitted")

    desk.write("logs/one", b"1")
    desk.fuse.arm(Trouble(frozenset({"tree.stage"}), 1, True, denied))
    report = desk.run()
    assert (report.archives, report.errors, report.unlinking) == (1, 1, 1)
    once_and_nowhere_else(desk, one=b"1")
    assert len(desk.archives()) == 1


class Blind:
    """A tree on which nobody can tell who has what open."""

    def __init__(self, tree: object) -> None:
        self._tree = tree

    def open_elsewhere(self, path: str, **_: object) -> Openness:
        return Openness.UNKNOWN

    def staged_open_elsewhere(self, path: str, **_: object) -> Openness:
        return Openness.UNKNOWN

    def __getattr__(self, name: str) -> object:
        return getattr(self._tree, name)


def test_where_nobody_can_tell_who_has_it_open_a_file_goes_after_it_was_left_alone(desk: BatchDesk) -> None:
    desk.configure(min_age=timedelta(seconds=30))
    with_other(desk, tree=Blind(desk.root))
    desk.write("logs/one", b"1")
    desk.clock.ahead = 40
    report = desk.run()
    assert (report.archives, report.staged, report.open) == (1, 0, 1)
    assert report.next_due_s == pytest.approx(560, abs=5), "cleanup_blind_age after it was written"
    desk.clock.ahead = 605
    assert desk.run().staged == 1
    assert desk.run().unlinked == 1, "staged more than min_age ago, by the clock"


# --- stopping --------------------------------------------------------------------------------------------------------


def test_a_stop_ends_a_run_and_the_next_goes_on(desk: BatchDesk) -> None:
    for name in "abc":
        desk.write(f"{name}/file", name.encode())
    desk.bucket.intervene("put", desk.stop.drain)
    report = desk.run()
    assert report.stopped
    assert report.archives == 1
    desk.restart()
    desk.finish()
    assert desk.proven() == Counter({(f"{name}/file", name.encode()): 1 for name in "abc"})
    assert len(desk.archives()) == 3


# --- endpoints that honour little ------------------------------------------------------------------------------------


def test_a_store_without_preconditions_is_looked_at_before_each_write(tmp_path: Path) -> None:
    bucket = FakeObjects(bucket=BUCKET, capabilities=Capabilities(etag_is_md5=True, probed_at=1.0))
    desk = BatchDesk(tmp_path, bucket=bucket)
    try:
        sealed(desk)
        once_and_nowhere_else(desk, one=b"1")
        assert len(desk.archives()) == 1
    finally:
        desk.close()
