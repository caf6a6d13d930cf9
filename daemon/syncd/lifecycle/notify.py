"""What the service manager is told: READY, STATUS, WATCHDOG, STOPPING (sd_notify(3)). Silent without one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import sdnotify

from syncd.ports import Clock

SEND_SECONDS = 1.0
MICROSECONDS = 1_000_000


class Notifier:
    """Talks to `NOTIFY_SOCKET`; without it every call does nothing. A send that fails is dropped, never raised.

    `watchdog_interval`: seconds between pings, half of what the manager allows; None where it wants none.
    """

    def __init__(self, clock: Clock, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        self._clock = clock
        self._sender = _connect(environ.get("NOTIFY_SOCKET", ""))
        self.watchdog_interval = _watchdog_interval(environ) if self.enabled else None

    @property
    def enabled(self) -> bool:
        """Whether somebody listens."""
        return self._sender is not None

    def ready(self, status: str = "") -> None:
        """Start-up is over, or a reload is."""
        self._send("READY=1", *([f"STATUS={_one_line(status)}"] if status else []))

    def status(self, text: str) -> None:
        """One line for `systemctl status`; control characters are replaced, or they would be other assignments."""
        self._send(f"STATUS={_one_line(text)}")

    def watchdog(self) -> None:
        """Still alive."""
        self._send("WATCHDOG=1")

    def stopping(self, status: str = "") -> None:
        """Shutdown began."""
        self._send("STOPPING=1", *([f"STATUS={_one_line(status)}"] if status else []))

    def reloading(self) -> None:
        """A reload began; `ready` ends it. Carries CLOCK_MONOTONIC, which Type=notify-reload demands."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={int(self._clock.monotonic() * MICROSECONDS)}")

    def extend_timeout(self, seconds: float) -> None:
        """Ask for so long, from now, before start-up or shutdown counts as stuck."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * MICROSECONDS)}")

    def close(self) -> None:
        """Close the socket; later calls do nothing."""
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.socket.close()

    def _send(self, *assignments: str) -> None:
        if self._sender is not None:
            # sdnotify encodes as Latin-1 and drops what that cannot hold; this way the wire carries UTF-8.
            self._sender.notify("\n".join(assignments).encode("utf-8", "replace").decode("latin-1"))


def _connect(address: str) -> Any | None:
    """A sender to the socket in the environment, or None. sdnotify reads NOTIFY_SOCKET itself, so both must agree."""
    if not address or address != os.environ.get("NOTIFY_SOCKET"):
        return None
    sender = sdnotify.SystemdNotifier()
    if sender.socket is None:
        return None
    sender.socket.settimeout(SEND_SECONDS)  # a manager that does not read must not hold us
    return sender


def _watchdog_interval(environ: Mapping[str, str]) -> float | None:
    pid = environ.get("WATCHDOG_PID", "")
    if pid and pid != str(os.getpid()):
        return None
    text = environ.get("WATCHDOG_USEC", "")
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        return None
    return int(text) / MICROSECONDS / 2


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
