"""A large object comes down in ranges, several at once, each to its place in the file; the hash goes along in order."""

from __future__ import annotations

import threading

from syncd.core.model import ETag, ObjectFacts
from syncd.engine.context import Context
from syncd.errors import RemoteError, RemoteKind, Stale
from syncd.ports import Digester, Temporary, Transfer

LARGE = 64 << 20
"""An object over so many bytes comes in ranges."""

RANGE = 32 << 20

PIECE = 1 << 18


class Ranged:
    """One object on its way into a temporary file of its size. Made for objects that are not empty."""

    def __init__(
        self,
        context: Context,
        key: str,
        etag: ETag,
        facts: ObjectFacts,
        temporary: Temporary,
        digester: Digester,
        transfer: Transfer,
    ) -> None:
        self._context = context
        self._key = key
        self._etag = etag
        self._size = facts.size
        self._temporary = temporary
        self._transfer = transfer
        self._hashing = InOrder(digester, temporary, facts.size)
        self._received = 0
        self._lock = threading.Lock()

    def receive(self) -> int:
        """Fetch all of exactly that ETag, and hash it; how many bytes came. Stale where the object changes."""
        self._temporary.preallocate(self._size)
        self._context.crew.each(range(-(-self._size // RANGE)), self._fetch)
        return self._received

    def _fetch(self, index: int) -> None:
        start = index * RANGE
        length = min(RANGE, self._size - start)
        turn = self._hashing.begin(index)
        at = start
        with self._context.objects.get(self._key, expect=self._etag, start=start, length=length) as body:
            if body.facts.size != self._size:
                raise RemoteError(RemoteKind.CORRUPT, f"{self._key}: its size is another one in each answer")
            for piece in body:
                if self._context.stop.abandoned():
                    raise Stale("stopped")
                if at + len(piece) > start + length:
                    raise RemoteError(RemoteKind.CORRUPT, f"{self._key}: more bytes came than were asked for")
                self._temporary.write_at(piece, at)
                if turn:
                    self._hashing.take(piece)
                self._transfer.advance(len(piece))
                at += len(piece)
        if at != start + length:
            raise RemoteError(RemoteKind.UNAVAILABLE, f"{self._key}: {at - start} of {length} bytes of a range came")
        with self._lock:
            self._received += length
        self._hashing.end(index, turn=turn)


class InOrder:
    """Hashes ranges in their order: the next one as it comes, one that came before its turn from the file's pages."""

    def __init__(self, digester: Digester, temporary: Temporary, size: int) -> None:
        self._digester = digester
        self._temporary = temporary
        self._size = size
        self._next = 0
        self._busy = False
        self._there: set[int] = set()
        self._lock = threading.Lock()

    def begin(self, index: int) -> bool:
        """Whether this range is hashed as it comes, by its caller and no other."""
        with self._lock:
            turn = index == self._next and not self._busy
            self._busy = self._busy or turn
            return turn

    def take(self, piece: bytes) -> None:
        """The next bytes of the range whose turn it is."""
        self._digester.update(piece)

    def end(self, index: int, *, turn: bool) -> None:
        """It is all there: whatever can be hashed by now is, by this caller or by who is at it already."""
        with self._lock:
            if turn:
                self._next, self._busy = index + 1, False
            else:
                self._there.add(index)
        while (due := self._due()) is not None:
            self._read(due)
            with self._lock:
                self._next, self._busy = due + 1, False

    def _due(self) -> int | None:
        with self._lock:
            if self._busy or self._next not in self._there:
                return None
            self._there.discard(self._next)
            self._busy = True
            return self._next

    def _read(self, index: int) -> None:
        at, end = index * RANGE, min((index + 1) * RANGE, self._size)
        buffer = memoryview(bytearray(min(PIECE, end - at)))
        while at < end:
            count = self._temporary.read_at(buffer[: end - at], at)
            self._digester.update(buffer[:count])
            at += count
