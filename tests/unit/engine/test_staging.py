"""What lies in the staging of a cleaning: held by somebody, written to, taken the place of, or forgotten."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from support.fake_store import FakeObjects
from support.lone_host import LoneHost, lone_host
from support.model_fuse import Trouble
from support.recorded import KeptEvents
from syncd import events
from syncd.core.model import LocalState, Mode
from syncd.core.paths import RelPath
from syncd.errors import ItemError
from syncd.local.handle import Handle
from syncd.local.holders import Holders
from syncd.ports import ListPage, Openness
from syncd.runtime.once import exit_of
from syncwire.exits import Exit

PATH = RelPath("a.log")
BODY = b"a line\n"
NEXT = b"the next day, the only copy\n"


class Short(FakeObjects):
    """A bucket whose listing may leave a key out that is there all the same."""

    left_out = ""

    def list(self, prefix: str) -> Iterator[ListPage]:
        for page in super().list(prefix):
            yield replace(page, objects=[row for row in page.objects if row.key != self.left_out])


@pytest.fixture
def uploaded(tmp_path: Path) -> LoneHost:
    """One file that this host uploaded, in a pair that cleans."""
    host = lone_host(tmp_path / "root", mode=Mode.UPLOAD, cleanup=True, bucket=Short)
    host.write(PATH, BODY)
    host.run()
    return host


@pytest.fixture
def staged(uploaded: LoneHost) -> LoneHost:
    """The file has moved out of its place."""
    uploaded.run()
    assert uploaded.host.root.staged(PATH) is not None
    return uploaded


def state(host: LoneHost) -> LocalState | None:
    record = host.host.records.get(PATH)
    return None if record is None else record.local


def everything(host: LoneHost) -> list[bytes]:
    """Every version that is left, wherever."""
    return [*host.host.everything().values(), *host.bucket.contents().values()]


# --- new content in its place -------------------------------------------------------------------------------


def test_a_pass_that_only_made_room_for_a_new_file_is_not_through_with_it(staged: LoneHost) -> None:
    staged.write(PATH, NEXT)
    report = staged.run().report
    assert staged.objects()[PATH] != NEXT
    assert exit_of(report, None) is Exit.TEMPORARY
    assert [each.path for each in staged.host.backlog.snapshot()] == [PATH]
    assert exit_of(staged.run().report, None) is Exit.OK
    assert staged.host.backlog.snapshot() == ()
    assert staged.objects() == {PATH: NEXT}


def test_a_new_file_goes_up_though_the_disk_is_full_and_nothing_may_be_removed(staged: LoneHost) -> None:
    staged.write(PATH, NEXT)
    for _ in range(2):
        full = ItemError(".syncd", "No space left on device")
        staged.host.fuse.arm(Trouble(frozenset({"write_marker"}), 1, True, lambda full=full: _raise(full)))
        staged.run()
    assert staged.objects() == {PATH: NEXT}
    assert BODY in everything(staged)


def _raise(error: Exception) -> None:
    raise error


# --- somebody has it open -----------------------------------------------------------------------------------


def opened_in_the_last_moment(host: LoneHost) -> int:
    """An appender opens the file after it was looked at and before it is moved out; returns its descriptor."""
    fds: list[int] = []

    def open_it() -> None:
        fds.append(os.open(host.host.path / PATH, os.O_WRONLY | os.O_APPEND))

    host.host.fuse.arm(Trouble(frozenset({"stage"}), 1, True, open_it))
    host.run()
    assert host.host.root.staged(PATH) is not None
    return fds[0]


def test_a_staged_file_that_somebody_wrote_to_comes_back_and_its_new_bytes_go_up(uploaded: LoneHost) -> None:
    fd = opened_in_the_last_moment(uploaded)
    os.write(fd, b"one more\n")
    passed = uploaded.run()
    assert passed.steps == [(PATH, "clean.undo")]
    assert uploaded.files() == {PATH: BODY + b"one more\n"}
    assert exit_of(passed.report, None) is Exit.TEMPORARY
    os.close(fd)
    uploaded.run()
    assert uploaded.objects() == {PATH: BODY + b"one more\n"}


def test_a_staged_file_written_to_under_its_old_size_and_time_comes_back_too(uploaded: LoneHost) -> None:
    fd = opened_in_the_last_moment(uploaded)
    before = os.fstat(fd)
    with open(f"/proc/self/fd/{fd}", "r+b") as same:
        same.write(BODY.upper())
    os.utime(fd, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.close(fd)
    for _ in range(3):
        uploaded.run()
    assert uploaded.objects() == {PATH: BODY.upper()}


def test_a_staged_file_that_somebody_wrote_to_is_kept_where_a_new_one_took_its_place(uploaded: LoneHost) -> None:
    fd = opened_in_the_last_moment(uploaded)
    os.write(fd, b"one more\n")
    os.close(fd)
    uploaded.write(PATH, NEXT)
    for _ in range(3):
        uploaded.run()
    assert uploaded.objects() == {PATH: NEXT}
    assert BODY + b"one more\n" in everything(uploaded)


def test_a_staged_file_waits_for_as_long_as_somebody_has_it_open(uploaded: LoneHost) -> None:
    fd = opened_in_the_last_moment(uploaded)
    for _ in range(3):
        uploaded.run()
        assert state(uploaded) is LocalState.CLEANING
    os.close(fd)
    uploaded.run()
    assert state(uploaded) is LocalState.CLEANED


# --- nobody can tell whether somebody has it open -----------------------------------------------------------


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a network file system: no leases, and other hosts may have files open."""
    monkeypatch.setattr(Handle, "lease", lambda *_, **__: None)
    monkeypatch.setattr(Holders, "ask", lambda *_, **__: Openness.UNKNOWN)


def with_blind_age(host: LoneHost, age: timedelta) -> None:
    host.host.pair = replace(host.host.pair, cleanup_blind_age=age)
    host.host.restart()


LONG = timedelta(days=365 * 300)
"""The model's clock is far ahead of the files' own times."""


@pytest.mark.usefixtures("blind")
def test_a_file_of_which_nobody_can_tell_is_not_moved_out_before_the_blind_age(uploaded: LoneHost) -> None:
    with_blind_age(uploaded, LONG)
    fd = os.open(uploaded.host.path / PATH, os.O_WRONLY | os.O_APPEND)
    for _ in range(3):
        uploaded.run()
    os.write(fd, b"one more\n")
    os.close(fd)
    assert uploaded.files() == {PATH: BODY + b"one more\n"}


def test_a_staged_file_of_which_nobody_can_tell_is_not_unlinked_before_the_blind_age(
    staged: LoneHost, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("blind")
    with_blind_age(staged, LONG)
    for _ in range(3):
        staged.run()
        assert state(staged) is LocalState.CLEANING
    with_blind_age(staged, timedelta(minutes=10))
    staged.run()
    assert state(staged) is LocalState.CLEANED


@pytest.mark.usefixtures("blind")
def test_after_the_blind_age_it_goes(uploaded: LoneHost) -> None:
    for _ in range(2):
        uploaded.run()
    assert state(uploaded) is LocalState.CLEANED


# --- records that are lost ----------------------------------------------------------------------------------


def test_what_lies_staged_of_lost_records_stands_for_no_later_file(staged: LoneHost) -> None:
    staged.host.records.drop_all()
    for later, body in enumerate((b"two\n", b"three!\n"), 1):
        staged.write(PATH, body)
        os.utime(staged.host.path / PATH, (time.time() + 60 * later,) * 2)  # newer than the object, which has no record
        for _ in range(4):
            staged.run()
        assert staged.objects() == {PATH: body}
        assert (state(staged), staged.files()) == (LocalState.CLEANED, {})
    assert BODY in everything(staged)


def test_what_lies_staged_of_lost_records_is_swept_into_the_trash_and_what_is_being_cleaned_stays(
    staged: LoneHost,
) -> None:
    assert staged.host.root.sweep_staged(lambda: [PATH]) == 0
    assert staged.host.root.staged(PATH) is not None
    assert staged.host.root.sweep_staged(list) == 1
    assert staged.host.root.staged(PATH) is None
    assert [body for name, body in staged.host.everything().items() if name.startswith(".syncd/trash/")] == [BODY]


# --- the last copy ------------------------------------------------------------------------------------------


def test_the_last_copy_is_called_deleted_only_when_a_head_confirms_it(staged: LoneHost) -> None:
    staged.run()
    assert state(staged) is LocalState.CLEANED
    said = KeptEvents()
    staged.host.context = replace(staged.host.context, events=said)
    bucket = staged.bucket
    assert isinstance(bucket, Short)
    bucket.left_out = f"p/{PATH}"
    staged.run()
    assert said.of(events.LAST_COPY_DELETED) == []
    assert state(staged) is LocalState.CLEANED
    bucket.take_away(f"p/{PATH}")
    staged.run()
    assert [fields["path"] for fields in said.of(events.LAST_COPY_DELETED)] == [PATH]
    assert state(staged) is None
