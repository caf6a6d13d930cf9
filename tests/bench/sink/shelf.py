"""What the sink holds: objects and open uploads, changed by records alone, the same in each of its processes."""

from __future__ import annotations

import base64
import hashlib
import os
from bisect import bisect_left, bisect_right
from typing import Any, NamedTuple

from awscrt.checksums import combine_crc64nvme

OK = (200, "")
GONE = (404, "NoSuchKey")
NO_UPLOAD = (404, "NoSuchUpload")
CHANGED = (412, "PreconditionFailed")
BAD_SUM = (400, "BadDigest")
BAD_PART = (400, "InvalidPart")

Record = tuple[Any, ...]
Outcome = tuple[int, str]
Part = tuple[int, str, int, "bytes | None"]  # size, ETag, CRC64NVME, and the bytes of a small one


class Held(NamedTuple):
    """One object. `salt` is where its bytes begin in the pattern, -1 where they are not served; `body` if kept."""

    size: int
    etag: str
    crc: int
    stamp: int  # seconds since the epoch
    meta: bytes  # the header lines of its user metadata, as they came
    body: bytes | None = None
    salt: int = -1


def crc_text(crc: int) -> str:
    """As S3 writes it."""
    return base64.b64encode(crc.to_bytes(8, "big")).decode("ascii")


class Bucket:
    """Objects by key, and the keys in the order of a listing."""

    def __init__(self) -> None:
        self.objects: dict[str, Held] = {}
        self._sorted: list[str] = []
        self._fresh = True

    def put(self, key: str, held: Held) -> None:
        if key not in self.objects:
            self._sorted.append(key)
            self._fresh = False
        self.objects[key] = held

    def drop(self, key: str) -> None:
        del self.objects[key]
        self._order()
        self._sorted.pop(bisect_left(self._sorted, key))

    def after(self, prefix: str, marker: str) -> tuple[list[str], int, int]:
        """The sorted keys, and where those below prefix and past the marker begin and end."""
        self._order()
        keys = self._sorted
        first = bisect_left(keys, prefix)
        if marker:
            first = max(first, bisect_right(keys, marker))
        end = len(keys) if not prefix else bisect_left(keys, prefix + "\U0010ffff")
        return keys, first, end

    def _order(self) -> None:
        # Python sorts by code point, which is the order of the UTF-8 bytes
        if not self._fresh:
            self._sorted.sort()
            self._fresh = True


class Shelf:
    """All buckets. `apply` alone changes it; the same records in the same order give the same shelf."""

    def __init__(self) -> None:
        self.buckets: dict[str, Bucket] = {}
        self.uploads: dict[str, tuple[str, str, bytes, dict[int, Part]]] = {}

    def find(self, bucket: str, key: str) -> Held | None:
        there = self.buckets.get(bucket)
        return there.objects.get(key) if there else None

    def bucket(self, name: str) -> Bucket:
        """That bucket, made at once."""
        there = self.buckets.get(name)
        if there is None:
            there = self.buckets[name] = Bucket()
        return there

    def submit(self, record: Record) -> Outcome:
        """Change it, or say why not."""
        return self.apply(record)

    def catch_up(self) -> None:
        """See what others changed."""

    def apply(self, record: Record) -> Outcome:
        outcome: Outcome = getattr(self, "_" + record[0])(*record[1:])
        return outcome

    # --- the records --------------------------------------------------------------------------------------

    def _put(self, bucket: str, key: str, held: tuple[Any, ...], match: str, none_match: bool) -> Outcome:
        if match or none_match:
            refused = self._refused(self.find(bucket, key), match, none_match)
            if refused is not None:
                return refused
        self.bucket(bucket).put(key, Held(*held))
        return OK

    def _delete(self, bucket: str, key: str, match: str) -> Outcome:
        there = self.find(bucket, key)
        if there is None:
            return GONE if match else OK
        if match not in {"", "*", there.etag}:
            return CHANGED
        self.bucket(bucket).drop(key)
        return OK

    def _forget(self, bucket: str) -> Outcome:
        self.buckets.pop(bucket, None)
        return OK

    def _create(self, upload: str, bucket: str, key: str, meta: bytes) -> Outcome:
        self.uploads[upload] = (bucket, key, meta, {})
        return OK

    def _part(self, upload: str, number: int, size: int, etag: str, crc: int, body: bytes | None) -> Outcome:
        if upload not in self.uploads:
            return NO_UPLOAD
        self.uploads[upload][3][number] = (size, etag, crc, body)
        return OK

    def _abort(self, upload: str) -> Outcome:
        return OK if self.uploads.pop(upload, None) else NO_UPLOAD

    def _complete(
        self, upload: str, named: list[tuple[int, str]], match: str, none_match: bool, crc: str, stamp: int
    ) -> Outcome:
        if upload not in self.uploads:
            return NO_UPLOAD
        bucket, key, meta, parts = self.uploads[upload]
        if not named or any(number not in parts or parts[number][1] != etag for number, etag in named):
            return BAD_PART
        refused = self._refused(self.find(bucket, key), match, none_match)
        if refused is not None:
            return refused
        held = joined([parts[number] for number, _ in named], meta, stamp)
        if crc and crc != crc_text(held.crc):
            return BAD_SUM
        del self.uploads[upload]
        self.bucket(bucket).put(key, held)
        return OK

    def _refused(self, there: Held | None, match: str, none_match: bool) -> Outcome | None:
        if none_match and there is not None:
            return CHANGED
        if match and there is None:
            return GONE
        return CHANGED if match and there is not None and match not in {"*", there.etag} else None


def joined(parts: list[Part], meta: bytes, stamp: int) -> Held:
    """The object of these parts, its ETag as S3 makes it."""
    size, crc, tags = 0, 0, hashlib.md5(usedforsecurity=False)
    body: bytes | None = b""
    for length, etag, its, piece in parts:
        body = None if body is None or piece is None else body + piece
        crc = combine_crc64nvme(crc, its, length) if size else its
        size += length
        tags.update(bytes.fromhex(etag))
    return Held(size, f"{tags.hexdigest()}-{len(parts)}", crc, stamp, meta, body)


def new_upload() -> str:
    """An id that nobody else has."""
    return os.urandom(16).hex()
