"""Messages on a stream."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncwire.framing import Frames, Junk, decode, encode


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), VALUES, max_size=4))
def test_what_is_encoded_is_decoded_and_holds_one_nul(message: dict[str, object]) -> None:
    frame = encode(message)
    assert frame.count(b"\0") == 1
    assert frame.endswith(b"\0")
    assert decode(frame[:-1]) == message


def test_a_name_that_is_no_utf8_still_makes_a_message() -> None:
    assert decode(encode({"path": "a\udcff"})[:-1]) == {"path": "a\ufffd"}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_say_is_refused(value: float) -> None:
    with pytest.raises(ValueError):
        encode({"x": value})


@pytest.mark.parametrize(
    "frame", [b"", b"{", b"[]", b"3", b"\xff\xfe", b'{"a":NaN}', b"[" * 200_000, b'{"a":' + b"9" * 9999]
)
def test_junk_is_junk(frame: bytes) -> None:
    with pytest.raises(Junk):
        decode(frame)


def test_messages_come_one_by_one_however_they_were_cut(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    frames = Frames(ours, limit=1000)
    theirs.sendall(b'{"a":1}\0{"b"')
    assert frames.receive(first=1, rest=1) == {"a": 1}
    with pytest.raises(TimeoutError):
        frames.receive(first=0.01, rest=0.01)
    theirs.sendall(b":2}\0")
    theirs.close()
    assert frames.receive(first=1, rest=1) == {"b": 2}
    assert frames.receive(first=1, rest=1) is None


def test_a_message_of_exactly_the_limit_passes_and_one_more_byte_does_not(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = pair
    frames = Frames(ours, limit=20)
    theirs.sendall(b'{"a":"' + b"x" * 12 + b'"}\0' + b'{"a":"' + b"x" * 13 + b'"}\0')
    assert frames.receive(first=1, rest=1) == {"a": "x" * 12}
    with pytest.raises(Junk, match="over 20 bytes"):
        frames.receive(first=1, rest=1)


def test_a_flood_without_an_end_is_cut_off_at_the_limit(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    theirs.sendall(b"x" * 100)
    with pytest.raises(Junk):
        Frames(ours, limit=50).receive(first=1, rest=1)
