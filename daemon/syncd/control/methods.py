"""The methods of `io.syncd`: message, call, message. The table here and the description agree, by test."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Protocol

from syncd.control.paced import paced
from syncd.control.port import Daemon, Row
from syncd.control.requests import Arguments, Parameter, WireError
from syncwire import names
from syncwire.exits import Exit
from syncwire.framing import MAX_REQUEST, encode

PAGE_BYTES = 128 << 10
LOOK_ROWS = 256
HISTORY_ROWS = 100
HISTORY_MOST = 1_000_000
ARCHIVE_ROWS = 1000
ARCHIVE_MOST = 100_000
ROWS_IN_ONE = 200
"""Files of a restore that are told one by one to a caller who takes one reply."""

SOURCES = ("records", "index", "manifests")


class Line(Protocol):
    """The way back to the caller, as far as a method may know it."""

    @property
    def more(self) -> bool:
        """Whether the caller takes several replies."""
        ...

    def gone(self) -> bool:
        """Whether the caller hung up or the server stops: what goes on for its sake may end."""
        ...

    def stopping(self) -> bool:
        """Whether the server stops."""
        ...

    def hint(self, answer: Row) -> None:
        """A reply before the others, where the caller takes several; lost in silence where it is gone."""
        ...


Replies = Generator[Row, None, None]
Run = Callable[[Daemon, Arguments, Line], Replies]
"""Yields the replies; the last one ends the call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """What one method takes, whether it changes something, and whether it may take long."""

    run: Run
    takes: Mapping[str, Parameter] = field(default_factory=dict)
    changes: bool = False
    long: bool = False


TEXT, NAME, NAMES = Parameter(str), Parameter(str, required=True), Parameter(list, required=True)
SECONDS, SHARE, COUNT, FLAG = Parameter(float), Parameter(float), Parameter(int), Parameter(bool)


def rows(found: Iterable[Row], line: Line, field: str = "rows") -> Replies:
    """Pages of rows. Without `more` there is one page, and ExpectedMore where it would not fit one message."""
    with ExitStack() as stack:
        if isinstance(found, Generator):
            stack.enter_context(closing(found))
        yield from _pages(found, line, field)


def _pages(found: Iterable[Row], line: Line, field: str) -> Replies:
    page: list[Row] = []
    size = 0
    for index, row in enumerate(found):
        if index % LOOK_ROWS == 0 and line.gone():
            raise WireError(names.SHUTTING_DOWN, message="the daemon stops", hint="")
        length = len(encode(row))
        if not line.more and size + length > MAX_REQUEST - PAGE_BYTES:
            raise WireError(names.EXPECTED_MORE)
        if line.more and page and size + length > PAGE_BYTES:
            yield {field: page}
            page, size = [], 0
        page.append(row)
        size += length
    yield {field: page}


def _status(daemon: Daemon, arguments: Arguments, line: Line) -> Replies:
    yield daemon.status()


def _force_sync(daemon: Daemon, arguments: Arguments, line: Line) -> Replies:
    result = daemon.force_sync(
        arguments.text_or_none("pair"),
        arguments.text_or_none("path"),
        arguments.flag("wait"),
        arguments.seconds("timeout"),
        lambda progress: line.hint({"progress": progress}),
        line.gone,
    )
    if line.stopping() and result.get("exit_code") != Exit.OK:
        raise WireError(names.SHUTTING_DOWN, message="the daemon stops before the sync was done", hint="")
    *pages, last = rows(result.get("missing") or (), line, "missing")
    yield from pages
    yield {**last, "cycles": result.get("cycles") or [], "exit_code": int(result.get("exit_code", Exit.OK))}


def _stop(daemon: Daemon, arguments: Arguments, line: Line) -> Replies:
    daemon.stop(arguments.flag("now"))
    yield {}


def _pause(daemon: Daemon, arguments: Arguments, line: Line) -> Replies:
    daemon.pause(arguments.text_or_none("name"), arguments.seconds("seconds"))
    yield {}


def _resume(daemon: Daemon, arguments: Arguments, line: Line) -> Replies:
    daemon.resume(arguments.text_or_none("name"), arguments.text_or_none("accept"))
    yield {}


def _plan(daemon: Daemon, arguments: Arguments, line: Line) -> Replies:
    yield from rows(daemon.plan(arguments.text_or_none("pair")), line)


def _verify(daemon: Daemon, arguments: Arguments, line: Line) -> Replies:
    verified = daemon.verify(
        arguments.text_or_none("pair"),
        arguments.text_or_none("path"),
        share=arguments.share("sample"),
        seed=arguments.text_or_none("seed"),
        download=arguments.flag("download"),
        differences=arguments.flag("differences"),
        progress=_progress(line),
        gone=line.gone,
    )
    last: Row = {"rows": []}
    if line.more:
        with closing(paced(verified, most=PAGE_BYTES)) as pages:
            for page in pages:
                if last["rows"]:
                    yield last
                last = {"rows": page}
    else:
        (last,) = rows(verified, line)
    if line.stopping():
        raise WireError(names.SHUTTING_DOWN, message="the daemon stops before all was verified", hint="")
    yield {**last, **verified.summary()}


def _explain(daemon: Daemon, arguments: Arguments, line: Line) -> Replies:
    yield daemon.explain(arguments.text("path"))


def _history(daemon: Daemon, arguments: Arguments, line: Line) -> Replies:
    limit = arguments.count("limit", HISTORY_ROWS, HISTORY_MOST)
    path, pair = arguments.text_or_none("path"), arguments.text_or_none("pair")
    yield from rows(daemon.history(path, arguments.instant("since"), limit, pair), line)


def _conflicts(daemon: Daemon, arguments: Arguments, line: Line) -> Replies:
    yield from rows(daemon.conflicts(), line)


def _resolve_conflict(daemon: Daemon, arguments: Arguments, line: Line) -> Replies:
    daemon.resolve_conflict(arguments.text("id"), arguments.word("keep", ("local", "remote", "both")))
    yield {}


def _trash_list(daemon: Daemon, arguments: Arguments, line: Line) -> Replies:
    yield from rows(daemon.trash(arguments.text_or_none("pair")), line)


def _trash_restore(daemon: Daemon, arguments: Arguments, line: Line) -> Replies:
    daemon.trash_restore(arguments.text("id"), arguments.text_or_none("to"))
    yield {}


def _archive_find(daemon: Daemon, arguments: Arguments, line: Line) -> Replies:
    answer = daemon.archives.find(
        arguments.text("pattern"),
        versions=arguments.flag("all"),
        source=arguments.word_or_none("source", SOURCES),
        limit=arguments.count("limit", ARCHIVE_ROWS, ARCHIVE_MOST),
        progress=_progress(line),
        gone=line.gone,
    )
    yield from _paged(answer, "rows", line)


def _archive_list(daemon: Daemon, arguments: Arguments, line: Line) -> Replies:
    limit = arguments.count("limit", ARCHIVE_ROWS, ARCHIVE_MOST)
    place = arguments.text_or_none("place")
    answer = daemon.archives.listing(place, limit=limit, progress=_progress(line), gone=line.gone)
    yield from _paged(answer, "archives" if "archives" in answer else "rows", line)


def _archive_restore(daemon: Daemon, arguments: Arguments, line: Line) -> Replies:
    answer = daemon.archives.restore(
        arguments.texts("keys"),
        to=arguments.text("to"),
        view=arguments.text_or_none("view"),
        versions=arguments.flag("all"),
        source=arguments.word_or_none("source", SOURCES),
        progress=_progress(line),
        gone=line.gone,
    )
    if not line.more:
        answer = {**answer, "rows": answer["rows"][:ROWS_IN_ONE]}
    yield from _paged(answer, "rows", line)


def _archive_reindex(daemon: Daemon, arguments: Arguments, line: Line) -> Replies:
    batch, bucket = arguments.text_or_none("batch"), arguments.text_or_none("bucket")
    yield daemon.archives.reindex(batch, bucket, progress=_progress(line), gone=line.gone)


def _progress(line: Line) -> Callable[[Row], None]:
    return lambda progress: line.hint({"progress": progress})


def _paged(answer: Row, field: str, line: Line) -> Replies:
    """The rows in pages, and all else with the last of them."""
    *pages, last = rows(answer[field], line, field)
    yield from pages
    yield {**answer, **last}


def _doctor(daemon: Daemon, arguments: Arguments, line: Line) -> Replies:
    yield from rows(daemon.doctor(), line)


def _reload(daemon: Daemon, arguments: Arguments, line: Line) -> Replies:
    yield daemon.reload()


def _config_show(daemon: Daemon, arguments: Arguments, line: Line) -> Replies:
    yield {"text": daemon.config_show()}


def _log_level(daemon: Daemon, arguments: Arguments, line: Line) -> Replies:
    daemon.set_log_level(arguments.word("level", ("debug", "info", "warning", "error")))
    yield {}


def _version(daemon: Daemon, arguments: Arguments, line: Line) -> Replies:
    yield daemon.version()


METHODS: Mapping[str, Method] = {
    "Status": Method(run=_status),
    "ForceSync": Method(
        run=_force_sync, takes={"pair": TEXT, "path": TEXT, "wait": FLAG, "timeout": SECONDS}, changes=True, long=True
    ),
    "Stop": Method(run=_stop, takes={"now": FLAG}, changes=True),
    "Pause": Method(run=_pause, takes={"name": TEXT, "seconds": SECONDS}, changes=True),
    "Resume": Method(run=_resume, takes={"name": TEXT, "accept": TEXT}, changes=True),
    "Plan": Method(run=_plan, takes={"pair": TEXT}, long=True),
    "Verify": Method(
        run=_verify,
        takes={"pair": TEXT, "path": TEXT, "sample": SHARE, "seed": TEXT, "download": FLAG, "differences": FLAG},
        long=True,
    ),
    "Explain": Method(run=_explain, takes={"path": NAME}),
    "History": Method(run=_history, takes={"path": TEXT, "since": TEXT, "limit": COUNT, "pair": TEXT}),
    "Conflicts": Method(run=_conflicts),
    "ResolveConflict": Method(run=_resolve_conflict, takes={"id": NAME, "keep": NAME}, changes=True),
    "TrashList": Method(run=_trash_list, takes={"pair": TEXT}),
    "TrashRestore": Method(run=_trash_restore, takes={"id": NAME, "to": TEXT}, changes=True),
    "ArchiveFind": Method(
        run=_archive_find, takes={"pattern": NAME, "all": FLAG, "source": TEXT, "limit": COUNT}, long=True
    ),
    "ArchiveList": Method(run=_archive_list, takes={"place": TEXT, "limit": COUNT}, long=True),
    "ArchiveRestore": Method(
        run=_archive_restore,
        takes={"keys": NAMES, "to": NAME, "view": TEXT, "all": FLAG, "source": TEXT},
        changes=True,
        long=True,
    ),
    "ArchiveReindex": Method(run=_archive_reindex, takes={"batch": TEXT, "bucket": TEXT}, changes=True, long=True),
    "Doctor": Method(run=_doctor, long=True),
    "Reload": Method(run=_reload, changes=True),
    "ConfigShow": Method(run=_config_show),
    "LogLevel": Method(run=_log_level, takes={"level": NAME}, changes=True),
    "Version": Method(run=_version),
}
