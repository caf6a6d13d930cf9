"""A large file goes up in parts; an upload that does not finish is dropped, and nothing of anybody else's is."""

from __future__ import annotations

from typing import BinaryIO, cast

from syncd.engine.checksum import checksums
from syncd.engine.context import Context
from syncd.engine.precondition import completable
from syncd.engine.watched import Watched
from syncd.errors import RemoteError, RemoteKind, Stale
from syncd.ports import Checksums, Digester, Hashes, ObjectHeaders, OpenFile, Part, PutAnswer, RemoteExpect, Transfer

PART = 32 << 20
MAX_PARTS = 10_000
MIN_PART = 5 << 20


def part_size(total: int, asked: int | None) -> int:
    """Bytes a part: as asked (at least 5 MiB), more where 10,000 parts would not do."""
    size = max(asked or PART, MIN_PART)
    while -(-total // size) > MAX_PARTS:
        size *= 2
    return size


def put_in_parts(
    context: Context,
    file: OpenFile,
    total: int,
    key: str,
    expect: RemoteExpect,
    headers: ObjectHeaders,
    hashes: Hashes,
    transfer: Transfer,
) -> PutAnswer:
    """Send it in parts, each summed as it leaves. Raises Stale where the file changed while it was read."""
    upload = context.objects.create_multipart(key, headers=headers)
    context.records.journal_upload(key, upload)
    try:
        parts = _send_parts(context, file, total, key, upload, hashes, transfer)
        answer = context.objects.complete_multipart(
            key, upload, parts, expect=completable(context, key, expect), size=total, sums=checksums(hashes)
        )
    except BaseException:
        _abandon(context, key, upload)
        raise
    context.records.forget_upload(upload)
    return answer


def _send_parts(
    context: Context, file: OpenFile, total: int, key: str, upload: str, hashes: Hashes, transfer: Transfer
) -> list[Part]:
    size = part_size(total, context.pair.s3.part_size)
    whole = context.digester(frozenset({"crc64nvme"}) if hashes.crc64nvme is not None else frozenset())
    parts = []
    for number, start in enumerate(range(0, total, size), 1):
        length = min(size, total - start)
        sums = _part_sums(context, file, start, length, whole)
        body = Watched(
            file.reader(start, length), length, lambda: context.digester(frozenset()), transfer.advance, context.stop
        )
        parts.append(context.objects.put_part(key, upload, number, cast(BinaryIO, body), length, sums=sums))
    if whole.result().crc64nvme != hashes.crc64nvme:
        raise Stale(f"{key}: changed while it was sent")
    return parts


def _part_sums(context: Context, file: OpenFile, start: int, length: int, whole: Digester) -> Checksums:
    """The sums of one part, computed right before it is sent (its pages are then in memory)."""
    types = {"md5"} if context.pair.hash.value == "md5" or context.pair.cleanup else set[str]()
    if context.pair.s3.checksum != "none":
        types.add(context.pair.s3.checksum)
    digester = context.digester(frozenset(types))
    reader = file.reader(start, length)
    while piece := reader.read(1 << 18):
        digester.update(piece)
        whole.update(piece)
        if context.stop.abandoned():
            raise Stale("stopped")
    return checksums(digester.result())


def _abandon(context: Context, key: str, upload: str) -> None:
    """Drop the parts; where the store does not answer, the journal remembers and the next start does it."""
    try:
        context.objects.abort_multipart(key, upload)
    except RemoteError as error:
        if error.kind is not RemoteKind.MISSING:
            return
    context.records.forget_upload(upload)


def abort_open_uploads(context: Context) -> int:
    """At start: drop what an earlier run left, as our journal names it. Returns how many."""
    uploads = context.records.open_uploads()
    for key, upload in uploads:
        _abandon(context, key, upload)
    return len(uploads)
