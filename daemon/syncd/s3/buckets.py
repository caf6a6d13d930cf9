"""Many buckets as one ObjectStore: keys begin with the bucket's name (`layout = "buckets"`)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol

from syncd.core.model import ETag, ObjectFacts
from syncd.errors import RemoteError, RemoteKind
from syncd.ports import (
    Awaited,
    Checksums,
    ListedPart,
    ListPage,
    Matches,
    ObjectBody,
    ObjectHeaders,
    ObjectStore,
    Part,
    PutAnswer,
    RemoteExpect,
    Unchecked,
)
from syncd.s3.listing import below

SHARED = frozenset({RemoteKind.UNAVAILABLE, RemoteKind.THROTTLED, RemoteKind.EXPIRED})
"""Failures of the whole endpoint. Any other is of the one bucket, and the others go on."""


class BucketStore(ObjectStore, Protocol):
    """One bucket that can copy from another of the same endpoint."""

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
        """Copy exactly that object of another bucket to `target` here."""
        ...


def in_order(names: Iterable[str]) -> list[str]:
    """Bucket names in the order of their keys: `a-b/` comes before `a/`."""
    return sorted(set(names), key=lambda name: f"{name}/".encode())


class BucketsObjects:
    """An ObjectStore over the buckets that `names` gives, each made once by `open`. Thread-safe.

    A bucket whose listing fails by itself (missing, forbidden, out of order) is told to `problem`, is in
    `incomplete` until it is listed again, and the listing goes on with the next one. Nothing may be concluded from
    what is absent below an incomplete bucket.
    """

    def __init__(
        self,
        names: Callable[[], Iterable[str]],
        open: Callable[[str], BucketStore],
        *,
        problem: Callable[[str, RemoteError], None],
    ) -> None:
        self._names = names
        self._open = open
        self._problem = problem
        self._lock = threading.Lock()
        self._opened: dict[str, BucketStore] = {}
        self._incomplete: frozenset[str] = frozenset()

    @property
    def incomplete(self) -> frozenset[str]:
        """The buckets whose last listing did not come to its end."""
        return self._incomplete

    @property
    def detour(self) -> str:
        """Of the first bucket that has one, of those that were asked for something so far."""
        with self._lock:
            opened = sorted(self._opened.items())
        return next((f"{name}: {store.detour}" for name, store in opened if store.detour), "")

    def server_now(self) -> float:
        """The clock of the endpoint, by any bucket that answered; our own before."""
        with self._lock:
            opened = next(iter(self._opened.values()), None)
        return time.time() if opened is None else opened.server_now()

    def list(self, prefix: str) -> Iterator[ListPage]:
        """Every bucket's objects, in the order of the whole keys. The last page is empty."""
        named, slash, rest = prefix.partition("/")
        for name in in_order(self._names()):
            if name == named if slash else name.startswith(named):
                yield from self._pages(name, rest)
        yield ListPage((), last=True)

    def _pages(self, name: str, rest: str) -> Iterator[ListPage]:
        self._mark(name, complete=True)  # up to where it has come, what is not in it is not there
        try:
            for page in self._bucket(name).list(rest):
                yield ListPage([below(row, name) for row in page.objects], last=False)
        except RemoteError as error:
            self._mark(name, complete=False)
            if error.kind in SHARED:
                raise
            self._problem(name, error)

    def head(self, key: str) -> ObjectFacts | None:
        """As of the key's bucket."""
        bucket, rest = self._split(key)
        return bucket.head(rest)

    def start_head(self, key: str) -> Awaited[ObjectFacts | None]:
        """As of the key's bucket."""
        bucket, rest = self._split(key)
        return bucket.start_head(rest)

    def get(
        self, key: str, *, expect: ETag | None, start: int = 0, length: int | None = None, version_id: str | None = None
    ) -> AbstractContextManager[ObjectBody]:
        """As of the key's bucket."""
        bucket, rest = self._split(key)
        return bucket.get(rest, expect=expect, start=start, length=length, version_id=version_id)

    def start_get(self, key: str, *, expect: ETag) -> Awaited[AbstractContextManager[ObjectBody]]:
        """As of the key's bucket."""
        bucket, rest = self._split(key)
        return bucket.start_get(rest, expect=expect)

    def put(
        self, key: str, body: BinaryIO, size: int, *, expect: RemoteExpect, headers: ObjectHeaders, sums: Checksums
    ) -> PutAnswer:
        """As of the key's bucket."""
        bucket, rest = self._split(key)
        return bucket.put(rest, body, size, expect=expect, headers=headers, sums=sums)

    def start_put(
        self, key: str, body: BinaryIO, size: int, *, expect: RemoteExpect, headers: ObjectHeaders, sums: Checksums
    ) -> Awaited[PutAnswer]:
        """As of the key's bucket."""
        bucket, rest = self._split(key)
        return bucket.start_put(rest, body, size, expect=expect, headers=headers, sums=sums)

    def create_multipart(self, key: str, *, headers: ObjectHeaders) -> str:
        """As of the key's bucket."""
        bucket, rest = self._split(key)
        return bucket.create_multipart(rest, headers=headers)

    def put_part(self, key: str, upload_id: str, number: int, body: BinaryIO, size: int, *, sums: Checksums) -> Part:
        """As of the key's bucket."""
        bucket, rest = self._split(key)
        return bucket.put_part(rest, upload_id, number, body, size, sums=sums)

    def complete_multipart(
        self, key: str, upload_id: str, parts: Sequence[Part], *, expect: RemoteExpect, size: int, sums: Checksums
    ) -> PutAnswer:
        """As of the key's bucket."""
        bucket, rest = self._split(key)
        return bucket.complete_multipart(rest, upload_id, parts, expect=expect, size=size, sums=sums)

    def list_parts(self, key: str, upload_id: str) -> Sequence[ListedPart]:
        """As of the key's bucket."""
        bucket, rest = self._split(key)
        return bucket.list_parts(rest, upload_id)

    def abort_multipart(self, key: str, upload_id: str) -> None:
        """As of the key's bucket."""
        bucket, rest = self._split(key)
        bucket.abort_multipart(rest, upload_id)

    def copy(
        self, source: str, target: str, *, source_etag: ETag, expect: RemoteExpect, headers: ObjectHeaders | None
    ) -> PutAnswer:
        """Within a bucket or from one to another."""
        named, _, rest = source.partition("/")
        bucket, target_rest = self._split(target)
        if named == target.partition("/")[0]:
            return bucket.copy(rest, target_rest, source_etag=source_etag, expect=expect, headers=headers)
        return bucket.copy_from(named, rest, target_rest, source_etag=source_etag, expect=expect, headers=headers)

    def delete(self, key: str, *, expect: Matches | Unchecked) -> None:
        """As of the key's bucket."""
        bucket, rest = self._split(key)
        bucket.delete(rest, expect=expect)

    def _split(self, key: str) -> tuple[BucketStore, str]:
        name, _, rest = key.partition("/")
        if not name or not rest:
            raise RemoteError(
                RemoteKind.REJECTED, f"{key!r} names no object", hint="with layout = buckets a key is bucket/key"
            )
        return self._bucket(name), rest

    def _bucket(self, name: str) -> BucketStore:
        with self._lock:
            if name not in self._opened:
                self._opened[name] = self._open(name)
            return self._opened[name]

    def _mark(self, name: str, *, complete: bool) -> None:
        with self._lock:
            self._incomplete = self._incomplete - {name} if complete else self._incomplete | {name}
