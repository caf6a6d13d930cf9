"""Logs: one event is one line whatever is in it, at its level, on every kind of output."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import pty
import re
import select
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TextIO

import pytest
from structlog.contextvars import bound_contextvars

from support.recorded import HandClock
from syncd import events
from syncd.errors import ConfigError
from syncd.lifecycle.logs import LibraryBridge, LogFile, Logs, LogSettings, open_logs
from syncd.lifecycle.severity import LEVELS

NASTY = 'a\nb\r\x1b[31mred\x00\x7f\x85\u2028\u202eevil\udcff tab\t quote" back\\slash ü'


@contextmanager
def logs_to(stream: TextIO, format: str = "auto", level: str = "debug", **environ: str) -> Iterator[Logs]:
    with closing(
        open_logs(LogSettings(level=level, format=format), clock=HandClock(), stream=stream, environ=environ)
    ) as logs:
        yield logs


@contextmanager
def terminal() -> Iterator[tuple[TextIO, int]]:
    master, slave = pty.openpty()
    with open(slave, "w", encoding="utf-8") as stream:
        yield stream, master
    os.close(master)


def line_of(master: int) -> str:
    """The next line of the terminal, whole: the kernel hands it over in pieces of its own."""
    said = b""
    while not said.endswith(b"\n"):
        assert select.select([master], [], [], 10)[0], said
        said += os.read(master, 4096)
    return said.decode()


def rows(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_every_event_has_a_level() -> None:
    constants = {value for name, value in vars(events).items() if name.isupper()}
    assert constants == set(LEVELS)


def test_a_pipe_gets_json_lines() -> None:
    stream = io.StringIO()
    with logs_to(stream) as logs:
        logs.events.emit(events.CYCLE_FINISHED, pair="logs", uploaded=3)
    assert rows(stream.getvalue()) == [
        {"time": "1970-01-12T13:46:40.000Z", "level": "info", "event": "cycle.finished", "pair": "logs", "uploaded": 3}
    ]


@pytest.mark.parametrize("format", ["json", "journal", "console"])
def test_no_value_breaks_a_line_or_reaches_a_terminal_raw(format: str) -> None:
    stream = io.StringIO()
    with logs_to(stream, format) as logs:
        logs.events.emit(events.FILE_SKIPPED, path=NASTY, error=RuntimeError(NASTY), number=1)
    line = stream.getvalue()
    assert line.endswith("\n")
    assert line[:-1].isprintable()
    line.encode("utf-8")  # a byte that is no UTF-8 does not reach the stream's encoder


def test_json_gives_every_value_back_as_it_was() -> None:
    stream = io.StringIO()
    with logs_to(stream) as logs:
        logs.events.emit(events.FILE_SKIPPED, path=NASTY)
    assert rows(stream.getvalue())[0]["path"] == NASTY


def test_the_journal_gets_a_priority_and_no_time() -> None:
    stream = io.StringIO()
    with logs_to(stream, "journal") as logs:
        logs.events.emit(events.TRANSFER_FINISHED, path="a b", elapsed=0.5)
        logs.events.emit(events.CYCLE_FINISHED, pair="logs")
        logs.events.emit(events.TRANSFER_FAILED, error="refused\nhard")
        logs.events.emit(events.PAIR_HALTED, pair="logs")
    assert stream.getvalue().splitlines() == [
        '<7>transfer.finished path="a b" elapsed=0.5',
        "<6>cycle.finished pair=logs",
        "<4>transfer.failed error=refused\\x0ahard",
        "<3>pair.halted pair=logs",
    ]


def test_a_stream_that_the_journal_named_gets_the_journals_lines(tmp_path: Path) -> None:
    with open(tmp_path / "stderr", "w+", encoding="utf-8") as stream:
        stat = os.fstat(stream.fileno())
        with logs_to(stream, JOURNAL_STREAM=f"{stat.st_dev}:{stat.st_ino}") as logs:
            logs.events.emit(events.DAEMON_READY)
        with logs_to(stream, JOURNAL_STREAM=f"{stat.st_dev}:{stat.st_ino + 1}") as logs:
            logs.events.emit(events.DAEMON_READY)
        stream.seek(0)
        ours, others = stream.read().splitlines()
    assert ours == "<6>daemon.ready"
    assert json.loads(others)["event"] == "daemon.ready"


def test_a_terminal_gets_colours_unless_told_not_to() -> None:
    with terminal() as (stream, master):
        with logs_to(stream) as logs:
            logs.events.emit(events.DAEMON_READY, version="1")
        coloured = line_of(master)
        with logs_to(stream, NO_COLOR="1") as logs:
            logs.events.emit(events.DAEMON_READY, version="1")
        plain = line_of(master)
    assert re.fullmatch(r"\d\d:\d\d:\d\d \x1b\[32minfo   \x1b\[0m daemon\.ready version=1\r\n", coloured)
    assert re.fullmatch(r"\d\d:\d\d:\d\d info    daemon\.ready version=1\r\n", plain)


def test_the_level_filters_and_changes_while_running() -> None:
    stream = io.StringIO()
    with logs_to(stream, level="info") as logs:
        logs.events.emit(events.TRANSFER_FINISHED, path="unseen")
        logs.set_level("debug")
        logs.events.emit(events.TRANSFER_FINISHED, path="seen")
        assert logs.level == "debug"
        with pytest.raises(ValueError, match="loud"):
            logs.set_level("loud")
    assert [row["path"] for row in rows(stream.getvalue())] == ["seen"]


def test_repeated_failures_are_folded_and_counted_at_the_latest_on_close() -> None:
    stream = io.StringIO()
    with logs_to(stream) as logs:
        for _ in range(100):
            logs.events.emit(events.ENDPOINT_LOST, error="refused")
        logs.events.emit(events.CYCLE_FINISHED)
        logs.events.emit(events.CYCLE_FINISHED)
    assert [(row["event"], row.get("repeated")) for row in rows(stream.getvalue())] == [
        ("endpoint.lost", None),
        ("cycle.finished", None),
        ("cycle.finished", None),
        ("endpoint.lost", "repeated 99 times"),
    ]


def test_a_folded_count_comes_when_its_window_ends_with_the_next_event() -> None:
    stream, clock = io.StringIO(), HandClock()
    with closing(open_logs(LogSettings(), clock=clock, stream=stream, environ={})) as logs:
        logs.events.emit(events.ENDPOINT_LOST, error="refused")
        logs.events.emit(events.ENDPOINT_LOST, error="refused")
        clock.tick(61)
        logs.events.emit(events.ENDPOINT_FOUND)
        assert [row["event"] for row in rows(stream.getvalue())] == ["endpoint.lost", "endpoint.lost", "endpoint.found"]


def test_libraries_warnings_become_our_lines_and_their_chatter_does_not() -> None:
    stream = io.StringIO()
    with logs_to(stream) as logs:
        logging.getLogger("urllib3.connectionpool").warning("retrying %s\n%d", "x", 1)
        logging.getLogger("botocore").info("chatter")
        assert logs.events.ring.since(0)[0].fields["library"] == "urllib3.connectionpool"
    logging.getLogger("botocore").warning("after the end")
    assert [row["message"] for row in rows(stream.getvalue())] == ["retrying x\n1"]


def test_a_librarys_broken_format_string_is_still_a_line() -> None:
    stream = io.StringIO()
    with logs_to(stream) as logs:
        LibraryBridge(logs.events).emit(logging.LogRecord("boto", logging.WARNING, "", 0, "odd %d", ("x",), None))
    assert [row["message"] for row in rows(stream.getvalue())] == ["odd %d"]


def test_a_value_of_a_megabyte_costs_no_more_than_its_length() -> None:
    stream = io.StringIO()
    with logs_to(stream) as logs:
        began = time.monotonic()
        logs.events.emit(events.CYCLE_FAILED, error="x" * 1_000_000 + "://=" + "://" * 1000)
        assert time.monotonic() - began < 5


def test_the_context_of_a_thread_goes_with_its_events() -> None:
    stream = io.StringIO()

    def work(logs: Logs, name: str) -> None:
        with bound_contextvars(worker=name):
            logs.events.emit(events.DAEMON_READY)

    with logs_to(stream) as logs:
        threads = [threading.Thread(target=work, args=(logs, name)) for name in ("a", "b")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(5)
        logs.events.emit(events.DAEMON_READY)
    assert sorted(str(row.get("worker")) for row in rows(stream.getvalue())) == ["None", "a", "b"]


@pytest.mark.parametrize(
    "fields",
    [
        {"secret_key": "hunter2"},
        {"password": "hunter2"},
        {"session_token": "hunter2"},
        {"error": "http://user:hunter2@proxy:3128 refused"},
        {"error": "GET /x?X-Amz-Signature=hunter2&a=1"},
        {"error": "x?X-Amz-Security-Token=hunter2"},
        {"error": "aws_secret_access_key = hunter2"},
        {"error": "Authorization: AWS4-HMAC-SHA256 Credential=AK/x, Signature=hunter2"},
    ],
)
def test_secrets_are_not_written_and_not_kept(fields: dict[str, str]) -> None:
    stream = io.StringIO()
    with logs_to(stream) as logs:
        logs.events.emit(events.TRANSFER_FAILED, **fields)
        assert "hunter2" not in str(logs.events.ring.since(0))
    assert "hunter2" not in stream.getvalue()
    assert "***" in stream.getvalue()


def test_fields_named_like_ours_do_not_break_the_event() -> None:
    stream = io.StringIO()
    with logs_to(stream) as logs:
        logs.events.emit(events.DAEMON_READY, level="x", at=1, exc_info=True, stack_info=True)
    assert rows(stream.getvalue())[0]["level"] == "info"


def test_the_ring_numbers_events_and_forgets_the_oldest() -> None:
    stream = io.StringIO()
    with logs_to(stream, level="error") as logs:
        for number in range(1500):
            logs.events.emit(events.TRANSFER_FINISHED, number=number)
        kept = logs.events.ring.since(0)
        assert [said.id for said in kept] == list(range(501, 1501))
        assert [said.id for said in logs.events.ring.since(1498)] == [1499, 1500]
    assert stream.getvalue() == ""


def test_a_log_file_gets_the_lines_alone_where_nobody_sees_the_stream(tmp_path: Path) -> None:
    stream = io.StringIO()
    settings = LogSettings(file=tmp_path / "syncd.log")
    with closing(open_logs(settings, clock=HandClock(), stream=stream, environ={})) as logs:
        logs.events.emit(events.DAEMON_READY, path="ü\udcff")
    assert rows((tmp_path / "syncd.log").read_text("utf-8"))[0]["path"] == "ü\udcff"
    assert stream.getvalue() == ""


def test_a_log_file_and_the_terminal_both_get_the_lines(tmp_path: Path) -> None:
    settings = LogSettings(file=tmp_path / "syncd.log")
    with terminal() as (stream, master):
        with closing(open_logs(settings, clock=HandClock(), stream=stream, environ={})) as logs:
            logs.events.emit(events.DAEMON_READY)
        assert "daemon.ready" in line_of(master)
    assert "\x1b" not in (tmp_path / "syncd.log").read_text("utf-8")


def test_the_log_file_is_turned_at_ten_megabytes_and_five_are_kept(tmp_path: Path) -> None:
    settings = LogSettings(file=tmp_path / "syncd.log")
    with closing(open_logs(settings, clock=HandClock(), stream=io.StringIO(), environ={})) as logs:
        for _ in range(75):
            logs.events.emit(events.CYCLE_FINISHED, text="x" * 1_000_000)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["syncd.log", *(f"syncd.log.{number}" for number in range(1, 6))]
    assert max(path.stat().st_size for path in tmp_path.iterdir()) <= 10 * 1024 * 1024


def test_a_log_file_that_cannot_be_opened_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere"):
        open_logs(LogSettings(file=tmp_path / "nowhere" / "log"), clock=HandClock(), stream=io.StringIO(), environ={})


def test_a_full_disk_costs_the_lines_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    handler = LogFile(Path("/dev/full"))
    handler.emit(logging.LogRecord("syncd", logging.INFO, "", 0, "lost", (), None))
    assert handler.lost == 1
    stream, handler.stream = handler.stream, io.TextIOWrapper(io.BytesIO())
    with contextlib.suppress(OSError):  # what is in its buffer can never be flushed
        stream.close()
    handler.close()
    assert capsys.readouterr().err == ""
