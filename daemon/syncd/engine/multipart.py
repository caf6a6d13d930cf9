"""A large file goes up in parts; an upload that does not finish is dropped, and nothing of anybody else's is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from syncd.core.model import ETag
from syncd.engine.context import Context
from syncd.engine.precondition import completable
from syncd.errors import RemoteError, RemoteKind
from syncd.ports import Checksums, ObjectHeaders, Part, PutAnswer, RemoteExpect

PART = 32 << 20
MAX_PARTS = 10_000
MIN_PART = 5 << 20


def part_size(total: int, asked: int | None) -> int:
    """Bytes a part: as asked (at least 5 MiB), more where 10,000 parts would not do."""
    size = max(asked or PART, MIN_PART)
    while -(-total // size) > MAX_PARTS:
        size *= 2
    return size


def part_types(context: Context) -> frozenset[str]:
    """Which sums of a part are taken while it is in memory."""
    types = {"md5"} if context.pair.hash.value == "md5" or context.pair.cleanup else set[str]()
    if context.pair.s3.checksum != "none":
        types.add(context.pair.s3.checksum)
    return frozenset(types)


class PartsUpload:
    """One upload of ours, in parts that follow each other. Made by `upload_in_parts`."""

    def __init__(self, context: Context, key: str, upload: str) -> None:
        self._context = context
        self._key = key
        self._upload = upload
        self._parts: list[Part] = []
        self._sums: list[bytes] = []

    @property
    def expected_etag(self) -> ETag | None:
        """The MD5 of part MD5s, where every part's MD5 is known: what most stores make the ETag of."""
        if not self._parts or len(self._sums) != len(self._parts):
            return None
        whole = hashlib.md5(b"".join(self._sums), usedforsecurity=False).hexdigest()
        return ETag(f"{whole}-{len(self._parts)}")

    def send(self, body: BinaryIO, length: int, sums: Checksums) -> None:
        """Send the next part."""
        number = len(self._parts) + 1
        part = self._context.objects.put_part(self._key, self._upload, number, body, length, sums=sums)
        self._parts.append(part)
        if sums.md5 is not None:
            self._sums.append(sums.md5)

    def complete(self, *, expect: RemoteExpect, size: int, sums: Checksums) -> PutAnswer:
        """Make the object of its parts."""
        expect = completable(self._context, self._key, expect)
        answer = self._context.objects.complete_multipart(
            self._key, self._upload, self._parts, expect=expect, size=size, sums=sums
        )
        self._context.records.forget_upload(self._upload)
        return answer


@contextmanager
def upload_in_parts(context: Context, key: str, headers: ObjectHeaders) -> Iterator[PartsUpload]:
    """Begin an upload, journaled before its first part; what goes wrong within drops it."""
    upload = context.objects.create_multipart(key, headers=headers)
    context.records.journal_upload(key, upload)
    try:
        yield PartsUpload(context, key, upload)
    except BaseException:
        abandon(context, key, upload)
        raise


def abandon(context: Context, key: str, upload: str) -> None:
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
        abandon(context, key, upload)
    return len(uploads)
