"""Messages on a stream socket: JSON objects, each ended by a NUL byte."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Mapping
from typing import Any

MAX_REQUEST = 1 << 20
"""Bytes of one request, and of one page of rows."""

MAX_REPLY = 16 << 20
"""Bytes of one reply: what systemd's own Varlink client takes."""

PIECE = 1 << 16
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Junk(ValueError):
    """Bytes that are no message of ours: not a JSON object, or too long."""


def encode(message: Mapping[str, Any]) -> bytes:
    """One message with its NUL. ValueError for what JSON cannot say; a lone surrogate becomes U+FFFD."""
    text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        return text.encode() + b"\0"
    except UnicodeEncodeError:
        return LONE_SURROGATE.sub("\ufffd", text).encode() + b"\0"


def decode(frame: bytes) -> dict[str, Any]:
    """One message from its bytes without the NUL. Raises Junk."""
    try:
        message = json.loads(frame.decode("utf-8"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Junk(f"a message that is no JSON: {type(error).__name__}") from error
    if not isinstance(message, dict):
        raise Junk("a message that is no JSON object")
    return message


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


class Frames:
    """The messages that arrive on one socket. Not for two threads at once."""

    def __init__(self, sock: socket.socket, *, limit: int) -> None:
        self._sock = sock
        self._limit = limit
        self._buffer = bytearray()
        self._searched = 0

    @property
    def begun(self) -> bool:
        """Whether bytes have arrived that were not handed out yet."""
        return bool(self._buffer)

    def receive(self, *, first: float, rest: float) -> dict[str, Any] | None:
        """The next message, as `frame` waits for it; None at the end of the stream. Junk too where it is none."""
        frame = self.frame(first=first, rest=rest)
        return None if frame is None else decode(frame)

    def frame(self, *, first: float, rest: float) -> bytes | None:
        """The bytes of the next message without its NUL; None at the end of the stream.

        Waits `first` seconds for a byte and, from then on, `rest` seconds for the whole message. Raises
        TimeoutError (what has arrived is kept, so one may ask again), Junk, or OSError.
        """
        deadline = time.monotonic() + (rest if self._buffer else first)
        while (frame := self._take()) is None:
            began = bool(self._buffer)
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError("no whole message in time")
            self._sock.settimeout(left)
            piece = self._sock.recv(PIECE)
            if not piece:
                return None
            self._buffer += piece
            if not began:
                deadline = time.monotonic() + rest
        return frame

    def _take(self) -> bytes | None:
        end = self._buffer.find(0, self._searched)
        if end > self._limit or (end < 0 and len(self._buffer) > self._limit):
            raise Junk(f"a message over {self._limit} bytes")
        if end < 0:
            self._searched = len(self._buffer)
            return None
        frame = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._searched = 0
        return frame
