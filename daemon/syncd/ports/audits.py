"""What is remembered of the rolling audit of one pair, as its worker asks for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from syncd.core.paths import RelPath


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRound:
    """How far a round is. `cursor`: the path looked at last; None before the first. Times since the epoch.

    `finished_at`: when the round before it ended; None where none did yet.
    """

    started_at: float
    total_files: int
    total_bytes: int
    cursor: RelPath | None = None
    files: int = 0
    bytes: int = 0
    errors: int = 0
    finished_at: float | None = None

    @property
    def done_share(self) -> float:
        """How much of it is done, 0..1: half by files (each costs requests), half by bytes (each costs traffic)."""
        files = self.files / self.total_files if self.total_files else 1.0
        bytes = self.bytes / self.total_bytes if self.total_bytes else files
        return min((min(files, 1.0) + min(bytes, 1.0)) / 2, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFinding:
    """A path whose bytes are no longer the recorded ones. `seq`: its record's number when that was found."""

    path: RelPath
    seq: int
    at: float
    finding: str


class AuditStore(Protocol):
    """The audit of one pair's records. What is written is durable on return; other records start from nothing."""

    def totals(self) -> tuple[int, int]:
        """Files and bytes that the records name."""
        ...

    def round(self) -> AuditRound | None: ...

    def save(self, round: AuditRound) -> None: ...

    def findings(self) -> list[AuditFinding]:
        """What was found wrong and is not mended, by path."""
        ...

    def note(self, finding: AuditFinding) -> None: ...

    def clear(self, path: RelPath) -> None:
        """It is mended, or gone."""
        ...
