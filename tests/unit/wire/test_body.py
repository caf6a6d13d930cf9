"""What is left of a body that lies in a file is sent from where the kernel stopped, and counted on from there."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.wire_server import OK, Client, Server
from syncd.s3.wire.body import PIECE, FileBody
from syncd.s3.wire.request import Request
from syncd.s3.wire.transport import Transport

CONTENT = bytes(range(256)) * 4096
BEFORE = 100
SIZE = len(CONTENT) - BEFORE - 7


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "f").write_bytes(CONTENT)
    fd = os.open(tmp_path / "f", os.O_RDONLY)
    yield fd
    os.close(fd)


@pytest.mark.parametrize("gone", [0, 1, 1000, PIECE, SIZE - 1, SIZE])
def test_what_is_left_begins_there_ends_where_the_whole_ends_and_counts_on(file: int, gone: int) -> None:
    told: list[int] = []
    left = FileBody(file, BEFORE, SIZE, told.append).behind(BEFORE + gone)
    assert (left.fd, left.offset, left.size) == (file, BEFORE + gone, SIZE - gone)
    assert b"".join(left.pieces()) == CONTENT[BEFORE + gone : BEFORE + SIZE]
    assert told == sorted(told)
    assert told[-1:] == ([SIZE] if gone < SIZE else [])
    assert all(gone < passed <= SIZE for passed in told)


def test_what_is_left_of_the_left_still_counts_from_the_first_byte(file: int) -> None:
    told: list[int] = []
    left = FileBody(file, BEFORE, SIZE, told.append).behind(BEFORE + 10).behind(BEFORE + 30)
    assert (left.offset, left.size) == (BEFORE + 30, SIZE - 30)
    assert b"".join(left.pieces()) == CONTENT[BEFORE + 30 : BEFORE + SIZE]
    assert told[-1] == SIZE


def test_what_nobody_counts_is_left_uncounted(file: int) -> None:
    left = FileBody(file, 0, 20).behind(5)
    assert left.passed is None
    assert b"".join(left.pieces()) == CONTENT[5:20]


def test_a_body_is_counted_once_where_the_kernel_stops_in_its_midst(file: int, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = os.sendfile, 0

    def twice(*of: int) -> int:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise OSError(errno.EINVAL, "not from here")
        return real(*of)

    bodies: list[bytes] = []

    def keep(client: Client) -> None:
        bodies.append(client.request()[1])
        client.send(OK)

    monkeypatch.setattr(os, "sendfile", twice)
    told: list[int] = []
    with Server(keep) as server:
        transport = Transport(server.origin)
        head = b"Host: localhost\r\nContent-Length: %d\r\n" % SIZE
        with transport.exchange(Request("PUT", b"/", head, FileBody(file, BEFORE, SIZE, told.append))) as response:
            assert response.read(10) == b"ok"
        transport.close()
    assert bodies == [CONTENT[BEFORE : BEFORE + SIZE]]
    assert calls == 3
    assert (told, told[-1]) == (sorted(set(told)), SIZE)
