"""What an executed step leaves in the store: one outcome, whole or not at all."""

from __future__ import annotations

from dataclasses import replace

from syncd.core.model import LocalState, ProofKind, Record, RemoteState
from syncd.core.rules import Do
from syncd.engine.context import Context
from syncd.engine.step import Step
from syncd.ports import Commit, ConflictRow, HistoryRow, TrashRow


def history(
    context: Context,
    step: Step,
    *,
    operation: str | None = None,
    digest: str = "",
    error: str = "",
    etag: str = "",
    elapsed_s: float = 0.0,
    cycle: str = "",
    result: str = "done",
) -> HistoryRow:
    """One line of what was done to one path."""
    return HistoryRow(
        at=context.clock.now(),
        path=step.path,
        operation=operation or step.rule.do.value,
        rule=step.rule.id,
        result=result,
        size=step.size,
        digest=digest,
        etag=etag,
        error=error,
        elapsed_s=elapsed_s,
        cycle=cycle,
    )


def put(
    step: Step,
    record: Record,
    *,
    row: HistoryRow | None,
    conflict: ConflictRow | None = None,
    trash: TrashRow | None = None,
) -> Commit:
    """Write the path's record under the row it was decided under."""
    return Commit(path=step.path, expect_seq=step.seq, put=record, history=row, conflict=conflict, trash=trash)


def drop(step: Step, *, row: HistoryRow | None, trash: TrashRow | None = None) -> Commit:
    """Forget the path."""
    return Commit(path=step.path, expect_seq=step.seq, drop=step.path, history=row, trash=trash)


def remembering(step: Step) -> Record:
    """The record with one side's absence remembered."""
    record = step.record
    assert record is not None, f"{step.rule.id} without a record"
    if step.rule.do is Do.REMEMBER_LOCAL:
        return replace(record, local=LocalState.ABSENT, stat=None)
    return replace(record, remote=RemoteState.ABSENT, etag=None, version_id=None, checksum=None, proof=ProofKind.NONE)
