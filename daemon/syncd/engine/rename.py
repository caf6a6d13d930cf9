"""A file that only changed its name: the store copies, no bytes cross the wire."""

from __future__ import annotations

import uuid
from dataclasses import replace

from syncd.core.model import LocalStat, LocalState, Origin, ProofKind, Record, RemoteState
from syncd.core.paths import RelPath
from syncd.engine import content
from syncd.engine.commit import history, put
from syncd.engine.context import Context
from syncd.engine.describe import headers
from syncd.engine.done import Done
from syncd.engine.step import Step
from syncd.errors import RemoteError, Stale
from syncd.ports import Absent


def old_name(context: Context, path: RelPath, stat: LocalStat) -> Record | None:
    """The record whose file this was under another name, where the endpoint can copy it pinned to its ETag."""
    if not (context.capabilities.copy_if_match and context.capabilities.copy):
        return None
    record = context.records.by_inode(stat.inode, stat.size, stat.mtime_ns)
    if record is None or record.path == path or record.digest is None or record.etag is None:
        return None
    if record.remote is not RemoteState.PRESENT or record.local is not LocalState.PRESENT:
        return None
    if record.proof is ProofKind.UNPROVEN:  # the object there may hold other bytes
        return None
    return record if context.tree.lstat(record.path) is None else None


def copied(context: Context, step: Step, old: Record) -> Done | None:
    """Copy the old key to the new; None where that did not work out, and the file goes up instead."""
    assert old.digest is not None
    assert old.etag is not None
    digest = content.digest_of(context, step.path, step.stat, old.digest.type)
    if digest != old.digest:
        return None
    looked_ns = context.clock.now_ns()
    described = headers(context, step.path, step.stat, digest, uuid.uuid4().hex)
    if not (context.capabilities.put_if_none_match and context.objects.head(context.key(step.path)) is None):
        return None
    try:
        answer = context.objects.copy(
            context.key(old.path), context.key(step.path), source_etag=old.etag, expect=Absent(), headers=described
        )
    except (Stale, RemoteError):
        return None
    record = replace(
        old,
        path=step.path,
        local=LocalState.PRESENT,
        stat=step.stat,
        looked_ns=looked_ns,
        etag=answer.etag,
        version_id=answer.version_id,
        checksum=answer.checksum,
        proof=ProofKind.NONE,
        origin=Origin.UPLOADED,
        seen=None,
        seen_as="",
        restored=False,
        kept=False,
        seq=0,
    )
    row = history(context, step, operation="rename", digest=f"{digest.type.value}:{digest.hex}", etag=answer.etag)
    return Done(commit=put(step, record, row=row))
