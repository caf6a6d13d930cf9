"""Bytes of our own under a key of their own: put where nothing is, then proven; an earlier try is found again."""

from __future__ import annotations

from dataclasses import dataclass

from syncd.core.model import ETag, HashType, LocalState, ObjectFacts, ProofKind, Record, RemoteState
from syncd.core.paths import RelPath
from syncd.engine.context import Context
from syncd.engine.prove import proven
from syncd.engine.upload import Sent, send_file, verified
from syncd.errors import RemoteError, RemoteKind, Stale
from syncd.ports import Absent, Hashes, Matches, ObjectHeaders, OpenFile, PutAnswer, RemoteExpect


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What is put under `path` (below the context's prefix). `hashes`: all three, of all of its bytes.

    `whole`: in one request, whatever its size.
    """

    path: RelPath
    size: int
    hashes: Hashes
    headers: ObjectHeaders
    operation: str
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """It lies there, proven."""

    etag: ETag
    version_id: str | None
    proof: ProofKind


class Taken(Stale):
    """Another object lies under the key: it is left alone, and ours needs another key."""


def deliver(context: Context, parcel: Parcel, file: OpenFile) -> Delivered:
    """Put it where nothing is, and prove it; what an earlier try put there is taken for it.

    Raises Taken, Stale (try later), ItemError, or RemoteError: CORRUPT where the store holds other bytes.
    """
    try:
        return settle(context, parcel, _send(context, parcel, file, Absent()))
    except Stale as stale:
        return after_refusal(context, parcel, stale)


def after_refusal(context: Context, parcel: Parcel, stale: Stale) -> Delivered:
    """What lies there was faster, or is our own, whose answer got lost. Raises as `deliver`."""
    facts = None if context.stop.abandoned() else context.objects.head(context.key(parcel.path))
    if facts is None:
        raise stale
    found = collect(context, parcel, facts)
    if found is None:
        raise Taken(f"{context.key(parcel.path)}: another object lies there") from stale
    return found


def find(context: Context, parcel: Parcel) -> Delivered | None:
    """Prove what lies under its key; None where nothing does, or other bytes do."""
    facts = context.objects.head(context.key(parcel.path))
    return None if facts is None else collect(context, parcel, facts)


def collect(context: Context, parcel: Parcel, facts: ObjectFacts) -> Delivered | None:
    """Prove an object that lies there already; None where it holds other bytes."""
    if facts.size != parcel.size:
        return None
    answer = PutAnswer(etag=facts.etag, version_id=facts.version_id, checksum=facts.checksum)
    try:
        return settle(context, parcel, Sent(answer=answer))
    except RemoteError as error:
        if error.kind is not RemoteKind.CORRUPT:
            raise
        return None


def replace_own(context: Context, parcel: Parcel, file: OpenFile, facts: ObjectFacts) -> Delivered:
    """Put it once more over what an earlier try of ours left there spoilt."""
    return settle(context, parcel, _send(context, parcel, file, Matches(facts.etag)))


def settle(context: Context, parcel: Parcel, sent: Sent) -> Delivered:
    """Prove what was sent: by the store's answer, else by reading it back. RemoteError CORRUPT, or Stale."""
    kind = verified(context, sent, parcel.hashes, context.key(parcel.path))
    record = Record(
        path=parcel.path,
        local=LocalState.ABSENT,
        remote=RemoteState.PRESENT,
        size=parcel.size,
        digest=parcel.hashes.digest(HashType.SHA256),
        etag=sent.answer.etag,
        version_id=sent.answer.version_id,
        checksum=sent.answer.checksum,
        proof=kind,
    )
    return Delivered(etag=sent.answer.etag, version_id=sent.answer.version_id, proof=proven(context, record).kind)


def _send(context: Context, parcel: Parcel, file: OpenFile, expect: RemoteExpect) -> Sent:
    return send_file(
        context,
        file,
        file.fstat(),
        parcel.path,
        context.key(parcel.path),
        expect=expect,
        headers=parcel.headers,
        hashes=parcel.hashes,
        operation=parcel.operation,
        whole=parcel.whole,
    )
