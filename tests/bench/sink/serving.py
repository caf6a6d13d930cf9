"""One process of the sink: an epoll loop over its listening socket and its connections."""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections import deque
from contextlib import suppress

from bench.sink.answers import Answers
from bench.sink.connection import Closed, Connection
from bench.sink.reply import Reply

BACKLOG = 4096


def listening(host: str, port: int) -> socket.socket:
    """A socket that shares its port with those of the other processes."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind((host, port))
    sock.listen(BACKLOG)
    sock.setblocking(False)
    return sock


class Loop:
    """Serves until the process is ended. `delay_s`: every answer but the bench's own waits so long."""

    def __init__(
        self, door: socket.socket, answers: Answers, *, tls: ssl.SSLContext | None = None, delay_s: float = 0.0
    ) -> None:
        self._door = door
        self._answers = answers
        self._tls = tls
        self._delay_s = delay_s
        self._poll = select.epoll()
        self._open: dict[int, Connection] = {}
        self._held_back: deque[tuple[float, Connection, Reply]] = deque()

    def serve(self) -> None:
        poll, connections, door = self._poll, self._open, self._door.fileno()
        poll.register(door, select.EPOLLIN)
        while True:
            for fd, _ in poll.poll(self._patience()):
                if fd == door:
                    self._accept()
                    continue
                connection = connections.get(fd)
                if connection is None:
                    continue
                try:
                    connection.ready()
                except (OSError, Closed, ValueError):  # also what is no HTTP
                    self._close(fd, connection)
            if self._held_back:
                self._release()

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            while True:
                sock, _ = self._door.accept()
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._answers.counts.add("connections")
                if self._tls is not None:
                    try:
                        sock = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
                    except OSError:
                        continue
                later = self._hold_back if self._delay_s else None
                self._open[sock.fileno()] = Connection(sock, self._answers, self._poll, later)
                self._poll.register(sock, select.EPOLLIN)

    def _hold_back(self, connection: Connection, reply: Reply) -> None:
        self._held_back.append((time.monotonic() + self._delay_s, connection, reply))

    def _patience(self) -> float:
        return max(0.0, self._held_back[0][0] - time.monotonic()) if self._held_back else -1

    def _release(self) -> None:
        now, held = time.monotonic(), self._held_back
        while held and held[0][0] <= now:
            _, connection, reply = held.popleft()
            fd = connection.sock.fileno()
            if fd < 0:
                continue
            try:
                connection.send(reply)
            except (OSError, Closed):
                self._close(fd, connection)

    def _close(self, fd: int, connection: Connection) -> None:
        self._open.pop(fd, None)
        with suppress(OSError, ValueError):
            self._poll.unregister(fd)
        connection.sock.close()
