"""Where a host touches the world, and where the model makes that go wrong: errors, lost answers, crashes, races."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO, TypeVar

from support.fake_store import FakeObjects
from syncd.core.model import ETag, LocalStat, ObjectFacts
from syncd.core.paths import RelPath
from syncd.local.handle import Handle
from syncd.local.root import Root
from syncd.local.temporary import PartialFile
from syncd.ports import (
    Awaited,
    Checksums,
    ListedPart,
    ListPage,
    LocalExpect,
    Marker,
    Matches,
    ObjectBody,
    ObjectHeaders,
    Part,
    Placed,
    Proof,
    PutAnswer,
    RemoteExpect,
    Removal,
    ScanEntry,
    ScanProblem,
    Temporary,
    Unchecked,
)

T = TypeVar("T")
PARTS = frozenset({"create_multipart", "put_part", "complete_multipart", "abort_multipart"})
WRITES = frozenset({"put", "copy", "delete"}) | PARTS
READS = frozenset({"list", "head", "get", "list_parts"})
LOCAL = frozenset({"place", "trash", "rename", "stage", "unstage", "trash_staged", "remove", "write_marker"})
LOOKS = frozenset({"scan", "open", "open_staged", "temporary"})
RECORDS = frozenset({"commit", "set_generation", "drop_all"})
EVERYWHERE = WRITES | READS | LOCAL | LOOKS | RECORDS


class Crash(BaseException):
    """The process died here."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """At the `nth` call of those `among`, `before` or after its effect, `happens` (it may raise)."""

    among: frozenset[str]
    nth: int
    before: bool
    happens: Callable[[], object]


class Fuse:
    """Every call that leaves a host goes through it. Once blown, nothing more gets out until `renew`."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.blown = False
        self.reading = ""  # the key of the last read
        self._trouble: Trouble | None = None
        self._left = 0

    def arm(self, trouble: Trouble | None) -> None:
        """Let it go wrong so, once; None: nothing goes wrong."""
        self._trouble, self._left = trouble, 0 if trouble is None else trouble.nth

    @property
    def armed(self) -> bool:
        """Whether something is still to go wrong."""
        return self._trouble is not None

    def renew(self) -> None:
        """The host starts again."""
        self.arm(None)
        self.blown = False

    def blow(self) -> None:
        """The host dies, here and now."""
        self.blown = True
        raise Crash

    def through(self, name: str, call: Callable[[], T]) -> T:
        """Do the call, with the trouble that is due before or after it."""
        if self.blown:
            raise Crash
        self.calls[name] += 1
        due = self._due(name)
        if due is not None and due.before:
            due.happens()
        result = call()
        if due is not None and not due.before:
            due.happens()
        return result

    def _due(self, name: str) -> Trouble | None:
        trouble = self._trouble
        if trouble is None or name not in trouble.among:
            return None
        self._left -= 1
        if self._left:
            return None
        self._trouble = None
        return trouble


class FusedObjects:
    """One host's line to the bucket."""

    def __init__(self, bucket: FakeObjects, fuse: Fuse) -> None:
        self._bucket = bucket
        self._fuse = fuse

    @property
    def incomplete(self) -> frozenset[str]:
        return self._bucket.incomplete

    def server_now(self) -> float:
        return self._bucket.server_now()

    def list(self, prefix: str) -> Iterator[ListPage]:
        pages = self._bucket.list(prefix)
        while True:
            page = self._fuse.through("list", lambda: next(pages, None))
            if page is None:
                return
            yield page

    def head(self, key: str) -> ObjectFacts | None:
        return self._fuse.through("head", lambda: self._bucket.head(key))

    def start_head(self, key: str) -> Awaited[ObjectFacts | None]:
        answer = self.head(key)
        return Awaited(lambda: answer, under_way=True)

    def get(
        self, key: str, *, expect: ETag, start: int = 0, length: int | None = None
    ) -> AbstractContextManager[ObjectBody]:
        self._fuse.reading = key
        return self._fuse.through("get", lambda: self._bucket.get(key, expect=expect, start=start, length=length))

    def start_get(self, key: str, *, expect: ETag) -> Awaited[AbstractContextManager[ObjectBody]]:
        return Awaited(partial(self.get, key, expect=expect))

    def put(
        self, key: str, body: BinaryIO, size: int, *, expect: RemoteExpect, headers: ObjectHeaders, sums: Checksums
    ) -> PutAnswer:
        return self._fuse.through(
            "put", lambda: self._bucket.put(key, body, size, expect=expect, headers=headers, sums=sums)
        )

    def start_put(
        self, key: str, body: BinaryIO, size: int, *, expect: RemoteExpect, headers: ObjectHeaders, sums: Checksums
    ) -> Awaited[PutAnswer]:
        return Awaited(partial(self.put, key, body, size, expect=expect, headers=headers, sums=sums))

    def copy(
        self, source: str, target: str, *, source_etag: ETag, expect: RemoteExpect, headers: ObjectHeaders | None
    ) -> PutAnswer:
        return self._fuse.through(
            "copy",
            lambda: self._bucket.copy(source, target, source_etag=source_etag, expect=expect, headers=headers),
        )

    def delete(self, key: str, *, expect: Matches | Unchecked) -> None:
        self._fuse.through("delete", lambda: self._bucket.delete(key, expect=expect))

    def create_multipart(self, key: str, *, headers: ObjectHeaders) -> str:
        return self._fuse.through("create_multipart", lambda: self._bucket.create_multipart(key, headers=headers))

    def put_part(self, key: str, upload_id: str, number: int, body: BinaryIO, size: int, *, sums: Checksums) -> Part:
        return self._fuse.through(
            "put_part", lambda: self._bucket.put_part(key, upload_id, number, body, size, sums=sums)
        )

    def complete_multipart(
        self, key: str, upload_id: str, parts: Sequence[Part], *, expect: RemoteExpect, size: int, sums: Checksums
    ) -> PutAnswer:
        return self._fuse.through(
            "complete_multipart",
            lambda: self._bucket.complete_multipart(key, upload_id, parts, expect=expect, size=size, sums=sums),
        )

    def list_parts(self, key: str, upload_id: str) -> Sequence[ListedPart]:
        return self._fuse.through("list_parts", lambda: self._bucket.list_parts(key, upload_id))

    def abort_multipart(self, key: str, upload_id: str) -> None:
        self._fuse.through("abort_multipart", lambda: self._bucket.abort_multipart(key, upload_id))


class FusedRoot(Root):
    """One host's root; `unlinking` is asked before a cleaned file goes, with the path and the bytes."""

    fuse: Fuse
    unlinking: Callable[[RelPath, bytes], None]

    def scan(self, under: RelPath | None = None) -> Iterator[ScanEntry | ScanProblem]:
        found = super().scan(under)
        while True:
            entry = self.fuse.through("scan", lambda: next(found, None))
            if entry is None:
                return
            yield entry

    def open(self, path: RelPath) -> AbstractContextManager[Handle]:
        return self.fuse.through("open", lambda: super(FusedRoot, self).open(path))

    def open_staged(self, path: RelPath) -> AbstractContextManager[Handle]:
        return self.fuse.through("open_staged", lambda: super(FusedRoot, self).open_staged(path))

    @contextmanager
    def temporary(self) -> Iterator[PartialFile]:
        try:
            with self.fuse.through("temporary", super().temporary) as partial:
                yield partial
        finally:
            if self.fuse.blown:  # a killed process tidies nothing
                (self.path / ".syncd" / "tmp" / "left").write_bytes(b"half a file")

    def sweep_staged(self, keep: Callable[[], Iterable[RelPath]]) -> int:
        return self.fuse.through("trash_staged", lambda: super(FusedRoot, self).sweep_staged(keep))

    def place(self, temporary: Temporary, path: RelPath, *, expect: LocalExpect) -> Placed:
        return self.fuse.through("place", lambda: super(FusedRoot, self).place(temporary, path, expect=expect))

    def trash(self, path: RelPath, *, expect: LocalStat) -> str:
        return self.fuse.through("trash", lambda: super(FusedRoot, self).trash(path, expect=expect))

    def rename(self, path: RelPath, target: RelPath, *, expect: LocalStat) -> LocalStat:
        return self.fuse.through("rename", lambda: super(FusedRoot, self).rename(path, target, expect=expect))

    def stage(self, path: RelPath, *, expect: LocalStat, durable: bool = True) -> LocalStat:
        return self.fuse.through("stage", lambda: super(FusedRoot, self).stage(path, expect=expect, durable=durable))

    def unstage(self, path: RelPath) -> LocalStat:
        return self.fuse.through("unstage", lambda: super(FusedRoot, self).unstage(path))

    def trash_staged(self, path: RelPath) -> str:
        return self.fuse.through("trash_staged", lambda: super(FusedRoot, self).trash_staged(path))

    def remove(self, allowed: Removal) -> None:
        if isinstance(allowed, Proof):
            name = hashlib.sha256(allowed.path.encode()).hexdigest()
            self.unlinking(allowed.path, (self.path / ".syncd" / "cleaning" / name).read_bytes())
        self.fuse.through("remove", lambda: super(FusedRoot, self).remove(allowed))

    def write_marker(self, marker: Marker) -> bool:
        return self.fuse.through("write_marker", lambda: super(FusedRoot, self).write_marker(marker))
