"""Servers of a few lines that behave as a test says, plain or by TLS, on the loopback."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from syncd.s3.wire.origin import Origin

FEW_S = 20.0
"""No server waits longer for its client."""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Client:
    """What a server has of one connection."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number  # of the connection, from 1
        self._ahead = b""

    def head(self) -> bytes:
        """The next head; empty where the client is gone."""
        while b"\r\n\r\n" not in self._ahead:
            more = self.sock.recv(65536)
            if not more:
                return b""
            self._ahead += more
        head, _, self._ahead = self._ahead.partition(b"\r\n\r\n")
        return head

    def body(self, head: bytes) -> bytes:
        """The body that belongs to a head; what came of it where the client went."""
        size = next(
            (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")),
            0,
        )
        got = bytearray(self._ahead)
        while len(got) < size and (more := self.sock.recv(1 << 20)):
            got += more
        self._ahead = bytes(got[size:])
        return bytes(got[:size])

    def request(self) -> tuple[bytes, bytes]:
        """Head and body of the next request. A client that asks whether it may send the body may."""
        head = self.head()
        if b"\r\nExpect: 100-continue" in head:
            self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return head, self.body(head)

    def send(self, *parts: bytes) -> None:
        """Say these, one after the other."""
        for part in parts:
            self.sock.sendall(part)

    def reset(self) -> None:
        """End it by a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def until_gone(self) -> bytes:
        """What else it sends until it ends the connection."""
        got = self._ahead
        try:
            while more := self.sock.recv(1 << 20):
                got += more
        except ConnectionResetError:
            pass
        return got


class Server:
    """Calls `serve` for each connection, in a thread of its own, and closes the connection after it."""

    def __init__(
        self, serve: Callable[[Client], None], *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.connections = 0
        self.failures: list[Exception] = []
        self._serve = serve
        self._tls = tls
        self._host = host
        self._listener = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port: int = self._listener.getsockname()[1]
        self._clients: list[Client] = []
        self._threads = [threading.Thread(target=self._accept)]

    @property
    def origin(self) -> Origin:
        """Where it is; by TLS under the name localhost."""
        return Origin("http", self._host, self.port) if self._tls is None else Origin("https", "localhost", self.port)

    def __enter__(self) -> Server:
        self._threads[0].start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for client in self._clients:
            if client.sock.fileno() != -1:
                with suppress(OSError):
                    socket.socket.shutdown(client.sock, socket.SHUT_RDWR)  # below TLS, which another thread may be in
        for thread in self._threads:
            thread.join(FEW_S)
        if kind is None:
            assert not self.failures, self.failures

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            thread = threading.Thread(target=self._one, args=(sock, self.connections))
            self._threads.append(thread)
            thread.start()

    def _one(self, sock: socket.socket, number: int) -> None:
        sock.settimeout(FEW_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            client = Client(sock, number)
            self._clients.append(client)
            self._serve(client)
        except OSError:
            pass  # the client went, which many tests mean it to
        except Exception as error:
            self.failures.append(error)
        finally:
            sock.close()


def answering(answer: bytes = OK) -> Callable[[Client], None]:
    """Reads request after request, and answers each alike."""

    def serve(client: Client) -> None:
        while client.request()[0]:
            client.send(answer)

    return serve
