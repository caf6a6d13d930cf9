"""Rows that come slowly, in pages that do not keep anybody waiting."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable

from syncd.control.port import Row
from syncwire.framing import encode

FLUSH_S = 0.5


def paced(found: Iterable[Row], *, most: int) -> Generator[list[Row], None, None]:
    """Pages of up to `most` bytes; what is there goes out with the first row that comes half a second later."""
    page: list[Row] = []
    size, since = 0, time.monotonic()
    for row in found:
        length = len(encode(row))
        if page and (size + length > most or time.monotonic() - since > FLUSH_S):
            yield page
            page, size, since = [], 0, time.monotonic()
        page.append(row)
        size += length
    yield page
