"""How frames travel to a syslog server: TCP with octet counting (RFC 6587), or UDP (RFC 5426), by IPv4 or IPv6."""

from __future__ import annotations

import select
import socket
from contextlib import suppress
from typing import Protocol

from syncd.config.types import Syslog

CONNECT_S = 5.0
DEAD_PEER_MS = 30_000
REFUSED_WITHIN_MS = 200  # a host that is there answers a datagram to a closed port at once


class Wire(Protocol):
    """An open way to the server. Every method may raise OSError: the way is of no use any more."""

    def gone(self) -> bool:
        """Whether the server has closed it; without waiting."""
        ...

    def send(self, frame: bytes) -> None:
        """Hand one frame to the kernel; what came back in words or bytes is ignored."""
        ...

    def interrupt(self) -> None:
        """End a send that hangs in another thread."""
        ...

    def close(self) -> None: ...


def open_wire(server: Syslog, send_s: float) -> Wire:
    """Look the host up and connect, one address after the other. Raises OSError (the last one's) or UnicodeError.

    A send takes at most `send_s` seconds.
    """
    kind = socket.SOCK_DGRAM if server.protocol == "udp" else socket.SOCK_STREAM
    failure: OSError = OSError(f"{server.host} has no address")
    for family, _, number, _, address in socket.getaddrinfo(server.host, server.port, type=kind):
        sock = socket.socket(family, kind, number)
        try:
            sock.settimeout(CONNECT_S)
            sock.connect(address)
            sock.settimeout(send_s)
            return _Datagrams(sock) if kind == socket.SOCK_DGRAM else _Stream(sock)
        except OSError as error:
            sock.close()
            failure = error
    raise failure


class _Connected:
    """A connected socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._poller = select.poll()
        self._poller.register(sock, select.POLLIN)

    def interrupt(self) -> None:
        with suppress(OSError):  # not connected any more
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._sock.close()


class _Stream(_Connected):
    """Octet counting: `LENGTH frame`, so that a frame may hold anything."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_PEER_MS)

    def gone(self) -> bool:
        # The first send after the server's end succeeds, and what it carried is lost: so it is asked before.
        try:
            return bool(self._poller.poll(0)) and not self._sock.recv(4096)
        except ConnectionResetError:
            return True

    def send(self, frame: bytes) -> None:
        self._sock.sendall(b"%d %b" % (len(frame), frame))


class _Datagrams(_Connected):
    """One datagram a frame. The first one waits a moment for a refusal, for nothing else tells of a closed port."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self._proven = False

    def gone(self) -> bool:
        try:
            self._drop_answers(0)
        except ConnectionRefusedError:
            return True
        return False

    def send(self, frame: bytes) -> None:
        self._sock.send(frame)
        if not self._proven:
            self._drop_answers(REFUSED_WITHIN_MS)
            self._proven = True

    def _drop_answers(self, within_ms: int) -> None:
        if self._poller.poll(within_ms):
            self._sock.recv(4096)
