"""What ends no worker: lost credentials, a disk that fails, words that no HTTP holds, times that no year has."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from support.scripted import Said, Scripted, refusal
from syncd.config.types import S3
from syncd.core.model import ETag, ObjectFacts
from syncd.errors import ItemError, RemoteError, RemoteKind
from syncd.ports import Capabilities, Checksums, Matches, ObjectHeaders, Unchecked
from syncd.s3.facts import http_seconds
from syncd.s3.lean import LeanObjects
from syncd.s3.planes import Planes
from syncd.s3.wired import Surroundings

OK = Said(headers={"ETag": '"e"'})
TAG = ETag("e")
NEVER = "Fri, 27 Nov 99999999999999999999 01:02:03 GMT"

Store = Callable[..., tuple[LeanObjects, Scripted]]


@pytest.fixture
def store() -> Iterator[Store]:
    """The lean store of a server that says these, and that server."""
    servers: list[Scripted] = []

    def make(*answers: Said) -> tuple[LeanObjects, Scripted]:
        server = Scripted(*answers).__enter__()
        servers.append(server)
        planes = Planes.to(S3(endpoint_url=server.endpoint, retries=0), Surroundings(rest=lambda _: False))
        made = planes.store("bucket", Capabilities(stores_checksum=True))
        assert isinstance(made, LeanObjects)
        return made, server

    yield make
    for server in servers:
        server.__exit__(None, None, None)


def written(key: str = "k", **more: Any) -> dict[str, Any]:
    """The words of a write."""
    given = {"expect": Unchecked(), "headers": ObjectHeaders(), "sums": Checksums(), **more}
    return {"key": key, "body": io.BytesIO(b"x"), "size": 1, **given}


# --- credentials ---------------------------------------------------------------------------------------------


@pytest.fixture
def lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, store: Store) -> tuple[LeanObjects, Scripted]:
    """A store whose credentials come from a program, are about to end, and cannot be had again."""
    told, config = tmp_path / "told.json", tmp_path / "config"
    soon = datetime.now(timezone.utc) + timedelta(minutes=3)
    keys = {"AccessKeyId": "A", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": soon.isoformat()}
    told.write_text(json.dumps({"Version": 1, **keys}))
    config.write_text(f"[default]\ncredential_process = cat {told}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    made = store(OK)
    told.unlink()
    return made


CALLS: dict[str, Callable[[LeanObjects], object]] = {
    "put": lambda store: store.put(**written()),
    "start_put": lambda store: store.start_put(**written()),
    "put_part": lambda store: store.put_part("k", "u", 1, io.BytesIO(b"x"), 1, sums=Checksums()),
    "list": lambda store: list(store.list("")),
    "get": lambda store: store.get("k", expect=TAG).__enter__(),
    "head": lambda store: store.head("k"),
    "start_get": lambda store: store.start_get("k", expect=TAG),
    "start_head": lambda store: store.start_head("k"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_credentials_that_cannot_be_had_again_are_an_error_of_the_store(
    lost: tuple[LeanObjects, Scripted], call: Callable[[LeanObjects], object]
) -> None:
    made, server = lost
    with pytest.raises(RemoteError, match=r"told\.json") as denied:
        call(made)
    assert (denied.value.kind, denied.value.code) == (RemoteKind.DENIED, "CredentialRetrievalError")
    assert server.asked == []


# --- the disk ------------------------------------------------------------------------------------------------


class Span(io.BytesIO):
    """A body that says where its bytes lie in an open file."""

    def __init__(self, fd: int, size: int) -> None:
        super().__init__()
        self._span = fd, 0, size

    def fileno_span(self) -> tuple[int, int, int]:
        return self._span


@pytest.mark.parametrize("size", [1000, 300_000], ids=["with its head", "by the kernel"])
@pytest.mark.parametrize("kind", ["not for reading", "a folder"])
def test_a_part_that_cannot_be_read_is_an_error_of_that_file(
    store: Store, tmp_path: Path, kind: str, size: int
) -> None:
    (tmp_path / "f").write_bytes(bytes(size))
    made, server = store(OK)
    fd = os.open(tmp_path, os.O_RDONLY) if kind == "a folder" else os.open(tmp_path / "f", os.O_WRONLY)
    try:
        with pytest.raises(ItemError, match=r"s3://bucket/logs/k at .*: the local file cannot be read") as unreadable:
            made.put_part("logs/k", "u", 1, Span(fd, size), size, sums=Checksums(sha256=hashlib.sha256().digest()))
    finally:
        os.close(fd)
    assert unreadable.value.path == "logs/k"
    assert all(len(asked.body) < size for asked in server.asked), "no whole part was made of what could not be read"


# --- what HTTP cannot carry ----------------------------------------------------------------------------------

UNSPEAKABLE = {
    "a key": written("k\udcff"),
    "a precondition": written(expect=Matches(ETag("e\r\nx-evil: 1"))),
    "a storage class": written(headers=ObjectHeaders(storage_class="STANDARD\r\nx-evil: 1")),
    "a content type": written(headers=ObjectHeaders(content_type="text/plain\n")),
}


@pytest.mark.parametrize("words", UNSPEAKABLE.values(), ids=UNSPEAKABLE.keys())
def test_a_write_that_http_cannot_carry_is_rejected_however_it_begins(store: Store, words: dict[str, Any]) -> None:
    made, server = store(OK)
    told = []
    for call in (made.put, made.start_put):
        with pytest.raises(RemoteError) as rejected:
            call(**words)
        told.append((rejected.value.kind, rejected.value.code, str(rejected.value)))
    assert told[0][0] is RemoteKind.REJECTED
    assert told[0] == told[1]
    assert server.asked == []


@pytest.mark.parametrize(("key", "tag"), [("k\udcff", "e"), ("k", "e\r\nx-evil: 1")], ids=["a key", "an ETag"])
def test_a_read_that_http_cannot_carry_is_rejected_however_it_begins(store: Store, key: str, tag: str) -> None:
    made, server = store(OK)
    told = []
    for call in (lambda: made.get(key, expect=ETag(tag)).__enter__(), lambda: made.start_get(key, expect=ETag(tag))):
        with pytest.raises(RemoteError) as rejected:
            call()
        told.append((rejected.value.kind, rejected.value.code, str(rejected.value)))
    assert told[0][0] is RemoteKind.REJECTED
    assert told[0] == told[1]
    assert server.asked == []


# --- a write that goes once ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [Said(status=503), Said(400, body=refusal("MetadataTooLarge")), Said(403, body=refusal("RequestTimeTooSkewed"))],
    ids=["slow down", "too much metadata", "another clock"],
)
@pytest.mark.parametrize("once", [True, False], ids=["once", "again"])
def test_a_write_that_goes_once_is_not_sent_again_for_any_reason(said: Said, once: bool) -> None:
    with Scripted(said, OK) as server:
        planes = Planes.to(S3(endpoint_url=server.endpoint, retries=3), Surroundings(rest=lambda _: False))
        made = planes.store("bucket", Capabilities())
        started = made.start_put(**written(expect=Unchecked(once=once)))
        if once:
            with pytest.raises(RemoteError):
                started.take()
        else:
            assert started.take().etag == TAG
        assert len(server.asked) == (1 if once else 2)


def test_a_write_that_goes_once_is_not_sent_again_where_a_connection_ended_without_a_word() -> None:
    with Scripted(OK, Said(hang_up=True), OK) as server:
        planes = Planes.to(S3(endpoint_url=server.endpoint, retries=3), Surroundings(rest=lambda _: False))
        made = planes.store("bucket", Capabilities())
        made.put(**written())
        with pytest.raises(RemoteError):
            made.start_put(**written(expect=Unchecked(once=True))).take()
        assert len(server.asked) == 2


# --- a look that is refused without a word -------------------------------------------------------------------


Looking = Callable[[LeanObjects], ObjectFacts | None]
LOOKS: dict[str, Looking] = {
    "in one": lambda store: store.head("k"),
    "in two": lambda store: store.start_head("k").take(),
}


@pytest.fixture(params=LOOKS.values(), ids=LOOKS.keys())
def look(request: pytest.FixtureRequest) -> Looking:
    """Both ways to ask what lies at a key."""
    chosen: Looking = request.param
    return chosen


@pytest.mark.parametrize(
    ("status", "kind", "requests"),
    [(403, RemoteKind.DENIED, 1), (429, RemoteKind.THROTTLED, 1), (503, RemoteKind.THROTTLED, 1)],
)
def test_a_look_that_is_refused_is_not_repeated_by_the_sdk(
    store: Store, look: Looking, status: int, kind: RemoteKind, requests: int
) -> None:
    made, server = store(*[Said(status=status)] * 4)
    with pytest.raises(RemoteError) as refused:
        look(made)
    assert refused.value.kind is kind
    assert len(server.asked) == requests


def test_a_look_at_what_is_not_there_asks_once_whether_the_bucket_is(store: Store, look: Looking) -> None:
    made, server = store(Said(status=404), OK, Said(status=404))
    assert look(made) is None
    assert look(made) is None
    assert len(server.asked) == 3


def test_two_looks_are_under_way_at_once_and_each_gets_its_own_answer(store: Store) -> None:
    made, server = store(OK, Said(status=404), OK)
    first, second = made.start_head("a"), made.start_head("b")
    assert first.under_way
    assert second.under_way
    found = [second.take(), first.take()]
    assert sorted(facts is None for facts in found) == [False, True]
    assert {asked.target for asked in server.asked} >= {"/bucket/a", "/bucket/b"}


def test_a_look_that_may_be_elsewhere_is_left_to_the_sdk(store: Store, look: Looking) -> None:
    made, server = store(Said(status=400), OK)
    facts = look(made)
    assert facts is not None
    assert facts.etag == TAG
    assert len(server.asked) == 2


# --- times ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [NEVER, "Mon, 01 Jan 0000 00:00:00 GMT", "noon", "", "0001-01-01T00:00:00+23:59"])
def test_a_time_that_no_calendar_has_is_none(text: str) -> None:
    assert http_seconds(text) is None


def test_a_server_of_no_year_is_no_clock_and_its_object_has_no_time(store: Store) -> None:
    made, _ = store(Said(body=b"abc", headers={"ETag": '"e"', "Date": NEVER, "Last-Modified": NEVER}))
    with made.get("k", expect=TAG) as body:
        assert (body.facts.last_modified_s, b"".join(body)) == (0, b"abc")
    assert made.server_now() > 1_000_000_000


@pytest.mark.parametrize("date", [NEVER, "noon"])
def test_a_clock_that_cannot_be_set_by_the_servers_is_told(store: Store, date: str) -> None:
    made, server = store(Said(403, body=refusal("RequestTimeTooSkewed"), headers={"Date": date}))
    with pytest.raises(RemoteError, match="the request's time is not the server's"):
        made.put(**written())
    assert len(server.asked) == 1


@pytest.mark.parametrize("text", [NEVER, "0001-01-01T00:00:00+23:59"])
def test_a_listing_with_a_time_that_no_calendar_has_is_an_error(store: Store, text: str) -> None:
    row = f"<Contents><Key>k</Key><LastModified>{text}</LastModified><ETag>e</ETag><Size>1</Size></Contents>"
    page = f"<ListBucketResult><IsTruncated>false</IsTruncated>{row}</ListBucketResult>"
    made, server = store(Said(body=page.encode()))
    with pytest.raises(RemoteError, match="makes no sense"):
        list(made.list(""))
    assert len(server.asked) == 1
