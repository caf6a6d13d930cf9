"""A real rsyslogd, by hand: TCP with octet counting and UDP on the loopback, each message a line of JSON in a file."""

from __future__ import annotations

import json
import shutil
import signal
import socket
from pathlib import Path
from types import TracebackType
from typing import Any

from support.processes import Process, eventually, free_port

PROGRAM = "rsyslogd"

CONFIGURATION = """\
global(workDirectory="{root}" maxMessageSize="8k" net.enableDNS="off")
module(load="imtcp" KeepAlive="on")
module(load="imudp")
module(load="mmpstrucdata")

template(name="line" type="list" option.jsonf="on") {{
    property(outname="time" name="timereported" dateFormat="rfc3339" format="jsonf")
    property(outname="priority" name="pri" format="jsonf")
    property(outname="host" name="hostname" format="jsonf")
    property(outname="app" name="app-name" format="jsonf")
    property(outname="pid" name="procid" format="jsonf")
    property(outname="event" name="msgid" format="jsonf")
    property(outname="raw" name="structured-data" format="jsonf")
    property(outname="fields" name="$!rfc5424-sd!syncd@32473" format="jsonf")
    property(outname="words" name="msg" format="jsonf")
}}

ruleset(name="kept") {{
    action(type="mmpstrucdata" sd_name.lowercase="off")
    action(type="omfile" file="{file}" template="line")
}}

input(type="imtcp" address="{address}" port="{port}" ruleset="kept")
input(type="imudp" address="{address}" port="{port}" ruleset="kept")
"""


def rsyslog_gap() -> str:
    """Why rsyslogd cannot run here, in words with the remedy; "" when it can."""
    if shutil.which(PROGRAM, path="/usr/sbin:/sbin:/usr/bin") is None:
        return f"needs root and apt: apt-get install -y --no-install-recommends rsyslog (not found: {PROGRAM})"
    return ""


class Rsyslog:
    """One rsyslogd. `root` keeps what it wrote, so that it can be killed and started again on the same port."""

    def __init__(self, root: Path, *, address: str = "127.0.0.1") -> None:
        self.root = root
        self.address = address
        self.port = free_port()
        self._file = root / "messages"
        self._child: Process | None = None

    def __enter__(self) -> Rsyslog:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    def start(self) -> None:
        """Return when it takes connections."""
        self.root.mkdir(parents=True, exist_ok=True)
        config = self.root / "rsyslog.conf"
        config.write_text(CONFIGURATION.format(root=self.root, file=self._file, address=self.address, port=self.port))
        pid_file = self.root / "rsyslog.pid"
        pid_file.unlink(missing_ok=True)
        program = shutil.which(PROGRAM, path="/usr/sbin:/sbin:/usr/bin")
        assert program is not None
        child = self._child = Process([program, "-n", "-f", config, "-i", pid_file], log=self.root / "rsyslogd.out")
        eventually(self._takes_connections, within=20, what=lambda: f"rsyslogd listens\n{child.said()}")

    def kill(self) -> None:
        """SIGKILL: what it had not written is gone."""
        if self._child is not None:
            self._child.kill()

    def freeze(self) -> None:
        """It accepts connections (the kernel does) and reads nothing."""
        assert self._child is not None
        self._child.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it read again."""
        assert self._child is not None
        self._child.signal(signal.SIGCONT)

    def messages(self) -> list[dict[str, Any]]:
        """Every message that it has written whole, oldest first; structured data is parsed, None where it was not."""
        if not self._file.exists():
            return []
        whole = self._file.read_bytes().rpartition(b"\n")[0]
        return [_message(json.loads(line)) for line in whole.decode().splitlines()]

    def of(self, event: str) -> list[dict[str, Any]]:
        """The messages of one event."""
        return [message for message in self.messages() if message["event"] == event]

    def _takes_connections(self) -> bool:
        try:
            socket.create_connection((self.address, self.port), 1).close()
        except OSError:
            return False
        return True


def _message(row: dict[str, Any]) -> dict[str, Any]:
    fields = row.get("fields") or None
    return {**row, "fields": json.loads(fields) if isinstance(fields, str) else fields}
