"""One connection to the daemon: calls, and calls whose answer comes in several replies."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from syncwire.framing import MAX_REPLY, Frames, Junk, encode
from syncwire.names import INTERFACE

CONNECT_SECONDS = 5.0
LOOK_SECONDS = 1.0


class CallFailed(Exception):
    """The daemon answered with an error. `name` is its full name, `parameters` what came with it."""

    def __init__(self, name: str, parameters: Mapping[str, Any]) -> None:
        super().__init__(str(parameters.get("message") or name))
        self.name = name
        self.parameters = parameters


class NotRunning(Exception):
    """Nobody answers on any of `tried`."""

    def __init__(self, tried: list[str]) -> None:
        super().__init__(f"nobody answers on {', '.join(tried)}")
        self.tried = tried


class NotAllowed(Exception):
    """A socket is there, but this user may not open it."""

    def __init__(self, path: str) -> None:
        super().__init__(f"this user may not open {path}")
        self.path = path


class NoAnswer(Exception):
    """The daemon was reached and did not answer (in time, or with something that can be read)."""


class Client:
    """A connected client. Not for two threads at once."""

    def __init__(self, sock: socket.socket, path: str) -> None:
        self.path = path
        self._sock = sock
        self._frames = Frames(sock, limit=MAX_REPLY)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._sock.close()

    def call(
        self, method: str, parameters: Mapping[str, Any] | None = None, *, timeout: float = 30.0
    ) -> dict[str, Any]:
        """Call `io.syncd.METHOD` and return the answer's parameters. `timeout` in seconds.

        Raises CallFailed, or NoAnswer.
        """
        self._send({"method": f"{INTERFACE}.{method}", "parameters": _given(parameters)}, timeout)
        return self._reply(timeout)[0]

    def stream(
        self, method: str, parameters: Mapping[str, Any] | None = None, *, timeout: float | None = None
    ) -> Iterator[dict[str, Any]]:
        """Call with `more` and yield the parameters of each reply. `timeout` is for each of them; None waits on.

        Raises CallFailed, or NoAnswer.
        """
        message = {"method": f"{INTERFACE}.{method}", "parameters": _given(parameters), "more": True}
        self._send(message, timeout or CONNECT_SECONDS)
        continues = True
        while continues:
            answer, continues = self._reply(timeout)
            yield answer

    def peer_pid(self) -> int:
        """The process that serves this socket; 0 where the kernel cannot tell."""
        raw = self._sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 4)
        return max(0, int.from_bytes(raw, sys.byteorder, signed=True))

    def closed_by_peer(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for the daemon to hang up."""
        try:
            return self._frames.receive(first=timeout, rest=timeout) is None
        except TimeoutError:
            return False
        except (OSError, Junk):
            return True

    def _send(self, message: Mapping[str, Any], timeout: float) -> None:
        self._sock.settimeout(timeout)
        try:
            self._sock.sendall(encode(message))
        except TimeoutError:
            raise NoAnswer(f"the daemon on {self.path} does not read") from None
        except OSError:
            return  # it hung up: what it said before that is still to be read

    def _reply(self, timeout: float | None) -> tuple[dict[str, Any], bool]:
        try:
            message = self._next(timeout)
        except TimeoutError:
            raise NoAnswer(f"the daemon on {self.path} did not answer within {timeout:g} s") from None
        except (OSError, Junk) as error:
            raise NoAnswer(f"the daemon on {self.path} gave no answer that can be read: {error}") from error
        if message is None:
            raise NoAnswer(f"the daemon on {self.path} hung up before it answered")
        parameters = message.get("parameters") or {}
        if message.get("error"):
            raise CallFailed(str(message["error"]), parameters)
        return parameters, bool(message.get("continues"))

    def _next(self, timeout: float | None) -> dict[str, Any] | None:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            look = LOOK_SECONDS if deadline is None else deadline - time.monotonic()
            try:
                return self._frames.receive(first=max(look, 0.001), rest=max(look, 0.001))
            except TimeoutError:
                if deadline is not None:
                    raise


def connect(paths: Iterable[str], *, timeout: float = CONNECT_SECONDS) -> Client:
    """Connect to the first path where somebody answers.

    Raises NotRunning where there is none, NotAllowed where one is there that this user may not open.
    """
    tried: list[str] = []
    for path in paths:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        try:
            sock.connect(path)
        except PermissionError:
            sock.close()
            raise NotAllowed(path) from None
        except (BlockingIOError, TimeoutError):
            sock.close()
            raise NoAnswer(f"the daemon on {path} takes no more callers now") from None
        except (OSError, ValueError):  # not there, nobody listens, a path that is too long or has a NUL
            sock.close()
            tried.append(path)
            continue
        return Client(sock, path)
    raise NotRunning(tried)


def _given(parameters: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (parameters or {}).items() if value is not None}
