"""Remote syslog: every event as one message of RFC 5424, and never a wait for the server."""

from __future__ import annotations

import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.processes import eventually, free_port
from support.recorded import HandClock, KeptEvents
from support.syslog_server import Message, SyslogServer, read_message
from syncd import events
from syncd.config.types import Syslog
from syncd.lifecycle.lines import escape
from syncd.lifecycle.logs import Logs, LogSettings, open_logs
from syncd.lifecycle.rfc5424 import SyslogLines
from syncd.lifecycle.syslog import Patience, SyslogSink
from syncd.lifecycle.syslog_wire import Wire

NASTY = 'a\nb\r\x1b[31mred\x00\x7f\x85\u2028\u202eevil\udcff tab\t quote" back\\slash ü ] [ ='
QUICK = Patience(send_s=0.5, rest_s=0.02, longest_rest_s=0.05, tell_s=0.0)
LINES = SyslogLines(hostname="lt-07", pid=812)


def message(event: str, *, level: str = "info", at: float = 1_000_000.0, **fields: object) -> Message:
    return read_message(frame(event, level=level, at=at, **fields))


def frame(event: str, *, level: str = "info", at: float = 1_000_000.0, **fields: object) -> bytes:
    return LINES(None, "", {**fields, "event": event, "level": level, "at": at}).encode("utf-8")


def numbered(number: int) -> bytes:
    return frame(events.TRANSFER_FINISHED, number=number)


def numbers(server: SyslogServer) -> list[int]:
    return [int(one.fields["number"]) for one in server.messages() if "number" in one.fields]


@contextmanager
def sink_to(
    server: Syslog, *, lines: int = 10_000, patience: Patience = QUICK
) -> Iterator[tuple[SyslogSink, KeptEvents]]:
    sink, said = SyslogSink(server, lines=lines, patience=patience), KeptEvents()
    sink.start(said)
    with closing(sink):
        yield sink, said


def tcp(port: int) -> Syslog:
    return Syslog(host="127.0.0.1", port=port)


def udp(port: int) -> Syslog:
    return Syslog(host="127.0.0.1", port=port, protocol="udp")


def comes(condition: Callable[[], object]) -> None:
    eventually(condition, within=10, what="it came", every=0.01)


# --- the message ---


def test_an_event_is_a_header_its_fields_and_a_sentence() -> None:
    assert message(
        "transfer.failed",
        level="warning",
        pair="logs",
        path="a.gz",
        error="refused",
        hint="wait",
        bytes=7,
        nothing=None,
    ) == Message(
        priority=3 * 8 + 4,
        time="1970-01-12T13:46:40.000Z",
        host="lt-07",
        app="syncd",
        pid="812",
        event="transfer.failed",
        fields={"pair": "logs", "path": "a.gz", "error": "refused", "hint": "wait", "bytes": "7"},
        words="transfer failed: logs a.gz: refused (wait)",
    )


def test_an_event_without_fields_has_no_structured_data() -> None:
    assert frame("daemon.ready") == b"<30>1 1970-01-12T13:46:40.000Z lt-07 syncd 812 daemon.ready - daemon ready"


@pytest.mark.parametrize(("level", "severity"), [("debug", 7), ("info", 6), ("warning", 4), ("error", 3)])
def test_a_level_is_a_severity_of_the_facility_daemon(level: str, severity: int) -> None:
    assert message("daemon.ready", level=level).priority == 24 + severity


def test_no_value_breaks_the_message() -> None:
    found = message("file.skipped", path=NASTY, error=NASTY)
    assert found.fields["path"] == escape(NASTY)
    assert found.words == f"file skipped: {escape(NASTY)}: {escape(NASTY)}"
    assert frame("file.skipped", path=NASTY).decode().isprintable()


@given(st.text(), st.text(), st.text())
def test_any_text_comes_back_as_the_journal_shows_it(name: str, value: str, error: str) -> None:
    name = f"x{name}"
    found = message("file.skipped", **{"path": value, name: error})
    assert found.fields["path"] == escape(value)
    assert list(found.fields.values())[-1] == escape(error)
    assert found.words.isprintable()


@given(st.lists(st.text(min_size=500, max_size=5000), min_size=1, max_size=12))
def test_a_message_fits_into_what_servers_take_and_is_cut_between_characters(values: list[str]) -> None:
    whole = frame("file.skipped", error=values[0], **{f"f{n}": value for n, value in enumerate(values)})
    assert len(whole) < 8192
    found = read_message(whole)
    for place, value in enumerate(values):
        said = found.fields.get(f"f{place}", "")
        assert escape(value) == said or escape(value).startswith(said.removesuffix("…"))


def test_a_value_of_a_megabyte_costs_no_more_than_what_is_sent() -> None:
    began = time.monotonic()
    assert message("cycle.failed", error="ü" * 1_000_000).fields["error"].endswith("ü…")
    assert time.monotonic() - began < 1


@pytest.mark.parametrize(("hostname", "shown"), [("", "-"), ("a b\n", "a_b_"), ("ü" * 300, "_" * 255)])
def test_a_host_name_is_printable_ascii(hostname: str, shown: str) -> None:
    line = SyslogLines(hostname=hostname, pid=1)(None, "", {"event": "daemon.ready", "level": "info", "at": 0.0})
    assert read_message(line.encode()).host == shown


# --- the way ---


@pytest.mark.parametrize("protocol", ["tcp", "udp"])
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["IPv4", "IPv6"])
def test_every_message_arrives_in_order(protocol: str, family: int) -> None:
    with SyslogServer(udp=protocol == "udp", family=family) as server:
        host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        with sink_to(Syslog(host=host, port=server.port, protocol=protocol)) as (sink, said):
            for number in range(100):
                sink.put(numbered(number))
            comes(lambda: len(server.messages()) == 100)
            comes(lambda: sink.state().sent == 100)
            assert sink.state().connected
        assert numbers(server) == list(range(100))
        assert said.names() == []


@pytest.mark.parametrize("udp_too", [False, True], ids=["tcp", "udp"])
def test_a_server_that_is_down_at_first_gets_everything_once_it_is_there(udp_too: bool) -> None:
    port = free_port()
    with sink_to(udp(port) if udp_too else tcp(port)) as (sink, said):
        for number in range(50):
            sink.put(numbered(number))
        comes(lambda: said.names() == [events.SYSLOG_LOST])
        state = sink.state()
        assert (state.connected, state.queued, state.sent, state.dropped) == (False, 50, 0, 0)
        assert "refused" in state.last_error
        with SyslogServer(udp=udp_too, port=port) as server:
            comes(lambda: said.names() == [events.SYSLOG_LOST, events.SYSLOG_FOUND])
            comes(lambda: numbers(server) == list(range(50)))
            assert sink.state().last_error == ""


def test_what_does_not_fit_is_dropped_counted_and_told_once() -> None:
    port = free_port()
    with sink_to(tcp(port), lines=20) as (sink, said):
        for number in range(50):
            sink.put(numbered(number))
        comes(lambda: said.names() == [events.SYSLOG_LOST])
        assert (sink.state().queued, sink.state().dropped) == (20, 30)
        with SyslogServer(port=port) as server:
            comes(lambda: events.SYSLOG_DROPPED in said.names())
            sink.put(numbered(50))
            comes(lambda: numbers(server) == [*range(20), 50])
        assert said.names() == [events.SYSLOG_LOST, events.SYSLOG_DROPPED]
        (told,) = said.of(events.SYSLOG_DROPPED)
        assert (told["lines"], told["server"]) == (30, f"tcp 127.0.0.1:{port}")
        assert sink.state().dropped == 30


def test_a_connection_that_the_server_ended_is_made_anew_without_losing_a_line() -> None:
    with SyslogServer() as server, sink_to(tcp(server.port)) as (sink, said):
        for number in range(20):
            sink.put(numbered(number))
            comes(lambda number=number: len(server.messages()) == number + 1)
            server.hang_up()
        assert numbers(server) == list(range(20))
        assert said.names() == []


def test_a_server_that_hangs_blocks_nobody_and_its_lines_are_counted() -> None:
    with SyslogServer(reading=False) as server:
        with sink_to(tcp(server.port), lines=50, patience=Patience(send_s=0.2, rest_s=0.02)) as (sink, said):
            line = frame(events.CYCLE_FAILED, error="x" * 1000)
            longest = 0.0

            def more() -> bool:
                nonlocal longest
                for _ in range(100):
                    began = time.monotonic()
                    sink.put(line)
                    longest = max(longest, time.monotonic() - began)
                return events.SYSLOG_LOST in said.names()

            comes(more)
            assert longest < 0.2
            assert "timed out" in sink.state().last_error
            assert sink.state().dropped > 0
            began = time.monotonic()
            sink.close()
            assert time.monotonic() - began < 2


def test_a_burst_that_a_working_server_cannot_take_is_told_when_there_is_room() -> None:
    gate = threading.Event()

    class Slow:
        """A way that stands still until the gate opens."""

        def gone(self) -> bool:
            return False

        def send(self, frame: bytes) -> None:
            assert gate.wait(10)

        def interrupt(self) -> None: ...

        def close(self) -> None: ...

    def opened(server: Syslog, send_s: float) -> Wire:
        return Slow()

    sink, said = SyslogSink(tcp(1), lines=10, patience=QUICK, opened=opened), KeptEvents()
    sink.start(said)
    with closing(sink):
        for number in range(25):
            sink.put(numbered(number))
        assert sink.state().dropped == 15
        gate.set()
        comes(lambda: said.of(events.SYSLOG_DROPPED) == [{"server": "tcp 127.0.0.1:1", "lines": 15}])
        assert said.names() == [events.SYSLOG_DROPPED]


def test_a_frame_that_no_way_takes_does_not_hold_up_the_others() -> None:
    with SyslogServer(udp=True) as server, sink_to(udp(server.port)) as (sink, _):
        sink.put(b"x" * 100_000)
        sink.put(numbered(1))
        comes(lambda: numbers(server) == [1])
        assert sink.state().dropped == 1


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 80 + ".invalid"])
def test_a_host_that_cannot_be_looked_up_is_told_and_costs_the_caller_nothing(host: str) -> None:
    with sink_to(Syslog(host=host)) as (sink, said):
        sink.put(numbered(1))
        eventually(lambda: said.names() == [events.SYSLOG_LOST], within=60, what="it was told")
        assert sink.state().queued == 1


def test_the_end_sends_what_waits() -> None:
    with SyslogServer() as server:
        sink = SyslogSink(tcp(server.port), patience=QUICK)
        sink.start(KeptEvents())
        for number in range(2000):
            sink.put(numbered(number))
        assert sink.close(5) == 0
        comes(lambda: len(server.messages()) == 2000)


def test_the_end_tries_once_more_where_it_rested() -> None:
    port = free_port()
    sink, said = SyslogSink(tcp(port), patience=Patience(rest_s=60, longest_rest_s=60)), KeptEvents()
    sink.start(said)
    sink.put(numbered(1))
    comes(lambda: said.names() == [events.SYSLOG_LOST])
    with SyslogServer(port=port) as server:
        assert sink.close(5) == 0
        comes(lambda: numbers(server) == [1])


def test_the_end_counts_what_it_could_not_send_and_takes_no_more() -> None:
    sink = SyslogSink(tcp(free_port()), patience=QUICK)
    sink.start(KeptEvents())
    for number in range(5):
        sink.put(numbered(number))
    began = time.monotonic()
    assert sink.close() == 5
    assert time.monotonic() - began < 2
    sink.put(numbered(6))
    assert sink.state().dropped == 6


# --- as a part of the logs ---


@contextmanager
def logs_to(server: Syslog, stream: io.StringIO, level: str = "info") -> Iterator[Logs]:
    settings = LogSettings(level=level, format="json", syslog=server)
    with closing(open_logs(settings, clock=HandClock(), stream=stream, environ={})) as logs:
        yield logs


def test_what_the_journal_gets_the_server_gets_at_the_level_of_now_and_with_secrets_hidden() -> None:
    stream = io.StringIO()
    with SyslogServer() as server:
        with logs_to(tcp(server.port), stream) as logs:
            logs.events.emit(events.TRANSFER_FINISHED, path="unseen")
            logs.set_level("debug")
            logs.events.emit(events.TRANSFER_FINISHED, pair="logs", path=NASTY, api_key="hunter2")
            for _ in range(3):
                logs.events.emit(events.CYCLE_FAILED, error="Authorization: ApiKey hunter2")
            state = logs.syslog_state()
            assert state is not None
            assert state.server == f"tcp 127.0.0.1:{server.port}"
        comes(lambda: len(server.messages()) == 3)
        assert [(one.event, one.fields) for one in server.messages()] == [
            ("transfer.finished", {"pair": "logs", "path": escape(NASTY), "api_key": "***"}),
            ("cycle.failed", {"error": "Authorization: ApiKey ***"}),
            ("cycle.failed", {"error": "Authorization: ApiKey ***", "repeated": "repeated 2 times"}),
        ]
    assert len(stream.getvalue().splitlines()) == 3
    assert "hunter2" not in stream.getvalue()


def test_a_server_that_never_came_is_told_in_the_journal_with_what_it_missed() -> None:
    stream = io.StringIO()
    with logs_to(tcp(free_port()), stream) as logs:
        logs.events.emit(events.DAEMON_READY)
        comes(lambda: "syslog.lost" in stream.getvalue())
    assert '"event": "syslog.dropped"' in stream.getvalue().splitlines()[-1]
    assert '"lines": 2' in stream.getvalue().splitlines()[-1]  # the line that told of it waited, too


def test_the_server_can_be_changed_while_running() -> None:
    stream = io.StringIO()
    with SyslogServer() as first, SyslogServer() as second, logs_to(tcp(first.port), stream) as logs:
        logs.events.emit(events.DAEMON_READY)
        logs.set_syslog(tcp(second.port))
        logs.events.emit(events.DAEMON_STOPPING)
        logs.set_syslog(Syslog())
        logs.events.emit(events.DAEMON_STOPPED)
        assert logs.syslog_state() is None
        comes(lambda: (first.events(), second.events()) == (["daemon.ready"], ["daemon.stopping"]))
    assert len(stream.getvalue().splitlines()) == 3


def test_without_a_host_there_is_no_syslog() -> None:
    with logs_to(Syslog(), io.StringIO()) as logs:
        assert logs.syslog_state() is None


def test_the_server_gets_what_a_quieter_terminal_does_not() -> None:
    stream = io.StringIO()
    with SyslogServer() as server:
        settings = LogSettings(format="json", syslog=tcp(server.port), beside="warning")
        with closing(open_logs(settings, clock=HandClock(), stream=stream, environ={})) as logs:
            logs.events.emit(events.DAEMON_READY)
            logs.events.emit(events.CYCLE_FAILED, error="refused")
        comes(lambda: server.events() == ["daemon.ready", "cycle.failed"])
    assert "cycle.failed" in stream.getvalue()
    assert "daemon.ready" not in stream.getvalue()
