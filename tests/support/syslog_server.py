"""Syslog servers of a few lines: one keeps what it is sent, one accepts and never reads; and RFC 5424 read strictly."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

HEADER = re.compile(
    r"<(?P<priority>\d{1,3})>1 (?P<time>\S+) (?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) (?P<pid>[!-~]{1,128}) "
    r"(?P<event>[!-~]{1,32}) (?P<rest>.*)",
    re.DOTALL,
)
PARAM = re.compile(r' (?P<name>[!#-<>-\\^-~]{1,32})="(?P<value>(?:[^"\\\]]|\\["\\\]])*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of RFC 5424, its structured data without the escapes."""

    priority: int
    time: str
    host: str
    app: str
    pid: str
    event: str
    fields: dict[str, str]
    words: str


def read_message(frame: bytes) -> Message:
    """Parse one message strictly. AssertionError where it breaks the grammar."""
    found = HEADER.fullmatch(frame.decode("utf-8"))
    assert found is not None, frame
    rest, fields = found["rest"], {}
    if rest.startswith("- "):
        rest = rest[2:]
    else:
        opening = "[syncd@32473"
        assert rest.startswith(opening), rest
        place = len(opening)
        while param := PARAM.match(rest, place):
            fields[param["name"]] = re.sub(r'\\(["\\\]])', r"\1", param["value"])
            place = param.end()
        assert rest[place : place + 2] == "] ", rest[place:]
        rest = rest[place + 2 :]
    return Message(
        priority=int(found["priority"]),
        time=found["time"],
        host=found["host"],
        app=found["app"],
        pid=found["pid"],
        event=found["event"],
        fields=fields,
        words=rest,
    )


def read_stream(stream: bytes) -> list[Message]:
    """The messages of one TCP connection by octet counting; one that was cut off at the end is left out."""
    found, place = [], 0
    while (blank := stream.find(b" ", place)) > 0:
        end = blank + 1 + int(stream[place:blank])
        if end > len(stream):
            break
        found.append(read_message(stream[blank + 1 : end]))
        place = end
    return found


class SyslogServer:
    """Listens on a port of the loopback and keeps what comes; `reading=False`: accepts and never reads."""

    def __init__(self, *, udp: bool = False, reading: bool = True, port: int = 0, family: int = socket.AF_INET) -> None:
        self._reading = reading
        self._streams: list[bytearray] = []
        self._datagrams: list[bytes] = []
        self._open: list[socket.socket] = []
        self._listener = socket.socket(family, socket.SOCK_DGRAM if udp else socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if not reading:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._listener.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", port))
        self.port = int(self._listener.getsockname()[1])
        if not udp:
            self._listener.listen(8)
        self._taking = threading.Thread(target=self._datagrams_in if udp else self._accept, daemon=True)
        self._taking.start()

    def __enter__(self) -> SyslogServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Be gone, with every connection, also one that came just now."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes who waits there
        self._taking.join(10)
        self._listener.close()
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def hang_up(self) -> None:
        """End every connection; new ones are welcome."""
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def messages(self) -> list[Message]:
        """What has come, connection by connection."""
        whole = [message for stream in self._streams for message in read_stream(bytes(stream))]
        return whole + [read_message(datagram) for datagram in self._datagrams]

    def events(self) -> list[str]:
        return [message.event for message in self.messages()]

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            if self._reading:
                stream = bytearray()
                self._streams.append(stream)
                threading.Thread(target=_read_all, args=(connection, stream), daemon=True).start()

    def _datagrams_in(self) -> None:
        while True:
            try:
                datagram = self._listener.recv(65535)
            except OSError:
                return
            if not datagram:  # shut down: no message is empty
                return
            self._datagrams.append(datagram)


def _read_all(connection: socket.socket, stream: bytearray) -> None:
    with suppress(OSError):
        while piece := connection.recv(65536):
            stream += piece
