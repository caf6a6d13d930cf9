"""Steps that take something away: each looks once more, keeps what it displaces, and carries its permission."""

from __future__ import annotations

from dataclasses import replace

from syncd import events
from syncd.core.model import LocalStat, LocalState, Origin, ProofKind, Record, RemoteState
from syncd.core.rules import DELETION_UNSUPPORTED
from syncd.engine.commit import drop, history, put, remembering
from syncd.engine.context import Context
from syncd.engine.displace import displace_object
from syncd.engine.done import Done
from syncd.engine.prove import prove, proven, refuse_untrusted
from syncd.engine.step import Step
from syncd.engine.transferring import check_object_gone, check_object_unchanged, text
from syncd.errors import Stale
from syncd.ports import Commit, Matches, Openness, TrashRow, Unchecked


def run_delete_remote(context: Context, step: Step) -> Done:
    """A local deletion reaches S3: the object is kept aside, then deleted under its ETag."""
    if context.tree.lstat(step.path) is not None:
        raise Stale(step.path)
    trash = displace_object(context, step.path, step.etag, reason="deleted")
    honoured = context.capabilities.delete_if_match
    if not honoured:
        check_object_unchanged(context, step, step.etag)
    expect = Matches(step.etag) if honoured else Unchecked()
    context.objects.delete(context.key(step.path), expect=expect)
    context.events.emit(events.OBJECT_DELETED, pair=context.pair.name, path=step.path, kept_at=trash.where)
    row = history(context, step, operation="delete", etag=step.etag, digest=trash.digest)
    return Done(commit=drop(step, row=row, trash=trash))


def run_trash_local(context: Context, step: Step) -> Done:
    """A deletion on S3 reaches the local file: it goes to trash."""
    check_object_gone(context, step)
    name = context.tree.trash(step.path, expect=step.stat)
    digest = text(step.record.digest if step.record else None)
    trash = TrashRow(
        at=context.clock.now(),
        path=step.path,
        where=f"local:{name}",
        reason="deleted",
        size=step.stat.size,
        digest=digest,
    )
    context.events.emit(events.FILE_TRASHED, pair=context.pair.name, path=step.path, kept_at=trash.where)
    row = history(context, step, operation="trash", digest=digest)
    return Done(commit=drop(step, row=row, trash=trash))


def run_clean(context: Context, step: Step) -> Done:
    """The first half of a cleaning: prove, commit Cleaning, move the file to staging, look at it again."""
    record = _record(step)
    refuse_untrusted(context)
    kind = proven(context, record)
    _refuse_open(context, context.tree.open_elsewhere(step.path, for_writing=False), step.stat)
    left = _left_in_staging(context, step)
    intent = replace(record, local=LocalState.CLEANING, stat=step.stat, proof=kind)
    row = history(context, step, operation="clean")
    written = context.records.commit(
        Commit(path=step.path, expect_seq=step.seq, put=intent, history=row, trash=left)
    ).result()
    assert written is not None
    context.tree.stage(step.path, expect=step.stat)
    return Done(commit=None)


def _left_in_staging(context: Context, step: Step) -> TrashRow | None:
    """What lies in the file's place there is of records that are lost: to trash, else it would stand for this file."""
    staged = context.tree.staged(step.path)
    if staged is None:
        return None
    where = f"local:{context.tree.trash_staged(step.path)}"
    return TrashRow(at=context.clock.now(), path=step.path, where=where, reason="cleaned", size=staged.size)


def run_finish_cleaning(context: Context, step: Step) -> Done:
    """The second half, a cycle later: prove again and unlink what is staged."""
    record, staged = _record(step), step.sides.staged
    assert staged is not None
    proof = prove(context, record, staged)
    if proof is None:  # somebody who had it open wrote to it: it is no longer what S3 holds
        return run_unstage(context, step)
    _refuse_open(context, context.tree.staged_open_elsewhere(step.path), staged)
    context.tree.remove(proof)
    context.events.emit(events.FILE_CLEANED, pair=context.pair.name, path=step.path, size=record.size)
    row = history(context, step, operation="clean", digest=text(record.digest), etag=record.etag or "")
    cleaned = replace(record, local=LocalState.CLEANED, stat=None, proof=proof.kind)
    return Done(commit=put(step, cleaned, row=row), again=_newcomer(step))


def _newcomer(step: Step) -> str:
    return "" if step.sides.stat is None else "a new file lies where one was cleaned: it is looked at next"


def _refuse_open(context: Context, openness: Openness, stat: LocalStat) -> None:
    """A file goes only when nobody has it open; where that cannot be known, when it was left alone for long."""
    if openness is Openness.OPEN:
        raise Stale("open elsewhere")
    age_s = (context.clock.now_ns() - max(stat.mtime_ns, stat.ctime_ns)) / 1e9
    if openness is Openness.UNKNOWN and age_s < context.pair.cleanup_blind_age.total_seconds():
        raise Stale("whether it is open elsewhere cannot be seen, so it waits for cleanup_blind_age")


def run_unstage(context: Context, step: Step) -> Done:
    """The object changed or went meanwhile: the file comes back, and the next look decides anew."""
    record = _record(step)
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


def run_record_cleaned(context: Context, step: Step) -> Done:
    """The file is gone as intended (or as our own object tells): the record says Cleaned."""
    record, listed = step.record, step.sides.listed
    if record is None:
        assert listed is not None
        record = Record(
            path=step.path,
            local=LocalState.CLEANED,
            remote=RemoteState.PRESENT,
            size=listed.size,
            digest=None if step.facts is None else step.facts.digest,
            etag=listed.etag,
            origin=Origin.UPLOADED,
            proof=ProofKind.NONE,
        )
    elif listed is not None and listed.etag != record.etag:  # the same content under a new ETag, not yet proven
        facts = step.facts
        version_id, checksum = (None, None) if facts is None else (facts.version_id, facts.checksum)
        record = replace(record, etag=listed.etag, version_id=version_id, checksum=checksum, proof=ProofKind.NONE)
    return Done(commit=put(step, replace(record, local=LocalState.CLEANED, stat=None), row=history(context, step)))


def run_drop(context: Context, step: Step) -> Done:
    """Nothing is left to remember."""
    if step.rule.last_copy:
        check_object_gone(context, step)
        context.events.emit(
            events.LAST_COPY_DELETED,
            pair=context.pair.name,
            path=step.path,
            reason=step.rule.why,
            digest=text(step.record.digest if step.record else None),
        )
    return Done(commit=drop(step, row=history(context, step) if step.rule.last_copy else None))


def run_remember(context: Context, step: Step) -> Done:
    """An absence that is left as it is."""
    if step.rule is DELETION_UNSUPPORTED and "delete" not in context.endpoint.missed:
        context.endpoint.missed.add("delete")
        context.events.emit(
            events.ENDPOINT_DEGRADED,
            pair=context.pair.name,
            capability="delete_if_match",
            reason='neither conditional deletes nor versions here: deletes = "propagate" leaves the objects on S3',
            hint="switch the bucket's versioning on, then synctl reload",
        )
    return Done(commit=put(step, remembering(step), row=history(context, step)))


def run_mark(context: Context, step: Step, seen_as: str) -> Done:
    """A remote change that is left alone: its ETag is remembered, so that it costs no HEAD again."""
    record = step.record or Record(
        path=step.path, local=LocalState.PRESENT, remote=RemoteState.PRESENT, size=step.size, digest=None
    )
    event = events.OBJECT_SUPERSEDED if seen_as == "superseded" else events.FILE_DIVERGED
    context.events.emit(event, pair=context.pair.name, path=step.path, reason=step.rule.why)
    marked = replace(record, seen=step.etag, seen_as=seen_as)
    return Done(commit=put(step, marked, row=history(context, step)))


def _record(step: Step) -> Record:
    assert step.record is not None, f"{step.rule.id} without a record"
    return step.record
