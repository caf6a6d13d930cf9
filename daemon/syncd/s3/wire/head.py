"""The head of an answer: status and headers, or nothing that we believe."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from syncd.s3.wire.failure import Garbled

LIMIT = 64 * 1024
FIELDS = 200
END = b"\r\n\r\n"

_HEAD = re.compile(
    rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\r\n\0]*)?"
    rb"((?:\r\n[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\r\n\0]*)*)\r\n\r\n"
)
_SIZE = re.compile(r"[0-9]{1,19}")


@dataclass(frozen=True, slots=True)
class Head:
    """Header names in lower case; of a name that came twice the values are joined by a comma.

    `length` of the body; None: in chunks, or until the connection ends. `keeps`: the connection may be used again.
    """

    status: int
    headers: Mapping[str, str]
    length: int | None
    chunked: bool
    keeps: bool


def parse_head(raw: bytes, method: str) -> Head:
    """Read the bytes up to and with the empty line. Garbled for whatever HTTP/1.1 does not allow."""
    found = _HEAD.fullmatch(raw)
    if found is None:
        raise Garbled(f"the answer is no HTTP: {raw[:60]!r}")
    lines = found[3].decode("latin-1").split("\r\n")
    if len(lines) - 1 > FIELDS:
        raise Garbled(f"an answer with {len(lines) - 1} headers")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        name, value = name.lower(), value.strip(" \t")
        headers[name] = value if name not in headers else f"{headers[name]}, {value}"
    status = int(found[2])
    connection = headers.get("connection", "").lower()
    keeps = "close" not in connection and (found[1] == b"1" or "keep-alive" in connection)
    return _framed(status, headers, method, keeps)


def _framed(status: int, headers: Mapping[str, str], method: str, keeps: bool) -> Head:
    """Where the body ends."""
    coding, told = headers.get("transfer-encoding", "").lower(), headers.get("content-length")
    if status < 200 or status == 304 or (method == "HEAD" and status < 300):
        return Head(status, headers, 0, False, keeps)
    if method == "HEAD":  # of a refusal that names a body, some send it
        return Head(status, headers, 0, False, keeps and told in {None, "0"})
    if status == 204:  # one that names a body may send it all the same, into the next answer
        return Head(status, headers, 0, False, keeps and not coding and told in {None, "0"})
    if coding:
        if coding != "chunked":
            raise Garbled(f"a body in the coding {coding[:40]!r}")
        return Head(status, headers, None, True, keeps and told is None)  # both: two readers could see two answers
    if told is None:
        return Head(status, headers, None, False, False)
    sizes = {size.strip() for size in told.split(",")}
    size = sizes.pop()
    if sizes or not _SIZE.fullmatch(size):
        raise Garbled(f"a body of {told[:40]!r} bytes")
    return Head(status, headers, int(size), False, keeps)
