"""A finished pass, as status, run report and exit code see it."""

from __future__ import annotations

from dataclasses import dataclass, field

from syncd.engine.outcome import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleReport:
    """What one full pass did. Times in seconds; `started_at` since the epoch; bytes as they crossed the wire.

    `tracked`: records after the pass; `local_bytes`, `local_files`: what was seen, filtered; `remote_objects`: what was
    listed, filtered, with what the pass itself made of it.
    """

    id: str
    started_at: float
    duration_s: float
    counts: dict[str, int]
    shown: dict[str, int]
    bytes_up: int
    bytes_down: int
    tracked: int
    local_files: int
    local_bytes: int
    remote_objects: int
    renumbered: int = 0  # files with nothing but a new inode number
    unfinished: tuple[Outcome, ...] = ()
    halted_plan: str = ""
    halt_reason: str = ""
    stopped: bool = False
    requests: dict[str, int] = field(default_factory=dict)

    @property
    def errors(self) -> int:
        """Items that failed."""
        return self.counts.get("errors", 0)

    @property
    def unseen(self) -> int:
        """Folders that could not be read and buckets that could not be listed: what lies there is not in step."""
        return self.shown.get("unseen", 0)

    @property
    def waiting(self) -> int:
        """Items that could not go yet."""
        return self.counts.get("waiting", 0)
