"""What SQLite's errors mean to a person, and what to do about them."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

from syncd.errors import FatalError


def moving_away(path: Path) -> str:
    """The remedy for a database that cannot be used: where it is, and why it may go."""
    return (
        f"stop syncd and move {path} away, with its -wal and -shm files: this is safe, a daemon without its "
        "database unites both sides and deletes nothing"
    )


def explain(error: sqlite3.Error, path: Path) -> FatalError:
    """SQLite's error as a FatalError that names the file and the remedy. The caller raises it from `error`."""
    text = str(error)
    if "disk is full" in text:
        return FatalError(
            f"the database {path} cannot grow: the disk is full",
            hint=f"free some space in {path.parent}; what was not recorded is looked at again",
        )
    if "malformed" in text or "not a database" in text:
        return FatalError(f"the database {path} is corrupt: {text}", hint=moving_away(path))
    if "locked" in text:
        return FatalError(f"the database {path} is in use by another process: {text}", hint="end that process")
    if "unable to open" in text and _no_descriptor_left():
        return FatalError(f"the database {path} cannot be opened: too many open files", hint="raise LimitNOFILE")
    if "readonly" in text or "unable to open" in text:
        return FatalError(
            f"the database {path} cannot be opened for writing: {text}",
            hint=f"the daemon's user must own {path.parent} and the files in it",
        )
    return FatalError(f"the database {path} failed: {text}", hint="see the system log for errors of that disk")


def _no_descriptor_left() -> bool:
    try:
        os.close(os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
    except OSError as error:
        return error.errno in {errno.EMFILE, errno.ENFILE}
    return False
