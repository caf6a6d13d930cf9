"""An ObjectStore in memory: honest about preconditions, with faults on demand and nothing ever forgotten."""

from __future__ import annotations

import hashlib
import itertools
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import BinaryIO

from awscrt.checksums import crc64nvme

from syncd.core.model import ETag, ListedObject, ObjectFacts
from syncd.engine.context import Endpoint
from syncd.errors import RemoteError, RemoteKind, Stale
from syncd.ports import (
    Absent,
    Awaited,
    Capabilities,
    Checksums,
    ListedPart,
    ListPage,
    Matches,
    ObjectBody,
    ObjectHeaders,
    Part,
    PutAnswer,
    RemoteExpect,
    Unchecked,
)
from syncd.s3 import metadata
from syncd.s3.facts import ARCHIVES, crc64nvme_base64

EVERYTHING = Capabilities(
    put_if_none_match=True,
    put_if_match=True,
    delete_if_match=True,
    copy_if_match=True,
    etag_is_md5=True,
    stores_checksum=True,
    ranged_get=True,
    multipart=True,
    complete_if_none_match=True,
    complete_if_match=True,
    full_object_checksum=True,
    rejects_wrong_crc64nvme=True,
    rejects_wrong_sha256=True,
    rejects_wrong_payload=True,
    probed_at=1.0,
)
"""A store that honours all there is, as AWS does. Not versioned."""


def proven(capabilities: Capabilities) -> Endpoint:
    """An endpoint of these capabilities whose canary passed, for as long as a test takes."""
    return Endpoint(capabilities, proven_until=math.inf)


UPLOADS = ("create_multipart", "put_part", "list_parts", "complete_multipart", "abort_multipart")
OPERATIONS = frozenset(["list", "head", "get", "put", *UPLOADS, "copy", "delete"])
PIECE = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version that was once the object at its key."""

    key: str
    body: bytes
    etag: ETag
    at: float
    headers: ObjectHeaders = field(default_factory=ObjectHeaders)
    version_id: str | None = None
    checksum: str | None = None

    @property
    def sha256(self) -> str:
        """Of the bytes, in hex."""
        return hashlib.sha256(self.body).hexdigest()

    @property
    def archived(self) -> bool:
        """Whether it must be restored before it can be read."""
        return self.headers.storage_class in ARCHIVES


@dataclass(slots=True)
class _Upload:
    key: str
    headers: ObjectHeaders
    parts: dict[int, bytes] = field(default_factory=dict)


class FakeObjects:
    """One bucket. Thread-safe. A precondition that `capabilities` lack is ignored, as such stores do.

    `now` is the server's clock in seconds since the epoch. `peers` holds the other buckets of the same endpoint
    by name, for copies from one to another.
    """

    marks = True
    """Whether pages tell by their marks which are the same."""

    def __init__(
        self,
        *,
        bucket: str = "bucket",
        capabilities: Capabilities = EVERYTHING,
        now: Callable[[], float] = time.time,
        page_size: int = 1000,
        peers: Mapping[str, FakeObjects] | None = None,
    ) -> None:
        self.bucket = bucket
        self.capabilities = capabilities
        self.down: RemoteError | None = None  # while set, every call raises it
        self.requests: Counter[str] = Counter()  # calls by operation, failed ones too
        self._now = now
        self._page_size = page_size
        self._peers = peers or {}
        self._lock = threading.RLock()
        self._live: dict[str, Version] = {}
        self._history: list[Version] = []
        self._uploads: dict[str, _Upload] = {}
        self._numbers = itertools.count(1)
        self._faults: dict[tuple[str, str], list[Exception]] = {}
        self._actions: dict[str, list[Callable[[], object]]] = {}
        self._flips: Counter[str] = Counter()

    # --- for tests ----------------------------------------------------------------------------------------

    def fail_next(self, operation: str, error: Exception, *, when: str = "before", times: int = 1) -> None:
        """Raise `error` at the next such calls: before anything happened, or "after" (the answer is lost)."""
        assert operation in OPERATIONS, operation
        assert when in {"before", "after"}, when
        with self._lock:
            self._faults.setdefault((operation, when), []).extend([error] * times)

    def intervene(self, operation: str, action: Callable[[], object]) -> None:
        """Run `action` once, right before the next such call: another writer who is faster."""
        assert operation in OPERATIONS, operation
        with self._lock:
            self._actions.setdefault(operation, []).append(action)

    def flip_next_read(self, key: str, times: int = 1) -> None:
        """Let the next reads of that key arrive with one bit wrong."""
        with self._lock:
            self._flips[key] += times

    def plant(
        self, key: str, body: bytes, *, metadata: Mapping[str, str] | None = None, storage_class: str = ""
    ) -> ETag:
        """Write an object as another tool does: no precondition, no fault, not counted."""
        headers = ObjectHeaders(metadata=metadata or {}, storage_class=storage_class)
        with self._lock:
            return self._store(key, body, headers, Checksums()).etag

    def rot(self, key: str, body: bytes) -> None:
        """Let the store lose the object's bytes to others, in silence: its ETag and checksum stay."""
        with self._lock:
            self._live[key] = replace(self._live[key], body=body)

    def take_away(self, key: str) -> None:
        """Delete an object as another tool does."""
        with self._lock:
            self._live.pop(key, None)

    def contents(self) -> dict[str, bytes]:
        """Every live object's bytes by key, in key order."""
        with self._lock:
            return {key: self._live[key].body for key in sorted(self._live, key=str.encode)}

    def live(self, key: str) -> Version | None:
        """The object at that key."""
        with self._lock:
            return self._live.get(key)

    def history(self, key: str | None = None) -> list[Version]:
        """Every version ever stored (of that key), the oldest first, whatever became of it."""
        with self._lock:
            return [version for version in self._history if key is None or version.key == key]

    def kept(self) -> set[str]:
        """The SHA-256 of every version that can still be had: live, or previous in a versioned bucket."""
        with self._lock:
            held = self._history if self.capabilities.versioned else list(self._live.values())
            return {version.sha256 for version in held}

    def open_uploads(self) -> list[str]:
        """The keys of uploads in parts that were neither completed nor aborted."""
        with self._lock:
            return sorted(upload.key for upload in self._uploads.values())

    # --- ObjectStore --------------------------------------------------------------------------------------

    detour = ""

    @property
    def incomplete(self) -> frozenset[str]:
        """Never: one bucket."""
        return frozenset()

    def server_now(self) -> float:
        return self._now()

    def list(self, prefix: str) -> Iterator[ListPage]:
        after = b""
        while True:
            with self._call("list"):
                found = sorted(
                    (key.encode(), key) for key in self._live if key.startswith(prefix) and key.encode() > after
                )
                rows = [_row(self._live[key]) for _, key in found[: self._page_size]]
                mark = hash(tuple(rows)) if self.marks else None
                page = ListPage(rows, last=len(found) <= self._page_size, mark=mark)
            yield page
            if page.last:
                return
            after = rows[-1].key.encode()

    def head(self, key: str) -> ObjectFacts | None:
        with self._call("head"):
            found = self._live.get(key)
            return None if found is None else self._facts(found)

    def start_head(self, key: str) -> Awaited[ObjectFacts | None]:
        answer = self.head(key)
        return Awaited(lambda: answer, under_way=True)

    @contextmanager
    def get(
        self, key: str, *, expect: ETag | None, start: int = 0, length: int | None = None, version_id: str | None = None
    ) -> Iterator[ObjectBody]:
        if start < 0 or (length is not None and length <= 0):
            raise ValueError(f"no range: start {start}, length {length}")
        if expect is None and version_id is None:
            raise ValueError("a read without an ETag needs a version id")
        with self._call("get"):
            found = self._live.get(key) if version_id is None else self._version(key, version_id)
            if found is None or expect not in {None, found.etag}:
                raise Stale(f"{key} changed or is gone")
            if found.archived:
                raise RemoteError(RemoteKind.REJECTED, f"{key} is in an archive tier", code="InvalidObjectState")
            if start and start >= len(found.body):
                raise RemoteError(RemoteKind.REJECTED, f"{key} ends before {start}", code="InvalidRange")
            sent = found.body[start : None if length is None else start + length]
            if sent and self._flips[key] > 0:
                self._flips[key] -= 1
                sent = bytes([sent[0] ^ 1]) + sent[1:]
            body = _Body(self._facts(found), sent)
        yield body

    def start_get(self, key: str, *, expect: ETag) -> Awaited[AbstractContextManager[ObjectBody]]:
        return Awaited(partial(self.get, key, expect=expect))

    def put(
        self, key: str, body: BinaryIO, size: int, *, expect: RemoteExpect, headers: ObjectHeaders, sums: Checksums
    ) -> PutAnswer:
        sent = _read(body, size)
        with self._call("put"):
            self._check(key, expect)
            signed = "" if sums.sha256 is None else sums.sha256.hex()
            return replace(_answer(self._store(key, sent, headers, sums)), payload=signed)

    def start_put(
        self, key: str, body: BinaryIO, size: int, *, expect: RemoteExpect, headers: ObjectHeaders, sums: Checksums
    ) -> Awaited[PutAnswer]:
        return Awaited(partial(self.put, key, body, size, expect=expect, headers=headers, sums=sums))

    def create_multipart(self, key: str, *, headers: ObjectHeaders) -> str:
        with self._call("create_multipart"):
            upload_id = f"upload-{next(self._numbers)}"
            self._uploads[upload_id] = _Upload(key, headers)
            return upload_id

    def put_part(self, key: str, upload_id: str, number: int, body: BinaryIO, size: int, *, sums: Checksums) -> Part:
        sent = _read(body, size)
        with self._call("put_part"):
            upload = self._upload(key, upload_id)
            checksum = self._checked(sent, sums)
            upload.parts[number] = sent
            return Part(number, ETag(_md5(sent)), checksum)

    def complete_multipart(
        self, key: str, upload_id: str, parts: Sequence[Part], *, expect: RemoteExpect, size: int, sums: Checksums
    ) -> PutAnswer:
        with self._call("complete_multipart"):
            upload = self._upload(key, upload_id)
            ordered = sorted(parts, key=lambda part: part.number)
            sent = [upload.parts.get(part.number, b"") for part in ordered]
            if not ordered or [_md5(body) for body in sent] != [part.etag for part in ordered]:
                raise RemoteError(RemoteKind.REJECTED, f"{key}: a part is not there", code="InvalidPart")
            if sum(map(len, sent)) != size:
                raise RemoteError(RemoteKind.REJECTED, f"{key}: the parts are not {size} bytes", code="InvalidRequest")
            self._check(key, expect)
            etag = ETag(f"{_md5(b''.join(hashlib.md5(body).digest() for body in sent))}-{len(sent)}")
            stored = self._store(key, b"".join(sent), upload.headers, replace(sums, md5=None, sha256=None), etag)
            del self._uploads[upload_id]
            return _answer(stored)

    def list_parts(self, key: str, upload_id: str) -> Sequence[ListedPart]:
        with self._call("list_parts"):
            parts = sorted(self._upload(key, upload_id).parts.items())
            return [ListedPart(Part(number, ETag(_md5(body))), len(body)) for number, body in parts]

    def abort_multipart(self, key: str, upload_id: str) -> None:
        with self._call("abort_multipart"):
            self._uploads.pop(upload_id, None)

    def copy(
        self, source: str, target: str, *, source_etag: ETag, expect: RemoteExpect, headers: ObjectHeaders | None
    ) -> PutAnswer:
        return self.copy_from(self.bucket, source, target, source_etag=source_etag, expect=expect, headers=headers)

    def copy_from(
        self,
        bucket: str,
        source: str,
        target: str,
        *,
        source_etag: ETag,
        expect: RemoteExpect,
        headers: ObjectHeaders | None,
    ) -> PutAnswer:
        """`copy` of an object of another bucket (a peer)."""
        with self._call("copy"):
            if not self.capabilities.copy:
                raise RemoteError(RemoteKind.REJECTED, f"{target}: no copies here", code="NotImplemented")
            found = (self if bucket == self.bucket else self._peers[bucket]).live(source)
            if found is None or (self.capabilities.copy_if_match and found.etag != source_etag):
                raise Stale(f"{source} changed or is gone")
            self._check(target, expect)
            crc = crc64nvme(found.body) if found.checksum else None
            return _answer(
                self._store(target, found.body, found.headers if headers is None else headers, Checksums(crc64nvme=crc))
            )

    def delete(self, key: str, *, expect: Matches | Unchecked) -> None:
        with self._call("delete"):
            found = self._live.get(key)
            if found is None:
                return
            if isinstance(expect, Matches) and self.capabilities.delete_if_match and found.etag != expect.etag:
                raise Stale(f"{key} changed")
            self._live.pop(key, None)

    # --- inside -------------------------------------------------------------------------------------------

    @contextmanager
    def _call(self, operation: str) -> Iterator[None]:
        """One request: counted, interrupted by what was asked for, and whole under the lock."""
        with self._lock:
            self.requests[operation] += 1
            actions = self._actions.pop(operation, [])
        for action in actions:
            action()
        with self._lock:
            if self.down is not None:
                raise self.down
            self._raise_fault(operation, "before")
            yield
            self._raise_fault(operation, "after")

    def _raise_fault(self, operation: str, when: str) -> None:
        waiting = self._faults.get((operation, when))
        if waiting:
            raise waiting.pop(0)

    def _check(self, key: str, expect: RemoteExpect) -> None:
        found = self._live.get(key)
        match expect:
            case Absent() if self.capabilities.put_if_none_match and found is not None:
                raise Stale(f"{key} exists")
            case Matches(etag) if self.capabilities.put_if_match and (found is None or found.etag != etag):
                raise Stale(f"{key} changed or is gone")

    def _store(
        self, key: str, body: bytes, headers: ObjectHeaders, sums: Checksums, etag: ETag | None = None
    ) -> Version:
        number = next(self._numbers)
        if etag is None:
            etag = ETag(_md5(body) if self.capabilities.etag_is_md5 else f"tag{number:029d}")
        version = Version(
            key=key,
            body=body,
            etag=etag,
            at=self._now(),
            headers=replace(headers, metadata=metadata.encoded(headers.metadata)),
            version_id=f"version-{number}" if self.capabilities.versioned else None,
            checksum=self._checked(body, sums),
        )
        self._live[key] = version
        self._history.append(version)
        return version

    def _checked(self, body: bytes, sums: Checksums) -> str | None:
        """The checksum that is kept; a wrong one is refused as a good store does."""
        right = (
            sums.md5 in {None, hashlib.md5(body).digest()}
            and sums.sha256 in {None, hashlib.sha256(body).digest()}
            and sums.crc64nvme in {None, crc64nvme(body)}
        )
        if not right:
            raise RemoteError(RemoteKind.CORRUPT, "the bytes do not have their checksum", code="BadDigest")
        if sums.crc64nvme is None or not self.capabilities.stores_checksum:
            return None
        return f"CRC64NVME:{crc64nvme_base64(sums.crc64nvme)}"

    def _version(self, key: str, version_id: str) -> Version | None:
        return next((v for v in self._history if (v.key, v.version_id) == (key, version_id)), None)

    def _upload(self, key: str, upload_id: str) -> _Upload:
        upload = self._uploads.get(upload_id)
        if upload is None or upload.key != key:
            raise RemoteError(RemoteKind.MISSING, f"{key}: the upload is gone", code="NoSuchUpload")
        return upload

    def _facts(self, found: Version) -> ObjectFacts:
        said = metadata.claims(found.headers.metadata, size=len(found.body))
        return ObjectFacts(
            etag=found.etag,
            size=len(found.body),
            last_modified_s=int(found.at),
            version_id=found.version_id,
            digest=said.digest,
            mtime_ns=said.mtime_ns,
            host_id=said.host_id,
            host_name=said.host_name,
            operation_id=said.operation_id,
            checksum=found.checksum,
            archived=found.archived,
            lying=said.lying,
        )


class _Body:
    def __init__(self, facts: ObjectFacts, sent: bytes) -> None:
        self.facts = facts
        self._sent = sent

    def __iter__(self) -> Iterator[bytes]:
        for at in range(0, len(self._sent), PIECE):
            yield self._sent[at : at + PIECE]


def _read(body: BinaryIO, size: int) -> bytes:
    sent = bytearray()
    while len(sent) < size:
        piece = body.read(size - len(sent))
        if not piece:
            raise Stale(f"the file ended {size - len(sent)} bytes early")
        sent += piece
    return bytes(sent)


def _row(version: Version) -> ListedObject:
    return ListedObject(version.key, len(version.body), version.etag, int(version.at), version.archived)


def _answer(version: Version) -> PutAnswer:
    return PutAnswer(etag=version.etag, version_id=version.version_id, checksum=version.checksum)


def _md5(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()
