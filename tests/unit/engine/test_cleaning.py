"""Cleaning on fakes: what leaves only with proof, what comes back, and that neither goes on for ever."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from support.lone_host import LoneHost, lone_host
from syncd.core.model import ConflictPolicy, LocalState, Mode
from syncd.core.paths import RelPath

KEY = "p/a.log"
BODY = b"a line\n"


@pytest.fixture
def uploaded(tmp_path: Path) -> LoneHost:
    """One file that this host uploaded, in a pair that cleans."""
    host = lone_host(tmp_path / "root", mode=Mode.UPLOAD, cleanup=True)
    host.write("a.log", BODY)
    host.run()
    return host


def state(host: LoneHost) -> LocalState | None:
    record = host.host.records.get(RelPath("a.log"))
    return None if record is None else record.local


def rewritten(host: LoneHost) -> None:
    """Another tool copies the object onto itself: the same bytes and metadata under a new ETag."""
    found = host.bucket.live(KEY)
    assert found is not None
    with host.bucket._lock:
        host.bucket._live[KEY] = replace(found, etag=type(found.etag)("0" * 31 + str(len(host.bucket.history()))))


def run_until(host: LoneHost, wanted: LocalState, passes: int = 4) -> None:
    for _ in range(passes):
        if state(host) is wanted:
            return
        host.run()
    assert state(host) is wanted


def reconfigured(host: LoneHost, **settings: object) -> None:
    host.host.pair = replace(host.host.pair, **settings)  # type: ignore[arg-type]  # fields of Pair
    host.host.restart()


def test_a_file_goes_in_two_steps_a_pass_apart(uploaded: LoneHost) -> None:
    uploaded.run()
    assert state(uploaded) is LocalState.CLEANING
    assert uploaded.files() == {}
    assert uploaded.host.root.staged(RelPath("a.log")) is not None
    uploaded.run()
    assert state(uploaded) is LocalState.CLEANED
    assert uploaded.host.root.staged(RelPath("a.log")) is None
    assert uploaded.objects() == {"a.log": BODY}


def test_a_cleaned_pair_costs_one_list_a_pass(uploaded: LoneHost) -> None:
    run_until(uploaded, LocalState.CLEANED)
    uploaded.bucket.requests.clear()
    uploaded.run()
    assert dict(uploaded.bucket.requests) == {"list": 1}


def test_a_staged_file_whose_object_changed_its_etag_comes_back_and_goes_later(uploaded: LoneHost) -> None:
    uploaded.run()
    rewritten(uploaded)
    uploaded.run()
    assert uploaded.files() == {"a.log": BODY}
    run_until(uploaded, LocalState.CLEANED)
    assert uploaded.files() == {}
    assert uploaded.objects() == {"a.log": BODY}


def test_a_new_etag_before_the_cleaning_does_not_hold_it_up_for_ever(uploaded: LoneHost) -> None:
    rewritten(uploaded)
    run_until(uploaded, LocalState.CLEANED, passes=5)
    assert uploaded.objects() == {"a.log": BODY}


def test_a_new_etag_on_a_cleaned_file_costs_one_head_in_all(tmp_path: Path) -> None:
    host = lone_host(tmp_path / "root", cleanup=True)
    host.write("a.log", BODY)
    run_until(host, LocalState.CLEANED, passes=6)
    rewritten(host)
    host.run()
    assert host.files() == {}
    host.bucket.requests.clear()
    host.run()
    assert dict(host.bucket.requests) == {"list": 1}


@pytest.mark.parametrize("gone", [True, False])
def test_a_staged_file_comes_back_where_its_object_is_gone_or_another(uploaded: LoneHost, gone: bool) -> None:
    uploaded.run()
    if gone:
        uploaded.bucket.take_away(KEY)
    else:
        uploaded.bucket.plant(KEY, b"somebody else's")
    uploaded.run()
    assert uploaded.files() == {"a.log": BODY}


def test_a_staged_file_comes_back_where_the_pair_cleans_no_more(uploaded: LoneHost) -> None:
    uploaded.run()
    assert uploaded.files() == {}
    reconfigured(uploaded, cleanup=False)
    uploaded.run()
    assert uploaded.files() == {"a.log": BODY}
    assert uploaded.run().steps == []


def test_an_unlink_whose_commit_got_lost_is_recorded_in_the_next_pass(uploaded: LoneHost) -> None:
    uploaded.run()
    image = uploaded.host.records.image()
    uploaded.run()
    uploaded.host.records.restore(image)
    marker = uploaded.host.root.marker()
    assert marker is not None
    uploaded.host.records.set_generation(marker.generation)  # a lost commit, not a database from before the batch
    assert state(uploaded) is LocalState.CLEANING
    uploaded.run()
    assert state(uploaded) is LocalState.CLEANED
    assert uploaded.run().steps == []


def test_new_content_under_a_cleaned_name_keeps_the_object_aside(uploaded: LoneHost) -> None:
    run_until(uploaded, LocalState.CLEANED)
    uploaded.write("a.log", b"the next day\n")
    uploaded.run()
    assert uploaded.bucket.contents()[KEY] == b"the next day\n"
    assert BODY in {body for key, body in uploaded.bucket.contents().items() if key.startswith("p/.syncd/")}


def test_the_same_content_back_under_a_cleaned_name_stays(uploaded: LoneHost) -> None:
    run_until(uploaded, LocalState.CLEANED)
    uploaded.write("a.log", BODY)
    for _ in range(3):
        uploaded.run()
    assert uploaded.files() == {"a.log": BODY}
    assert state(uploaded) is LocalState.PRESENT


@pytest.mark.parametrize("mode", [Mode.BIDIRECTIONAL, Mode.DOWNLOAD])
def test_a_conflict_at_the_longest_path_ends_neither_the_pass_nor_a_version(tmp_path: Path, mode: Mode) -> None:
    """There is no room for a conflict name in that folder: it stands in one above."""
    host = lone_host(tmp_path / "root", mode=mode, conflict=ConflictPolicy.KEEP_BOTH)
    path = "/".join(["d" * 250] * 4) + "/x.gz"
    host.bucket.plant(f"p/{path}", b"theirs")
    host.write(path, b"ours")
    host.run()
    host.run()
    assert host.files()[path] == b"theirs"
    assert b"ours" in host.files().values()


def test_a_staged_file_whose_object_is_gone_gives_way_to_another_one_into_trash(tmp_path: Path) -> None:
    host = lone_host(tmp_path / "root", cleanup=True)
    host.write("a.log", BODY)
    run_until(host, LocalState.CLEANING)
    host.bucket.take_away(KEY)
    host.run()
    assert host.files() == {"a.log": BODY}
    host.bucket.plant(KEY, b"somebody's older line\n")
    host.run()
    assert host.files() == {"a.log": b"somebody's older line\n"}
    assert BODY in host.host.everything().values()


def test_a_staged_file_whose_very_object_is_back_is_cleaned_as_before(uploaded: LoneHost) -> None:
    run_until(uploaded, LocalState.CLEANING)
    found = uploaded.bucket.live(KEY)
    assert found is not None
    uploaded.bucket.take_away(KEY)
    uploaded.run()
    uploaded.bucket.plant(KEY, BODY, metadata=found.headers.metadata)
    run_until(uploaded, LocalState.CLEANED, passes=5)
