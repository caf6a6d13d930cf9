"""The one place where a Proof is made: S3 holds these bytes, so the local copy may go."""

from __future__ import annotations

import hashlib

from syncd.core.model import Digest, LocalStat, ProofKind, Record
from syncd.engine.context import Context
from syncd.engine.download import read_back
from syncd.errors import RemoteError, RemoteKind, Stale
from syncd.ports import OpenFile, Proof


def proven(context: Context, record: Record) -> ProofKind:
    """The kind of proof of what the record names, reading the object back where nothing proved it yet.

    Raises Stale where the object is another one by now, RemoteError where what came back is not ours.
    """
    if record.etag is None or record.digest is None:
        raise Stale(record.path)
    key = context.key(record.path)
    facts = context.objects.head(key)
    if facts is None or facts.etag != record.etag or facts.size != record.size:
        raise Stale(record.path)
    if record.proof in {ProofKind.ETAG, ProofKind.READBACK}:
        return record.proof
    if read_back(context, key, record.etag, record.digest.type) != record.digest:
        raise RemoteError(
            RemoteKind.CORRUPT,
            f"{key}: what S3 gives back is not what was sent",
            hint="the local file stays; it goes up again when it changes, or by synctl force-sync",
        )
    return ProofKind.READBACK


def prove(context: Context, record: Record, staged: LocalStat) -> Proof | None:
    """Allow the unlink of a staged file: its bytes are the recorded ones, and the object with them is there now.

    None: they are not the recorded ones.
    """
    assert record.digest is not None
    kind = proven(context, record)
    with context.tree.open_staged(record.path) as file:
        if file.fstat() != staged:
            raise Stale(record.path)
        if _digest(context, file, record.digest, staged.size) != record.digest:
            return None
    assert record.etag is not None
    return Proof(path=record.path, staged=staged, digest=record.digest, etag=record.etag, kind=kind)


def _digest(context: Context, file: OpenFile, like: Digest, size: int) -> Digest:
    hasher = hashlib.new(like.type.value, usedforsecurity=False)
    reader = file.reader(0, size)
    while piece := reader.read(1 << 18):
        hasher.update(piece)
        if context.stop.abandoned():
            raise Stale("stopped")
    return Digest(like.type, hasher.hexdigest())
