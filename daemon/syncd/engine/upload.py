"""Local content goes up: read once, sent under its precondition, the answer compared with our own hashes."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, cast

from syncd import events
from syncd.core.model import Digest, ETag, LocalStat, ObjectFacts, ProofKind
from syncd.core.paths import RelPath
from syncd.engine import content
from syncd.engine.checksum import checksums, disagrees
from syncd.engine.context import Context
from syncd.engine.describe import headers
from syncd.engine.evidence import made_of_parts, vouched
from syncd.engine.parts import Cargo, put_in_parts
from syncd.engine.precondition import own_write, sendable
from syncd.engine.watched import Watched
from syncd.errors import Raced, RemoteError, RemoteKind, Stale
from syncd.ports import Hashes, Matches, ObjectHeaders, OpenFile, PutAnswer, RemoteExpect

SINGLE_PUT = 64 << 20
"""Up to so many bytes go in one PUT."""

TRIES = 3
"""So often a file is sent whose bytes arrive spoilt: what lies there by then would be taken for it by its metadata."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """What lies on S3 now. `intact`: the file was still the one that was read when the last byte had gone.

    `vouched`: the object holds what `digest` names, also where the file has moved on since.
    """

    stat: LocalStat
    digest: Digest
    answer: PutAnswer
    proof: ProofKind
    looked_ns: int
    intact: bool
    vouched: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What the store answered to the bytes of one open file.

    `same`: they were those that were hashed (None: not known). `expected`: the ETag that they make in parts.
    `in_parts`: they went, or may have gone, in parts.
    """

    answer: PutAnswer
    same: bool | None = None
    expected: ETag | None = None
    in_parts: bool = False


def upload(context: Context, path: RelPath, stat: LocalStat, key: str, *, expect: RemoteExpect) -> Uploaded:
    """Send exactly that version of a file, anew where it arrives spoilt. Raises Stale, ItemError or RemoteError."""
    operation = uuid.uuid4().hex
    with context.tree.open(path) as file:
        if file.fstat() != stat:
            raise Stale(path)
        looked_ns = context.clock.now_ns()
        hashes = content.open_hashes(context, path, file, stat, content.upload_hashes(context, stat.size))
        digest = hashes.digest(context.pair.hash)
        assert digest is not None
        described = headers(context, path, stat, digest, operation)

        def send(expect: RemoteExpect) -> Sent:
            return send_file(
                context, file, stat, path, key, expect=expect, headers=described, hashes=hashes, operation=operation
            )

        sent, intact, proof = until_sound(context, path, key, hashes, expect, send, lambda: file.fstat() == stat)
    return Uploaded(
        stat=stat,
        digest=digest,
        answer=sent.answer,
        proof=proof,
        looked_ns=looked_ns,
        intact=intact,
        vouched=intact or sent.same is True,
    )


def until_sound(
    context: Context,
    path: RelPath,
    key: str,
    hashes: Hashes,
    expect: RemoteExpect,
    send: Callable[[RemoteExpect], Sent],
    unchanged: Callable[[], bool],
) -> tuple[Sent, bool, ProofKind]:
    """Send, and again where the bytes arrive spoilt. What was answered, whether the file was still that one, the proof.

    RemoteError: spoilt each time.
    """
    for tried in range(1, TRIES + 1):
        sent = send(expect)
        intact = sent.same is not False and unchanged()
        try:
            return sent, intact, verified(context, sent, hashes, key) if intact or sent.same else ProofKind.NONE
        except RemoteError as spoilt:
            if tried == TRIES:
                raise
            _say_spoilt(context, path, key, spoilt)
            expect = Matches(sent.answer.etag)  # our own, and nobody's content: the next try takes its place
    raise AssertionError("the last try returns or raises")


def _say_spoilt(context: Context, path: RelPath, key: str, spoilt: RemoteError) -> None:
    context.events.emit(
        events.TRANSFER_CORRUPTED, pair=context.pair.name, path=path, key=key, direction="up", reason=spoilt.message
    )


def send_file(
    context: Context,
    file: OpenFile,
    stat: LocalStat,
    path: str,
    key: str,
    *,
    expect: RemoteExpect,
    headers: ObjectHeaders,
    hashes: Hashes,
    operation: str,
    whole: bool = False,
) -> Sent:
    """Send an open file of that stat and those hashes; `path` names it on the board of transfers.

    In one request, or in parts where it is large and need not go whole (`whole`). An own write whose answer got lost is
    found by its operation id. Raises Stale, ItemError or RemoteError.
    """
    transfer = context.transfers.begin(pair=context.pair.name, path=path, direction="up", total_bytes=stat.size)
    cargo = Cargo(
        file=file,
        stat=stat,
        path=path,
        key=key,
        expect=expect,
        headers=headers,
        hashes=hashes,
        operation=operation,
        transfer=transfer,
    )
    try:
        if stat.size > SINGLE_PUT and not whole:
            answer, expected = put_in_parts(context, cargo)
            return Sent(answer=answer, expected=expected, in_parts=True)
        return _put_whole(context, cargo)
    finally:
        transfer.end()


def _put_whole(context: Context, cargo: Cargo) -> Sent:
    # The bytes that leave are summed again where it costs next to nothing: a file that changed between the
    # two reads without a new stat (a mapping) is noticed.
    check = frozenset({"crc64nvme"}) if cargo.hashes.crc64nvme is not None else frozenset[str]()
    size = cargo.stat.size
    body = Watched(
        cargo.file.reader(0, size), size, lambda: context.digester(check), cargo.transfer.advance, context.stop
    )
    try:
        answer = context.objects.put(
            cargo.key,
            cast(BinaryIO, body),
            size,
            expect=sendable(context, cargo.key, cargo.expect),
            headers=cargo.headers,
            sums=checksums(cargo.hashes),
        )
    except Stale as stale:
        refused = not isinstance(stale, Raced) and cargo.file.fstat() == cargo.stat and not context.stop.abandoned()
        facts = own_write(context, cargo.key, cargo.expect, cargo.operation, refused=refused)
        if facts is None or facts.size != size:
            raise
        return Sent(answer=answer_of(facts))
    left = body.whole_hashes().crc64nvme
    return Sent(answer=answer, same=None if left is None else left == cargo.hashes.crc64nvme)


def answer_of(facts: ObjectFacts) -> PutAnswer:
    """What the store would have answered to the write of ours that it shows."""
    return PutAnswer(etag=facts.etag, version_id=facts.version_id, checksum=facts.checksum)


def verified(context: Context, sent: Sent, hashes: Hashes, key: str) -> ProofKind:
    """Compare the answer with our own. A store that received other bytes is corrupt: try again."""
    answer = sent.answer
    if answer.checksum is None:
        context.endpoint.silent = True
    if disagrees(answer.checksum, hashes):
        raise RemoteError(RemoteKind.CORRUPT, f"{key}: the store answered another checksum than ours")
    if _is_expected(context, sent, hashes, key):
        return ProofKind.ETAG
    in_parts = sent.in_parts or made_of_parts(answer.etag)
    return vouched(context.capabilities, answer, hashes, in_parts=in_parts)


def _is_expected(context: Context, sent: Sent, hashes: Hashes, key: str) -> bool:
    """Whether the ETag is the MD5 of what was sent, or of its parts' MD5s. RemoteError: it should be."""
    etag = sent.answer.etag
    if not context.capabilities.etag_is_md5:
        return False
    if made_of_parts(etag):  # not every store makes it of the parts' MD5: another one proves nothing either way
        return etag == sent.expected
    if hashes.md5 is None:
        return False
    if etag != hashes.md5.hex():
        raise RemoteError(RemoteKind.CORRUPT, f"{key}: the ETag is not the MD5 of what was sent")
    return True
