"""The credentials of the process at the other end of a Unix socket, from the kernel."""

from __future__ import annotations

import array
import socket
import struct

from syncd.control.permission import Caller

SO_PEERGROUPS = 59  # Python has no constant for it
UCRED = struct.Struct("iII")
GROUPS_BYTES = 1024  # the most that getsockopt takes in Python: 256 groups


def caller_of(sock: socket.socket) -> Caller:
    """Who connected. Supplementary groups that cannot be told count as none, so that doubt never permits."""
    pid, uid, gid = UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, UCRED.size))
    return Caller(pid=pid, uid=uid, gid=gid, groups=_groups(sock))


def _groups(sock: socket.socket) -> frozenset[int]:
    try:
        raw = sock.getsockopt(socket.SOL_SOCKET, SO_PEERGROUPS, GROUPS_BYTES)
    except OSError:  # more groups than fit, or a kernel before 4.13
        return frozenset()
    return frozenset(array.array("I", raw))
