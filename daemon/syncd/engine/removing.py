"""Steps that take something away: each looks once more, keeps what it displaces, and carries its permission."""

from __future__ import annotations

from dataclasses import replace

from syncd import events
from syncd.core.model import LocalState, Origin, ProofKind, Record, RemoteState
from syncd.core.rules import DELETION_UNSUPPORTED
from syncd.engine.commit import drop, history, put, remembering
from syncd.engine.context import Context
from syncd.engine.displace import displace_object
from syncd.engine.done import Done
from syncd.engine.step import Step
from syncd.engine.transferring import check_object_gone, check_object_unchanged, text
from syncd.errors import Stale
from syncd.ports import Matches, TrashRow, Unchecked


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
