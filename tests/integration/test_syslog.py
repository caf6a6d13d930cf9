"""Our messages in a real rsyslogd, by TCP and UDP: whatever is in them, and whatever becomes of it."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.gaps import missing
from support.processes import eventually
from support.rsyslog import Rsyslog, rsyslog_gap
from syncd import events
from syncd.config.types import Syslog
from syncd.lifecycle.clock import SystemClock
from syncd.lifecycle.lines import escape
from syncd.lifecycle.logs import Logs, LogSettings, open_logs
from syncd.lifecycle.syslog import LINES, SyslogState

NASTY = "a\nb\r\x1b[31mred\x00\x7f\x85\u2028\u202eevil\udcff tab\t quote\" back\\slash ü 日本 ] [ = '"
LOAD = 3 * LINES
BLINK_S = 1.0  # what one event may cost its caller at worst on a busy machine; a wait for the server costs ten seconds


@pytest.fixture
def rsyslog(tmp_path: Path) -> Iterator[Rsyslog]:
    """A real rsyslogd that is not started yet."""
    gap = rsyslog_gap()
    if gap:
        missing("rsyslog", gap)
    server = Rsyslog(tmp_path / "rsyslog")
    yield server
    server.kill()


@dataclass
class Daemon:
    """The logs of a daemon that sends to the server, with what its journal would show."""

    logs: Logs
    journal: io.StringIO
    count: int = 0
    slowest_s: float = 0.0

    @property
    def state(self) -> SyslogState:
        found = self.logs.syslog_state()
        assert found is not None
        return found

    def say(self, count: int) -> None:
        """So many numbered events; the longest that one of them took is kept."""
        for number in range(self.count, self.count + count):
            began = time.monotonic()
            self.logs.events.emit(events.FILE_CLEANED, pair="logs", path=f"run/{number}", number=number)
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)
        self.count += count

    def told(self, event: str = "syslog.") -> list[dict[str, Any]]:
        """What the journal shows of the way to the server."""
        lines = self.journal.getvalue().splitlines()
        return [json.loads(line) for line in lines if f'"event": "{event}' in line]

    def told_events(self) -> list[str]:
        return [row["event"] for row in self.told()]


@contextmanager
def daemon_of(server: Rsyslog, protocol: str = "tcp") -> Iterator[Daemon]:
    journal = io.StringIO()
    syslog = Syslog(host=server.address, port=server.port, protocol=protocol)
    settings = LogSettings(level="debug", format="json", syslog=syslog)
    with closing(open_logs(settings, clock=SystemClock(), stream=journal, environ={})) as logs:
        yield Daemon(logs, journal)


def numbers(server: Rsyslog) -> list[int]:
    return [int(one["fields"]["number"]) for one in server.of(events.FILE_CLEANED)]


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_every_part_of_an_event_arrives_as_it_was_meant(rsyslog: Rsyslog, protocol: str, address: str) -> None:
    rsyslog.address = address
    rsyslog.start()
    with daemon_of(rsyslog, protocol) as daemon:
        daemon.logs.events.emit(events.TRANSFER_FAILED, pair="logs", path=NASTY, error="no\nway", hint="wait", bytes=7)
        daemon.logs.events.emit(events.DAEMON_READY)
        eventually(lambda: len(rsyslog.messages()) == 2, within=10, what="both came")
    failed, ready = rsyslog.messages()
    assert failed["fields"] == {
        "pair": "logs",
        "path": escape(NASTY),
        "error": "no\\x0away",
        "hint": "wait",
        "bytes": "7",
    }
    assert failed["words"] == f"transfer failed: logs {escape(NASTY)}: no\\x0away (wait)"
    assert (failed["event"], failed["app"], failed["priority"]) == ("transfer.failed", "syncd", "28")
    assert (ready["event"], ready["raw"], ready["words"]) == ("daemon.ready", "-", "daemon ready")


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_the_longest_event_is_still_one_message_that_can_be_parsed(rsyslog: Rsyslog, protocol: str) -> None:
    rsyslog.start()
    fields = {f"field{number}": NASTY * 200 for number in range(20)}
    with daemon_of(rsyslog, protocol) as daemon:
        daemon.logs.events.emit(events.CYCLE_FAILED, error=NASTY * 1000, **fields)
        daemon.logs.events.emit(events.DAEMON_READY)
        eventually(lambda: rsyslog.of("daemon.ready"), within=10, what="both came")
    (failed,) = rsyslog.of(events.CYCLE_FAILED)
    assert failed["fields"]["error"].startswith(escape(NASTY))
    assert failed["fields"]["error"].endswith("…")


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
def test_a_server_that_is_down_at_the_start_gets_every_line_later(rsyslog: Rsyslog, protocol: str) -> None:
    with daemon_of(rsyslog, protocol) as daemon:
        daemon.say(100)
        eventually(lambda: daemon.told_events() == [events.SYSLOG_LOST], within=10, what="it was told")
        assert not daemon.state.connected
        rsyslog.start()
        eventually(lambda: len(numbers(rsyslog)) == 100, within=40, what="all came")
        assert daemon.told_events() == [events.SYSLOG_LOST, events.SYSLOG_FOUND]
        assert (daemon.state.connected, daemon.state.dropped) == (True, 0)
    assert numbers(rsyslog) == list(range(100))


def test_while_a_killed_server_is_away_nothing_waits_and_exactly_what_does_not_fit_is_missing(
    rsyslog: Rsyslog,
) -> None:
    rsyslog.start()
    with daemon_of(rsyslog) as daemon:
        daemon.say(500)
        eventually(lambda: len(numbers(rsyslog)) == 500, within=20, what="the first came")
        rsyslog.kill()
        daemon.say(LOAD)
        assert daemon.slowest_s < BLINK_S
        assert not daemon.state.connected
        dropped = daemon.state.dropped
        assert dropped == LOAD - LINES + 1  # the line that told of the loss waits, too
        rsyslog.start()
        eventually(lambda: daemon.state.queued == 0, within=60, what="the queue ran empty")
        daemon.say(1)
        eventually(lambda: daemon.count - 1 in numbers(rsyslog), within=20, what="new lines come")
        assert daemon.told_events() == [events.SYSLOG_LOST, events.SYSLOG_DROPPED]
        assert daemon.state.dropped == dropped
    came = numbers(rsyslog)
    assert came == sorted(set(came))
    assert daemon.count - len(came) == dropped
    (told,) = rsyslog.of(events.SYSLOG_DROPPED)
    assert int(told["fields"]["lines"]) == dropped


def test_a_server_killed_and_restarted_under_load_costs_nobody_time_and_every_line_is_accounted_for(
    rsyslog: Rsyslog,
) -> None:
    rsyslog.start()
    ended = threading.Event()
    with daemon_of(rsyslog) as daemon, ThreadPoolExecutor(1) as load:

        def speak() -> None:
            while not ended.is_set():
                daemon.say(100)
                ended.wait(0.005)

        speaking = load.submit(speak)
        try:
            for _ in range(3):
                before = daemon.count
                eventually(lambda before=before: max(numbers(rsyslog), default=0) > before, within=30, what="it flows")
                rsyslog.kill()
                eventually(lambda: not daemon.state.connected, within=10, what="it was noticed")
                rsyslog.start()
        finally:
            ended.set()
            speaking.result(20)
        eventually(lambda: daemon.state.queued == 0, within=60, what="the queue ran empty")
        said = daemon.count + len(daemon.told())
        assert daemon.state.sent + daemon.state.dropped == said
        assert daemon.slowest_s < BLINK_S


def test_a_server_that_accepts_and_never_reads_costs_nobody_time(rsyslog: Rsyslog) -> None:
    rsyslog.start()
    with daemon_of(rsyslog) as daemon:
        daemon.say(1)
        eventually(lambda: numbers(rsyslog) == [0], within=10, what="the first came")
        rsyslog.freeze()
        while not daemon.state.dropped:
            daemon.say(LINES)
        assert daemon.slowest_s < BLINK_S
        rsyslog.thaw()
        eventually(lambda: rsyslog.of(events.SYSLOG_DROPPED), within=60, what="the server heard of it")
        assert events.SYSLOG_DROPPED in daemon.told_events()


def test_a_server_that_never_reads_does_not_hold_up_the_end(rsyslog: Rsyslog) -> None:
    rsyslog.start()
    with daemon_of(rsyslog) as daemon:
        daemon.say(1)
        eventually(lambda: numbers(rsyslog) == [0], within=10, what="the first came")
        rsyslog.freeze()
        while not daemon.state.dropped:
            daemon.say(LINES)
        dropped, began = daemon.state.dropped, time.monotonic()
        daemon.logs.close()
        assert time.monotonic() - began < 2
    rsyslog.thaw()
    assert set(daemon.told_events()) == {events.SYSLOG_DROPPED}  # once more where some were dropped while it still sent
    assert sum(row["lines"] for row in daemon.told()) >= dropped


def test_the_end_brings_the_last_lines(rsyslog: Rsyslog) -> None:
    rsyslog.start()
    with daemon_of(rsyslog) as daemon:
        daemon.say(1000)
    eventually(lambda: numbers(rsyslog) == list(range(1000)), within=20, what="all came")
