"""Logs by structlog: one line an event, to the journal, a terminal, a pipe or a file; and `ports.Events` on top."""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TextIO

import structlog

from syncd import events
from syncd.config.types import Syslog
from syncd.errors import ConfigError
from syncd.lifecycle.folding import Folding, Line
from syncd.lifecycle.lines import ConsoleLines, JournalLines, JsonLines
from syncd.lifecycle.rfc5424 import SyslogLines
from syncd.lifecycle.ring import EventRing
from syncd.lifecycle.secrecy import hide
from syncd.lifecycle.severity import FOLDED, NUMBERS, level_of
from syncd.lifecycle.syslog import SyslogHandler, SyslogSink, SyslogState
from syncd.ports import Clock

FILE_BYTES = 10 * 1024 * 1024
FILES_KEPT = 5
DUE_SECONDS = 1.0

_RESERVED = frozenset({"event", "level", "at", "exc_info", "stack_info", "stacklevel", "extra"})

Renderer = JournalLines | ConsoleLines | JsonLines | SyslogLines


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """What a user chooses. `format`: auto journal json console. `file`: also there, rotated at 10 MB, five kept.

    With a file, standard error carries the lines too only where somebody sees them: a terminal or the journal.
    `syslog`: every line goes there as well; where `beside` is a level, stream and file get no line below it.
    """

    level: str = "info"
    format: str = "auto"
    file: Path | None = None
    syslog: Syslog | None = None
    beside: str = ""


class StructlogEvents:
    """`ports.Events`: each event at its level, secrets hidden, repeated failures folded, the last ones kept in `ring`.

    The fields that structlog's context carries (`worker`, ...) go with it. Never raises; thread-safe.
    """

    def __init__(self, logger: logging.Logger, *, level: str, clock: Clock, ring: EventRing, folding: Folding) -> None:
        self.level = level
        self.ring = ring
        self._logger: Any = structlog.wrap_logger(
            logger,
            processors=[structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
            wrapper_class=structlog.stdlib.BoundLogger,
        )
        self._clock = clock
        self._folding = folding
        self._lock = threading.Lock()
        self._looked = 0.0

    def emit(self, event: str, **fields: object) -> None:
        """Say what happened: `event` is a constant of `syncd.events`."""
        level = level_of(event)
        merged = {**structlog.contextvars.get_contextvars(), **fields}
        said = {_free(name): hide(name, value) for name, value in merged.items()}
        self.ring.add(at=self._clock.now(), level=level, event=event, fields=said)
        for line in self._folded(event, level, said):
            self._write(line)

    def flush(self) -> None:
        """Write the counts of everything that is folded now."""
        with self._lock:
            lines = self._folding.flush()
        for line in lines:
            self._write(line)

    def _folded(self, event: str, level: str, fields: Mapping[str, object]) -> list[Line]:
        now = self._clock.monotonic()
        folds = level in FOLDED
        if not folds and now - self._looked < DUE_SECONDS:
            return [Line(event, fields)]
        with self._lock:
            self._looked = now
            lines = self._folding.admit(event, fields, now) if folds else [Line(event, fields)]
            return [*self._folding.due(now), *lines]

    def _write(self, line: Line) -> None:
        level = level_of(line.event)
        if NUMBERS[level] >= NUMBERS[self.level]:
            getattr(self._logger, level)(line.event, level=level, at=self._clock.now(), **line.fields)


def _free(name: str) -> str:
    """The field's name, or one that structlog has no meaning for."""
    return f"{name}_" if name in _RESERVED else name


class Logs:
    """The configured logs. `events` is what the rest of the program is given."""

    def __init__(
        self, events: StructlogEvents, logger: logging.Logger, bridge: LibraryBridge, *, on_terminal: bool
    ) -> None:
        self.events = events
        self._console = on_terminal
        self._logger = logger
        self._bridge = bridge
        self._syslog: SyslogHandler | None = None

    @property
    def level(self) -> str:
        """The level now: debug info warning error."""
        return self.events.level

    @property
    def on_terminal(self) -> bool:
        """Whether a person reads warnings on a terminal as they come, in words."""
        return self._console and NUMBERS[self.level] <= NUMBERS["warning"]

    def set_level(self, level: str) -> None:
        """Change the level at once. Raises ValueError for a word that is none."""
        self.events.level = _level(level)

    def set_syslog(self, server: Syslog) -> None:
        """Send every line from now on to that server too, or to none (no host), and no longer to the one before."""
        self._drop_syslog()
        if server.host:
            self._syslog = SyslogHandler(SyslogSink(server))
            self._logger.addHandler(
                _formatted(self._syslog, SyslogLines(hostname=socket.gethostname(), pid=os.getpid()))
            )
            self._syslog.sink.start(self.events)

    def syslog_state(self) -> SyslogState | None:
        """How remote syslog stands; None where none is configured."""
        return None if self._syslog is None else self._syslog.sink.state()

    def _drop_syslog(self) -> None:
        """Send what waits, for a second at most; what could not be sent is counted in the logs that remain."""
        handler, self._syslog = self._syslog, None
        if handler is None:
            return
        self._logger.removeHandler(handler)
        lines = handler.sink.close()
        handler.close()
        if lines:
            self.events.emit(events.SYSLOG_DROPPED, server=handler.sink.name, lines=lines)

    def close(self) -> None:
        """Write the counts of what is folded, then let go of files, syslog and the libraries' logging."""
        logging.getLogger().removeHandler(self._bridge)
        self.events.flush()
        self._drop_syslog()
        for handler in list(self._logger.handlers):
            self._logger.removeHandler(handler)
            handler.close()


class LibraryBridge(logging.Handler):
    """Brings warnings of botocore, urllib3, watchdog and the like into our events."""

    def __init__(self, said: StructlogEvents) -> None:
        super().__init__(logging.WARNING)
        self._events = said

    def emit(self, record: logging.LogRecord) -> None:
        """Pass one record on."""
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # a library's format string that does not fit its arguments
            message = str(record.msg)
        error = {"error": repr(record.exc_info[1])} if record.exc_info else {}
        self._events.emit(events.LIBRARY_WARNED, library=record.name, message=message, **error)


class LogFile(RotatingFileHandler):
    """The log file. A line that cannot be written (a full disk) is lost and counted, and costs nothing else."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=FILE_BYTES, backupCount=FILES_KEPT, encoding="utf-8", errors="backslashreplace")
        self.lost = 0

    def handleError(self, record: logging.LogRecord) -> None:
        """Count it: the library would print a traceback for every line."""
        self.lost += 1

    def close(self) -> None:
        """Let go of it; lines that still do not fit on the disk are lost like those before."""
        with suppress(OSError):
            super().close()


def open_logs(
    settings: LogSettings,
    *,
    clock: Clock,
    stream: TextIO | None = None,
    environ: Mapping[str, str] | None = None,
) -> Logs:
    """Set up logs to `stream` (standard error) and the file. Close what is returned.

    Raises ConfigError where the file cannot be opened, ValueError for an unknown level.
    """
    stream = sys.stderr if stream is None else stream
    environ = os.environ if environ is None else environ
    level = _level(settings.level)
    # Not from the registry of the logging module: two of them in one process do not know each other.
    logger = logging.Logger("syncd", logging.DEBUG)
    if settings.file is not None:
        logger.addHandler(_formatted(_log_file(settings.file), _file_renderer(settings.format), settings.beside))
    console = False
    if settings.file is None or stream.isatty() or is_journal(stream, environ):
        renderer = choose_renderer(settings.format, stream, environ)
        logger.addHandler(_formatted(logging.StreamHandler(stream), renderer, settings.beside))
        console = isinstance(renderer, ConsoleLines) and stream.isatty()
    said = StructlogEvents(logger, level=level, clock=clock, ring=EventRing(), folding=Folding())
    bridge = LibraryBridge(said)
    logging.getLogger().addHandler(bridge)
    logs = Logs(said, logger, bridge, on_terminal=console)
    if settings.syslog is not None:
        logs.set_syslog(settings.syslog)
    return logs


def choose_renderer(format: str, stream: TextIO, environ: Mapping[str, str]) -> Renderer:
    """How lines on this stream look: as told, or by what the stream is connected to."""
    if format == "auto":
        format = "journal" if is_journal(stream, environ) else "console" if stream.isatty() else "json"
    if format == "journal":
        return JournalLines()
    if format == "json":
        return JsonLines()
    plain = bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"
    return ConsoleLines(colours=stream.isatty() and not plain)


def is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether the stream is the journal's socket: JOURNAL_STREAM names its device and inode."""
    device, _, inode = environ.get("JOURNAL_STREAM", "").partition(":")
    if not (device.isdigit() and inode.isdigit()):
        return False
    try:
        stat = os.fstat(stream.fileno())
    except (OSError, ValueError):  # no descriptor, or a closed one
        return False
    return (stat.st_dev, stat.st_ino) == (int(device), int(inode))


def _level(word: str) -> str:
    if word not in NUMBERS:
        raise ValueError(f"log level {word!r} is none of {', '.join(NUMBERS)}")
    return word


def _log_file(path: Path) -> LogFile:
    try:
        return LogFile(path)
    except OSError as error:
        raise ConfigError(
            [f"the log file {path} cannot be opened: {error.strerror}"], hint="choose another with --log-file"
        ) from error


def _file_renderer(format: str) -> Renderer:
    return ConsoleLines(colours=False) if format == "console" else JsonLines()


def _formatted(handler: logging.Handler, renderer: Renderer, level: str = "") -> logging.Handler:
    handler.setLevel(NUMBERS[_level(level)] if level else logging.NOTSET)
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(processors=[remove_meta, renderer]))
    return handler
