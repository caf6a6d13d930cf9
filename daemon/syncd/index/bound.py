"""How long a request may take in all: the time-outs of the clients are of silence, and a server may trickle."""

from __future__ import annotations

import socket
import threading
import weakref
from contextlib import suppress
from types import TracebackType
from typing import Any

from syncd.errors import RemoteError
from syncd.index.failure import Place

TIMES = 2
"""A large request on a slow line may take longer than one silence, but not for ever."""


class Bound:
    """Ends what takes longer than twice the time-out by shutting its connections, those of others with it."""

    def __init__(self, pool: Any, *, place: Place, timeout_s: float) -> None:
        """`pool`: urllib3's, of one endpoint, before its first connection."""
        self._place = place
        self._seconds = TIMES * timeout_s
        self._connections: weakref.WeakSet[Any] = weakref.WeakSet()
        make, kept = pool.ConnectionCls, self._connections

        def connection(*arguments: Any, **options: Any) -> Any:
            made = make(*arguments, **options)
            kept.add(made)
            return made

        pool.ConnectionCls = connection

    def request(self) -> Watch:
        """Around one request. RemoteError UNAVAILABLE where it failed after its time was over."""
        return Watch(self._seconds, self)

    def late(self) -> RemoteError:
        """Its time was over."""
        return self._place.late()

    def cut(self) -> None:
        """Shut every connection. Whoever waits for it fails at once."""
        for made in list(self._connections):
            if made.sock is not None:
                with suppress(OSError):  # it is shut already
                    socket.socket.shutdown(made.sock, socket.SHUT_RDWR)  # below TLS, whose own state is not ours


class Watch:
    """The time of one request. Use as a context manager, once."""

    def __init__(self, seconds: float, bound: Bound) -> None:
        self._bound = bound
        self._over = False
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._timer.cancel()
        if error is not None and self._over:
            raise self._bound.late() from error

    def _end(self) -> None:
        self._over = True
        self._bound.cut()
