"""What one path needs, with all that it was decided on: the preconditions of its execution."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from syncd.core.classify import Sides
from syncd.core.model import Digest, ETag, LocalStat, LocalState, ObjectFacts, ProofKind, Record, RemoteState
from syncd.core.paths import RelPath, conflict_name
from syncd.core.rules import Rule
from syncd.ports import Absent, Matches, RemoteExpect


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One decided path. `facts` and `digest` (of the local file) are there where the decision asked for them."""

    path: RelPath
    rule: Rule
    sides: Sides
    facts: ObjectFacts | None = None
    digest: Digest | None = None
    renamed_from: Record | None = None
    note: str = ""  # what a person is told beside the rule's reason

    @property
    def record(self) -> Record | None:
        """The row that it was decided under."""
        return self.sides.record

    @property
    def stat(self) -> LocalStat:
        """The local file; only for rules that have one."""
        assert self.sides.stat is not None, f"{self.rule.id} without a local file"
        return self.sides.stat

    @property
    def etag(self) -> ETag:
        """The object; only for rules that have one."""
        assert self.sides.listed is not None, f"{self.rule.id} without an object"
        return self.sides.listed.etag

    @property
    def object_size(self) -> int:
        """The object's; only for rules that have one."""
        assert self.sides.listed is not None, f"{self.rule.id} without an object"
        return self.sides.listed.size

    @property
    def expect(self) -> RemoteExpect:
        """The precondition of a write to the key."""
        return Absent() if self.sides.listed is None else Matches(self.sides.listed.etag)

    @property
    def seq(self) -> int:
        """The row's commit number; 0 where there was none."""
        return 0 if self.sides.record is None else self.sides.record.seq

    @property
    def size(self) -> int:
        """The bytes that the step would move or remove."""
        if self.sides.stat is not None:
            return self.sides.stat.size
        if self.sides.listed is not None:
            return self.sides.listed.size
        return 0 if self.sides.record is None else self.sides.record.size

    @property
    def fingerprint(self) -> str:
        """Names exactly this step: a person who accepts a plan accepts these, and nothing newer."""
        etag = self.sides.listed.etag if self.sides.listed is not None else "-"
        parts = (self.rule.id, self.path, repr(self.sides.stat), etag)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    @property
    def unrelated(self) -> bool:
        """Whether what gives way is no earlier version of what comes: a side was gone, or never proven the same."""
        record = self.record
        if record is None:
            return False
        absent = record.local is LocalState.ABSENT or record.remote is RemoteState.ABSENT
        return absent or record.proof is ProofKind.UNPROVEN

    @property
    def rewritten(self) -> bool:
        """Whether the local file was written since the record, though its content is equal.

        Under a restored database that may be the newest version: somebody went back to what the record still holds.
        """
        record, stat = self.record, self.sides.stat
        if record is None or record.stat is None or stat is None:
            return False
        return not stat.same_file(record.stat)

    @property
    def disguised(self) -> bool:
        """Whether other content lies under the recorded size, time and inode: an old time put back, or a rotten disk.

        The object may then be the good one, whatever the three sides say.
        """
        record, stat = self.record, self.sides.stat
        return record is not None and record.stat is not None and stat is not None and stat.same_file(record.stat)

    @property
    def conflict_path(self) -> RelPath:
        """Where the local side of a conflict goes under its own name."""
        assert self.digest is not None, f"{self.rule.id} without a digest"
        return conflict_name(self.path, self.digest.hex)
