"""Answers that a server gave too early, or broke off: what it says of a body that it never saw is no success."""

from __future__ import annotations

import hashlib
import io
import os
import random
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from support.lean_store import lean_store
from support.wire_server import Client, Server
from syncd.core.model import ETag
from syncd.errors import RemoteError, RemoteKind, Stale
from syncd.ports import Absent, Checksums, ObjectHeaders, RemoteExpect, Unchecked
from syncd.s3.wire.answers import Refused
from syncd.s3.wire.body import Body, BytesBody, FileBody, StreamBody
from syncd.s3.wire.failure import CutShort, Garbled
from syncd.s3.wire.operations import Address, Bucket
from syncd.s3.wire.request import Request
from syncd.s3.wire.sign import Keys
from syncd.s3.wire.transport import Meter, Transport
from syncd.s3.wired import Surroundings

DONE = b'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 0\r\n\r\n'
NOTHING = b'HTTP/1.1 204 No Content\r\nETag: "e"\r\n\r\n'
ASKED_FIRST, UNASKED = 8 << 20, 1 << 20

KINDS: dict[str, Callable[[int, bytes], Body]] = {
    "bytes": lambda fd, data: BytesBody(data),
    "file": lambda fd, data: FileBody(fd, 0, len(data)),
    "stream": lambda fd, data: StreamBody(io.BytesIO(data), len(data)),
}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture(params=["plain", "tls"])
def tls(request: pytest.FixtureRequest, authority: trustme.CA) -> ssl.SSLContext | None:
    if request.param == "plain":
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context


Opened = Callable[..., Transport]


@pytest.fixture
def opened(authority: trustme.CA) -> Iterator[Opened]:
    made: list[Transport] = []

    def to(server: Server, meter: Meter | None = None) -> Transport:
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        made.append(Transport(server.origin, tls=trusting if server.origin.scheme == "https" else None, meter=meter))
        return made[-1]

    yield to
    for transport in made:
        transport.close()


@pytest.fixture
def numbers(tmp_path: Path) -> Iterator[tuple[int, bytes]]:
    """An open file, and what is in it."""
    data = random.Random(5).randbytes(ASKED_FIRST)
    (tmp_path / "numbers").write_bytes(data)
    fd = os.open(tmp_path / "numbers", os.O_RDONLY)
    yield fd, data
    os.close(fd)


class Hasty:
    """A server that takes the first upload for done before it has the body, and the later ones as they are.

    It speaks behind the head, and `sent` (a meter) holds the body back until it has: after its first piece at the
    latest the client could know.
    """

    def __init__(self, early: bytes = DONE) -> None:
        self.bodies: list[bytes] = []
        self._early = early
        self._spoken = threading.Event()

    def __call__(self, client: Client) -> None:
        if client.number == 1:
            client.head()
            client.send(self._early)
            self._spoken.set()
            client.until_gone()
        while client.number > 1 and (asked := client.request())[0]:
            self.bodies.append(asked[1])
            client.send(DONE)

    def sent(self, _: int) -> None:
        assert self._spoken.wait(20)


def put(target: Transport, body: Body) -> int:
    head = b"Host: localhost\r\nContent-Length: %d\r\n" % body.size
    with target.exchange(Request("PUT", b"/", head, body)) as response:
        return response.status


@pytest.mark.parametrize("early", [DONE, NOTHING], ids=["200", "204"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [ASKED_FIRST, UNASKED], ids=["asked first", "in the midst"])
def test_a_success_before_the_body_was_sent_is_garbled(
    opened: Opened, tls: ssl.SSLContext | None, numbers: tuple[int, bytes], kind: str, size: int, early: bytes
) -> None:
    fd, data = numbers
    hasty = Hasty(early)
    with Server(hasty, tls=tls) as server:
        transport = opened(server, hasty.sent)
        with pytest.raises(Garbled, match="did not get whole"):
            put(transport, KINDS[kind](fd, data[:size]))
        assert put(transport, KINDS[kind](fd, data[:size])) == 200
        assert server.connections == 2, "the first one is not used again"
    assert hasty.bodies == [data[:size]]


@pytest.mark.parametrize("retries", [0, 1])
@pytest.mark.parametrize("size", [ASKED_FIRST, UNASKED], ids=["asked first", "in the midst"])
def test_an_upload_is_never_done_before_its_bytes_have_gone(
    numbers: tuple[int, bytes], size: int, retries: int
) -> None:
    data = numbers[1][:size]
    sums = Checksums(sha256=hashlib.sha256(data).digest())
    hasty = Hasty()
    with Server(hasty) as server:
        around = Surroundings(rest=lambda _: False, up=hasty.sent)
        store = lean_store(server, retries=retries, around=around)
        how = {"expect": Unchecked(), "headers": ObjectHeaders(), "sums": sums}
        if retries:
            assert store.put("k", io.BytesIO(data), size, **how).etag == "e"  # type: ignore[arg-type]
        else:
            with pytest.raises(RemoteError, match="makes no sense") as early:
                store.put("k", io.BytesIO(data), size, **how)  # type: ignore[arg-type]
            assert (early.value.kind, early.value.retryable) == (RemoteKind.UNAVAILABLE, True)
    assert hasty.bodies == [data] * retries


# --- refusals that are cut -----------------------------------------------------------------------------------


def cut(status: int) -> Callable[[Client], None]:
    """Refuses each request, and ends within its words."""

    def serve(client: Client) -> None:
        if client.request()[0]:
            client.send(b"HTTP/1.1 %d No\r\nContent-Length: 300\r\n\r\n<Error><Code>Half" % status)

    return serve


def refused(server: Server, transport: Transport) -> None:
    """One PUT of the lean client, by no other hand."""
    bucket = Bucket(
        transport,
        Address(server.origin, "localhost", "/bucket", "r"),
        lambda: Keys("a", "s"),
        agent="test",
        now=lambda: 0.0,
        heard=lambda _: None,
    )
    bucket.put("k", BytesBody(b"x"), {}, hashlib.sha256(b"x").hexdigest())


@pytest.mark.parametrize("status", [412, 500, 503])
def test_a_refusal_whose_words_are_cut_is_still_that_refusal(opened: Opened, status: int) -> None:
    with Server(cut(status)) as server:
        with pytest.raises(Refused) as no:
            refused(server, opened(server))
    assert (no.value.status, no.value.code) == (status, str(status))


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_refusal_that_its_word_alone_explains_is_cut_short_without_it(opened: Opened, status: int) -> None:
    with Server(cut(status)) as server:
        with pytest.raises(CutShort):
            refused(server, opened(server))


def send(server: Server, expect: RemoteExpect) -> None:
    lean_store(server).put("k", io.BytesIO(b"x"), 1, expect=expect, headers=ObjectHeaders(), sums=Checksums())


def test_a_failed_precondition_whose_words_are_cut_is_stale() -> None:
    with Server(cut(412)) as server:
        with pytest.raises(Stale):
            send(server, Absent())


def test_a_store_that_breaks_off_its_plea_to_go_slower_is_throttled() -> None:
    with Server(cut(503)) as server:
        with pytest.raises(RemoteError) as slower:
            send(server, Unchecked())
    assert (slower.value.kind, slower.value.code) == (RemoteKind.THROTTLED, "503")


def test_a_bucket_is_not_gone_by_half_a_word() -> None:
    with Server(cut(404)) as server:
        with pytest.raises(RemoteError) as half:
            send(server, Unchecked())
    assert (half.value.kind, half.value.code) == (RemoteKind.UNAVAILABLE, "CutShort")


# --- how long an answer is -----------------------------------------------------------------------------------


def got(headers: bytes, body: bytes) -> tuple[int, bytes]:
    """The size of the object and its bytes, as the lean client has them of a server of these words."""

    def serve(client: Client) -> None:
        if client.request()[0]:
            client.send(b'HTTP/1.1 200 OK\r\nETag: "e"\r\n' + headers + b"\r\n\r\n" + body)

    with Server(serve) as server:
        with lean_store(server).get("k", expect=ETag("e")) as came:
            return came.facts.size, b"".join(came)


@pytest.mark.parametrize(
    ("headers", "body"),
    [(b"Transfer-Encoding: chunked", b"2\r\nab\r\n0\r\n\r\n"), (b"Connection: close", b"ab")],
    ids=["in chunks", "until it ends"],
)
def test_an_object_of_unknown_length_is_not_read(headers: bytes, body: bytes) -> None:
    with pytest.raises(RemoteError, match="does not say how many bytes") as untold:
        got(headers, body)
    assert untold.value.kind is RemoteKind.REJECTED


@pytest.mark.parametrize("headers", [b"Content-Length: 2, 2", b"Content-Length: 2\r\nContent-Length: 2"])
def test_a_length_that_is_told_twice_alike_is_that_length(headers: bytes) -> None:
    assert got(headers, b"ab") == (2, b"ab")
