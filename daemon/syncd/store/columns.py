"""How values that SQLite has no type for lie in a column, and how many rows go into one statement."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

_LOWEST, _HIGHEST = -(2**63), 2**63 - 1

# Few sizes, so that the statement cache knows each. Large ones because every step of a statement gives up the
# GIL: a row per statement lets one busy thread slow a group commit down thirty-fold.
_SIZES = (128, 16, 4, 1)


def wide(value: int) -> int | str:
    """An integer for a column of type ANY: decimal text where 63 bits and a sign are too few."""
    return value if _LOWEST <= value <= _HIGHEST else str(value)


def storable(text: str) -> str:
    """Free text (a message with a broken file name in it) as valid UTF-8: lone surrogates escaped."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def placeholders(width: int) -> str:
    """`(?,?,?)` for so many columns."""
    return "(" + ",".join("?" * width) + ")"


def insert_rows(connection: sqlite3.Connection, head: str, rows: Sequence[tuple[Any, ...]], tail: str = "") -> None:
    """Run `head VALUES (..),(..) tail` for all rows, in as few statements as the sizes allow."""
    for chunk in _chunks(rows):
        values = ",".join([placeholders(len(chunk[0]))] * len(chunk))
        connection.execute(f"{head} VALUES {values} {tail}", list(chain.from_iterable(chunk)))


def padded(values: Sequence[bytes]) -> Iterator[list[bytes]]:
    """The values in lists of few distinct lengths for `IN (?,?)`, the last one repeated where some are missing."""
    largest = _SIZES[0]
    for start in range(0, len(values), largest):
        chunk = list(values[start : start + largest])
        size = next(size for size in reversed(_SIZES) if size >= len(chunk))
        yield chunk + chunk[-1:] * (size - len(chunk))


def _chunks(rows: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    start = 0
    for size in _SIZES:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size
