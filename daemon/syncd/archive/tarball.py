"""A pax tar, written as a stream: never a seek, every offset known as soon as its bytes are written.

The layout is docs/ARCHIVES.md: members, the manifest as the last of them, the end mark, and a pointer to the manifest
in the very last block.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from unicodedata import is_normalized

from syncd.core.manifest import BLOCK, Pointer, manifest_member_name, pointer_block
from syncd.core.timeuuid import uuid_ms

RECORD = 20 * BLOCK
"""tar reads and writes by so many bytes: an archive is a multiple of them."""

GATHERED = 256 << 10
"""Small pieces are handed on together, about so many bytes at once."""

_ZEROS = bytes(64 << 10)
# what a plain header holds: bytes of a name and of what stands before it, and octal digits of a number
_NAME, _PREFIX, _SEVEN, _ELEVEN = 100, 155, 8**7, 8**11
_FIXED = bytes(100) + b"ustar\x0000" + bytes(80)  # no link, and neither names of owners nor a device
_FIXED_SUM = sum(_FIXED) + 8 * ord(" ")  # the sum itself counts as spaces


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """Where a member's bytes lie, and what became of it while it was read.

    `sha256`: of what the archive holds. `void`: fewer bytes came than were announced, the rest is zeros; `grew`: more
    came, and were left out.
    """

    offset: int
    size: int
    sha256: str
    void: bool
    grew: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tail:
    """How an archive ended: where its manifest lies, and how long the whole is, in bytes."""

    manifest_offset: int
    manifest_size: int
    size: int


class _State(Enum):
    OPEN = "open"
    BROKEN = "broken off within a member"
    FINISHED = "finished"


class TarWriter:
    """Writes one archive. `write` takes all of what it is given; its errors, and those of what is read, go through.

    After such an error the archive ends within a member: every further call raises ValueError, so that it can never
    be finished.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._gathered: list[bytes] = []
        self._held = 0
        self._position = 0
        self._state = _State.OPEN

    @property
    def position(self) -> int:
        """Bytes of the archive so far, those included that wait to be handed on."""
        return self._position

    def add(
        self, path: str, size: int, mtime_ns: int, mode: int, uid: int, gid: int, pieces: Iterable[bytes]
    ) -> Packed:
        """Write one member of exactly `size` bytes, taken from `pieces` until there are enough and one more is seen."""
        self._enter()
        self._put(header(path, size, mtime_ns, mode, uid, gid))
        offset, left, grew = self._position, size, False
        digest = hashlib.sha256()
        for piece in pieces:
            grew = len(piece) > left
            content = piece[:left] if grew else piece
            digest.update(content)
            self._put(content)
            left -= len(content)
            if grew:
                break
        for zeros in _zeros(left):
            digest.update(zeros)
            self._put(zeros)
        self._put(bytes(-size % BLOCK))
        self._state = _State.OPEN
        return Packed(offset=offset, size=size, sha256=digest.hexdigest(), void=left > 0, grew=grew)

    def finish(self, manifest: bytes | Callable[[], bytes], uuid: str) -> Tail:
        """Write the manifest as the last member, the end mark and the pointer; hand on what is left."""
        content = manifest() if callable(manifest) else manifest
        made_ns = uuid_ms(uuid) // 1000 * 10**9
        packed = self.add(manifest_member_name(uuid), len(content), made_ns, 0o644, 0, 0, (content,))
        self._enter()
        for zeros in _zeros(2 * BLOCK + -(self._position + 3 * BLOCK) % RECORD):
            self._put(zeros)
        self._put(pointer_block(Pointer(offset=packed.offset, size=packed.size, sha256=packed.sha256)))
        self._hand_on()
        self._state = _State.FINISHED
        return Tail(manifest_offset=packed.offset, manifest_size=packed.size, size=self._position)

    def _enter(self) -> None:
        """Count as broken until the caller says that all of its bytes are written."""
        if self._state is not _State.OPEN:
            raise ValueError(f"nothing can be written to this archive any more: it is {self._state.value}")
        self._state = _State.BROKEN

    def _put(self, piece: bytes) -> None:
        self._gathered.append(piece)
        self._held += len(piece)
        self._position += len(piece)
        if self._held >= GATHERED:
            self._hand_on()

    def _hand_on(self) -> None:
        pieces, self._gathered, self._held = self._gathered, [], 0
        self._write(b"".join(pieces))


def _zeros(count: int) -> Iterator[bytes]:
    while count > 0:
        yield _ZEROS[:count]
        count -= len(_ZEROS)


# --- headers ------------------------------------------------------------------------------------------------------


def header(path: str, size: int, mtime_ns: int, mode: int, uid: int, gid: int) -> bytes:
    """The blocks before a member's bytes: pax, the fraction of its mtime with it, and owners by number alone.

    The same bytes as by Python's tarfile at a tenth of its cost, but for names that are not in Unicode's composed form.
    """
    seconds, fraction = divmod(mtime_ns, 10**9)
    name, prefix = _plain_name(path)
    records = b""
    if fraction or not 0 <= seconds < _ELEVEN:
        records += _record("mtime", _decimal(mtime_ns))
        seconds = seconds if 0 <= seconds < _ELEVEN else 0
    if not name:
        records += _record("path", path)
        name = path.encode("ascii", "replace")[:_NAME]
    if uid >= _SEVEN:
        records, uid = records + _record("uid", str(uid)), 0
    if gid >= _SEVEN:
        records, gid = records + _record("gid", str(gid)), 0
    if size >= _ELEVEN:
        records, size = records + _record("size", str(size)), 0
    plain = _plain(name, prefix, mode & 0o7777, uid, gid, size, seconds)
    return _announced(len(records)) + records + bytes(-len(records) % BLOCK) + plain if records else plain


def _plain_name(path: str) -> tuple[bytes, bytes]:
    """The name, and what stands before it, where a plain header holds it; nothing where a pax record must.

    What is not in Unicode's composed form goes without a record if it can: bsdtar composes the names of records, and
    would make one file of two.
    """
    name = path.encode()
    if path.isascii():
        return (name, b"") if len(name) <= _NAME else (b"", b"")
    if is_normalized("NFC", path):
        return b"", b""
    if len(name) <= _NAME:
        return name, b""
    cut = name.find(b"/", len(name) - _NAME - 1)
    return (name[cut + 1 :], name[:cut]) if 0 < cut <= _PREFIX else (b"", b"")


def _decimal(ns: int) -> str:
    """Nanoseconds as seconds, with nine decimals where there is a fraction."""
    sign, (seconds, fraction) = "-" if ns < 0 else "", divmod(abs(ns), 10**9)
    return f"{sign}{seconds}.{fraction:09d}" if fraction else f"{sign}{seconds}"


def _record(keyword: str, value: str) -> bytes:
    """`LENGTH KEYWORD=VALUE` and a newline; the length counts its own digits."""
    rest = f" {keyword}={value}\n".encode()
    about = len(rest) + len(str(len(rest)))
    return b"%d%b" % (len(rest) + len(str(about)), rest)


def _plain(
    name: bytes, prefix: bytes, mode: int, uid: int, gid: int, size: int, seconds: int, kind: bytes = b"0"
) -> bytes:
    numbers = b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode, uid, gid, size, seconds)
    total = sum(name) + sum(numbers) + sum(kind) + sum(prefix) + _FIXED_SUM
    before, after = name.ljust(_NAME, b"\0") + numbers, kind + _FIXED + prefix
    return (b"%b%06o\0 %b" % (before, total, after)).ljust(BLOCK, b"\0")


@lru_cache(maxsize=4096)
def _announced(length: int) -> bytes:
    """The block that announces pax records of so many bytes."""
    return _plain(b"././@PaxHeader", b"", 0, 0, 0, length, 0, b"x")
