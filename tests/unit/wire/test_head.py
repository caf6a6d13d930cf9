"""The head of an answer is read as HTTP/1.1 says, or it is none."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from syncd.s3.wire.failure import Garbled
from syncd.s3.wire.head import FIELDS, Head, parse_head


def parsed(*lines: str, method: str = "GET") -> Head:
    return parse_head("\r\n".join([*lines, "", ""]).encode("latin-1"), method)


def test_names_are_small_and_what_came_twice_is_joined() -> None:
    head = parsed("HTTP/1.1 200 OK", 'ETag: "a"', "x-amz-meta-a:  1\t", "X-Amz-Meta-A:2", "Content-Length: 0")
    assert head == Head(200, {"etag": '"a"', "x-amz-meta-a": "1, 2", "content-length": "0"}, 0, False, True)


@pytest.mark.parametrize(
    ("lines", "length", "chunked", "keeps"),
    [
        (("HTTP/1.1 200 OK", "Content-Length: 12"), 12, False, True),
        (("HTTP/1.1 200", "Content-Length: 12"), 12, False, True),
        (("HTTP/1.1 200 ", "Content-Length: 12, 12"), 12, False, True),
        (("HTTP/1.1 200 OK", "Transfer-Encoding: Chunked"), None, True, True),
        (("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "Content-Length: 5"), None, True, False),
        (("HTTP/1.1 200 OK",), None, False, False),
        (("HTTP/1.1 200 OK", "Content-Length: 1", "Connection: Close"), 1, False, False),
        (("HTTP/1.1 200 OK", "Content-Length: 1", "Connection: keep-alive, close"), 1, False, False),
        (("HTTP/1.0 200 OK", "Content-Length: 1"), 1, False, False),
        (("HTTP/1.0 200 OK", "Content-Length: 1", "Connection: Keep-Alive"), 1, False, True),
        (("HTTP/1.0 200 OK", "Content-Length: 1", "Connection: keep-alive, close"), 1, False, False),
        (("HTTP/1.1 204 No Content",), 0, False, True),
        (("HTTP/1.1 204 No Content", "Content-Length: 0"), 0, False, True),
        (("HTTP/1.1 204 No Content", "Content-Length: 7"), 0, False, False),
        (("HTTP/1.1 204 No Content", "Transfer-Encoding: chunked"), 0, False, False),
        (("HTTP/1.1 304 Not Modified", "Content-Length: 7"), 0, False, True),
        (("HTTP/1.1 100 Continue",), 0, False, True),
    ],
)
def test_the_end_of_the_body_is_known(lines: tuple[str, ...], length: int | None, chunked: bool, keeps: bool) -> None:
    head = parsed(*lines)
    assert (head.length, head.chunked, head.keeps) == (length, chunked, keeps)


def test_an_answer_to_head_has_no_body() -> None:
    assert parsed("HTTP/1.1 200 OK", "Content-Length: 99", method="HEAD").length == 0


@pytest.mark.parametrize(
    "lines",
    [
        ("HTTP/2 200",),
        ("HTTP/1.2 200 OK",),
        ("HTTP/1.1 20 OK",),
        ("HTTP/1.1 2000 OK",),
        ("HTTP/1.1 600 OK",),
        ("HTTP/1.1 \u00b2\u00b2\u00b2 OK",),
        ("HTTP/1.1  200 OK",),
        ("<html>",),
        ("", "HTTP/1.1 200 OK"),
        ("HTTP/1.1 200 OK", "no colon"),
        ("HTTP/1.1 200 OK", ": no name"),
        ("HTTP/1.1 200 OK", "A : a blank before the colon"),
        ("HTTP/1.1 200 OK", "A: folded", " over two lines"),
        ("HTTP/1.1 200 OK", "A: a\0b"),
        ("HTTP/1.1 200 OK", "A: a\rContent-Length: 5"),
        ("HTTP/1.1 200 OK", "A: a\nContent-Length: 5"),
        ("HTTP/1.1 200 OK", "Content-Length: 5", "Content-Length: 6"),
        ("HTTP/1.1 200 OK", "Content-Length: 5, 05"),
        ("HTTP/1.1 200 OK", "Content-Length: -1"),
        ("HTTP/1.1 200 OK", "Content-Length: +1"),
        ("HTTP/1.1 200 OK", "Content-Length: 1_0"),
        ("HTTP/1.1 200 OK", "Content-Length: 0x10"),
        ("HTTP/1.1 200 OK", "Content-Length: \u00b2"),
        ("HTTP/1.1 200 OK", "Content-Length: "),
        ("HTTP/1.1 200 OK", "Content-Length: " + "9" * 20),
        ("HTTP/1.1 200 OK", "Transfer-Encoding: gzip, chunked"),
        ("HTTP/1.1 200 OK", "Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
        ("HTTP/1.1 200 OK", "Transfer-Encoding: identity"),
    ],
)
def test_what_is_no_http_is_refused(lines: tuple[str, ...]) -> None:
    with pytest.raises(Garbled):
        parsed(*lines)


def test_so_many_headers_and_no_more() -> None:
    most = [f"x-{number}: {number}" for number in range(FIELDS)]
    assert len(parsed("HTTP/1.1 200 OK", *most).headers) == FIELDS
    with pytest.raises(Garbled, match=f"{FIELDS + 1} headers"):
        parsed("HTTP/1.1 200 OK", *most, "one: more")


@pytest.mark.parametrize("unit", ["a", "a:", "a: ", "\r\na:b", "\r\n", "\r\na", ":"])
def test_a_hostile_head_costs_no_more_than_its_bytes(unit: str) -> None:
    raw = ("HTTP/1.1 200 OK\r\na: " + unit * (60_000 // len(unit)) + "\0\r\n\r\n").encode()
    began = time.thread_time()
    with pytest.raises(Garbled):
        parse_head(raw, "GET")
    assert time.thread_time() - began < 1


LIKELY = st.lists(
    st.sampled_from(
        [
            *(b"HTTP/1.1 200 OK", b"HTTP/1.0 404", b"\r\n", b"\r", b"\n", b" ", b":", b"0", b"5", b",", b"\0", b"\xff"),
            *(b"Content-Length: ", b"Transfer-Encoding: ", b"chunked", b"Connection: ", b"close", b"x-amz-meta-a: "),
        ]
    ),
    max_size=24,
).map(b"".join)


@given(raw=st.binary(max_size=200) | LIKELY | LIKELY.map(lambda some: b"HTTP/1.1 200 OK\r\n" + some + b"\r\n\r\n"))
@example(raw=b"")
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_a_head_or_garbled(raw: bytes) -> None:
    try:
        head = parse_head(raw, "GET")
    except Garbled:
        return
    assert raw.endswith(b"\r\n\r\n")
    assert 100 <= head.status < 600
    assert head.length is None or head.length >= 0
    assert not (head.chunked and head.length is not None)
