"""One path of the rolling audit: both sides read, and a proof that no longer holds taken back. It never mends."""

from __future__ import annotations

from dataclasses import dataclass, replace

from syncd import events
from syncd.core import findings as f
from syncd.core.findings import Finding
from syncd.core.model import Origin, ProofKind, Record
from syncd.core.paths import RelPath
from syncd.engine.compare import Looked, look_at
from syncd.engine.context import Context
from syncd.engine.transferring import text
from syncd.errors import Stale
from syncd.ports import Commit, HistoryRow

WELL = {f.SAME_READ.id, f.CLEANED_READ.id, f.CLEANING.id}
"""Findings after which the bytes are known to be good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """What a look came to. `seq`: the number of the path's record now; 0 where it has none."""

    looked: Looked
    seq: int


def audit_path(context: Context, path: RelPath) -> Audited | None:
    """Read one path on both sides. A refuted proof is taken back before anything is told, so that nothing is cleaned.

    None: nothing is there any more. Stale where somebody works on the path just now, or the audit stops.
    """
    looked = look_at(context, path, download=True)
    if looked is None:
        return None
    if looked.finding.refutes:  # memory, disk and way may spoil one read: nothing is said of one alone
        again = look_at(context, path, download=True)
        if again is None or again.finding is not looked.finding:
            raise Stale(path)
    record = looked.record
    if record is None:
        return Audited(looked=looked, seq=0)
    if looked.finding.refutes and record.proof is not ProofKind.UNPROVEN:
        record = _proof(context, record, ProofKind.UNPROVEN, looked.finding)
    elif looked.finding.id in WELL and record.proof is ProofKind.UNPROVEN and record.origin is Origin.UPLOADED:
        record = _proof(context, record, ProofKind.NONE, looked.finding)  # mended: cleanup may prove it anew
    return Audited(looked=looked, seq=record.seq)


def _proof(context: Context, record: Record, kind: ProofKind, finding: Finding) -> Record:
    """The record with that proof, durably. Stale where it is another one by now, or somebody works on the path."""
    if not context.claims.take(record.path):
        raise Stale(record.path)
    try:
        row = HistoryRow(
            at=context.clock.now(),
            path=record.path,
            operation="audit",
            rule=finding.id,
            result="failed" if finding.refutes else "done",
            size=record.size,
            digest=text(record.digest),
            etag=record.etag or "",
            error=finding.why if finding.refutes else "",
        )
        change = Commit(path=record.path, expect_seq=record.seq, put=replace(record, proof=kind), history=row)
        stored = context.records.commit(change).result()
    finally:
        context.claims.release(record.path)
    assert stored is not None
    return stored


def say_differed(context: Context, looked: Looked) -> None:
    """One warning, with what a person can do."""
    context.events.emit(
        events.AUDIT_DIFFERED,
        pair=context.pair.name,
        path=looked.path,
        reason=looked.reason,
        hint=remedy(context, looked),
    )


def remedy(context: Context, looked: Looked) -> str:
    """What mends it. Neither side is ever overwritten by itself."""
    key = context.key(looked.path)
    bucket, _, name = (context.pair.bucket, "", key) if context.pair.bucket else key.partition("/")
    remote, local = f"s3://{bucket}/{name}", context.pair.local / looked.path
    match looked.finding:
        case f.ROTTED_THERE:
            return f"put the good file there again: aws s3 cp {local} {remote}"
        case f.ROTTED_HERE:
            return f"fetch the good object: aws s3 cp {remote} {local} (should the file go up first, trash keeps it)"
        case f.CLEANED_ROTTED:
            return f"look for an earlier version of {remote} (versioning), another host's copy or a backup"
        case _:
            return f"look for an earlier version of {remote} (versioning) or a backup"
