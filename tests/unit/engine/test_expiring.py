"""The trash by age and size: real files, a real database, a bucket in memory, a clock that jumps by days."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from support.fake_store import EVERYTHING
from support.processes import eventually
from support.trash_host import DAY, OURS_TEXT, THEIRS_TEXT, TrashHost, trash_host
from syncd import events
from syncd.core.model import ConflictPolicy, Deletes
from syncd.core.paths import RelPath
from syncd.engine.expiring import trash_claim
from syncd.engine.transferring import text
from syncd.errors import ItemError, PairHalted, SyncdError
from syncd.lifecycle.severity import level_of
from syncd.local.root import Root
from syncd.ports import Commit, LocalExpect, Placed, Removal, Temporary, TrashRow
from syncd.runtime import recovery

UNVERSIONED = replace(EVERYTHING, versioned=False)
KEPT_FOR_A_MONTH = timedelta(days=30)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., TrashHost]]:
    """Make a pair that propagates deletions, without versions in its bucket."""
    with ExitStack() as stack:

        def made(**settings: Any) -> TrashHost:
            asked = {"deletes": Deletes.PROPAGATE, "capabilities": UNVERSIONED, **settings}
            return stack.enter_context(trash_host(tmp_path / "host", **asked))

        yield made


# --- age and size ----------------------------------------------------------------------------------------


def test_what_is_older_than_trash_keep_goes_and_what_is_younger_stays(make: Callable[..., TrashHost]) -> None:
    host = make(trash_keep=KEPT_FOR_A_MONTH)
    host.displace("old", b"old")
    host.later(20)
    host.displace("young", b"young")
    host.later(9)
    assert host.expire().files == 0
    host.later(2)
    done = host.expire()
    assert (done.files, done.bytes) == (1, 3)
    assert host.trash() == [b"young"]
    assert [row.path for row in host.rows()] == ["young"]
    assert next(row.operation for row in host.database.history.query(path="old")) == "expire"


def test_a_run_that_removed_something_is_one_line_at_info_and_each_file_one_at_debug(
    make: Callable[..., TrashHost],
) -> None:
    host = make(trash_keep=timedelta(days=1))
    host.displace("a", b"aa")
    host.displace("b", b"bbb")
    host.later(2)
    host.expire()
    host.expire()
    assert host.said.of(events.TRASH_EXPIRED) == [{"pair": "logs", "files": 2, "bytes": 5}]
    assert [fields["path"] for fields in host.said.of(events.VERSION_EXPIRED)] == ["a", "b"]
    assert [level_of(event) for event in (events.TRASH_EXPIRED, events.VERSION_EXPIRED)] == ["info", "debug"]


def test_over_trash_max_the_oldest_goes_first_and_no_more_than_it_takes(make: Callable[..., TrashHost]) -> None:
    host = make(trash_keep=None, trash_max=None)
    for name in ("one", "two", "six"):
        host.displace(name, name.encode() * 100)
        host.later(1)
    host.set(trash_max=700)
    host.expire()
    assert host.trash() == [b"six" * 100, b"two" * 100]
    host.later(3650)
    assert host.expire().files == 0


def test_off_means_for_good(make: Callable[..., TrashHost]) -> None:
    host = make(trash_keep=None)
    host.displace("a", b"a")
    host.later(3000)
    assert host.expire().files == 0
    assert host.trash() == [b"a"]


def test_a_clock_that_ran_ahead_of_the_server_ends_nobodys_time(make: Callable[..., TrashHost]) -> None:
    host = make(trash_keep=KEPT_FOR_A_MONTH)
    host.displace("a", b"a")
    ahead = type(host.clock)(skew=int(400 * DAY), shared=host.clock)
    host.context = replace(host.context, clock=ahead)
    assert host.expire().files == 0
    assert host.trash() == [b"a"]


def test_a_file_that_somebody_has_open_stays_until_it_is_closed(make: Callable[..., TrashHost]) -> None:
    host = make(trash_keep=KEPT_FOR_A_MONTH)
    host.displace("a", b"a")
    host.later(31)
    (name,) = os.listdir(host.root / ".syncd" / "trash")
    with open(host.root / ".syncd" / "trash" / name, "rb"):
        assert host.expire().files == 0
    assert host.trash() == [b"a"]
    assert host.expire().files == 1


def test_a_file_that_was_written_to_in_the_trash_begins_its_time_anew(make: Callable[..., TrashHost]) -> None:
    host = make(trash_keep=KEPT_FOR_A_MONTH)
    host.displace("a", b"a")
    (row,) = host.database.trash.rows()
    host.clock.seconds = row.at + 31 * DAY
    (name,) = os.listdir(host.root / ".syncd" / "trash")
    found = host.root / ".syncd" / "trash" / name
    noted = replace(row, at=found.stat().st_ctime - 31 * DAY, id=0)  # an entry from long before its last write
    host.database.trash.delete(row.id)
    host.context.records.commit(Commit(trash=noted)).result()
    host.clock.seconds = found.stat().st_ctime + DAY
    assert host.expire().files == 0
    assert host.trash() == [b"a"]


# --- the only copy of a loser ----------------------------------------------------------------------------


@pytest.mark.parametrize("limits", [{"trash_keep": timedelta(days=1)}, {"trash_max": 1}])
@pytest.mark.parametrize("policy", [ConflictPolicy.REMOTE, ConflictPolicy.LOCAL])
def test_the_only_copy_of_what_lost_an_open_conflict_outlives_both_limits_and_says_so(
    make: Callable[..., TrashHost], policy: ConflictPolicy, limits: dict[str, Any]
) -> None:
    host = make(conflict=policy, **limits)
    host.lose()
    (conflict,) = host.database.conflicts.unresolved()
    host.later(400)
    assert host.expire().kept == 1
    assert [*host.trash(), *host.aside()] == [OURS_TEXT if policy is ConflictPolicy.REMOTE else THEIRS_TEXT]
    assert host.kept_words() == [f"kept: the only copy of what lost conflict {conflict.id}"]
    host.database.conflicts.resolve(conflict.id, "remote")
    assert host.expire().files == 1
    assert [*host.trash(), *host.aside()] == []


def test_a_loser_whose_content_is_in_a_file_here_goes_when_its_time_is_over(make: Callable[..., TrashHost]) -> None:
    host = make(conflict=ConflictPolicy.REMOTE)
    host.lose()
    host.write("kept-by-hand.txt", OURS_TEXT)
    host.pass_()
    host.later(31)
    assert host.kept_words() == [""]
    assert host.expire().files == 1


def test_a_loser_whose_other_copy_changed_since_the_record_stays(make: Callable[..., TrashHost]) -> None:
    host = make(conflict=ConflictPolicy.REMOTE)
    host.lose()
    host.write("kept-by-hand.txt", OURS_TEXT)
    host.pass_()
    host.write("kept-by-hand.txt", b"something else")
    host.bucket.plant("p/kept-by-hand.txt", b"another thing")
    host.later(31)
    assert host.expire().kept == 1
    assert host.trash() == [OURS_TEXT]


def test_a_loser_whose_other_copy_went_at_the_last_moment_stays(make: Callable[..., TrashHost]) -> None:
    """It is looked for twice: when the run decides, and right before the unlink."""
    host = make(conflict=ConflictPolicy.REMOTE)
    host.lose()
    copy = host.write("kept-by-hand.txt", OURS_TEXT)
    host.pass_()
    host.bucket.take_away("p/kept-by-hand.txt")
    host.later(31)

    class Watched:
        rows, forget = host.database.trash.rows, host.database.trash.forget

        def get(self, id: int) -> TrashRow | None:
            copy.unlink()
            return host.database.trash.get(id)

    assert host.expire(Watched()).files == 0
    assert host.trash() == [OURS_TEXT]


def test_of_two_copies_of_a_loser_in_the_trash_the_older_goes_and_the_last_one_stays(
    make: Callable[..., TrashHost],
) -> None:
    host = make(conflict=ConflictPolicy.REMOTE)
    host.lose("a.txt")
    host.lose("b.txt")
    host.later(31)
    assert host.expire().files == 1
    assert host.trash() == [OURS_TEXT]
    assert host.expire().files == 0


def test_a_copy_that_holds_something_else_by_now_is_nothing_to_lean_on(make: Callable[..., TrashHost]) -> None:
    host = make(conflict=ConflictPolicy.REMOTE)
    host.lose("a.txt")
    host.lose("b.txt")
    newest = max((host.root / ".syncd" / "trash").glob("*"))
    newest.write_bytes(OURS_TEXT.upper())
    host.later(31)
    host.expire()
    assert host.trash() == sorted([OURS_TEXT, OURS_TEXT.upper()])


def test_a_copy_on_s3_whose_metadata_lies_is_read_before_it_goes(make: Callable[..., TrashHost]) -> None:
    host = make(conflict=ConflictPolicy.LOCAL)
    host.lose()
    (row,) = host.database.trash.rows()
    host.write("elsewhere.txt", b"x" * len(THEIRS_TEXT))
    host.pass_()
    record = host.context.records.get(RelPath("elsewhere.txt"))
    assert record is not None
    host.database.trash.delete(row.id)
    claimed = replace(row, digest=text(record.digest))
    host.context.records.commit(Commit(trash=claimed)).result()
    host.later(31)
    assert host.expire().files == 0
    assert host.aside() == [THEIRS_TEXT]


# --- files without an entry ------------------------------------------------------------------------------


def test_a_file_without_an_entry_counts_as_the_only_copy(make: Callable[..., TrashHost]) -> None:
    host = make(trash_keep=timedelta(days=1), trash_max=1)
    host.displace("a", b"who knows")
    for row in host.database.trash.rows():
        host.database.trash.delete(row.id)
    host.later(400)
    assert host.expire().kept == 1
    assert host.trash() == [b"who knows"]
    assert host.kept_words() == ["kept: nobody noted why it is here, and its content is nowhere else that is known"]


def test_a_file_without_an_entry_goes_where_its_content_is_live(make: Callable[..., TrashHost]) -> None:
    host = make()
    host.displace("a", b"who knows")
    for row in host.database.trash.rows():
        host.database.trash.delete(row.id)
    host.write("b", b"who knows")
    host.pass_()
    assert host.expire().files == 1
    assert host.trash() == []


def test_a_file_without_an_entry_that_has_just_come_is_left_alone(make: Callable[..., TrashHost]) -> None:
    """Its entry may be on its way, and with it the reason to keep it."""
    host = make(trash_keep=timedelta(seconds=1), trash_max=1)
    host.displace("a", b"who knows")
    (row,) = host.database.trash.rows()
    host.database.trash.delete(row.id)
    host.write("b", b"who knows")
    host.pass_()
    (file,) = (host.root / ".syncd" / "trash").glob("*")
    host.clock.seconds = file.stat().st_ctime + 60
    assert host.expire().files == 0
    assert host.trash() == [b"who knows"]


def test_what_an_edit_superseded_while_somebody_wrote_to_it_has_an_entry_and_expires(
    make: Callable[..., TrashHost],
) -> None:
    host = make(trash_keep=KEPT_FOR_A_MONTH)
    file = host.write("a", b"first")
    host.pass_()
    host.bucket.plant("p/a", b"second")
    with ExitStack() as stack:

        class Beaten(Root):
            def place(self, temporary: Temporary, path: RelPath, *, expect: LocalExpect) -> Placed:
                stack.enter_context(file.open("r+b"))  # a writer, right before the exchange
                return super().place(temporary, path, expect=expect)

        host.context = replace(host.context, tree=Beaten.at(host.root, now=host.clock.now))
        host.pass_()
        assert host.trash() == [b"first"]
    eventually(host.database.trash.rows, within=10, what="no entry came")  # it follows the commit of the download
    (row,) = host.database.trash.rows()
    assert (row.path, row.reason, row.digest) == ("a", "superseded", "")
    host.later(31)
    assert host.expire().files == 1
    assert file.read_bytes() == b"second"


# --- S3 --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("honoured", [True, False])
def test_a_copy_on_s3_goes_after_its_time(make: Callable[..., TrashHost], honoured: bool) -> None:
    host = make(deletes=Deletes.KEEP, capabilities=replace(UNVERSIONED, delete_if_match=honoured))
    host.set(conflict=ConflictPolicy.LOCAL)
    host.lose()
    (conflict,) = host.database.conflicts.unresolved()
    host.database.conflicts.resolve(conflict.id, "local")
    host.later(29)
    assert host.expire().files == 0
    host.later(2)
    assert host.expire().files == 1
    assert host.aside() == []
    assert host.database.trash.rows() == []
    assert host.bucket.contents()["p/a.txt"] == OURS_TEXT


def test_a_copy_on_s3_that_another_wrote_to_stays(make: Callable[..., TrashHost]) -> None:
    host = make(conflict=ConflictPolicy.LOCAL)
    host.lose()
    (conflict,) = host.database.conflicts.unresolved()
    host.database.conflicts.resolve(conflict.id, "local")
    (row,) = host.database.trash.rows()
    host.bucket.plant(row.where.removeprefix("s3:"), b"a note that somebody put there")
    host.later(31)
    assert host.expire().files == 0
    assert host.aside() == [b"a note that somebody put there"]


def test_an_entry_never_leads_to_a_live_object(make: Callable[..., TrashHost]) -> None:
    host = make()
    host.bucket.plant("p/live", b"live")
    row = TrashRow(at=host.clock.now(), path="live", where="s3:p/live", reason="conflict", size=4)
    host.context.records.commit(Commit(trash=row)).result()
    host.later(31)
    host.expire()
    assert host.bucket.contents()["p/live"] == b"live"


def test_a_version_is_left_to_the_bucket_and_only_its_entry_ends(make: Callable[..., TrashHost]) -> None:
    host = make(conflict=ConflictPolicy.LOCAL, capabilities=replace(EVERYTHING, versioned=True))
    host.lose()
    (conflict,) = host.database.conflicts.unresolved()
    host.later(31)
    host.expire()
    assert len(host.database.trash.rows()) == 1  # the conflict is open
    host.database.conflicts.resolve(conflict.id, "local")
    before = len(host.bucket.history())
    host.expire()
    assert host.database.trash.rows() == []
    assert len(host.bucket.history()) == before
    assert THEIRS_TEXT in [version.body for version in host.bucket.history("p/a.txt")]


# --- killed, raced, halted -------------------------------------------------------------------------------


def test_an_entry_whose_file_went_before_a_kill_is_dropped_in_its_time(
    make: Callable[..., TrashHost], tmp_path: Path
) -> None:
    host = make(trash_keep=KEPT_FOR_A_MONTH)
    host.displace("a", b"aa")
    host.displace("b", b"bb")
    host.later(31)
    now = host.clock.seconds
    host.database.close()
    code = """
import os, signal, sys
from pathlib import Path
from support.trash_host import trash_host
class Killed:
    def __init__(self, trash): self.rows, self.get = trash.rows, trash.get
    def forget(self, ids): os.kill(os.getpid(), signal.SIGKILL)
with trash_host(Path(sys.argv[1])) as host:
    host.clock.seconds = float(sys.argv[2])
    host.expire(Killed(host.database.trash))
"""
    tests = Path(__file__).parents[2]
    killed = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "host"), str(now)],
        env={**os.environ, "PYTHONPATH": str(tests)},
        timeout=60,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    with trash_host(tmp_path / "host") as again:
        again.clock.seconds = now
        assert again.trash() == []
        assert len(again.database.trash.rows()) == 2
        assert again.rows() == []  # what is gone is not offered
        assert again.expire().files == 0
        assert again.database.trash.rows() == []


def test_what_is_being_restored_does_not_expire_and_what_expires_is_not_restored(
    make: Callable[..., TrashHost],
) -> None:
    host = make(conflict=ConflictPolicy.LOCAL)
    host.lose()
    (conflict,) = host.database.conflicts.unresolved()
    host.database.conflicts.resolve(conflict.id, "local")
    (row,) = host.rows()
    host.later(31)
    expired: list[int] = []
    host.bucket.intervene("get", lambda: expired.append(host.expire().files))
    recovery.restore(host, host.database, row, "back.txt")
    assert expired == [0]
    assert (host.root / "back.txt").read_bytes() == THEIRS_TEXT
    assert host.expire().files == 1
    with pytest.raises(SyncdError, match="no longer on S3"):
        recovery.restore(host, host.database, row, "again.txt")


def test_a_restore_between_the_look_and_the_unlink_keeps_its_file(make: Callable[..., TrashHost]) -> None:
    host = make()
    host.displace("a", b"content")
    (row,) = host.rows()
    host.later(31)

    class Restoring:
        rows, forget = host.database.trash.rows, host.database.trash.forget

        def get(self, id: int) -> TrashRow | None:
            host.context.claims.release(trash_claim(row.where))  # as if the claims were another process's
            recovery.restore(host, host.database, row, None)
            return row

    assert host.expire(Restoring()).files == 0
    assert (host.root / "a").read_bytes() == b"content"


def test_a_root_that_is_another_one_expires_nothing(make: Callable[..., TrashHost]) -> None:
    host = make()
    host.displace("a", b"content")
    host.later(31)
    host.root.rename(host.root.with_name("away"))
    host.root.mkdir()
    with pytest.raises(PairHalted):
        host.expire()
    assert len(host.database.trash.rows()) == 1


def test_one_that_cannot_be_removed_holds_up_no_other_and_is_said(make: Callable[..., TrashHost]) -> None:
    host = make()
    host.displace("a", b"a")
    host.displace("b", b"b")
    host.later(31)
    refused = iter([True])

    class OnceBroken(Root):
        def remove(self, allowed: Removal) -> None:
            if next(refused, False):
                raise ItemError("a", "a: input/output error")
            super().remove(allowed)

    host.context = replace(host.context, tree=OnceBroken.at(host.root))
    assert host.expire().files == 1
    (told,) = host.said.of(events.PAIR_DEGRADED)
    assert "input/output error" in str(told["reason"])


def test_entries_are_forgotten_once_their_files_are_gone_and_never_before(make: Callable[..., TrashHost]) -> None:
    host = make()
    host.displace("a", b"a")
    host.later(31)
    seen: list[list[bytes]] = []

    class Watched:
        rows, get = host.database.trash.rows, host.database.trash.get

        def forget(self, ids: Sequence[int]) -> None:
            seen.append(host.trash())
            host.database.trash.forget(ids)

    host.expire(Watched())
    assert seen == [[]]
