"""The one place where a Proof is made: S3 holds these bytes, so the local copy may go."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from syncd.core.archive import Archive, Member
from syncd.core.model import Digest, ETag, HashType, LocalStat, ObjectFacts, ProofKind, Record
from syncd.engine.checksum import agrees
from syncd.engine.context import Context
from syncd.engine.download import read_back
from syncd.engine.evidence import enforces, made_of_parts, still_proves
from syncd.errors import RemoteError, RemoteKind, Stale
from syncd.ports import Hashes, OpenFile, Proof

PROVEN = frozenset({ProofKind.CHECKSUM, ProofKind.PAYLOAD, ProofKind.ETAG, ProofKind.READBACK})

UNTRUSTED = "the endpoint is not proven: cleanup waits for its canary"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attested:
    """An object that was just seen to be there, and proves what the record says. Made by `proven`, `attested` alone."""

    etag: ETag
    kind: ProofKind


def proven(context: Context, record: Record) -> Attested:
    """Look at what the record names, and read it back where nothing proves it (any more).

    Raises Stale where the object is another one by now, RemoteError where what came back is not ours.
    """
    if record.etag is None or record.digest is None:
        raise Stale(record.path)
    key = context.key(record.path)
    seen = attested(context, record, context.objects.head(key))
    if seen is not None:
        return seen
    if read_back(context, key, record.etag, record.digest.type) != record.digest:
        raise RemoteError(
            RemoteKind.CORRUPT,
            f"{key}: what S3 gives back is not what was sent",
            hint="the local file stays, and is the good one: put it there again with `aws s3 cp`",
        )
    return Attested(etag=record.etag, kind=ProofKind.READBACK)


def attested(context: Context, record: Record, facts: ObjectFacts | None) -> Attested | None:
    """The same by a look of just now alone; None where the object has to be read back. Stale: it is another one."""
    if facts is None or facts.etag != record.etag or facts.size != record.size:
        raise Stale(record.path)
    if not still_proves(context.capabilities, record, facts):
        return None
    return Attested(etag=facts.etag, kind=record.proof)


def prove(context: Context, record: Record, staged: LocalStat, seen: Attested) -> Proof | None:
    """Allow the unlink of a staged file: its bytes are the recorded ones, and the object with them is there now.

    None: they are not the recorded ones. Raises Stale too where no canary of late vouches for the endpoint.
    """
    assert record.digest is not None
    refuse_untrusted(context)
    with context.tree.open_staged(record.path) as file:
        if file.fstat() != staged:
            raise Stale(record.path)
        if _digest(context, file, record.digest, staged.size) != record.digest:
            return None
    return Proof(path=record.path, staged=staged, digest=record.digest, etag=seen.etag, kind=seen.kind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An archive that a HEAD has just shown to be there as it was proven. Made by `shown` alone."""

    uuid: str
    etag: ETag
    kind: ProofKind


def refuse_untrusted(context: Context) -> None:
    """Raise Stale where nothing may be cleaned before a canary has passed."""
    if not context.may_clean:
        raise Stale(UNTRUSTED)


def shown(context: Context, archive: Archive) -> Shown | None:
    """Look at a proven archive; None where it is gone or is another object by now, so that nothing may go.

    It is read back where what proved it does not count any more: the kind is then another one.
    """
    if archive.etag is None or archive.proof not in PROVEN:
        return None
    refuse_untrusted(context)
    facts = context.objects.head(context.key(archive.key))
    if facts is None or facts.etag != archive.etag or facts.size != archive.size:
        return None
    rewritten = archive.version_id is not None and facts.version_id not in {None, archive.version_id}
    if rewritten and not context.capabilities.etag_is_md5:  # then an equal ETag tells nothing of another version
        return None
    kind = _proof_of(context, archive, facts)
    return None if kind is None else Shown(uuid=archive.uuid, etag=archive.etag, kind=kind)


def _proof_of(context: Context, archive: Archive, facts: ObjectFacts) -> ProofKind | None:
    """What proves it now; None where what is read back is not what was sealed."""
    assert archive.etag is not None
    if archive.proof is ProofKind.CHECKSUM:
        sums = Hashes(sha256=bytes.fromhex(archive.sha256), crc64nvme=archive.crc64nvme)
        counts = agrees(facts.checksum, sums) and enforces(
            context.capabilities, facts.checksum, in_parts=made_of_parts(facts.etag)
        )
    else:
        counts = archive.proof is not ProofKind.PAYLOAD or context.capabilities.rejects_wrong_payload
    if counts:
        return archive.proof
    digest = Digest(HashType.SHA256, archive.sha256)
    read = read_back(context, context.key(archive.key), archive.etag, digest.type)
    return ProofKind.READBACK if read == digest else None


def prove_member(context: Context, archive: Shown, member: Member, staged: LocalStat) -> Proof | None:
    """Allow the unlink of a staged original: its bytes are those of that member of a proven archive.

    None: they are not, or the member is void. Raises Stale too where no canary of late vouches for the endpoint.
    """
    refuse_untrusted(context)
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
