"""The transport of the lean client before real servers on the loopback, most of which behave badly."""

from __future__ import annotations

import errno
import io
import os
import random
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

import pytest
import trustme

from support.processes import eventually
from support.wire_server import OK, Client, Server, answering
from syncd.s3.wire import connection
from syncd.s3.wire.body import Body, BytesBody, FileBody, StreamBody
from syncd.s3.wire.failure import Broken, Closed, CutShort, Garbled, WireError
from syncd.s3.wire.origin import Patience
from syncd.s3.wire.request import Request
from syncd.s3.wire.transport import Meter, Transport

USUAL = Patience(connect_s=5, answer_s=20)
SHORT = Patience(connect_s=5, answer_s=0.6)
LONG = 8 << 20


def request(method: str = "GET", body: Body | None = None, target: bytes = b"/") -> Request:
    size = b"" if body is None else b"Content-Length: %d\r\n" % body.size
    return Request(method, target, b"Host: localhost\r\n" + size, body)


def said(transport: Transport, asked: Request) -> tuple[int, bytes]:
    with transport.exchange(asked) as response:
        return response.status, response.read(1 << 20)


Opened = Callable[..., Transport]


@pytest.fixture
def opened(authority: trustme.CA) -> Iterator[Opened]:
    """A transport to a server, which trusts the authority of these tests where it is TLS."""
    made: list[Transport] = []

    def to(server: Server, patience: Patience = USUAL, meter: Meter | None = None) -> Transport:
        tls = None
        if server.origin.scheme == "https":
            tls = ssl.create_default_context()
            authority.configure_trust(tls)
        made.append(Transport(server.origin, tls=tls, patience=patience, meter=meter))
        return made[-1]

    yield to
    for transport in made:
        transport.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture(scope="module")
def certified(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture(params=["plain", "tls"])
def tls(request: pytest.FixtureRequest, certified: ssl.SSLContext) -> ssl.SSLContext | None:
    return certified if request.param == "tls" else None


@pytest.fixture
def numbers(tmp_path: Path) -> Iterator[tuple[int, bytes]]:
    """An open file, and what is in it: no two places of it look alike."""
    data = random.Random(5).randbytes(LONG + (1 << 20))
    (tmp_path / "numbers").write_bytes(data)
    fd = os.open(tmp_path / "numbers", os.O_RDWR)
    yield fd, data
    os.close(fd)


KINDS: dict[str, Callable[[int, bytes, int], Body]] = {
    "bytes": lambda fd, data, size: BytesBody(data[100 : 100 + size]),
    "file": lambda fd, data, size: FileBody(fd, 100, size),
    "stream": lambda fd, data, size: StreamBody(at(io.BytesIO(data), 100), size),
}


def at(stream: io.BytesIO, offset: int) -> io.BytesIO:
    stream.seek(offset)
    return stream


# --- connecting ----------------------------------------------------------------------------------------------


def test_a_server_whose_certificate_we_trust_is_spoken_to(opened: Opened, certified: ssl.SSLContext) -> None:
    with Server(answering(), tls=certified) as server:
        assert said(opened(server), request()) == (200, b"ok")


@pytest.mark.parametrize(
    ("name", "ours", "reason"),
    [
        ("elsewhere.example", True, "Hostname mismatch"),
        ("expired", True, "certificate has expired"),
        ("localhost", False, "unable to get local issuer certificate"),
    ],
)
def test_a_certificate_is_refused_with_its_reason(
    opened: Opened, authority: trustme.CA, name: str, ours: bool, reason: str
) -> None:
    long_ago = datetime(2020, 1, 1, tzinfo=timezone.utc)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    issuer = authority if ours else trustme.CA()
    expired = name == "expired"
    issued = issuer.issue_cert("localhost" if expired else name, not_after=long_ago if expired else None)
    issued.configure_cert(context)
    with Server(answering(), tls=context) as server:
        with pytest.raises(WireError, match=f"certificate of localhost was refused: .*{reason}"):
            opened(server).exchange(request())


def test_what_speaks_no_tls_is_unreachable(opened: Opened, certified: ssl.SSLContext) -> None:
    def shout(client: Client) -> None:
        client.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        client.until_gone()

    with Server(shout) as plain, Server(answering(), tls=certified) as server:
        server.port = plain.port
        with pytest.raises(WireError, match="no TLS with localhost"):
            opened(server).exchange(request())


def test_a_silent_handshake_ends_by_the_clock(opened: Opened, certified: ssl.SSLContext) -> None:
    with Server(lambda client: void(client.until_gone())) as silent, Server(answering(), tls=certified) as server:
        server.port = silent.port
        with pytest.raises(WireError, match="no TLS in time"):
            opened(server, Patience(connect_s=0.3)).exchange(request())


def void(_: object) -> None:
    """Nothing."""


def test_https_is_never_spoken_in_the_clear(certified: ssl.SSLContext) -> None:
    with Server(answering(), tls=certified) as server:
        with pytest.raises(ValueError, match="https and TLS"):
            Transport(server.origin)


def test_a_later_connection_resumes_the_session(opened: Opened, certified: ssl.SSLContext) -> None:
    resumed: list[bool | None] = []

    def once(client: Client) -> None:
        assert isinstance(client.sock, ssl.SSLSocket)
        resumed.append(client.sock.session_reused)
        while client.request()[0]:
            client.send(OK)

    with Server(once, tls=certified) as server:
        transport = opened(server)
        said(transport, request())
        transport.close()
        said(transport, request())
        eventually(lambda: len(resumed) == 2, within=10, what="two connections")
    assert resumed == [False, True]


def test_ipv6_alone_is_enough(opened: Opened) -> None:
    with Server(answering(), host="::1") as server:
        assert said(opened(server), request()) == (200, b"ok")


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port of ::1 where nobody accepts: no refusal comes, and no connection."""
    with socket.create_server(("::1", 0), family=socket.AF_INET6, backlog=0) as listener:
        callers = []
        while True:
            caller = socket.socket(socket.AF_INET6)
            caller.settimeout(0.3)
            callers.append(caller)
            try:
                caller.connect(listener.getsockname())
            except TimeoutError:
                break
        yield listener.getsockname()[1]
        for caller in callers:
            caller.close()


def addresses(monkeypatch: pytest.MonkeyPatch, *found: tuple[str, int]) -> None:
    rows = [
        (socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))
        for host, port in found
    ]
    monkeypatch.setattr("syncd.s3.wire.origin.socket.getaddrinfo", lambda *_, **__: rows)


def test_a_dead_ipv6_does_not_hide_ipv4(opened: Opened, deaf: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(answering()) as server:
        addresses(monkeypatch, ("::1", deaf), ("127.0.0.1", server.port))
        assert said(opened(server), request()) == (200, b"ok")


def test_an_address_that_refuses_is_passed_over(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(answering()) as server:
        addresses(monkeypatch, ("127.0.0.1", 1), ("::1", 1), ("127.0.0.1", server.port))
        assert said(opened(server), request()) == (200, b"ok")


def test_no_address_that_answers_is_unreachable(opened: Opened, deaf: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with Server(answering()) as server:
        transport = opened(server, Patience(connect_s=0.6))
        addresses(monkeypatch, ("::1", deaf), ("127.0.0.1", 1))
        with pytest.raises(WireError, match="no answer in time"):
            transport.exchange(request())
        addresses(monkeypatch, ("127.0.0.1", 1))
        with pytest.raises(WireError, match="refused"):
            transport.exchange(request())
        addresses(monkeypatch)
        with pytest.raises(WireError, match="no address"):
            transport.exchange(request())


def test_no_proxy_is_spoken_to(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with Server(answering()) as server:
        assert said(opened(server), request()) == (200, b"ok")


# --- what is sent --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 64 * 1024 + 1, 1 << 20, LONG])
@pytest.mark.parametrize("kind", KINDS)
def test_a_body_arrives_as_it_is(
    opened: Opened, tls: ssl.SSLContext | None, numbers: tuple[int, bytes], kind: str, size: int
) -> None:
    fd, data = numbers
    got: list[tuple[bytes, bytes]] = []

    def keep(client: Client) -> None:
        while (asked := client.request())[0]:
            got.append(asked)
            client.send(OK)

    told: list[int] = []
    with Server(keep, tls=tls) as server:
        transport = opened(server, meter=told.append)
        for _ in range(2):
            assert said(transport, request("PUT", KINDS[kind](fd, data, size))) == (200, b"ok")
        assert server.connections == 1
        transport.close()
    for head, body in got:
        assert body == data[100 : 100 + size]
        assert (b"Expect:" in head) == (size > 1 << 20)
    assert sum(told) == 2 * size
    assert max(told, default=0) <= 256 * 1024


def test_a_kernel_that_cannot_send_the_file_has_it_read(
    opened: Opened, numbers: tuple[int, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    got: list[bytes] = []
    real, calls = os.sendfile, 0

    def once(*of: int) -> int:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise OSError(errno.EINVAL, "not from here")
        return real(*of)

    def keep(client: Client) -> None:
        got.append(client.request()[1])
        client.send(OK)

    monkeypatch.setattr(os, "sendfile", once)
    with Server(keep) as server:
        assert said(opened(server), request("PUT", FileBody(numbers[0], 100, 1 << 20)))[0] == 200
    assert got == [numbers[1][100 : 100 + (1 << 20)]]


@pytest.mark.parametrize("kept", [500, 300 * 1024])
@pytest.mark.parametrize("kind", ["file", "stream"])
def test_a_file_that_shrinks_is_an_end_of_file_and_no_request(
    opened: Opened, tls: ssl.SSLContext | None, numbers: tuple[int, bytes], kind: str, kept: int
) -> None:
    fd, data = numbers
    body = KINDS[kind](fd, data[:kept], kept + 100)
    os.truncate(fd, kept)
    bodies: list[bytes] = []

    def keep(client: Client) -> None:
        head, body = client.request()
        if head:
            bodies.append(body)

    with Server(keep, tls=tls) as server:
        with pytest.raises(EOFError):
            opened(server).exchange(request("PUT", body))
    assert all(len(got) < kept + 100 for got in bodies), "the server never saw a whole body"


def test_a_file_that_cannot_be_read_is_no_failure_of_the_wire(
    opened: Opened, numbers: tuple[int, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: int) -> int:
        raise OSError(errno.EIO, "a bad sector")

    monkeypatch.setattr(os, "sendfile", broken)
    with Server(lambda client: void(client.until_gone())) as server:
        with pytest.raises(OSError, match="a bad sector"):
            opened(server).exchange(request("PUT", FileBody(numbers[0], 0, 1 << 20)))


# --- early answers -------------------------------------------------------------------------------------------

NO = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 3\r\n\r\nno!"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ends", ["closes", "stays"])
def test_an_answer_is_heard_while_the_body_is_sent(
    opened: Opened, tls: ssl.SSLContext | None, numbers: tuple[int, bytes], kind: str, ends: str
) -> None:
    fd, data = numbers

    def refuse(client: Client) -> None:
        client.head()
        client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        client.sock.recv(1000)
        client.send(NO)
        if ends == "stays":
            client.until_gone()

    with Server(refuse, tls=tls) as server:
        transport = opened(server)
        for number in (1, 2):
            assert said(transport, request("PUT", KINDS[kind](fd, data, LONG))) == (403, b"no!")
            assert server.connections == number, "such a connection is never used again"


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_of_a_server_that_takes_nothing_more_is_heard(
    opened: Opened, tls: ssl.SSLContext | None, numbers: tuple[int, bytes], kind: str
) -> None:
    fd, data = numbers
    over = threading.Event()

    def refuse(client: Client) -> None:
        client.head()
        client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        client.sock.recv(1000)
        over.wait(0.1)  # until the client cannot send any more: its next look is the one after its time-out
        client.send(NO)
        over.wait(20)

    with Server(refuse, tls=tls) as server:
        try:
            assert said(opened(server, SHORT), request("PUT", KINDS[kind](fd, data, LONG))) == (403, b"no!")
        finally:
            over.set()


def test_a_server_that_takes_nothing_fails_by_the_clock(opened: Opened, tls: ssl.SSLContext | None) -> None:
    over = threading.Event()
    with Server(lambda client: void((client.head(), over.wait(20))), tls=tls) as server:
        try:
            with pytest.raises(Broken, match="nothing was taken in time"):
                opened(server, SHORT).exchange(request("PUT", BytesBody(bytes(LONG))))
        finally:
            over.set()


def test_a_server_that_takes_little_fails_by_its_rate(opened: Opened, tls: ssl.SSLContext | None) -> None:
    over = threading.Event()

    def sip(client: Client) -> None:
        client.head()
        while client.sock.recv(20_000) and not over.wait(0.005):
            pass

    with Server(sip, tls=tls) as server:
        try:
            slow = Patience(answer_s=20, rate=1e9, over_s=0.3)
            with pytest.raises(Broken, match="too slow"):
                opened(server, slow).exchange(request("PUT", BytesBody(bytes(LONG * 4))))
        finally:
            over.set()


# --- Expect: 100-continue ------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n", NO])
def test_a_body_that_is_not_wanted_is_not_sent(opened: Opened, tls: ssl.SSLContext | None, answer: bytes) -> None:
    behind: list[bytes] = []

    def refuse(client: Client) -> None:
        client.head()
        client.sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            client.sock.recv(1)  # TLS has words of its own at first, and they are not taken for an answer
        client.sock.settimeout(20)
        client.send(answer)
        behind.append(client.until_gone())

    with Server(refuse, tls=tls) as server:
        transport = opened(server)
        assert said(transport, request("PUT", BytesBody(bytes(LONG))))[0] in {403, 417}
        said(transport, request("PUT", BytesBody(bytes(LONG))))
        assert server.connections == 2
    assert behind == [b"", b""]


def test_a_server_that_does_not_know_the_question_gets_the_body(
    opened: Opened, tls: ssl.SSLContext | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CONTINUE_S", 0.1)

    def simple(client: Client) -> None:
        while head := client.head():
            assert client.body(head) == bytes(LONG)
            client.send(OK)

    with Server(simple, tls=tls) as server:
        transport = opened(server)
        for _ in range(2):
            assert said(transport, request("PUT", BytesBody(bytes(LONG)))) == (200, b"ok")
        assert server.connections == 1


# --- connections that end ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1000, LONG])
@pytest.mark.parametrize("how", ["closed", "reset"])
def test_a_used_connection_that_ends_without_a_word_is_replaced_once(
    opened: Opened, tls: ssl.SSLContext | None, numbers: tuple[int, bytes], kind: str, size: int, how: str
) -> None:
    fd, data = numbers
    bodies: list[bytes] = []

    def serve(client: Client) -> None:
        for _ in range(2):
            if client.number == 1 and bodies:
                client.head()
                if how == "reset":
                    client.reset()
                return
            bodies.append(client.request()[1])
            client.send(OK)

    told: list[int] = []
    with Server(serve, tls=tls) as server:
        transport = opened(server, meter=told.append)
        said(transport, request("PUT", BytesBody(b"first")))
        assert said(transport, request("PUT", KINDS[kind](fd, data, size))) == (200, b"ok")
        assert server.connections == 2
        transport.close()
    assert bodies[:2] == [b"first", data[100 : 100 + size]]


def test_a_fresh_connection_that_ends_is_not_replaced(opened: Opened, tls: ssl.SSLContext | None) -> None:
    with Server(lambda client: void(client.head()), tls=tls) as server:
        with pytest.raises(Closed):
            opened(server).exchange(request())
        assert server.connections == 1


def test_the_replacement_is_not_replaced(opened: Opened) -> None:
    def serve(client: Client) -> None:
        client.request()
        if client.number == 1:
            client.send(OK)
            client.request()

    with Server(serve) as server:
        transport = opened(server)
        said(transport, request())
        with pytest.raises(Closed):
            transport.exchange(request())
        assert server.connections == 2


@pytest.mark.parametrize("words", [b"H", OK[:20], b"HTTP/1.1 102 Processing\r\n\r\n", b"junk"])
def test_a_connection_that_ends_after_a_word_is_not_replaced(opened: Opened, words: bytes) -> None:
    def serve(client: Client) -> None:
        client.request()
        client.send(OK)
        client.request()
        client.send(words)

    with Server(serve) as server:
        transport = opened(server)
        said(transport, request())
        with pytest.raises((Broken, Garbled)):
            transport.exchange(request())
        assert server.connections == 1


@pytest.mark.parametrize("unasked", [b"", b"HTTP/1.1 408 Too Late\r\nContent-Length: 0\r\n\r\n", b"junk"])
def test_what_was_said_unasked_is_no_answer_to_the_next_request(
    opened: Opened, tls: ssl.SSLContext | None, unasked: bytes
) -> None:
    read, spoken, over = threading.Event(), threading.Event(), threading.Event()

    def serve(client: Client) -> None:
        client.request()
        client.send(OK)
        if client.number > 1:
            return
        read.wait(20)
        client.send(*([unasked] if unasked else []))
        if not unasked:
            client.sock.close()
        spoken.set()
        over.wait(20)

    with Server(serve, tls=tls) as server:
        transport = opened(server)
        said(transport, request())
        read.set()
        assert spoken.wait(20)
        try:
            assert said(transport, request()) == (200, b"ok")
            assert server.connections == 2
        finally:
            over.set()


@pytest.mark.parametrize("how", ["closed", "reset"])
def test_a_body_that_breaks_off_is_an_error(opened: Opened, tls: ssl.SSLContext | None, how: str) -> None:
    heard = threading.Event()

    def serve(client: Client) -> None:
        client.request()
        client.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 50)
        heard.wait(20)
        if how == "reset":
            client.reset()

    with Server(serve, tls=tls) as server:
        with opened(server).exchange(request()) as response:
            heard.set()
            with pytest.raises((Broken, CutShort)):
                response.read(1000)
        assert server.connections == 1


def test_an_end_that_tls_did_not_announce_is_no_end_of_a_body(opened: Opened, certified: ssl.SSLContext) -> None:
    def serve(client: Client) -> None:
        client.request()
        client.send(b"HTTP/1.1 200 OK\r\n\r\nall of it")
        if client.number == 1:
            assert isinstance(client.sock, ssl.SSLSocket)
            client.sock.unwrap()

    with Server(serve, tls=certified) as server:
        transport = opened(server)
        assert said(transport, request()) == (200, b"all of it")
        with pytest.raises(WireError):
            said(transport, request())


def test_more_than_was_announced_is_left_and_the_connection_with_it(opened: Opened) -> None:
    with Server(answering(OK + b" and more")) as server:
        transport = opened(server)
        for number in (1, 2):
            assert said(transport, request()) == (200, b"ok")
            assert server.connections == number


def test_a_body_that_was_not_read_ends_its_connection(opened: Opened, tls: ssl.SSLContext | None) -> None:
    with Server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 500000\r\n\r\n" + bytes(500_000)), tls=tls) as server:
        transport = opened(server)
        transport.exchange(request()).close()
        with transport.exchange(request()) as response:
            assert response.read(500_000) == bytes(500_000)
        with transport.exchange(request()) as response:
            assert response.read(500_000) == bytes(500_000)
        assert server.connections == 2


# --- servers without end -------------------------------------------------------------------------------------


def dribbling(start: bytes, more: bytes, pause_s: float) -> Callable[[Client], None]:
    never = threading.Event()

    def serve(client: Client) -> None:
        client.request()
        client.send(start)
        while not never.wait(pause_s):
            client.send(more)

    return serve


def test_a_head_that_dribbles_fails_by_the_clock(opened: Opened, tls: ssl.SSLContext | None) -> None:
    with Server(dribbling(b"HTTP/1.1 200 OK\r\nA: ", b"a", 0.02), tls=tls) as server:
        with pytest.raises(Broken, match="did not come in time"):
            opened(server, SHORT).exchange(request())


def test_silence_fails_by_the_clock(opened: Opened, tls: ssl.SSLContext | None) -> None:
    with Server(lambda client: void(client.until_gone()), tls=tls) as server:
        with pytest.raises(Broken, match="no answer in time"):
            opened(server, SHORT).exchange(request())


@pytest.mark.parametrize(
    "start", [b"Content-Length: 9000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nfff\r\n", b"\r\n"]
)
def test_a_body_that_dribbles_fails_by_its_rate(opened: Opened, tls: ssl.SSLContext | None, start: bytes) -> None:
    slow = Patience(answer_s=20, rate=1e6, over_s=0.3)
    with Server(dribbling(b"HTTP/1.1 200 OK\r\n" + start, b"a", 0.01), tls=tls) as server:
        with opened(server, slow).exchange(request()) as response:
            with pytest.raises(Broken, match="too slow"):
                response.read(1 << 20)


# --- many at once --------------------------------------------------------------------------------------------


def echo(client: Client) -> None:
    while head := client.head():
        path = head.split(b" ")[1] + client.body(head)
        client.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(path), path)


def test_two_requests_of_one_thread_get_their_own_answers(opened: Opened, tls: ssl.SSLContext | None) -> None:
    with Server(echo, tls=tls) as server:
        transport = opened(server)
        for _ in range(3):
            one, other = (transport.start(request(target=path)) for path in (b"/one", b"/other"))
            with other.response() as second, one.response() as first:
                assert (first.read(100), second.read(100)) == (b"/one", b"/other")
        assert server.connections == 2


def test_what_was_started_and_not_wanted_leaves_nothing_behind(opened: Opened) -> None:
    with Server(echo) as server:
        transport = opened(server)
        said(transport, request())
        unwanted = transport.start(request(target=b"/unwanted"))
        unwanted.close()
        assert said(transport, request(target=b"/wanted")) == (200, b"/wanted")
        finished = transport.start(request())
        said_so = finished.response().read(100)
        finished.close()
        assert (said_so, said(transport, request(target=b"/next"))) == (b"/", (200, b"/next"))
        assert server.connections == 2
        with pytest.raises(RuntimeError):
            finished.response()


def test_every_thread_gets_its_own_answers(opened: Opened, tls: ssl.SSLContext | None) -> None:
    with Server(echo, tls=tls) as server:
        transport = opened(server)

        def ask(thread: int) -> None:
            for number in range(40):
                word = b"/%d.%d" % (thread, number)
                assert said(transport, request("PUT", BytesBody(b"-" * number), word)) == (200, word + b"-" * number)

        with ThreadPoolExecutor(6) as threads:
            list(threads.map(ask, range(6)))
        assert server.connections <= 6
