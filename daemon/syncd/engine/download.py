"""An object comes down: hashed on the way, verified before the rename, put in place in two phases."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from syncd import events
from syncd.core.model import Digest, ETag, HashType, ObjectFacts
from syncd.core.paths import RelPath
from syncd.engine.checksum import disagrees
from syncd.engine.context import Context, Endpoint
from syncd.engine.ranged import LARGE, Ranged
from syncd.errors import RemoteError, RemoteKind, Stale
from syncd.ports import Hashes, LocalExpect, Openness, Placed, Temporary, Unchanged

TRIES = 3

NO_RANGES = frozenset({RemoteKind.REJECTED, RemoteKind.CORRUPT, RemoteKind.DENIED})
"""What an answer to a range, or to the look before it, is taken for where a store does not know them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Downloaded:
    """What lies in the root now. `received` counts every byte that crossed the wire, failed tries included."""

    placed: Placed
    digest: Digest
    facts: ObjectFacts
    received: int
    looked_ns: int


DENIED = "the recorded hash is not that of the bytes"


def download(
    context: Context,
    path: RelPath,
    key: str,
    etag: ETag,
    *,
    expect: LocalExpect,
    size: int | None = None,
    doubted: Sequence[Digest] = (),
) -> Downloaded:
    """Fetch exactly that ETag to `path`. A corrupt copy is deleted, reported and fetched again, thrice at most.

    `size`: of the object, where it is known: what is sent as another size is Stale, and a large one comes in ranges.
    `doubted`: what came before, and was not what is said of it.
    """
    measured = list(doubted)
    received = 0
    gave_none = False
    in_ranges = size is not None and size > LARGE and _may_give_ranges(context.endpoint)
    while len(measured) < TRIES:
        with context.tree.temporary() as temporary:
            receive = _receive_ranges if in_ranges else _receive
            try:
                facts, hashes, count = receive(context, path, key, etag, size, temporary, doubted=bool(measured))
            except (RemoteError, Stale) as error:
                if not (in_ranges and _means_no_ranges(context, error)):
                    raise
                in_ranges, gave_none = False, not isinstance(error, Stale)
                continue
            received += count
            digest = hashes.digest(context.pair.hash)
            assert digest is not None
            problem = why_not(context, facts, hashes, count)
            if not problem and metadata_denies(facts, hashes):
                problem = _denied(context, path, key, facts, hashes, twice=measured[-1:] == [digest])
            if not problem:
                context.endpoint.unranged |= gave_none
                temporary.finish(mtime_ns=mtime_ns(facts))
                _refuse_opened(context, path, expect)
                placed = context.tree.place(temporary, path, expect=expect)
                looked_ns = context.clock.now_ns()
                return Downloaded(placed=placed, digest=digest, facts=facts, received=received, looked_ns=looked_ns)
        measured.append(digest)
        in_ranges = in_ranges and context.capabilities.ranged_get
        say_spoilt(context, path, key, problem)
    raise RemoteError(
        RemoteKind.CORRUPT,
        f"{key}: what came down is not what was stored, {TRIES} times",
        hint="the local file was left as it was; look at the network path or the store",
    )


def _may_give_ranges(endpoint: Endpoint) -> bool:
    """Nobody probes where nothing is written: then the first answer tells."""
    capabilities = endpoint.capabilities
    return capabilities.ranged_get or not (capabilities.probed_at or endpoint.unranged)


def _means_no_ranges(context: Context, error: RemoteError | Stale) -> bool:
    """Whether a failure may be that of the ranges: all of it, asked for in one, tells what else it was."""
    if context.capabilities.probed_at or context.stop.abandoned():
        return False
    return isinstance(error, Stale) or error.kind in NO_RANGES


def say_spoilt(context: Context, path: RelPath, key: str, problem: str) -> None:
    """What came down is not what is said of it: it is fetched again."""
    context.events.emit(
        events.TRANSFER_CORRUPTED, pair=context.pair.name, path=path, key=key, direction="down", reason=problem
    )


def _refuse_opened(context: Context, path: RelPath, expect: LocalExpect) -> None:
    """What was opened while the bytes came would be written behind our back, into what we displace."""
    if isinstance(expect, Unchanged) and context.tree.open_elsewhere(path, for_writing=True) is Openness.OPEN:
        raise Stale(f"{path} was opened for writing meanwhile")


def _receive(
    context: Context, path: RelPath, key: str, etag: ETag, size: int | None, temporary: Temporary, *, doubted: bool
) -> tuple[ObjectFacts, Hashes, int]:
    count = 0
    with context.objects.get(key, expect=etag) as body:
        facts = body.facts
        _refuse_size(path, facts, size)
        digester = context.digester(types(context, facts, doubted=doubted))
        transfer = context.transfers.begin(pair=context.pair.name, path=path, direction="down", total_bytes=facts.size)
        try:
            for piece in body:
                if context.stop.abandoned():
                    raise Stale("stopped")
                digester.update(piece)
                temporary.write(piece)
                transfer.advance(len(piece))
                count += len(piece)
        finally:
            transfer.end()
    return facts, digester.result(), count


def _refuse_size(path: RelPath, facts: ObjectFacts, size: int | None) -> None:
    if size is not None and facts.size != size:
        raise Stale(f"{path}: the listing has {size} bytes, the answer {facts.size}")


def _receive_ranges(
    context: Context, path: RelPath, key: str, etag: ETag, size: int | None, temporary: Temporary, *, doubted: bool
) -> tuple[ObjectFacts, Hashes, int]:
    facts = context.objects.head(key)  # no answer to a range shows the checksum of the whole
    if facts is None or facts.etag != etag:
        raise Stale(path)
    _refuse_size(path, facts, size)
    if not (context.capabilities.ranged_get or _vouched_for(facts)):
        return _receive(context, path, key, etag, size, temporary, doubted=doubted)
    digester = context.digester(types(context, facts, doubted=doubted))
    transfer = context.transfers.begin(pair=context.pair.name, path=path, direction="down", total_bytes=facts.size)
    try:
        count = Ranged(context, key, etag, facts, temporary, digester, transfer).receive()
    finally:
        transfer.end()
    return facts, digester.result(), count


def _vouched_for(facts: ObjectFacts) -> bool:
    """Whether something that is said of the whole is held against its bytes: ranges that nobody probed need that."""
    return facts.digest is not None or (facts.checksum or "").startswith("CRC64NVME:")


def types(context: Context, facts: ObjectFacts, *, doubted: bool = False) -> frozenset[str]:
    """Which hashes of the bytes are held against what is said of them. `doubted`: what was said did not fit once."""
    types = {context.pair.hash.value} | ({"md5", "crc64nvme"} if doubted else set())
    if facts.digest is not None:
        types.add(facts.digest.type.value)
    if (facts.checksum or "").startswith("CRC64NVME:"):
        types.add("crc64nvme")
    if _etag_is_md5(context, facts):
        types.add("md5")
    return frozenset(types)


def _etag_is_md5(context: Context, facts: ObjectFacts) -> bool:
    return facts.digest is None and context.capabilities.etag_is_md5 and "-" not in facts.etag


def why_not(context: Context, facts: ObjectFacts, hashes: Hashes, count: int) -> str:
    """What is wrong with so many bytes of these hashes; "" where they are what the store holds."""
    if count != facts.size:
        return f"{count} of {facts.size} bytes came"
    if disagrees(facts.checksum, hashes):
        return "the stored checksum is not that of the bytes"
    if _etag_is_md5(context, facts) and hashes.md5 is not None and hashes.md5.hex() != facts.etag:
        return "the ETag is not the MD5 of the bytes"
    return ""


def metadata_denies(facts: ObjectFacts, hashes: Hashes) -> bool:
    """Whether the metadata was written beside other bytes."""
    return facts.digest is not None and hashes.digest(facts.digest.type) != facts.digest


def _store_denies(context: Context, key: str, facts: ObjectFacts, hashes: Hashes) -> bool:
    """Whether what the store computed denies the bytes as their metadata does: then it is the way that spoils them.

    A proxy may spoil each read alike, so that two equal reads prove nothing against it.
    """
    seen = context.objects.head(key)
    if seen is not None and seen.etag == facts.etag and (seen.checksum or "").startswith("CRC64NVME:"):
        return disagrees(seen.checksum, hashes)
    capabilities = context.capabilities
    may_be_md5 = len(facts.etag) == 32 and (capabilities.etag_is_md5 or not capabilities.probed_at)
    return may_be_md5 and hashes.md5 is not None and hashes.md5.hex() != facts.etag


def _denied(context: Context, path: RelPath, key: str, facts: ObjectFacts, hashes: Hashes, *, twice: bool) -> str:
    """What is wrong with bytes that are not what their metadata says; "" where two reads (`twice`) gave these."""
    if not twice or _store_denies(context, key, facts, hashes):
        return DENIED
    context.events.emit(
        events.METADATA_DISBELIEVED,
        pair=context.pair.name,
        path=path,
        key=key,
        etag=facts.etag,
        reason="two reads gave one content that its metadata denies: the content stands",
    )
    return ""


def mtime_ns(facts: ObjectFacts) -> int:
    """The time that the file gets."""
    return facts.mtime_ns if facts.mtime_ns is not None else facts.last_modified_s * 1_000_000_000


def read_back(context: Context, key: str, etag: ETag, type: HashType) -> Digest:
    """The digest of what the store gives back for exactly that ETag: proof of kind (c)."""
    hasher = hashlib.new(type.value, usedforsecurity=False)
    with context.objects.get(key, expect=etag) as body:
        for piece in body:
            hasher.update(piece)
            if context.stop.abandoned():
                raise Stale("stopped")
    return Digest(type, hasher.hexdigest())
