"""A served stub daemon, and raw clients that need not behave."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from support.stub_daemon import StubDaemon
from syncd.control.connection import Patience
from syncd.control.server import ControlServer, Groups

QUICK = Patience(idle=30.0, message=0.3, reply=0.5, farewell=2.0)


class EventList:
    """Keeps what was emitted."""

    def __init__(self) -> None:
        self.emitted: list[tuple[str, dict[str, object]]] = []

    def emit(self, event: str, **fields: object) -> None:
        self.emitted.append((event, fields))

    def names(self) -> list[str]:
        return [event for event, _ in self.emitted]


class Raw(AbstractContextManager["Raw"]):
    """A client that sends what it is told and reads what comes."""

    def __init__(self, path: Path) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5.0)
        self.sock.connect(str(path))
        self._buffer = b""

    def __exit__(self, *_: object) -> None:
        self.sock.close()

    def send(self, method: str, **rest: Any) -> None:
        """Send one call, not looking for an answer."""
        self.sock.sendall(json.dumps({"method": method, **rest}).encode() + b"\0")

    def reply(self) -> dict[str, Any] | None:
        """The next message; None at the end of the stream."""
        while b"\0" not in self._buffer:
            try:
                piece = self.sock.recv(65536)
            except ConnectionResetError:
                return None
            if not piece:
                return None
            self._buffer += piece
        frame, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(frame)
        return message

    def call(self, method: str, **parameters: Any) -> dict[str, Any] | None:
        """Call and wait for one reply."""
        self.send(method, parameters=parameters)
        return self.reply()


def serve(daemon: StubDaemon, folder: Path, *, patience: Patience = QUICK, clients: int = 64,
          groups: Groups | None = None, events: EventList | None = None) -> ControlServer:  # fmt: skip
    """A server that is not started yet."""
    return ControlServer(
        daemon, folder / "c", events or EventList(), version="0.3.0", groups=groups or Groups(), patience=patience,
        clients=clients,
    )  # fmt: skip


def until(happened: Callable[[], bool], *, seconds: float = 5.0) -> None:
    """Poll for something that must come true."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.005)
