"""A bucket as the engine sees it: conditional writes, exact reads, what an endpoint honours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import BinaryIO, Generic, Protocol, TypeVar

from syncd.core.model import ETag, ListedObject, ObjectFacts

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Absent:
    """The target does not exist (`If-None-Match: *`; RENAME_NOREPLACE)."""


@dataclass(frozen=True, slots=True)
class Matches:
    """The object still has this ETag (`If-Match`)."""

    etag: ETag


@dataclass(frozen=True, slots=True)
class Unchecked:
    """No precondition can be sent: the endpoint honours none, and the caller has just looked (HEAD).

    `once`: it is not sent again by itself, whatever happens: the look would be too old by then.
    """

    once: bool = False


RemoteExpect = Absent | Matches | Unchecked


@dataclass(frozen=True, slots=True)
class ListPage:
    """Up to a thousand rows, keys strictly increasing as UTF-8 bytes within and across pages.

    `mark`: where two pages of this process have the same, their rows are the same. None: that is not known.
    """

    objects: Sequence[ListedObject]
    last: bool
    mark: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectHeaders:
    """What is written beside the bytes. `metadata` keys are lower-case, values any text (the adapter encodes)."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    storage_class: str = ""
    acl: str = ""
    content_type: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checksums:
    """What we know of a body before it is sent. Base64 values are made by the adapter. None: not known."""

    md5: bytes | None = None
    sha256: bytes | None = None
    crc64nvme: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PutAnswer:
    """What the store said of a finished write. `checksum` is "ALGORITHM:base64" as the answer carried it.

    `payload`: the SHA-256 of the body, in hex, that the accepted request was signed with; "" where it was not.
    """

    etag: ETag
    version_id: str | None = None
    checksum: str | None = None
    payload: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One uploaded part of a multipart upload, numbered from 1."""

    number: int
    etag: ETag
    checksum: str | None = None


@dataclass(frozen=True, slots=True)
class ListedPart:
    """One part as the store shows it, `size` in bytes."""

    part: Part
    size: int


class ObjectBody(Protocol):
    """The bytes of a GET in pieces, and the facts that came with its headers."""

    facts: ObjectFacts

    def __iter__(self) -> Iterator[bytes]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What the canary saw this endpoint do: the right value passes and the wrong one fails.

    `delete_if_match` False and `versioned` True: a delete writes a marker, so nothing is lost.
    `versioned` is GetBucketVersioning == Enabled; 403 or Suspended counts as False.
    `stores_checksum`: HEAD shows the CRC64NVME sent with a PUT. `etag_is_md5`: the ETag of a single PUT is its MD5.
    `rejects_wrong_…`: a PUT with a value that is not of its bytes was refused and stored nothing, the right one was
    taken. `full_object_checksum`: the same of the CRC64NVME of a Complete, which then shows that of the whole object.
    `denied`: IAM actions that were tried and answered with 403.
    """

    put_if_none_match: bool = False
    put_if_match: bool = False
    delete_if_match: bool = False
    copy_if_match: bool = False  # x-amz-copy-source-if-match
    copy: bool = True
    quoted_if_match: bool = True  # send If-Match with quotes (False: this store wants it bare)
    etag_is_md5: bool = False
    stores_checksum: bool = False
    versioned: bool = False
    ranged_get: bool = False
    multipart: bool = False
    complete_if_none_match: bool = False
    complete_if_match: bool = False
    full_object_checksum: bool = False
    rejects_wrong_crc64nvme: bool = False
    rejects_wrong_sha256: bool = False
    rejects_wrong_payload: bool = False  # x-amz-content-sha256, as the request was signed with it
    denied: frozenset[str] = frozenset()
    probed_at: float = 0.0  # seconds since the epoch; 0: never, assume nothing
    distrusted: str = ""  # why a later canary found it unfit; nothing is cleaned until one passes


def _unknown() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Awaited(Generic[T]):
    """The answer to a request: `take` waits for it, once, on the thread that sent. Raises as a call does.

    `there`: whether it can be taken without waiting. Never so, where that is not known. `under_way`: something was
    sent; else all of it happens in `take`.
    """

    take: Callable[[], T]
    there: Callable[[], bool] = _unknown
    under_way: bool = False


class ObjectStore(Protocol):
    """One bucket of one endpoint. Keys are whole keys (prefix included). Every method may raise RemoteError.

    Writes take their precondition (`expect` has no default) and raise Stale when it does not hold. Calls are
    thread-safe; retries of what is retryable happen inside, within `[s3] retries`.
    """

    @property
    def incomplete(self) -> frozenset[str]:
        """First components of keys whose listing failed by itself: nothing follows from what is absent there."""
        ...

    @property
    def detour(self) -> str:
        """Why bytes and listings take the dear way to it; "" where they take the cheap one."""
        ...

    def list(self, prefix: str) -> Iterator[ListPage]:
        """All objects below prefix in key order. A page out of order or truncated without a token: RemoteError."""
        ...

    def head(self, key: str) -> ObjectFacts | None:
        """Facts of one object, or None where there is none."""
        ...

    def start_head(self, key: str) -> Awaited[ObjectFacts | None]:
        """The same in two: ask, and take the answer, as of `start_put`."""
        ...

    def get(
        self, key: str, *, expect: ETag | None, start: int = 0, length: int | None = None, version_id: str | None = None
    ) -> AbstractContextManager[ObjectBody]:
        """Read bytes [start, start+length) of exactly that ETag. Stale if the object changed or is gone.

        With a version id that version is read, whatever is newest; only then may `expect` be None (ValueError else).
        """
        ...

    def start_get(self, key: str, *, expect: ETag) -> Awaited[AbstractContextManager[ObjectBody]]:
        """A read of all of it in two: ask, and take the answer, as of `start_put`."""
        ...

    def put(
        self, key: str, body: BinaryIO, size: int, *, expect: RemoteExpect, headers: ObjectHeaders, sums: Checksums
    ) -> PutAnswer:
        """Write one object of `size` bytes from the (seekable) body in one request."""
        ...

    def start_put(
        self, key: str, body: BinaryIO, size: int, *, expect: RemoteExpect, headers: ObjectHeaders, sums: Checksums
    ) -> Awaited[PutAnswer]:
        """The same in two: send, and take the answer. So one thread has many small requests under way.

        Where a store cannot, all of it happens when the answer is taken.
        """
        ...

    def create_multipart(self, key: str, *, headers: ObjectHeaders) -> str:
        """Begin an upload in parts and return its id."""
        ...

    def put_part(
        self, key: str, upload_id: str, number: int, body: BinaryIO, size: int, *, sums: Checksums
    ) -> Part: ...

    def complete_multipart(
        self, key: str, upload_id: str, parts: Sequence[Part], *, expect: RemoteExpect, size: int, sums: Checksums
    ) -> PutAnswer: ...

    def list_parts(self, key: str, upload_id: str) -> Sequence[ListedPart]:
        """The parts that the store has of an upload, by number. RemoteError MISSING: the upload is gone."""
        ...

    def abort_multipart(self, key: str, upload_id: str) -> None:
        """Drop an upload of ours. One that is gone already is no error."""
        ...

    def copy(
        self, source: str, target: str, *, source_etag: ETag, expect: RemoteExpect, headers: ObjectHeaders | None
    ) -> PutAnswer:
        """Server-side copy of exactly that source, any size (in parts over 5 GiB, metadata carried).

        headers None: the source's own metadata.
        """
        ...

    def delete(self, key: str, *, expect: Matches | Unchecked) -> None:
        """Delete one object. One that is gone already is no error."""
        ...

    def server_now(self) -> float:
        """The server's clock (seconds since the epoch) by its last Date header; our own before any answer."""
        ...
