"""What a run of the archiver did, as a value; and what a dry one would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from syncd.errors import SyncdError


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One file or archive that failed, in words. `where` is a path below the folder, an archive's key, or "spool"."""

    where: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """One run over one bucket folder.

    `archives`, `files`, `bytes`: proven in this run (bytes of content). `alone`: files over max_size that went up by
    themselves, `alone_bytes` of theirs. `staged`: originals moved out, to be unlinked by the next run. `kept`:
    originals that stay because another version lies there by now. `open`: left because somebody has them open.
    `changed`: left because they changed while they were packed. `unlinking`: archived and still here, those of earlier
    runs too. `oldest_at`: when the oldest file that is in no proven archive came, in seconds since the epoch.
    `next_due_s`: seconds until a run has something to do again that nothing announces; None: nothing waits for time.
    `failure`: what ended the run before its end (the endpoint or the root was lost); what it did until then counts.
    """

    folder: str  # "<batch>/<bucket>"
    started_at: float
    duration_s: float
    archives: int = 0
    files: int = 0
    bytes: int = 0
    alone: int = 0
    alone_bytes: int = 0
    staged: int = 0
    unlinked: int = 0
    kept: int = 0
    open: int = 0
    changed: int = 0
    unlinking: int = 0
    waiting_files: int = 0
    waiting_bytes: int = 0
    oldest_at: float | None = None
    skipped: int = 0  # names that are no files: symlinks, sockets, unreadable folders, no keys
    errors: int = 0
    problems: tuple[Problem, ...] = ()  # the first hundred of them
    next_due_s: float | None = None
    stopped: bool = False
    failure: SyncdError | None = None
    requests: Mapping[str, int] = field(default_factory=dict)  # filled in by who counts them


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRow:
    """What a run would do with one file. `folder`: the key folder whose archive it would go into."""

    path: str
    action: str  # archive upload wait leave
    reason: str
    size: int
    folder: str = ""
