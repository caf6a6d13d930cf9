"""A clock that a test sets by hand, events that are kept, and a service manager's notify socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import AF_UNIX, SOCK_DGRAM, socket


class HandClock:
    """`ports.Clock` that stands until `tick`."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self._now = now

    def tick(self, seconds: float) -> None:
        self._now += seconds

    def now(self) -> float:
        return self._now

    def now_ns(self) -> int:
        return int(self._now * 1e9)

    def monotonic(self) -> float:
        return self._now


class KeptEvents:
    """`ports.Events` that remembers what was said, by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: list[tuple[str, dict[str, object]]] = []

    def emit(self, event: str, **fields: object) -> None:
        with self._lock:
            self._said.append((event, fields))

    def names(self) -> list[str]:
        with self._lock:
            return [event for event, _ in self._said]

    def of(self, event: str) -> list[dict[str, object]]:
        with self._lock:
            return [fields for name, fields in self._said if name == event]


class NotifySocket:
    """What systemd listens on: a datagram socket; `heard` has every assignment in order."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._socket = socket(AF_UNIX, SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)
        self._heard: list[str] = []

    @property
    def heard(self) -> list[str]:
        while True:
            try:
                self._heard += self._socket.recv(4096).decode("utf-8").split("\n")
            except BlockingIOError:
                return self._heard

    def close(self) -> None:
        self._socket.close()


@contextmanager
def notify_socket(path: Path) -> Iterator[NotifySocket]:
    listener = NotifySocket(path)
    try:
        yield listener
    finally:
        listener.close()
