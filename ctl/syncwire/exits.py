"""Exit codes, of synctl and of `syncd --once`."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum

from syncwire import names


class Exit(IntEnum):
    """What a shell learns."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NOT_RUNNING = 3
    ITEMS_FAILED = 4  # conflicts, or some items failed
    TEMPORARY = 5  # try again
    DEGRADED = 6
    HALTED = 7  # a person must decide
    TIMED_OUT = 10
    CONFIG = 78
    INTERRUPTED = 130


GRAVITY = (
    Exit.CONFIG,
    Exit.HALTED,
    Exit.FAILED,
    Exit.TIMED_OUT,
    Exit.ITEMS_FAILED,
    Exit.TEMPORARY,
    Exit.DEGRADED,
    Exit.OK,
)


def gravest(codes: Iterable[int]) -> Exit:
    """The one code that stands for many; OK for none. ValueError for a code that no outcome has."""
    return min((Exit(code) for code in codes), key=GRAVITY.index, default=Exit.OK)


OF_ERROR = {
    names.BAD_REQUEST: Exit.USAGE,
    names.INVALID_PARAMETER: Exit.USAGE,
    names.HALTED: Exit.HALTED,
    names.CONFIG_INVALID: Exit.CONFIG,
    names.UNAVAILABLE: Exit.TEMPORARY,
    names.CHANGED: Exit.TEMPORARY,
    names.BUSY: Exit.TEMPORARY,
    names.SHUTTING_DOWN: Exit.TEMPORARY,
    names.TIMEOUT: Exit.TIMED_OUT,
}


def of_error(name: str) -> Exit:
    """The exit code of an error on the wire; FAILED where it has none of its own."""
    return OF_ERROR.get(name, Exit.FAILED)
