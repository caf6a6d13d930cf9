"""Steps that move content: up, down, and both ways at once in a conflict."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from syncd import events
from syncd.core.model import (
    Digest,
    ETag,
    KeepVersions,
    LocalState,
    Origin,
    ProofKind,
    Record,
    RemoteState,
)
from syncd.core.paths import CONFLICT_DIGITS, conflict_name
from syncd.engine import content
from syncd.engine.commit import history, put
from syncd.engine.context import Context
from syncd.engine.displace import displace_object, must_displace
from syncd.engine.done import Done
from syncd.engine.download import Downloaded, download
from syncd.engine.rename import copied
from syncd.engine.step import Step
from syncd.engine.upload import Uploaded, upload
from syncd.errors import Stale
from syncd.ports import Absent, Commit, ConflictRow, ExpiredTrash, Openness, TrashRow, Unchanged

SETTLED_NS = 60 * 1_000_000_000
"""What came so lately may be a download of ours that died before its name was durable: a record would outlive it."""


def text(digest: Digest | None) -> str:
    """How a digest stands in history."""
    return "" if digest is None else f"{digest.type.value}:{digest.hex}"


def run_upload(context: Context, step: Step) -> Done:
    """Local content becomes the object; what it replaces is kept first where the rule or the pair says so."""
    displaced = None
    if must_displace(context, step):
        reason = "conflict" if step.rule.conflict else "superseded"
        displaced = displace_object(context, step.path, step.etag, reason=reason)
    if step.renamed_from is not None:
        done = copied(context, step, step.renamed_from)
        if done is not None:
            return done
    sent = upload(context, step.path, step.stat, context.key(step.path), expect=step.expect)
    conflict = None
    if step.rule.conflict and displaced is not None:
        conflict = _conflict(context, step, loser=displaced.digest, loser_at=displaced.where)
    return uploaded(context, step, sent, conflict=conflict, trash=displaced)


def uploaded(
    context: Context, step: Step, sent: Uploaded, *, conflict: ConflictRow | None = None, trash: TrashRow | None = None
) -> Done:
    """What an upload leaves in the store, once it is there."""
    row = history(context, step, operation="upload", digest=text(sent.digest), etag=sent.answer.etag)
    return Done(
        commit=put(step, _uploaded_record(step, sent), row=row, conflict=conflict, trash=trash),
        bytes_up=sent.stat.size,
        again=_again(sent.intact),
    )


def _again(intact: bool) -> str:
    return "" if intact else "it changed while it was sent, and goes again"


def _uploaded_record(step: Step, sent: Uploaded) -> Record:
    """What both sides agree on now. A file that changed while it was sent is looked at again, and goes again."""
    return Record(
        path=step.path,
        local=LocalState.PRESENT,
        remote=RemoteState.PRESENT,
        size=sent.stat.size,
        digest=sent.digest if sent.vouched else None,
        stat=sent.stat if sent.intact else None,
        looked_ns=sent.looked_ns,
        etag=sent.answer.etag,
        version_id=sent.answer.version_id,
        checksum=sent.answer.checksum,
        proof=sent.proof,
        origin=Origin.UPLOADED,
        restored=step.rule.restores,
    )


def run_download(context: Context, step: Step) -> Done:
    """The object becomes the local file; what that replaces goes to trash, for good or until the commit."""
    expect = Absent() if step.sides.stat is None else Unchanged(step.sides.stat)
    got = download(context, step.path, context.key(step.path), step.etag, expect=expect, size=step.object_size)
    keep = step.rule.displaces or step.unrelated or step.rewritten or context.pair.keep_versions is KeepVersions.ALL
    trash = conflict = None
    after = []
    if got.placed.displaced is not None and keep:
        reason = "conflict" if step.rule.conflict else "superseded"
        trash = _trash(context, step, got.placed.displaced, reason)
    elif got.placed.displaced is not None:
        name = got.placed.displaced
        after.append(lambda: _discard(context, step, name))
    if step.rule.conflict and trash is not None:
        conflict = _conflict(context, step, loser=text(step.digest), loser_at=trash.where)
    row = history(context, step, operation="download", digest=text(got.digest), etag=got.facts.etag)
    commit = put(step, _downloaded_record(step, got), row=row, conflict=conflict, trash=trash)
    return Done(commit=commit, bytes_down=got.received, after=tuple(after))


def downloaded(context: Context, step: Step, got: Downloaded) -> Done:
    """What the arrival of a new object leaves in the store."""
    row = history(context, step, operation="download", digest=text(got.digest), etag=got.facts.etag)
    return Done(commit=put(step, _downloaded_record(step, got), row=row), bytes_down=got.received)


def _discard(context: Context, step: Step, name: str) -> None:
    """Drop what an ordinary edit superseded. It stays in trash where somebody who had it open wrote to it, or may."""
    with suppress(Stale):  # gone already, or written to
        if context.tree.trashed_open_elsewhere(name) is Openness.CLOSED:
            context.tree.remove(ExpiredTrash(name, expect=step.stat))
            return
    kept = replace(_trash(context, step, name, "superseded"), digest="")  # nobody knows what it holds by now
    context.records.commit(Commit(trash=kept))


def _downloaded_record(step: Step, got: Downloaded) -> Record:
    return Record(
        path=step.path,
        local=LocalState.PRESENT,
        remote=RemoteState.PRESENT,
        size=got.facts.size,
        digest=got.digest,
        stat=got.placed.stat,
        looked_ns=got.looked_ns,
        etag=got.facts.etag,
        version_id=got.facts.version_id,
        checksum=got.facts.checksum,
        origin=Origin.DOWNLOADED,
        restored=step.rule.restores,
    )


def run_keep_both(context: Context, step: Step) -> Done:
    """The local file takes the conflict name (it goes up as a new file of its own), then the object comes down."""
    target = step.conflict_path
    trash = None
    loser_at: str = target
    if context.tree.lstat(target) is None:
        context.tree.rename(step.path, target, expect=step.stat)
    else:  # the very same conflict was met before: its copy is there
        trash = _trash(context, step, context.tree.trash(step.path, expect=step.stat), "conflict")
        loser_at = trash.where
    got = download(context, step.path, context.key(step.path), step.etag, expect=Absent(), size=step.object_size)
    row = history(context, step, operation="conflict", digest=text(got.digest), etag=got.facts.etag)
    conflict = _conflict(context, step, loser=text(step.digest), loser_at=loser_at)
    commit = put(step, _downloaded_record(step, got), row=row, conflict=conflict, trash=trash)
    return Done(commit=commit, bytes_down=got.received)


def run_store_conflict(context: Context, step: Step) -> Done:
    """The object stays; our own bytes go up under the conflict name, so that both exist on S3."""
    key, stored = _conflict_key(context, step)
    sent, intact = 0, True
    if not stored:
        intact = upload(context, step.path, step.stat, key, expect=Absent()).intact
        sent = step.stat.size
    record = Record(
        path=step.path,
        local=LocalState.PRESENT,
        remote=RemoteState.PRESENT,
        size=step.stat.size,
        digest=step.digest,
        stat=step.stat if intact else None,
        looked_ns=context.clock.now_ns(),
        etag=None,
        seen=step.etag,
        seen_as="superseded",
        origin=Origin.ADOPTED,
    )
    conflict = _conflict(context, step, loser=text(step.digest), loser_at=f"s3:{key}")
    row = history(context, step, operation="conflict", digest=text(step.digest), etag=step.etag)
    return Done(commit=put(step, record, row=row, conflict=conflict), bytes_up=sent, again=_again(intact))


def _conflict_key(context: Context, step: Step) -> tuple[str, bool]:
    """Where our bytes go under the conflict name, and whether they are there. Raises Stale where there is no place.

    The name may be taken by other content: a conflict copy can be edited like any file. Then further digits make it.
    """
    assert step.digest is not None
    for further in range(0, len(step.digest.hex) - CONFLICT_DIGITS + 1, CONFLICT_DIGITS):
        key = context.key(conflict_name(step.path, step.digest.hex[further:]))
        existing = context.objects.head(key)
        if existing is None or existing.digest == step.digest:
            return key, existing is not None
    raise Stale(f"every conflict name of {step.path} is taken by other content")


def run_adopt(context: Context, step: Step) -> Done:
    """Both sides hold the same content: the record says so, no bytes move."""
    before, listed = step.record, step.sides.listed
    assert listed is not None
    looked_ns = context.clock.now_ns()
    if before is None and looked_ns - step.stat.ctime_ns < SETTLED_NS:
        context.tree.settle(step.path)
    type = before.digest.type if before is not None and before.digest is not None else context.pair.hash
    digest = step.digest if step.digest is not None and step.digest.type is type else None
    digest = digest or content.digest_of(context, step.path, step.stat, type)
    record = before or Record(
        path=step.path, local=LocalState.PRESENT, remote=RemoteState.PRESENT, size=step.stat.size, digest=digest
    )
    record = replace(
        record,
        local=LocalState.PRESENT,
        remote=RemoteState.PRESENT,
        size=step.stat.size,
        digest=digest,
        stat=step.stat,
        looked_ns=looked_ns,
        etag=listed.etag,
        seen=None,
        seen_as="",
        kept=record.kept or step.rule.id == "cleaned.back",
    )
    if before is None or before.etag != listed.etag:
        record = _adopted_object(context, step, record)
    quiet = step.rule.id == "refresh"
    row = None if quiet else history(context, step, digest=text(digest), etag=listed.etag)
    return Done(commit=put(step, record, row=row))


def _adopted_object(context: Context, step: Step, record: Record) -> Record:
    """What a new ETag brings: its version, who wrote it, and no proof but by a later read."""
    facts = step.facts
    ours = facts is not None and facts.host_id == context.host.id
    # the same object as before under a new ETag is still only taken for the local content
    still = record.proof is ProofKind.UNPROVEN and (facts is None or facts.digest is None)
    unproven = step.rule.id == "same-content.unproven" or still
    return replace(
        record,
        version_id=None if facts is None else facts.version_id,
        checksum=None if facts is None else facts.checksum,
        proof=ProofKind.UNPROVEN if unproven else ProofKind.NONE,
        origin=Origin.UPLOADED if ours else Origin.ADOPTED,
    )


def _trash(context: Context, step: Step, name: str, reason: str) -> TrashRow:
    return TrashRow(
        at=context.clock.now(),
        path=step.path,
        where=f"local:{name}",
        reason=reason,
        size=step.stat.size,
        digest=text(step.digest or (step.record.digest if step.record else None)),
    )


def _conflict(context: Context, step: Step, *, loser: str, loser_at: str) -> ConflictRow:
    context.events.emit(
        events.CONFLICT_SETTLED,
        pair=context.pair.name,
        path=step.path,
        rule=step.rule.id,
        winner=step.rule.winner,
        loser_at=loser_at,
    )
    return ConflictRow(
        at=context.clock.now(),
        path=step.path,
        rule=step.rule.id,
        winner=step.rule.winner,
        loser_digest=loser,
        loser_at=loser_at,
    )


def check_object_gone(context: Context, step: Step) -> None:
    """Right before a removal: the object must really be gone."""
    if context.objects.head(context.key(step.path)) is not None:
        raise Stale(step.path)


def check_object_unchanged(context: Context, step: Step, etag: ETag) -> None:
    """Right before a removal: the object must still be the one decided on."""
    facts = context.objects.head(context.key(step.path))
    if facts is None or facts.etag != etag:
        raise Stale(step.path)
