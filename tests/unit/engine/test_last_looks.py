"""Between the decision and the act the world may have moved: each act looks once more, and lets everything stand."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from support.fake_store import EVERYTHING, FakeObjects
from support.lone_host import PREFIX, LoneHost, lone_host
from support.model_fuse import Trouble
from support.model_host import InlinePool
from syncd.config.types import MaxDelete
from syncd.core.model import Deletes, ETag, KeepVersions, LocalState, Mode, ObjectFacts, ProofKind
from syncd.core.paths import RelPath
from syncd.engine.backlog import Backlog
from syncd.engine.displace import displace_object
from syncd.engine.observe import sides_of
from syncd.engine.work import Worksite
from syncd.errors import Stale
from syncd.ports import (
    Capabilities,
    Checksums,
    Commit,
    ExpiredTrash,
    ObjectBody,
    ObjectHeaders,
    PutAnswer,
    RemoteExpect,
)

A = RelPath("a")
OPAQUE = replace(
    EVERYTHING,
    etag_is_md5=False,
    stores_checksum=False,
    rejects_wrong_crc64nvme=False,
    rejects_wrong_sha256=False,
    rejects_wrong_payload=False,
)
"""Nothing that this endpoint answers proves anything: what is there has to be read."""


def meet(lone: LoneHost, call: str, act: Callable[[], object], *, before: bool = True) -> None:
    """Let somebody act right before (or after) the next such call."""
    lone.host.fuse.arm(Trouble(frozenset({call}), 1, before, act))


def in_step(root: Path, content: bytes = b"first", **settings: Any) -> LoneHost:
    """A host that has one file, `a`, which S3 has too."""
    lone = lone_host(root, **settings)
    lone.write("a", content)
    lone.run()
    return lone


def trash(lone: LoneHost) -> list[bytes]:
    """What lies in the local trash."""
    return [file.read_bytes() for file in (lone.host.path / ".syncd" / "trash").glob("*")]


# --- deletions ----------------------------------------------------------------------------------------------


def test_deletions_that_come_down_count_for_the_guard_too(tmp_path: Path) -> None:
    lone = lone_host(tmp_path, deletes=Deletes.PROPAGATE, max_delete=MaxDelete(count=1))
    for name in "abcd":
        lone.write(name, name.encode())
    lone.run()
    lone.bucket.take_away(f"{PREFIX}a")
    lone.bucket.take_away(f"{PREFIX}b")
    assert lone.run().report.halted_plan
    assert set(lone.files()) == set("abcd")


def test_a_file_that_is_back_before_its_object_is_deleted_keeps_it(tmp_path: Path) -> None:
    lone = in_step(tmp_path, deletes=Deletes.PROPAGATE)
    (tmp_path / "a").unlink()
    meet(lone, "write_marker", lambda: lone.write("a", b"second"))
    lone.run()
    assert lone.bucket.requests["delete"] == 0
    assert lone.objects() == {"a": b"second"}


def test_an_object_that_changes_right_before_its_deletion_stays_where_nobody_else_checks(tmp_path: Path) -> None:
    unchecked = replace(EVERYTHING, delete_if_match=False, versioned=True)
    lone = in_step(tmp_path, deletes=Deletes.PROPAGATE, capabilities=unchecked)
    (tmp_path / "a").unlink()
    meet(lone, "head", lambda: lone.bucket.plant(f"{PREFIX}a", b"second"), before=False)
    lone.run()
    assert lone.objects() == {"a": b"second"}


def test_a_file_whose_object_is_back_does_not_go_to_trash(tmp_path: Path) -> None:
    lone = in_step(tmp_path, deletes=Deletes.PROPAGATE)
    lone.bucket.take_away(f"{PREFIX}a")
    meet(lone, "write_marker", lambda: lone.bucket.plant(f"{PREFIX}a", b"second"))
    lone.run()
    assert lone.files() == {"a": b"second"}
    assert trash(lone) == []


def test_a_file_that_is_open_for_writing_does_not_go_to_trash(tmp_path: Path) -> None:
    lone = in_step(tmp_path, deletes=Deletes.PROPAGATE)
    lone.bucket.take_away(f"{PREFIX}a")
    with (tmp_path / "a").open("r+b"):
        lone.run()
        assert lone.files() == {"a": b"first"}
    lone.run()
    assert lone.files() == {}


def test_a_root_that_takes_no_mark_loses_nothing_here_or_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lone = in_step(tmp_path, deletes=Deletes.PROPAGATE)
    (tmp_path / "a").unlink()
    monkeypatch.setattr(lone.host.root, "write_marker", lambda _: False)
    lone.run()
    assert lone.objects() == {"a": b"first"}


def halted(root: Path) -> LoneHost:
    """A host that may delete nothing, with a deletion and an edit that wait for a person."""
    lone = lone_host(root, deletes=Deletes.PROPAGATE, max_delete=MaxDelete(count=0))
    for name in "abc":
        lone.write(name, b"first")
    lone.run()
    (root / "a").unlink()
    lone.write("c", b"second")
    return lone


def test_who_accepted_one_edit_did_not_accept_the_next(tmp_path: Path) -> None:
    lone = halted(tmp_path)
    assert lone.host.records.accept_plan(lone.run().report.halted_plan)
    lone.write("c", b"third")
    (tmp_path / "b").unlink()
    assert lone.run().report.halted_plan
    assert lone.objects() == {"b": b"first", "c": b"first"}


def test_a_file_that_would_be_replaced_waits_with_the_deletions(tmp_path: Path) -> None:
    lone = halted(tmp_path)
    lone.bucket.plant(f"{PREFIX}b", b"another")
    assert lone.run().report.halted_plan
    assert lone.files() == {"b": b"first", "c": b"second"}
    assert lone.objects() == {"a": b"first", "b": b"another", "c": b"first"}


# --- cleaning -----------------------------------------------------------------------------------------------


def test_an_object_that_changes_while_it_is_asked_for_lets_no_file_go(tmp_path: Path) -> None:
    lone = in_step(tmp_path, cleanup=True)
    lone.run()
    assert lone.host.records.rows()[A].local is LocalState.CLEANING
    meet(lone, "write_marker", lambda: lone.bucket.plant(f"{PREFIX}a", b"other"))
    lone.run()
    assert b"first" in lone.host.everything().values()


def test_a_store_that_gives_other_bytes_back_cleans_nothing(tmp_path: Path) -> None:
    lone = in_step(tmp_path, cleanup=True, capabilities=OPAQUE)
    lone.bucket.flip_next_read(f"{PREFIX}a")
    assert lone.run().report.counts["errors"] == 1
    assert lone.host.records.rows()[A].local is LocalState.PRESENT
    assert lone.files() == {"a": b"first"}
    lone.run()
    assert lone.host.records.rows()[A].proof is ProofKind.READBACK


def test_a_file_that_somebody_reads_is_not_moved_out(tmp_path: Path) -> None:
    lone = in_step(tmp_path, cleanup=True)
    with (tmp_path / "a").open("rb"):
        lone.run()
        assert lone.files() == {"a": b"first"}
        assert lone.host.records.rows()[A].local is LocalState.PRESENT


def test_the_same_content_under_a_new_etag_is_not_proven_in_a_cleaned_row(tmp_path: Path) -> None:
    lone = in_step(tmp_path, cleanup=True, capabilities=OPAQUE)
    for _ in range(2):
        lone.run()
    row, live = lone.host.records.rows()[A], lone.bucket.live(f"{PREFIX}a")
    assert (row.local, row.proof) == (LocalState.CLEANED, ProofKind.READBACK)
    assert live is not None
    lone.bucket.plant(f"{PREFIX}a", b"first", metadata=live.headers.metadata)
    lone.run()
    again = lone.host.records.rows()[A]
    assert again.etag != row.etag
    assert again.proof is ProofKind.NONE


def test_the_hot_path_cleans_nothing(tmp_path: Path) -> None:
    lone = in_step(tmp_path, cleanup=True)
    lone.clock.seconds += 60
    os.utime(tmp_path / "a")
    lone.host.run_hot("a")
    assert lone.files() == {"a": b"first"}
    assert lone.host.records.rows()[A].local is LocalState.PRESENT


# --- what is kept before it is replaced -----------------------------------------------------------------------


def test_only_the_version_that_was_decided_on_is_kept_aside(tmp_path: Path) -> None:
    lone = in_step(tmp_path, capabilities=replace(EVERYTHING, versioned=True))
    with pytest.raises(Stale):
        displace_object(lone.host.context, A, ETag("another"), reason="deleted")


def test_a_copy_counts_only_where_its_source_was_still_there_afterwards(tmp_path: Path) -> None:
    lone = in_step(tmp_path, capabilities=replace(EVERYTHING, copy_if_match=False))
    etag = lone.host.records.rows()[A].etag
    assert etag is not None
    meet(lone, "copy", lambda: lone.bucket.plant(f"{PREFIX}a", b"other"))
    with pytest.raises(Stale):
        displace_object(lone.host.context, A, etag, reason="deleted")


def test_an_object_without_a_version_number_is_copied_aside_in_a_versioned_bucket_too(tmp_path: Path) -> None:
    lone = in_step(tmp_path)
    lone.host.context.endpoint.capabilities = replace(EVERYTHING, versioned=True)
    etag = lone.host.records.rows()[A].etag
    assert etag is not None
    kept = displace_object(lone.host.context, A, etag, reason="deleted")
    assert lone.bucket.contents()[kept.where.removeprefix("s3:")] == b"first"


@pytest.mark.parametrize("side", ["here", "there"])
def test_where_all_versions_are_kept_an_ordinary_edit_keeps_what_it_replaces(tmp_path: Path, side: str) -> None:
    lone = in_step(tmp_path, keep_versions=KeepVersions.ALL)
    if side == "here":
        lone.write("a", b"second")
    else:
        lone.bucket.plant(f"{PREFIX}a", b"second")
    lone.run()
    assert lone.files() == lone.objects() == {"a": b"second"}
    assert b"first" in [*lone.bucket.contents().values(), *trash(lone)]


def test_content_written_anew_is_kept_though_it_equals_what_the_record_holds(tmp_path: Path) -> None:
    lone = in_step(tmp_path)
    lone.write("a", b"first")
    lone.bucket.plant(f"{PREFIX}a", b"second")
    lone.run()
    assert lone.files() == {"a": b"second"}
    assert trash(lone) == [b"first"]


def test_an_ordinary_edit_on_s3_leaves_nothing_behind(tmp_path: Path) -> None:
    lone = in_step(tmp_path)
    lone.bucket.plant(f"{PREFIX}a", b"second")
    lone.run()
    assert trash(lone) == []


def test_what_was_opened_for_writing_right_before_it_was_replaced_stays_in_the_trash(tmp_path: Path) -> None:
    lone, held = in_step(tmp_path), []
    lone.bucket.plant(f"{PREFIX}a", b"second")
    meet(lone, "place", lambda: held.append((tmp_path / "a").open("r+b")))
    lone.run()
    held[0].write(b"later")
    held[0].close()
    assert lone.files() == {"a": b"second"}
    assert trash(lone) == [b"later"]


def test_a_file_that_was_opened_while_the_bytes_came_is_not_replaced(tmp_path: Path) -> None:
    lone, held = in_step(tmp_path), []
    lone.bucket.plant(f"{PREFIX}a", b"second")
    meet(lone, "get", lambda: held.append((tmp_path / "a").open("r+b")))
    lone.run()
    assert lone.files() == {"a": b"first"}
    held[0].close()


def test_an_edit_of_the_same_size_goes_up(tmp_path: Path) -> None:
    lone = in_step(tmp_path)
    lone.write("a", b"other")
    lone.run()
    assert lone.objects() == {"a": b"other"}


def test_a_file_written_to_right_after_its_last_byte_left_is_not_told_done(tmp_path: Path) -> None:
    lone = lone_host(tmp_path)
    lone.write("a", b"first")
    meet(lone, "put", lambda: (tmp_path / "a").write_bytes(b"later"), before=False)
    assert [outcome.step.path for outcome in lone.run().report.unfinished] == ["a"]
    assert lone.run().report.unfinished == ()
    assert lone.objects() == {"a": b"later"}


def test_what_was_displaced_is_dropped_only_while_it_is_that_very_file(tmp_path: Path) -> None:
    lone = in_step(tmp_path)
    tree = lone.host.root
    stat = tree.lstat(A)
    assert stat is not None
    name = tree.trash(A, expect=stat)
    with pytest.raises(Stale):
        tree.remove(ExpiredTrash(name, expect=stat._replace(mtime_ns=stat.mtime_ns + 1)))
    assert trash(lone) == [b"first"]
    tree.remove(ExpiredTrash(name, expect=stat))
    assert trash(lone) == []


# --- the row that it was decided under ------------------------------------------------------------------------


def test_a_row_that_is_newer_than_the_pass_is_the_next_ones(tmp_path: Path) -> None:
    lone = in_step(tmp_path)
    lone.write("a", b"second")
    site = Worksite(lone.host.context, InlinePool(), Backlog())
    newest = lone.host.records.rows()[A].seq
    sides = sides_of(lone.host.context, A, None)
    assert site.look(A, sides, newest_seq=newest - 1) is None
    assert site.look(A, sides, newest_seq=newest) is not None


def newer_row(lone: LoneHost) -> Callable[[], object]:
    """Somebody else writes the row of `a` meanwhile."""
    row = lone.host.records.rows()[A]
    return lambda: lone.host.records.commit(Commit(path=A, put=replace(row, seen=ETag("newer")))).result()


def test_no_step_overwrites_a_row_that_is_newer_than_its_decision(tmp_path: Path) -> None:
    lone = in_step(tmp_path)
    lone.write("a", b"second")
    meet(lone, "put", newer_row(lone))
    lone.run()
    assert lone.host.records.rows()[A].seen == "newer"


def test_no_step_drops_a_row_that_is_newer_than_its_decision(tmp_path: Path) -> None:
    lone = in_step(tmp_path, deletes=Deletes.PROPAGATE)
    (tmp_path / "a").unlink()
    meet(lone, "delete", newer_row(lone))
    lone.run()
    assert lone.host.records.rows()[A].seen == "newer"


# --- what the store answers -----------------------------------------------------------------------------------


class Liar(FakeObjects):
    """Answers to a PUT with what `lie` makes of the answer."""

    lie: Callable[[PutAnswer], PutAnswer] = staticmethod(lambda answer: answer)

    def put(
        self, key: str, body: BinaryIO, size: int, *, expect: RemoteExpect, headers: ObjectHeaders, sums: Checksums
    ) -> PutAnswer:
        return self.lie(super().put(key, body, size, expect=expect, headers=headers, sums=sums))


def told(root: Path, capabilities: Capabilities = EVERYTHING, **lie: Any) -> LoneHost:
    """A host that sent its file to a store which answers so."""
    lone = lone_host(root, bucket=Liar, capabilities=capabilities)
    assert isinstance(lone.bucket, Liar)
    lone.bucket.lie = lambda answer: replace(answer, **lie)
    lone.write("a", b"first")
    return lone


def test_a_store_that_answers_of_other_bytes_is_not_believed(tmp_path: Path) -> None:
    lone = told(tmp_path, checksum="CRC64NVME:AAAAAAAAAAA=")
    assert lone.run().report.counts["errors"] == 1
    assert A not in lone.host.records.rows()


def test_where_an_answer_names_another_etag_what_is_really_there_counts(tmp_path: Path) -> None:
    lone = told(tmp_path, replace(EVERYTHING, rejects_wrong_crc64nvme=False), etag=ETag("0" * 32))
    lone.run()
    live = lone.bucket.live(f"{PREFIX}a")
    assert live is not None
    assert lone.host.records.rows()[A].etag == live.etag
    assert lone.bucket.requests["put"] == 2, "it is sent anew, and found to be our own"


def test_an_answer_that_names_another_etag_is_put_right_by_the_next_pass(tmp_path: Path) -> None:
    lone = told(tmp_path, etag=ETag("0" * 32))  # its checksum is ours, so that no MD5 was computed
    lone.run()
    lone.run()
    live = lone.bucket.live(f"{PREFIX}a")
    assert live is not None
    assert lone.host.records.rows()[A].etag == live.etag
    assert lone.bucket.requests["put"] == 1, "what is there is ours"
    assert (tmp_path / "a").read_bytes() == b"first"


@dataclass
class Half:
    """A body that breaks off without a word."""

    facts: ObjectFacts
    body: bytes

    def __iter__(self) -> Iterator[bytes]:
        yield self.body[: len(self.body) // 2]


class BreaksOff(FakeObjects):
    """Every read ends half way."""

    @contextmanager
    def get(self, key: str, **asked: Any) -> Iterator[ObjectBody]:
        with super().get(key, **asked) as body:
            yield Half(body.facts, b"".join(body))


def test_a_body_that_broke_off_is_no_file(tmp_path: Path) -> None:
    lone = lone_host(tmp_path, bucket=BreaksOff, capabilities=OPAQUE, mode=Mode.DOWNLOAD)
    lone.bucket.plant(f"{PREFIX}a", b"all of it")
    lone.run()
    assert lone.files() == {}


class BreaksOnce(FakeObjects):
    """The first read gives other bytes of the same length, which nothing but the metadata denies."""

    @contextmanager
    def get(self, key: str, **asked: Any) -> Iterator[ObjectBody]:
        self.flip_next_read(key, 0 if self.requests["get"] else 1)
        with super().get(key, **asked) as body:
            yield body


def test_bytes_that_their_metadata_denies_are_read_once_more(tmp_path: Path) -> None:
    writer = in_step(tmp_path / "writer", capabilities=OPAQUE)
    live = writer.bucket.live(f"{PREFIX}a")
    assert live is not None
    reader = lone_host(tmp_path / "reader", bucket=BreaksOnce, capabilities=OPAQUE)
    reader.bucket.plant(f"{PREFIX}a", b"first", metadata=live.headers.metadata)
    reader.run()
    assert reader.files() == {"a": b"first"}


# --- renames --------------------------------------------------------------------------------------------------


def test_a_renamed_file_that_was_rewritten_under_its_old_size_and_time_goes_up_as_itself(tmp_path: Path) -> None:
    lone = in_step(tmp_path, deletes=Deletes.LEAVE)
    seen = (tmp_path / "a").stat()
    (tmp_path / "a").write_bytes(b"other")
    (tmp_path / "a").rename(tmp_path / "b")
    os.utime(tmp_path / "b", ns=(seen.st_mtime_ns, seen.st_mtime_ns))
    lone.run()
    assert lone.objects()["b"] == b"other"
