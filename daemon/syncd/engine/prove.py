"""The one place where a Proof is made: S3 holds these bytes, so the local copy may go."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from syncd.core.archive import Archive, Member
from syncd.core.model import Digest, ETag, HashType, LocalStat, ProofKind, Record
from syncd.engine.context import Context
from syncd.engine.download import read_back
from syncd.errors import RemoteError, RemoteKind, Stale
from syncd.ports import OpenFile, Proof

PROVEN = frozenset({ProofKind.ETAG, ProofKind.READBACK})


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
    if record.proof in PROVEN:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An archive that a HEAD has just shown to be there as it was proven. Made by `shown` alone."""

    uuid: str
    etag: ETag
    kind: ProofKind


def shown(context: Context, archive: Archive) -> Shown | None:
    """Look at a proven archive; None where it is gone or is another object by now, so that nothing may go."""
    if archive.etag is None or archive.proof not in PROVEN:
        return None
    facts = context.objects.head(context.key(archive.key))
    if facts is None or facts.etag != archive.etag or facts.size != archive.size:
        return None
    rewritten = archive.version_id is not None and facts.version_id not in {None, archive.version_id}
    if rewritten and not context.capabilities.etag_is_md5:  # then an equal ETag tells nothing of another version
        return None
    return Shown(uuid=archive.uuid, etag=archive.etag, kind=archive.proof)


def prove_member(context: Context, archive: Shown, member: Member, staged: LocalStat) -> Proof | None:
    """Allow the unlink of a staged original: its bytes are those of that member of a proven archive.

    None: they are not, or the member is void.
    """
    digest = Digest(HashType.SHA256, member.sha256)
    if member.void or member.size != staged.size:
        return None
    with context.tree.open_staged(member.path) as file:
        if file.fstat() != staged:
            raise Stale(member.path)
        if _digest(context, file, digest, staged.size) != digest:
            return None
    return Proof(path=member.path, staged=staged, digest=digest, etag=archive.etag, kind=archive.kind)


def _digest(context: Context, file: OpenFile, like: Digest, size: int) -> Digest:
    hasher = hashlib.new(like.type.value, usedforsecurity=False)
    reader = file.reader(0, size)
    while piece := reader.read(1 << 18):
        hasher.update(piece)
        if context.stop.abandoned():
            raise Stale("stopped")
    return Digest(like.type, hasher.hexdigest())
