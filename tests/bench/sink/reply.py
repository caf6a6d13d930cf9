"""What goes back: a head, a body of bytes, or a piece of the pattern."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus

LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
COMMON = b"x-amz-request-id: SINK\r\nServer: sink\r\nDate: "


class Reply:
    """`head` and `body` as they are sent; `piece`: (salt, start, length) of the pattern instead of a body."""

    __slots__ = ("body", "head", "piece")

    def __init__(
        self, status: int, headers: bytes = b"", body: bytes = b"", *, length: int | None = None,
        piece: tuple[int, int, int] | None = None,
    ) -> None:  # fmt: skip
        size = length if length is not None else len(body)
        told = b"" if status == 204 else b"\r\nContent-Length: %d" % size
        self.head = LINES[status] + headers + COMMON + _date() + told + b"\r\n\r\n"
        self.body = body
        self.piece = piece


_seen: tuple[int, bytes] = (0, b"")


def _date() -> bytes:
    global _seen
    now = int(time.time())
    if _seen[0] != now:
        _seen = (now, formatdate(now, usegmt=True).encode())
    return _seen[1]


def xml(text: str, status: int = 200, headers: bytes = b"") -> Reply:
    """A document."""
    return Reply(status, b"Content-Type: application/xml\r\n" + headers, text.encode())


def error(status: int, code: str, *, bodiless: bool = False) -> Reply:
    """An error as S3 words it; HEAD gets none of the words."""
    if bodiless or status == 304:
        return Reply(status)
    return xml(f'<?xml version="1.0"?>\n<Error><Code>{code}</Code><Message>said by the sink</Message></Error>', status)
