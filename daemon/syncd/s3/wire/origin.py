"""Where to connect to, and a socket there: every address of a name in turn, IPv6 first."""

from __future__ import annotations

import socket
import ssl
import struct
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from syncd.s3.wire.failure import Unreachable

SHARE_S = 2.0
"""One address of several is given so long, so that a dead network does not hide a living one."""

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


def connected(origin: Origin, tls: ssl.SSLContext | None, patience: Patience) -> socket.socket:
    """A socket that is connected, verified where it is TLS, and never waits for ever. Unreachable else."""
    end = time.monotonic() + patience.connect_s
    addresses = _addresses(origin)
    why: OSError = OSError("no address")
    for number, (family, address) in enumerate(addresses):
        left = end - time.monotonic()
        if left <= 0:
            break
        last = number == len(addresses) - 1
        try:
            plain = _dial(family, address, left if last else min(left, max(SHARE_S, left / 2)))
        except OSError as error:
            why = error
            continue
        return _prepared(plain, origin, tls, patience, max(end - time.monotonic(), 1.0))
    reason = "no answer in time" if isinstance(why, TimeoutError) else why.strerror or str(why)
    raise Unreachable(f"{origin.host} port {origin.port}: {reason}") from why


def _addresses(origin: Origin) -> Sequence[_Address]:
    try:
        found = socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"{origin.host}: {getattr(error, 'strerror', None) or error}") from error
    six = [(row[0], row[4]) for row in found if row[0] == socket.AF_INET6]
    four = [(row[0], row[4]) for row in found if row[0] == socket.AF_INET]
    return [address for pair in zip_longest(six, four) for address in pair if address is not None]


def _dial(family: socket.AddressFamily, address: tuple[object, ...], seconds: float) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        made.settimeout(seconds)
        made.connect(address)
    except BaseException:
        made.close()
        raise
    return made


def _prepared(
    plain: socket.socket, origin: Origin, tls: ssl.SSLContext | None, patience: Patience, left: float
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
        secured = tls.wrap_socket(plain, server_hostname=origin.host)
        secured.settimeout(patience.answer_s)
        return secured
    except ssl.SSLCertVerificationError as error:
        plain.close()
        raise Unreachable(f"the certificate of {origin.host} was refused: {error.verify_message}") from error
    except ssl.SSLError as error:
        plain.close()
        raise Unreachable(f"no TLS with {origin.host} port {origin.port}: {error.reason or error}") from error
    except TimeoutError as error:
        plain.close()
        raise Unreachable(f"{origin.host} port {origin.port}: no TLS in time") from error
    except OSError as error:
        plain.close()
        raise Unreachable(f"{origin.host} port {origin.port}: {error.strerror or error}") from error
    except BaseException:
        plain.close()
        raise
