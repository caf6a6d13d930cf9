"""Every precondition looked at, each by itself, with a remedy that can be pasted: also where no daemon can start."""

from __future__ import annotations

import socket
import textwrap
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from syncd.config.locate import Places
from syncd.config.types import S3 as S3Settings
from syncd.config.types import Config
from syncd.control.port import Row
from syncd.core.filters import Filter
from syncd.local.lease import ignore_sigio
from syncd.local.translate import printable
from syncd.ports import Clock
from syncd.runtime.check_batch import batch_findings
from syncd.runtime.check_bucket import Surroundings
from syncd.runtime.check_endpoint import endpoint_findings
from syncd.runtime.check_host import host_findings, inotify_findings
from syncd.runtime.check_root import Survey, root_findings, survey
from syncd.runtime.finding import FAIL, INSTALL, OK, S3, WARN, Finding, looked
from syncd.store.database import Database
from syncwire.exits import Exit, gravest

MACHINE_ID = Path("/etc/machine-id")
WIDTH = 80
TEXT_AT = 19
COLOURS = {OK: "\x1b[32m", WARN: "\x1b[33m", FAIL: "\x1b[31m"}
PLAIN = "\x1b[0m"


def examine(
    config: Config,
    places: Places,
    *,
    environ: Mapping[str, str],
    clock: Clock,
    hostname: str,
    database: Database | None,
    machine_id: str | None = None,
) -> Iterator[Row]:
    """Rows {check, class, level, message, remedy}, as they are found. One check that fails hides no other.

    `database`: the open one where the daemon asks, so that what it remembers need not be probed; None elsewhere.
    A probe leaves nothing behind. `machine_id`: None reads this host's own.
    """
    if threading.current_thread() is threading.main_thread():
        ignore_sigio()  # before the first lease
    around = Surroundings(
        environ=environ,
        clock=clock,
        hostname=hostname,
        machine_id=_machine_id() if machine_id is None else machine_id,
        database=database,
    )
    yield from (finding.row for finding in _findings(config, places, around))


def exit_code(rows: Iterable[Row]) -> int:
    """What the findings mean for a shell: 0, 6 with warnings only, 1 with a failure."""
    means = {OK: Exit.OK, WARN: Exit.DEGRADED}
    return int(gravest([means.get(row["level"], Exit.FAILED) for row in rows]))


def render(rows: Sequence[Row], colour: bool) -> str:
    """The findings for a person: a word, a class and a sentence each, 80 columns wide; a remedy is never broken."""
    lines = [line for row in rows for line in _lines(row, colour)]
    counts = {level: sum(row["level"] == level for row in rows) for level in (OK, WARN, FAIL)}
    lines += ["", f"{len(rows)} checks: {counts[OK]} ok, {counts[WARN]} to look at, {counts[FAIL]} failed"]
    return "\n".join(lines)


def _findings(config: Config, places: Places, around: Surroundings) -> Iterator[Finding]:
    yield from host_findings(places, environ=around.environ, clock=around.clock, database=around.database)
    watched: list[Survey] = []
    for pair in config.pairs:
        wants = Filter(pair.include, pair.exclude).wants
        seen = survey(pair.local, around.clock, wants) if pair.local.is_dir() else Survey()
        yield from looked(f"{pair.name} root", INSTALL, lambda: root_findings(pair, seen))  # noqa: B023  # run at once
        if pair.watch:
            watched.append(seen)
    folders, whole = sum(seen.folders for seen in watched), all(seen.whole for seen in watched)
    yield from looked("inotify", INSTALL, lambda: inotify_findings(folders, len(watched), whole=whole))
    met: set[tuple[str, str, str]] = set()

    def first_of(s3: S3Settings) -> bool:
        endpoint = (s3.endpoint_url, s3.profile, s3.region)
        first = endpoint not in met
        met.add(endpoint)
        return first

    for pair in config.pairs:
        first = first_of(pair.s3)
        yield from looked(f"{pair.name} bucket", S3, lambda: endpoint_findings(pair, around, first=first))  # noqa: B023
    for batch in config.batches:
        yield from batch_findings(batch, places.state_dir, around, first=first_of(batch.s3))


def _lines(row: Row, colour: bool) -> Iterator[str]:
    word = f"{row['level'].upper():<4}"
    head = f"{COLOURS.get(row['level'], '')}{word}{PLAIN}" if colour else word
    text = textwrap.wrap(
        printable(f"{row['check']}: {row['message']}"), WIDTH - TEXT_AT, break_on_hyphens=False, break_long_words=True
    )
    yield f"{head}  {row['class']:<11}  {text[0]}"
    yield from (f"{'':{TEXT_AT}}{line}" for line in text[1:])
    if row["remedy"] and row["level"] != OK:
        yield f"{'':{TEXT_AT}}→ {printable(row['remedy'])}"


def _machine_id() -> str:
    with suppress(OSError):
        text = MACHINE_ID.read_text().strip()
        if text:
            return text
    return socket.gethostname()
