"""The control socket: accepts clients, a thread for each, bounded, and ends promptly."""

from __future__ import annotations

import grp
import os
import selectors
import socket
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from syncd.control.connection import LARGE_CALLS, Connection, Patience
from syncd.control.dispatch import Dispatcher
from syncd.control.endpoint import listening
from syncd.control.peer import caller_of
from syncd.control.permission import Permission
from syncd.control.port import Daemon
from syncd.ports import Events
from syncwire import names
from syncwire.framing import encode

READERS_GROUP = "syncd"
ADMIN_GROUP = "syncd-admin"
CLIENTS = 64
BREATH_SECONDS = 0.2
"""How long accepting rests where the process has no descriptor left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """`readers` may open the socket, `admins` may besides change things. None: the host has no such group."""

    readers: int | None = None
    admins: int | None = None


def host_groups() -> Groups:
    """Look them up by name."""
    return Groups(readers=_gid(READERS_GROUP), admins=_gid(ADMIN_GROUP))


def _gid(name: str) -> int | None:
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None


class ControlServer:
    """Serves `daemon` on a Unix socket from `start` to `close`; also a context manager."""

    def __init__(
        self,
        daemon: Daemon,
        path: Path,
        events: Events,
        *,
        version: str,
        groups: Groups | None = None,
        patience: Patience | None = None,
        clients: int = CLIENTS,
    ) -> None:
        self.path = path
        self._groups = host_groups() if groups is None else groups
        self._patience = patience or Patience()
        permission = Permission(daemon_uid=os.geteuid(), admin_group=self._groups.admins)
        self._dispatcher = Dispatcher(daemon, permission, events, version=version)
        self._clients = clients
        self._open: dict[Connection, threading.Thread] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._large = threading.BoundedSemaphore(LARGE_CALLS)
        self._stack = ExitStack()
        self._wake: socket.socket | None = None
        self._acceptor: threading.Thread | None = None

    def __enter__(self) -> ControlServer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Make the socket and begin to serve. ConfigError or FatalError where it cannot be made."""
        with ExitStack() as stack:
            door = stack.enter_context(listening(self.path, group=self._groups.readers))
            woken, self._wake = socket.socketpair()
            stack.callback(woken.close)
            stack.callback(self._wake.close)
            self._acceptor = threading.Thread(target=self._accept, args=(door, woken), name="control", daemon=True)
            self._acceptor.start()
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Take no more clients, tell those that wait, and end within `farewell` seconds. Twice is no error."""
        self._stopping.set()
        if self._wake is not None and self._wake.fileno() >= 0:
            self._wake.send(b"!")
        if self._acceptor is not None:
            self._acceptor.join(self._patience.farewell)
        self._stack.close()
        self._dismiss()

    def connections(self) -> int:
        """How many clients are connected."""
        with self._lock:
            return len(self._open)

    def _dismiss(self) -> None:
        with self._lock:
            threads = dict(self._open)
        for connection in threads:
            if connection.waiting_since is not None:
                connection.hang_up()
        deadline = time.monotonic() + self._patience.farewell
        for thread in threads.values():
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
        for connection in threads:
            connection.hang_up()

    def _accept(self, door: socket.socket, woken: socket.socket) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(door, selectors.EVENT_READ)
            selector.register(woken, selectors.EVENT_READ)
            while not self._stopping.is_set():
                selector.select()
                try:
                    sock, _ = door.accept()
                except (BlockingIOError, ConnectionAbortedError):
                    continue
                except OSError:  # no descriptor is left: others must close theirs first
                    self._stopping.wait(BREATH_SECONDS)
                    continue
                self._admit(sock)

    def _admit(self, sock: socket.socket) -> None:
        try:
            caller = caller_of(sock)
        except OSError:
            sock.close()
            return
        if not self._make_room():
            _turn_away(sock)
            return
        connection = Connection(sock, caller, self._dispatcher, self._patience, self._stopping, self._large)
        thread = threading.Thread(target=self._serve, args=(connection,), name="control-client", daemon=True)
        with self._lock:
            self._open[connection] = thread
        try:
            thread.start()
        except RuntimeError:  # no thread can be made
            self._forget(connection)
            _turn_away(sock)

    def _serve(self, connection: Connection) -> None:
        try:
            connection.serve()
        finally:
            self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        with self._lock:
            self._open.pop(connection, None)

    def _make_room(self) -> bool:
        """Where all places are taken, one that waits longest on its client leaves, of the user who has most."""
        with self._lock:
            if len(self._open) < self._clients:
                return True
            idle = [(connection, since) for connection in self._open if (since := connection.waiting_since) is not None]
            if not idle:
                return False
            held: dict[int, int] = {}
            for connection in self._open:
                held[connection.caller.uid] = held.get(connection.caller.uid, 0) + 1
            leaver = min(idle, key=lambda pair: (-held[pair[0].caller.uid], pair[1]))[0]
            del self._open[leaver]
        leaver.hang_up()
        return True


def _turn_away(sock: socket.socket) -> None:
    """Say that there is no room, without waiting for anything."""
    with sock:
        sock.setblocking(False)
        try:
            sock.send(encode({"error": names.BUSY, "parameters": {"message": "too many callers", "hint": "try again"}}))
        except OSError:
            return
