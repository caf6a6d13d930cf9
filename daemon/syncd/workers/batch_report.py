"""A finished run over all bucket folders of a batch, as status, run report and exit code see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from syncd.archive.report import Problem, RunReport
from syncd.errors import SyncdError

COUNTS = {
    "archives": "archives",
    "archived": "files",
    "uploaded": "alone",
    "staged": "staged",
    "unlinked": "unlinked",
    "kept": "kept",
    "open": "open",
    "changed": "changed",
    "waiting": "waiting_files",
    "skipped": "skipped",
    "errors": "errors",
}
"""What is counted of a run, and which field of a folder's report it adds up."""


ADDED_UP = ("archives", "files", "bytes", "alone", "alone_bytes", "unlinked", "kept", "duration_s")
"""What two runs did together; of all else counts what the later one saw."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A bucket folder that waits, and why; the others went on."""

    bucket: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReport:
    """One run. Times in seconds, `started_at` since the epoch. `failure`: what ended it for every folder."""

    started_at: float
    duration_s: float
    folders: tuple[RunReport, ...] = ()
    left: tuple[Left, ...] = ()
    failure: SyncdError | None = None
    stopped: bool = False
    requests: Mapping[str, int] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """By the names of COUNTS, over all folders."""
        return {name: self._sum(of) for name, of in COUNTS.items()}

    @property
    def bytes_up(self) -> int:
        """Bytes of content that are proven on S3 by this run."""
        return self._sum("bytes") + self._sum("alone_bytes")

    @property
    def errors(self) -> int:
        """Files and archives that failed."""
        return self._sum("errors")

    @property
    def staged(self) -> int:
        """Originals that the next run unlinks."""
        return self._sum("staged")

    @property
    def problems(self) -> list[Problem]:
        """What failed, its place named from the batch's root on."""
        return [
            Problem(where=f"{each.folder.partition('/')[2]}/{problem.where}", reason=problem.reason)
            for each in self.folders
            for problem in each.problems
        ]

    @property
    def next_due_s(self) -> float | None:
        """Seconds until time alone gives another run something to do; None: it will not."""
        return min((each.next_due_s for each in self.folders if each.next_due_s is not None), default=None)

    @property
    def through(self) -> bool:
        """Whether it did all that it could, in one folder at least."""
        went = any(each.failure is None for each in self.folders)
        return not (self.failure or self.stopped or self.errors) and (went or not self.left)

    @property
    def first_error(self) -> str:
        """What a person should read of it; "" where all is well."""
        for problem in self.problems:
            return f"{problem.where}: {problem.reason}"
        return f"{self.left[0].bucket}: {self.left[0].reason}" if self.left else ""

    def followed_by(self, then: BatchReport) -> BatchReport:
        """Two runs told as one: what was done adds up, what is left is what the later one left."""
        later = {each.folder: each for each in then.folders}
        kept = [each for each in self.folders if each.folder not in later]
        both = [(each, later[each.folder]) for each in self.folders if each.folder in later]
        met = {each.folder for each in self.folders}
        return replace(
            then,
            started_at=self.started_at,
            duration_s=self.duration_s + then.duration_s,
            folders=(
                *kept,
                *(_added(first, second) for first, second in both),
                *(each for each in then.folders if each.folder not in met),
            ),
            requests={
                kind: self.requests.get(kind, 0) + then.requests.get(kind, 0)
                for kind in self.requests.keys() | then.requests.keys()
            },
        )

    def _sum(self, field: str) -> int:
        return sum(int(getattr(each, field)) for each in self.folders)


def _added(first: RunReport, then: RunReport) -> RunReport:
    sums = {name: getattr(first, name) + getattr(then, name) for name in ADDED_UP}
    return replace(then, started_at=first.started_at, **sums)
