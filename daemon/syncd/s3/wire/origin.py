"""Where to connect to, and a socket there: the first address of a name that answers."""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from syncd.s3.wire.failure import Unreachable

STAGGER_S = 0.25
"""After so long without an answer the next address is tried as well: a dead network hides no living one (RFC 8305)."""

_Address = tuple[socket.AddressFamily, tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Origin:
    """The server that a connection leads to."""

    scheme: str  # http or https
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds to wait for a connection, and for the next byte of an answer. `rate`: bytes a second, on the whole."""

    connect_s: float = 10.0
    answer_s: float = 60.0
    rate: float = 1024.0
    over_s: float = 30.0  # the rate is looked at after so long


def connected(
    origin: Origin, tls: ssl.SSLContext | None, patience: Patience, session: ssl.SSLSession | None = None
) -> socket.socket:
    """A socket that is connected, verified where it is TLS, and never waits for ever. Unreachable else."""
    end = time.monotonic() + patience.connect_s
    try:
        plain = _first_to_answer(_addresses(origin), end)
    except OSError as error:
        reason = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or str(error)
        raise Unreachable(f"{origin.host} port {origin.port}: {reason}") from error
    return _prepared(plain, origin, tls, patience, max(end - time.monotonic(), 1.0), session)


def _addresses(origin: Origin) -> Sequence[_Address]:
    try:
        found = socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"{origin.host}: {getattr(error, 'strerror', None) or error}") from error
    rows = [(row[0], row[4]) for row in found if row[0] in {socket.AF_INET, socket.AF_INET6}]
    preferred = [row for row in rows if row[0] == rows[0][0]]
    others = [row for row in rows if row[0] != rows[0][0]]
    return [row for pair in zip_longest(preferred, others) for row in pair if row is not None]


def _first_to_answer(addresses: Sequence[_Address], end: float) -> socket.socket:
    """The socket that was connected first. TimeoutError, or why the last address failed."""
    ahead, waiting, ready = list(reversed(addresses)), dict[int, socket.socket](), select.poll()
    why = OSError("it has no address")
    try:
        while ahead or waiting:
            if ahead:
                try:
                    made = _dialled(*ahead.pop())
                except OSError as error:
                    why = error
                    continue
                waiting[made.fileno()] = made
                ready.register(made, select.POLLOUT)
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError
            for number, _ in ready.poll(1000 * (min(left, STAGGER_S) if ahead else left)):
                made = waiting.pop(number)
                ready.unregister(number)
                code = made.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                if not code:
                    return made
                made.close()
                why = OSError(code, os.strerror(code))
        raise why
    finally:
        for late in waiting.values():
            late.close()


def _dialled(family: socket.AddressFamily, address: tuple[object, ...]) -> socket.socket:
    """A socket that is about to be connected."""
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        made.setblocking(False)
        code = made.connect_ex(address)
        if code not in {0, errno.EINPROGRESS}:
            raise OSError(code, os.strerror(code))
    except BaseException:
        made.close()
        raise
    return made


def _prepared(
    plain: socket.socket,
    origin: Origin,
    tls: ssl.SSLContext | None,
    patience: Patience,
    left: float,
    session: ssl.SSLSession | None,
) -> socket.socket:
    """With its time-outs. The kernel keeps those of a plain socket: Python would ask before each byte."""
    try:
        unacknowledged = int(patience.answer_s * 1000)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, unacknowledged)
        if tls is None:
            plain.settimeout(None)
            seconds = int(patience.answer_s)
            waits = struct.pack("ll", seconds, int((patience.answer_s - seconds) * 1e6))
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, waits)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, waits)
            return plain
        plain.settimeout(left)
        # an end that the server did not announce is none: somebody may have cut a body short
        secured = tls.wrap_socket(plain, server_hostname=origin.host, suppress_ragged_eofs=False, session=session)
        secured.settimeout(patience.answer_s)
        return secured
    except OSError as error:
        plain.close()
        raise _unsecured(error, origin) from error
    except BaseException:
        plain.close()
        raise


def _unsecured(error: OSError, origin: Origin) -> Unreachable:
    match error:
        case ssl.SSLCertVerificationError():
            return Unreachable(f"the certificate of {origin.host} was refused: {error.verify_message}")
        case ssl.SSLError():
            return Unreachable(f"no TLS with {origin.host} port {origin.port}: {error.reason or error}")
        case TimeoutError():
            return Unreachable(f"{origin.host} port {origin.port}: no TLS in time")
    return Unreachable(f"{origin.host} port {origin.port}: {error.strerror or error}")
