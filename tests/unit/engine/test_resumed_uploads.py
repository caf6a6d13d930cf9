"""An upload in parts that broke off goes on from what the store has, or is dropped; it never carries other bytes."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.fake_store import EVERYTHING, FakeObjects
from support.lone_host import LoneHost, lone_host
from syncd.core.model import Mode
from syncd.core.paths import RelPath
from syncd.engine.parts import PartBody
from syncd.errors import RemoteError, RemoteKind, Stale
from syncd.lifecycle.stop import Stop
from syncd.local.digest import Digester
from syncd.local.root import Root
from syncd.ports import ObjectHeaders

BODY = bytes(range(100))
LOST = RemoteError(RemoteKind.UNAVAILABLE, "the connection broke")
EXPIRED = RemoteError(RemoteKind.EXPIRED, "the credentials have expired", code="ExpiredToken")
RACED = RemoteError(RemoteKind.UNAVAILABLE, "another writer was at it", code="ConditionalRequestConflict")
GONE = RemoteError(RemoteKind.MISSING, "the upload is gone", code="NoSuchUpload")


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten bytes a part, and all over twenty go in parts."""
    monkeypatch.setattr("syncd.engine.upload.SINGLE_PUT", 20)
    monkeypatch.setattr("syncd.engine.multipart.PART", 10)
    monkeypatch.setattr("syncd.engine.multipart.MIN_PART", 10)


@pytest.fixture
def lone(tmp_path: Path) -> LoneHost:
    """An upload pair with one file of ten parts."""
    lone = lone_host(tmp_path / "root", mode=Mode.UPLOAD)
    lone.write("big", BODY)
    return lone


def break_off(lone: LoneHost, *, after: int = 4) -> None:
    """A pass in which the connection is lost for good after so many parts."""
    sent = 0

    def count() -> None:
        nonlocal sent
        sent += 1
        if sent > after:
            lone.bucket.fail_next("put_part", LOST)
        lone.bucket.intervene("put_part", count)

    lone.bucket.intervene("put_part", count)
    lone.run()
    lone.bucket._actions.clear()
    lone.bucket._faults.clear()
    assert lone.objects() == {}
    assert lone.bucket.open_uploads() == ["p/big"]
    lone.bucket.requests.clear()


def restarted(lone: LoneHost) -> None:
    lone.host.restart()
    lone.run()


def ended(lone: LoneHost) -> bool:
    """Whether nothing of any upload is left."""
    return lone.bucket.open_uploads() == [] and lone.host.records.open_uploads() == []


@pytest.mark.parametrize("again", [LoneHost.run, restarted], ids=["in the next pass", "after a restart"])
def test_an_upload_that_broke_off_goes_on_from_the_parts_that_are_there(
    lone: LoneHost, again: Callable[[LoneHost], object]
) -> None:
    break_off(lone, after=4)
    again(lone)
    assert lone.objects() == {"big": BODY}
    assert lone.bucket.requests["create_multipart"] == 0
    assert lone.bucket.requests["put_part"] == 6
    assert ended(lone)


def test_an_outage_of_several_passes_costs_no_part_that_is_there(lone: LoneHost) -> None:
    break_off(lone, after=4)
    for _ in range(3):
        lone.bucket.fail_next("put_part", LOST, times=10)
        lone.run()
        lone.bucket._faults.clear()
    lone.bucket.requests.clear()
    lone.run()
    assert lone.objects() == {"big": BODY}
    assert lone.bucket.requests["create_multipart"] == 0
    assert lone.bucket.requests["put_part"] == 6
    assert ended(lone)


def test_a_resumed_upload_is_known_as_our_own_where_the_answer_of_its_completion_gets_lost(lone: LoneHost) -> None:
    break_off(lone)
    lone.bucket.fail_next("complete_multipart", GONE, when="after")
    restarted(lone)
    assert lone.objects() == {"big": BODY}
    assert lone.bucket.requests["complete_multipart"] == 1
    assert lone.bucket.requests["create_multipart"] == 0
    assert [version.body for version in lone.bucket.history()] == [BODY]
    assert ended(lone)


def changed(lone: LoneHost) -> bytes:
    lone.write("big", BODY[::-1])
    return BODY[::-1]


def other_parts(lone: LoneHost) -> bytes:
    """The store lost what it had taken."""
    (upload,) = lone.bucket._uploads.values()
    upload.parts[2] = b"0123456789"
    return BODY


def shorter_parts(lone: LoneHost) -> bytes:
    (upload,) = lone.bucket._uploads.values()
    del upload.parts[1]
    return BODY


def no_listing(lone: LoneHost) -> bytes:
    lone.bucket.fail_next("list_parts", RemoteError(RemoteKind.REJECTED, "not known here", code="NotImplemented"))
    return BODY


def gone(lone: LoneHost) -> bytes:
    """A lifecycle rule ended it."""
    lone.bucket._uploads.clear()
    return BODY


def a_day_later(lone: LoneHost) -> bytes:
    lone.clock.seconds += 86_400
    return BODY


def another_storage_class(lone: LoneHost) -> bytes:
    pair = lone.host.pair
    lone.host.pair = replace(pair, s3=replace(pair.s3, storage_class="GLACIER_IR"))
    return BODY


@pytest.mark.parametrize(
    "meanwhile", [changed, other_parts, shorter_parts, no_listing, gone, a_day_later, another_storage_class]
)
def test_what_is_not_exactly_that_upload_any_more_is_dropped_and_begun_anew(
    lone: LoneHost, meanwhile: Callable[[LoneHost], bytes]
) -> None:
    break_off(lone)
    body = meanwhile(lone)
    restarted(lone)
    assert lone.objects() == {"big": body}
    assert lone.bucket.requests["create_multipart"] == 1
    assert lone.bucket.requests["put_part"] == 10
    assert ended(lone)


def test_a_file_that_changes_right_before_its_turn_is_begun_anew(lone: LoneHost) -> None:
    break_off(lone)
    lone.bucket.intervene("list", lambda: changed(lone))
    lone.run()
    assert lone.objects() == {"big": BODY[::-1]}
    assert lone.bucket.requests["create_multipart"] == 1
    assert ended(lone)


def test_an_upload_whose_file_is_gone_is_dropped_by_the_next_start(lone: LoneHost) -> None:
    break_off(lone)
    (lone.host.path / "big").unlink()
    lone.host.restart()
    assert ended(lone)


def test_an_upload_whose_object_is_another_one_by_now_is_dropped_by_the_next_pass(lone: LoneHost) -> None:
    break_off(lone)
    lone.bucket.plant("p/big", b"somebody else's")
    lone.run()
    assert lone.bucket.live("p/big").body == b"somebody else's"  # type: ignore[union-attr]  # it is there
    assert "p/big" not in lone.bucket.open_uploads()


def test_what_nobody_journaled_is_left_alone(lone: LoneHost) -> None:
    theirs = lone.bucket.create_multipart("p/big", headers=ObjectHeaders())
    break_off_but_for(lone, theirs)
    restarted(lone)
    assert lone.objects() == {"big": BODY}
    assert lone.bucket.open_uploads() == ["p/big"]


def break_off_but_for(lone: LoneHost, theirs: str) -> None:
    lone.bucket.fail_next("put_part", LOST)
    lone.run()
    assert theirs in lone.bucket._uploads


@pytest.mark.parametrize("operation", ["put_part", "complete_multipart"])
def test_credentials_that_run_out_in_the_middle_are_renewed_once_and_the_same_upload_goes_on(
    lone: LoneHost, operation: str
) -> None:
    lone.bucket.fail_next(operation, EXPIRED)
    lone.run()
    assert lone.objects() == {"big": BODY}
    assert lone.bucket.requests["create_multipart"] == 1
    assert ended(lone)


def test_a_race_at_the_completion_starts_that_upload_again(lone: LoneHost) -> None:
    lone.bucket.fail_next("complete_multipart", RACED)
    lone.run()
    assert lone.objects() == {"big": BODY}
    assert lone.bucket.requests["create_multipart"] == 2
    assert ended(lone)


def test_an_upload_that_is_all_there_and_cannot_be_completed_twice_is_begun_anew(lone: LoneHost) -> None:
    for _ in range(2):
        lone.bucket.fail_next("complete_multipart", LOST)
        lone.run()
    lone.run()
    assert lone.objects() == {"big": BODY}
    assert lone.bucket.requests["create_multipart"] == 2
    assert ended(lone)


class Tampering(FakeObjects):
    """A writer changes the file between its sum and its way out."""

    file: Path

    def put_part(self, *args: Any, **words: Any) -> Any:
        if args[2] == 3:
            with self.file.open("r+b") as file:
                os.pwrite(file.fileno(), b"other", 20)
        return super().put_part(*args, **words)


def test_bytes_that_changed_after_they_were_summed_are_never_completed_where_the_store_does_not_look(
    tmp_path: Path,
) -> None:
    trusting = replace(EVERYTHING, full_object_checksum=False, stores_checksum=False, rejects_wrong_crc64nvme=False)
    lone = lone_host(tmp_path / "root", mode=Mode.UPLOAD, bucket=Tampering, capabilities=trusting)
    lone.bucket._checked = lambda *_: None  # type: ignore[method-assign]  # as such a store does
    lone.bucket.file = lone.host.path / "big"  # type: ignore[attr-defined]  # of Tampering
    lone.write("big", BODY)
    lone.run()
    assert BODY[:20] + b"other" + BODY[25:] == lone.bucket.file.read_bytes()  # type: ignore[attr-defined]
    for version in lone.bucket.history("p/big"):
        assert version.body in {BODY, lone.bucket.file.read_bytes()}  # type: ignore[attr-defined]  # never a mixture
    assert lone.bucket.requests["create_multipart"] >= 2


@pytest.mark.parametrize(("enforced", "handed"), [(True, [(3, 7)]), (False, [])])
def test_a_part_is_handed_to_the_kernel_unseen_only_where_the_store_refuses_a_wrong_one(
    tmp_path: Path, enforced: bool, handed: list[tuple[int, int]]
) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "a").write_bytes(b"0123456789")
    with Root.at(tmp_path / "root").open(RelPath("a")) as file:
        body = PartBody(file.reader(3, 7), 7, lambda: Digester(frozenset()), lambda _: None, Stop())
        body.sums = not enforced
        span = body.fileno_span()
        assert ([] if span is None else [span[1:]]) == handed


def test_what_goes_by_the_kernel_is_counted_once_and_stops_with_the_daemon(tmp_path: Path) -> None:
    counted: list[int] = []
    stop = Stop()
    body = PartBody(io.BytesIO(b"0123456789"), 10, lambda: Digester(frozenset()), counted.append, stop)
    for at in (4, 10, 4, 10):  # the second time it is a retry
        body.went(at)
    assert counted == [4, 6]
    stop.abandon()
    with pytest.raises(Stale):
        body.went(10)
