"""Preconditions where the endpoint honours them, looks where it does not, and lost answers told from lost races."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from support.fake_store import EVERYTHING
from support.lone_host import LoneHost, lone_host
from syncd.core.model import ETag
from syncd.engine.precondition import own_write, sendable
from syncd.errors import Stale
from syncd.ports import Absent, Matches, RemoteExpect, Unchecked

KEY = "p/a"
BLIND = replace(EVERYTHING, put_if_none_match=False, put_if_match=False)


@pytest.fixture
def able(tmp_path: Path) -> LoneHost:
    return lone_host(tmp_path / "root")


@pytest.fixture
def blind(tmp_path: Path) -> LoneHost:
    return lone_host(tmp_path / "root", capabilities=BLIND)


@pytest.mark.parametrize("expect", [Absent(), Matches(ETag("e")), Unchecked()])
def test_what_is_honoured_is_sent_and_costs_no_look(able: LoneHost, expect: RemoteExpect) -> None:
    assert sendable(able.host.context, KEY, expect) == expect
    assert not able.bucket.requests


def test_where_nothing_is_honoured_we_look_and_send_none(blind: LoneHost) -> None:
    assert sendable(blind.host.context, KEY, Absent()) == Unchecked()
    etag = blind.bucket.plant(KEY, b"x")
    assert sendable(blind.host.context, KEY, Matches(etag)) == Unchecked()
    assert blind.bucket.requests["head"] == 2


def test_where_the_look_shows_another_world_nothing_is_sent(blind: LoneHost) -> None:
    with pytest.raises(Stale):
        sendable(blind.host.context, KEY, Matches(ETag("gone")))
    blind.bucket.plant(KEY, b"x")
    for expect in (Absent(), Matches(ETag("another"))):
        with pytest.raises(Stale):
            sendable(blind.host.context, KEY, expect)


def test_a_write_whose_answer_got_lost_is_known_as_our_own(able: LoneHost) -> None:
    etag = able.bucket.plant(KEY, b"x", metadata={"syncd-op": "op-1", "file-size": "1"})
    facts = own_write(able.host.context, KEY, Absent(), "op-1")
    assert facts is not None
    assert facts.etag == etag
    assert able.host.context.capabilities == EVERYTHING


def test_somebody_elses_write_is_a_lost_race_and_nobodys_fault(able: LoneHost) -> None:
    able.bucket.plant(KEY, b"x", metadata={"syncd-op": "op-2", "file-size": "1"})
    assert own_write(able.host.context, KEY, Absent(), "op-1") is None
    assert own_write(able.host.context, KEY, Matches(ETag("before")), "op-1") is None
    assert own_write(able.host.context, "p/gone", Matches(ETag("before")), "op-1") is None
    assert able.host.context.capabilities == EVERYTHING


def test_a_second_refusal_under_the_very_etag_that_is_there_switches_that_precondition_off(able: LoneHost) -> None:
    etag = able.bucket.plant(KEY, b"x")
    assert own_write(able.host.context, KEY, Matches(etag), "op-0") is None
    assert able.host.context.capabilities == EVERYTHING
    assert own_write(able.host.context, KEY, Matches(etag), "op-1") is None
    assert able.host.context.capabilities == replace(EVERYTHING, put_if_match=False)


def test_a_refusal_by_what_is_gone_again_before_the_look_is_a_lost_race(able: LoneHost) -> None:
    assert own_write(able.host.context, KEY, Absent(), "op-1") is None
    able.bucket.plant(KEY, b"x", metadata={"syncd-op": "op-2", "file-size": "1"})
    assert own_write(able.host.context, KEY, Absent(), "op-1") is None
    able.bucket.delete(KEY, expect=Unchecked())
    assert own_write(able.host.context, KEY, Absent(), "op-1") is None
    assert able.host.context.capabilities == EVERYTHING


def test_a_second_refusal_to_create_what_is_not_there_switches_that_precondition_off(able: LoneHost) -> None:
    assert own_write(able.host.context, KEY, Absent(), "op-0") is None
    assert able.host.context.capabilities == EVERYTHING
    assert own_write(able.host.context, KEY, Absent(), "op-1") is None
    assert able.host.context.capabilities == replace(EVERYTHING, put_if_none_match=False)


@pytest.mark.parametrize("when", ["before", "after"])
def test_an_upload_whose_answer_got_lost_ends_with_one_object_and_its_record(able: LoneHost, when: str) -> None:
    able.write("a", b"body")
    able.bucket.fail_next("put", Stale("412"), when=when)
    able.run()
    able.run()
    assert able.objects() == {"a": b"body"}
    assert able.run().steps == []
    assert len(able.bucket.history(KEY)) == 1


def test_a_file_overtaken_by_another_writer_settles_as_a_conflict_and_loses_nothing(able: LoneHost) -> None:
    able.write("a", b"ours")
    able.bucket.intervene("put", lambda: able.bucket.plant(KEY, b"theirs"))
    able.run()
    able.run()
    bodies = set(able.bucket.contents().values()) | set(able.files().values())
    trashed = {file.read_bytes() for file in (able.host.path / ".syncd" / "trash").rglob("*") if file.is_file()}
    assert {b"ours", b"theirs"} <= bodies | trashed
    assert able.objects()["a"] == able.files()["a"]
