"""How a proven file goes: staged by one pass, looked at again and unlinked by a later one, or brought back."""

from __future__ import annotations

from dataclasses import replace

from syncd import events
from syncd.core.model import LocalStat, LocalState, ObjectFacts, Record
from syncd.engine.commit import history, put
from syncd.engine.context import Context
from syncd.engine.done import Done
from syncd.engine.prove import Attested, attested, prove, proven, refuse_untrusted
from syncd.engine.step import Step
from syncd.engine.transferring import text
from syncd.errors import InUse, Stale
from syncd.ports import Commit, Openness, TrashRow


def run_clean(context: Context, step: Step) -> Done:
    """The first half of a cleaning: prove, commit Cleaning, move the file to staging, look at it again."""
    refuse_untrusted(context)
    written = context.records.commit(_intent(context, step, proven(context, record_of(step)))).result()
    assert written is not None
    context.tree.stage(step.path, expect=step.stat)
    return Done(commit=None)


def intent(context: Context, step: Step, facts: ObjectFacts | None) -> Commit:
    """What has to be durable before the file is staged, by a look at its object of just now.

    Stale: it may not go, or not by that look alone.
    """
    refuse_untrusted(context)
    return _intent(context, step, _attested(context, step, facts))


def run_finish_cleaning(context: Context, step: Step) -> Done:
    """The second half, a cycle later: prove again and unlink what is staged."""
    refuse_untrusted(context)
    return _finish(context, step, proven(context, record_of(step)))


def finish(context: Context, step: Step, facts: ObjectFacts | None) -> Done:
    """The same by a look at its object of just now. Stale: it may not go, or not by that look alone."""
    refuse_untrusted(context)
    return _finish(context, step, _attested(context, step, facts))


def run_unstage(context: Context, step: Step) -> Done:
    """The object changed or went meanwhile: the file comes back, and the next look decides anew."""
    record = record_of(step)
    if step.sides.stat is None:
        context.tree.unstage(step.path)
        back = replace(record, local=LocalState.PRESENT)  # its stat stays the old one: the content is looked at anew
        if step.sides.listed is None and record.stat is not None:
            back = replace(back, stat=record.stat._replace(inode=0))  # an object that comes now is no edit of it
        row = history(context, step, operation="restore")
        return Done(commit=put(step, back, row=row), again="it came back and is looked at next")
    # Something new lies at the path: what is staged is kept in trash, and the new file speaks for itself.
    name = context.tree.trash_staged(step.path)
    trash = TrashRow(
        at=context.clock.now(),
        path=step.path,
        where=f"local:{name}",
        reason="cleaned",
        size=record.size,
        digest=text(record.digest),
    )
    row = history(context, step, operation="trash", digest=trash.digest)
    cleaned = replace(record, local=LocalState.CLEANED, stat=None)
    return Done(commit=put(step, cleaned, row=row, trash=trash), again=_newcomer(step))


def _attested(context: Context, step: Step, facts: ObjectFacts | None) -> Attested:
    seen = attested(context, record_of(step), facts)
    if seen is None:
        raise Stale("it has to be read back")
    return seen


def _intent(context: Context, step: Step, seen: Attested) -> Commit:
    _refuse_open(context, context.tree.open_elsewhere(step.path, for_writing=False), step.stat)
    left = _left_in_staging(context, step)
    cleaning = replace(record_of(step), local=LocalState.CLEANING, stat=step.stat, proof=seen.kind)
    row = history(context, step, operation="clean")
    return Commit(path=step.path, expect_seq=step.seq, put=cleaning, history=row, trash=left)


def _left_in_staging(context: Context, step: Step) -> TrashRow | None:
    """What lies in the file's place there is of records that are lost: to trash, else it would stand for this file."""
    staged = context.tree.staged(step.path)
    if staged is None:
        return None
    where = f"local:{context.tree.trash_staged(step.path)}"
    return TrashRow(at=context.clock.now(), path=step.path, where=where, reason="cleaned", size=staged.size)


def _finish(context: Context, step: Step, seen: Attested) -> Done:
    record, staged = record_of(step), step.sides.staged
    assert staged is not None
    proof = prove(context, record, staged, seen)
    if proof is None:  # somebody who had it open wrote to it: it is no longer what S3 holds
        return run_unstage(context, step)
    _refuse_open(context, context.tree.staged_open_elsewhere(step.path), staged)
    _refuse_other_row(context, step)
    context.tree.remove(proof)
    context.events.emit(events.FILE_CLEANED, pair=context.pair.name, path=step.path, size=record.size)
    row = history(context, step, operation="clean", digest=text(record.digest), etag=record.etag or "")
    cleaned = replace(record, local=LocalState.CLEANED, stat=None, proof=proof.kind)
    return Done(commit=put(step, cleaned, row=row), again=_newcomer(step))


def _refuse_other_row(context: Context, step: Step) -> None:
    """Between the decision and our claim the audit may have taken the proof back: the row alone tells that."""
    now = context.records.get(step.path)
    if now is None or now.seq != step.seq:
        raise Stale("the record changed meanwhile")


def _newcomer(step: Step) -> str:
    return "" if step.sides.stat is None else "a new file lies where one was cleaned: it is looked at next"


def _refuse_open(context: Context, openness: Openness, stat: LocalStat) -> None:
    """A file goes only when nobody has it open; where that cannot be known, when it was left alone for long."""
    if openness is Openness.OPEN:
        raise InUse("open elsewhere")
    age_s = (context.clock.now_ns() - max(stat.mtime_ns, stat.ctime_ns)) / 1e9
    if openness is Openness.UNKNOWN and age_s < context.pair.cleanup_blind_age.total_seconds():
        raise InUse("whether it is open elsewhere cannot be seen, so it waits for cleanup_blind_age")


def record_of(step: Step) -> Record:
    """The row under which the step was decided."""
    assert step.record is not None, f"{step.rule.id} without a record"
    return step.record
