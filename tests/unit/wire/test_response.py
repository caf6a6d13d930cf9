"""An answer is whole, or it is an error: cut anywhere, ended anywhere, changed anywhere."""

from __future__ import annotations

import errno
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.wire_script import Script, answered
from syncd.s3.wire.connection import PROVISIONAL
from syncd.s3.wire.failure import Broken, Closed, CutShort, Garbled, WireError
from syncd.s3.wire.head import FIELDS, LIMIT

COUNTED = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello world"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n001;name=value\r\n \r\n5 ;x\r\nworld\r\n0\r\nTrailer: one\r\n\r\n"
)
TWICE = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\nA: b\r\n\r\n" + COUNTED
UNTIL_ITS_END = b"HTTP/1.1 200 OK\r\n\r\nhello world"
WHOLE = [COUNTED, CHUNKED, TWICE, UNTIL_ITS_END]


@pytest.mark.parametrize("looked_for", [False, True])
@pytest.mark.parametrize("raw", WHOLE)
def test_an_answer_is_the_same_wherever_it_is_cut(raw: bytes, looked_for: bool) -> None:
    for cut in range(1, len(raw)):
        assert answered(raw, [cut], looked_for=looked_for) == (200, b"hello world")
    assert answered(raw, [1] * len(raw), looked_for=looked_for) == (200, b"hello world")


@pytest.mark.parametrize("looked_for", [False, True])
@pytest.mark.parametrize("raw", WHOLE[:3])
def test_an_answer_that_ends_early_is_none(raw: bytes, looked_for: bool) -> None:
    for end in range(len(raw)):
        with pytest.raises(WireError):
            answered(raw[:end], looked_for=looked_for)


@pytest.mark.parametrize("looked_for", [False, True])
def test_nothing_at_all_is_told_from_half_a_head(looked_for: bool) -> None:
    with pytest.raises(Closed):
        answered(b"", looked_for=looked_for)
    for half in (b"H", COUNTED[:30], b"HTTP/1.1 100 Continue\r\n\r\n"):
        with pytest.raises(Broken) as caught:
            answered(half, looked_for=looked_for)
        assert not isinstance(caught.value, Closed), "the server had begun to speak: nothing is sent again by itself"


@pytest.mark.parametrize("looked_for", [False, True])
def test_a_network_that_died_is_no_end_of_the_connection(looked_for: bool) -> None:
    with Script(b"") as script:
        script.socket.broken = TimeoutError(errno.ETIMEDOUT, "timed out")
        with pytest.raises(Broken, match="no answer in time") as caught:
            script.answer(looked_for=looked_for)
    assert not isinstance(caught.value, Closed), "it may have arrived: it is not sent again by itself"


def test_a_body_that_is_too_short_is_named_so() -> None:
    with pytest.raises(CutShort, match="3 bytes early"):
        answered(COUNTED[:-3])
    with pytest.raises(CutShort):
        answered(CHUNKED[: CHUNKED.index(b"world") + 2])


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        (COUNTED, True),
        (CHUNKED, True),
        (TWICE, True),
        (UNTIL_ITS_END, False),
        (COUNTED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), False),
        (COUNTED.replace(b"1.1", b"1.0"), False),
        (CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Length: 11\r\n\r\n", 1), False),
    ],
)
@pytest.mark.parametrize("sips", [[], [1] * 200, [25], [50]])
def test_a_connection_is_kept_where_the_server_keeps_it(raw: bytes, kept: bool, sips: Sequence[int]) -> None:
    with Script(raw, sips) as script:
        with script.answer() as response:
            assert response.read(100) == b"hello world"
        assert script.kept() == kept


@pytest.mark.parametrize("raw", [COUNTED + b"!", CHUNKED + b"HTTP/1.1 200 OK\r\n", COUNTED + COUNTED])
def test_a_connection_that_brought_too_much_is_not_kept(raw: bytes) -> None:
    with Script(raw) as script:
        with script.answer() as response:
            assert response.read(100) == b"hello world"
        assert not script.kept()


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize("status", [b"200", b"204", b"304"])
def test_an_answer_without_a_body_is_over_with_its_head(method: str, status: bytes) -> None:
    if (method, status) == ("GET", b"200"):
        return
    names_a_body_that_it_cannot_have = (method, status) == ("GET", b"204")
    with Script(b"HTTP/1.1 " + status + b" \r\nContent-Length: 500\r\n\r\n") as script:
        with script.answer(method) as response:
            assert response.read(10) == b""
            assert response.headers["content-length"] == "500"
        assert script.kept() is not names_a_body_that_it_cannot_have


def test_a_part_that_was_read_ends_the_connection() -> None:
    with Script(COUNTED, [len(COUNTED) - 4]) as script:
        response = script.answer()
        assert response.read(3) == b"hel"
        assert not script.kept()
        with pytest.raises(CutShort):
            response.read(3)


def test_what_was_closed_reads_as_an_error_and_never_as_empty() -> None:
    with Script(COUNTED) as script:
        response = script.answer()
        response.close()
        assert not script.kept()
        with pytest.raises(CutShort):
            response.read(20)


def test_a_reader_that_stops_ends_the_connection() -> None:
    with Script(CHUNKED) as script:
        for piece in script.answer():
            assert piece == b"hello"
            break
        assert not script.kept()


def test_a_failure_in_the_body_ends_the_connection() -> None:
    with Script(COUNTED[:-1]) as script:
        with pytest.raises(CutShort):
            script.answer().read(100)
        assert not script.kept()


def test_an_answer_comes_after_so_many_provisional_ones_and_no_more() -> None:
    one = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    assert answered(one * PROVISIONAL + COUNTED)[0] == 200
    with pytest.raises(Garbled):
        answered(one * (PROVISIONAL + 1) + COUNTED)


def chunks(text: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + text


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n" + COUNTED,
        b"HTTP/1.1 200 OK\r\nA: " + b"a" * LIMIT + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: a\r\n" * (LIMIT // 4),
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"<html><body>no S3 here</body></html>",
        b"\x15\x03\x01\x00\x02\x02\x16",
        chunks(b"x\r\n"),
        chunks(b"\r\n\r\n"),
        chunks(b"-5\r\nhello\r\n0\r\n\r\n"),
        chunks(b"+5\r\nhello\r\n0\r\n\r\n"),
        chunks(b"0x5\r\nhello\r\n0\r\n\r\n"),
        chunks(b"5_0\r\nhello\r\n0\r\n\r\n"),
        chunks(b"5\nhello\n0\n\n"),
        chunks(b"5\r\nhello world\r\n0\r\n\r\n"),
        chunks(b"4\r\nhello\r\n0\r\n\r\n"),
        chunks(b"1" * 17 + b"\r\n"),
        chunks(b"5" + b"5" * 5000),
        chunks(b"5;" + b"x" * 5000 + b"\r\nhello\r\n0\r\n\r\n"),
        chunks(b"0\r\n" + b"a: b\r\n" * (FIELDS + 1) + b"\r\n"),
    ],
)
def test_what_is_no_http_is_garbled(raw: bytes) -> None:
    for sips in ([], [len(raw) - 1]):
        with pytest.raises(Garbled):
            answered(raw, sips)


MUTATION = st.tuples(st.integers(0, 400), st.integers(0, 12), st.binary(max_size=12))
PIECES = st.lists(
    st.sampled_from([b"5\r\n", b"hello", b"\r\n", b"0\r\n\r\n", b"0", b"a: b\r\n", b"ffffffff\r\n", b";", COUNTED]),
    max_size=12,
).map(b"".join)


@given(
    raw=st.sampled_from(WHOLE),
    mutations=st.lists(MUTATION, min_size=1, max_size=4),
    sips=st.lists(st.integers(1, 40), max_size=8),
    method=st.sampled_from(["GET", "HEAD"]),
)
@settings(max_examples=300, deadline=None)
def test_a_changed_answer_is_an_answer_or_a_wire_error(
    raw: bytes, mutations: list[tuple[int, int, bytes]], sips: list[int], method: str
) -> None:
    for at, gone, added in mutations:
        raw = raw[:at] + added + raw[at + gone :]
    try:
        status, body = answered(raw, sips, method)
    except WireError:
        return
    assert 200 <= status < 600
    assert len(body) <= len(raw)


@given(text=PIECES | st.binary(max_size=60), sips=st.lists(st.integers(1, 20), max_size=12))
@settings(max_examples=200, deadline=None)
def test_any_chunks_are_a_body_or_a_wire_error(text: bytes, sips: list[int]) -> None:
    try:
        _, body = answered(chunks(text), sips)
    except WireError:
        return
    assert body in text or b"\r\n" in text


@given(
    data=st.binary(max_size=3000), sizes=st.lists(st.integers(1, 900), max_size=8), sips=st.lists(st.integers(1, 700))
)
@settings(max_examples=150, deadline=None)
def test_chunks_are_put_together_as_they_were(data: bytes, sizes: list[int], sips: list[int]) -> None:
    parts, at = [], 0
    for size in [*sizes, len(data)]:
        if part := data[at : at + size]:
            parts.append(b"%x\r\n%s\r\n" % (len(part), part))
            at += size
    assert answered(chunks(b"".join(parts) + b"0\r\n\r\n"), sips) == (200, data)
