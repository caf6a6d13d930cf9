"""Connections to the one file: the writer's, and a read-only one for each thread that reads."""

from __future__ import annotations

import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

from syncd import checkpoint
from syncd.errors import FatalError
from syncd.store.failure import explain

BUSY_S = 10.0

Row = tuple[Any, ...]


def connect_writer(path: Path) -> sqlite3.Connection:
    """Open for writing, made 0600 where it is not there. WAL, and COMMIT returns after fsync."""
    _create(path)
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA journal_size_limit = 67108864")
    except BaseException:
        connection.close()
        raise
    return connection


def _create(path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    os.close(descriptor)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with checkpoint.STORE_CREATE:
            os.fsync(folder)
    finally:
        os.close(folder)


class _Reader:
    """One thread's connection. The lock is taken by others only to close it."""

    __slots__ = ("connection", "lock", "thread")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.lock = threading.Lock()
        self.thread = threading.current_thread()


class Readers:
    """Read-only connections, one per thread, opened on its first question. No transaction outlives a question."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._uri = f"{path.absolute().as_uri()}?mode=ro"
        self._mine = threading.local()
        self._lock = threading.Lock()
        self._all: list[_Reader] = []
        self._closed = False

    def rows(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[Row]:
        """Every row of the answer. FatalError where the database fails or is closed."""
        reader: _Reader | None = getattr(self._mine, "reader", None)
        if reader is None:
            reader = self._open()
        with reader.lock:
            if self._closed:
                raise FatalError(f"the database {self._path} is closed")
            try:
                return reader.connection.execute(sql, parameters).fetchall()
            except sqlite3.Error as error:
                raise explain(error, self._path) from error

    def row(self, sql: str, parameters: tuple[Any, ...] = ()) -> Row | None:
        """The first row of the answer, or None."""
        found = self.rows(sql, parameters)
        return found[0] if found else None

    def release(self) -> None:
        """Close the calling thread's connection, if it has one; the next question opens another."""
        reader: _Reader | None = getattr(self._mine, "reader", None)
        if reader is None:
            return
        del self._mine.reader
        with self._lock:
            if reader in self._all:
                self._all.remove(reader)
        with reader.lock:
            reader.connection.close()

    def close(self) -> None:
        """Close every thread's connection, each after the question that it is at."""
        with self._lock:
            self._closed = True
            readers, self._all = self._all, []
        _close(readers)

    def _open(self) -> _Reader:
        with self._lock:
            if self._closed:
                raise FatalError(f"the database {self._path} is closed")
            ended = [reader for reader in self._all if not reader.thread.is_alive()]
            self._all = [reader for reader in self._all if reader.thread.is_alive()]
            try:
                connection = sqlite3.connect(
                    self._uri, uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False
                )
            except sqlite3.Error as error:
                raise explain(error, self._path) from error
            reader = _Reader(connection)
            self._all.append(reader)
        self._mine.reader = reader
        _close(ended)
        return reader


def _close(readers: list[_Reader]) -> None:
    for reader in readers:
        with reader.lock:
            reader.connection.close()
