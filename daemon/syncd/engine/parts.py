"""A large file goes up in parts, several at once, each summed before it is sent; what broke off goes on later."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, TypeVar, cast

from syncd import events
from syncd.core.model import Digest, ETag, LocalStat, ObjectFacts
from syncd.engine.checksum import checksums, crc64nvme_of
from syncd.engine.context import Context
from syncd.engine.multipart import abandon, part_size, part_types
from syncd.engine.precondition import completable, own_write
from syncd.engine.watched import Watched
from syncd.errors import Raced, RemoteError, RemoteKind, Stale
from syncd.ports import (
    Absent,
    Checksums,
    Hashes,
    LeftUpload,
    ListedPart,
    Matches,
    ObjectHeaders,
    OpenFile,
    Part,
    PutAnswer,
    RemoteExpect,
    SentPart,
    Transfer,
    UploadSource,
)

TRIES = 3
GONE = "NoSuchUpload"
START_AGAIN = frozenset({GONE, "ConditionalRequestConflict", "OperationAborted"})
"""What ends an upload for good, and not what it carries: it is begun anew at once."""

PASSING = frozenset({RemoteKind.UNAVAILABLE, RemoteKind.THROTTLED, RemoteKind.EXPIRED})
"""After these the same upload may go on later."""

PIECE = 1 << 18

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cargo:
    """An open file of that stat and those hashes, and where it goes. `path` is its name in the tree."""

    file: OpenFile
    stat: LocalStat
    path: str
    key: str
    expect: RemoteExpect
    headers: ObjectHeaders
    hashes: Hashes
    operation: str
    transfer: Transfer


def put_in_parts(context: Context, cargo: Cargo) -> tuple[PutAnswer, ETag | None]:
    """Send it in parts, from where an earlier try broke off; the answer, and the ETag that the parts' sums make.

    None for the ETag: nothing shows that what was summed is what the hashes are of. A Complete whose answer got lost is
    found by its operation id. Raises Stale where the file changed while it was read.
    """
    for _ in range(TRIES - 1):
        try:
            return _tried(context, cargo)
        except RemoteError as error:
            if error.code not in START_AGAIN:
                raise
    return _tried(context, cargo)


def _tried(context: Context, cargo: Cargo) -> tuple[PutAnswer, ETag | None]:
    upload = _taken_up(context, cargo) or _begun(context, cargo)
    try:
        answer = upload.carry()
    except Stale as stale:
        if context.stop.abandoned():  # the next start goes on with it
            context.records.leave_upload(upload.id)
            raise
        refused = upload.completing and not isinstance(stale, Raced) and cargo.file.fstat() == cargo.stat
        facts = _own(context, cargo, upload, refused=refused)
        if facts is None:
            abandon(context, cargo.key, upload.id)
            raise
        return _found(context, upload, facts), None
    except RemoteError as error:
        facts = _own(context, cargo, upload, refused=False) if error.code == GONE else None
        if facts is not None:
            return _found(context, upload, facts), None
        if error.kind in PASSING and error.code not in START_AGAIN and upload.has_a_future:
            context.records.leave_upload(upload.id)
        else:
            abandon(context, cargo.key, upload.id)
        raise
    except BaseException:
        abandon(context, cargo.key, upload.id)
        raise
    context.records.forget_upload(upload.id)
    return answer, upload.expected_etag


def _own(context: Context, cargo: Cargo, upload: LargeUpload, *, refused: bool) -> ObjectFacts | None:
    facts = own_write(context, cargo.key, cargo.expect, upload.operation, refused=refused)
    return facts if facts is not None and facts.size == cargo.stat.size else None


def _found(context: Context, upload: LargeUpload, facts: ObjectFacts) -> PutAnswer:
    context.records.forget_upload(upload.id)
    return PutAnswer(etag=facts.etag, version_id=facts.version_id, checksum=facts.checksum)


# --- begun, or taken up again ---


def _begun(context: Context, cargo: Cargo) -> LargeUpload:
    """A new upload, journaled before its first part. One that died in between has no part, so that it costs nothing.

    Nothing that a store lists of an upload shows whose it is: one that is not journaled is left alone.
    """
    source = UploadSource(
        path=cargo.path,
        stat=cargo.stat,
        digest=_digest(context, cargo),
        operation=cargo.operation,
        part_size=part_size(cargo.stat.size, context.pair.s3.part_size),
        terms=_terms(context, cargo.headers),
        expected=_expected(cargo.expect),
    )
    upload_id = context.objects.create_multipart(cargo.key, headers=cargo.headers)
    context.records.journal_upload(cargo.key, upload_id, source)
    return LargeUpload(context, cargo, upload_id, source)


def _taken_up(context: Context, cargo: Cargo) -> LargeUpload | None:
    """One of exactly this version of the file that broke off, where the store still has what it took.

    Any other of that key is dropped: its file has changed.
    """
    for left in context.records.left_uploads():
        if left.key != cargo.key or not context.records.take_upload(left.upload_id):
            continue
        if _is_of(context, left.source, cargo):
            done = _still_there(context, left)
            if done is not None:
                context.events.emit(
                    events.UPLOAD_RESUMED,
                    pair=context.pair.name,
                    path=cargo.path,
                    key=cargo.key,
                    bytes=sum(_length(left.source, number) for number in done),
                )
                return LargeUpload(context, cargo, left.upload_id, left.source, done)
        abandon(context, left.key, left.upload_id)
    return None


def _is_of(context: Context, source: UploadSource, cargo: Cargo) -> bool:
    same_version = source.stat == cargo.stat and source.digest == _digest(context, cargo)
    return same_version and source.terms == _terms(context, cargo.headers)


def _still_there(context: Context, left: LeftUpload) -> dict[int, SentPart] | None:
    """The parts that were taken, by number, as the store shows them now; None where it shows others."""
    try:
        listed = context.objects.list_parts(left.key, left.upload_id)
    except RemoteError as error:
        if error.kind in PASSING:
            context.records.leave_upload(left.upload_id)
            raise
        return None  # gone, or a store that lists no parts, or a right that is not there
    shown = {one.part.number: one for one in listed}
    agrees = all(_agrees(left.source, sent, shown.get(sent.part.number)) for sent in left.parts)
    return {sent.part.number: sent for sent in left.parts} if agrees else None


def _agrees(source: UploadSource, sent: SentPart, shown: ListedPart | None) -> bool:
    if shown is None or shown.part.etag != sent.part.etag or shown.size != _length(source, sent.part.number):
        return False
    return None in {shown.part.checksum, sent.part.checksum} or shown.part.checksum == sent.part.checksum


def _length(source: UploadSource, number: int) -> int:
    return min(source.part_size, source.stat.size - (number - 1) * source.part_size)


def _digest(context: Context, cargo: Cargo) -> Digest:
    digest = cargo.hashes.digest(context.pair.hash)
    assert digest is not None
    return digest


def _terms(context: Context, headers: ObjectHeaders) -> str:
    summed = f"{context.pair.s3.checksum} {context.capabilities.stores_checksum}"
    return "|".join((summed, headers.storage_class, headers.acl, headers.content_type))


def _expected(expect: RemoteExpect) -> str | None:
    match expect:
        case Absent():
            return ""
        case Matches(etag):
            return etag
        case _:
            return None


# --- the parts ---


class PartBody(Watched):
    """A part on its way out. Where the store refuses bytes that are not the summed ones, nobody here need see them."""

    def fileno_span(self) -> tuple[int, int, int] | None:
        """(descriptor, offset, bytes) for a sender that hands them to the kernel; None where they are summed here."""
        span = getattr(self._body, "fileno_span", None)
        return None if self.sums or span is None else span()

    sums = False

    def went(self, at: int) -> None:
        """So many bytes have gone without being read here. Raises Stale once the daemon abandons its transfers."""
        if self._stop.abandoned():
            raise Stale("stopped")
        if at > self._counted:
            self._advance(at - self._counted)
            self._counted = at


class LargeUpload:
    """One upload of ours: which parts there are, and what they were."""

    def __init__(
        self,
        context: Context,
        cargo: Cargo,
        upload_id: str,
        source: UploadSource,
        done: dict[int, SentPart] | None = None,
    ) -> None:
        self.id = upload_id
        self.operation = source.operation
        self.completing = False
        self._context = context
        self._cargo = cargo
        self._source = source
        self._done = done or {}
        self._resumed = done is not None
        self._sent = 0
        self._parts: dict[int, tuple[Part, Checksums]] = {}
        self._lock = threading.Lock()
        # where the Complete with a wrong sum is refused, what arrived is what was summed
        self._enforced = context.pair.s3.checksum == "crc64nvme" and context.capabilities.full_object_checksum

    @property
    def has_a_future(self) -> bool:
        """Whether going on may do: not where all was there already, and its completion failed all the same."""
        return not (self.completing and self._resumed and self._sent == 0)

    @property
    def expected_etag(self) -> ETag | None:
        """The MD5 of part MD5s, where every part's MD5 is known: what most stores make the ETag of."""
        sums = [sums.md5 for _, sums in self._in_order()]
        known = [sum for sum in sums if sum is not None]
        if self._cargo.hashes.crc64nvme is None or len(known) != len(sums):
            return None
        whole = hashlib.md5(b"".join(known), usedforsecurity=False).hexdigest()
        return ETag(f"{whole}-{len(known)}")

    def carry(self) -> PutAnswer:
        """Send what is not there yet, and make the object of it."""
        context, cargo = self._context, self._cargo
        count = -(-cargo.stat.size // self._source.part_size)
        context.crew.each(range(1, count + 1), self._carry_part)
        hashed = cargo.hashes.crc64nvme
        if hashed is not None and self._whole_crc() != hashed:
            raise Stale(f"{cargo.key}: changed while it was sent")
        self.completing = True
        expect = completable(context, cargo.key, cargo.expect)
        parts = [part for part, _ in self._in_order()]
        return _renewed(
            lambda: context.objects.complete_multipart(
                cargo.key, self.id, parts, expect=expect, size=cargo.stat.size, sums=checksums(cargo.hashes)
            )
        )

    def _carry_part(self, number: int) -> None:
        length = _length(self._source, number)
        sums = self._summed(number, length)
        assert sums.crc64nvme is not None
        done = self._done.get(number)
        if done is not None and done.crc64nvme == sums.crc64nvme:
            self._cargo.transfer.advance(length)
            part = done.part
        else:
            part = self._send(number, length, sums)
            self._context.records.note_part(self.id, SentPart(part, sums.crc64nvme))
        with self._lock:
            self._parts[number] = (part, sums)

    def _summed(self, number: int, length: int) -> Checksums:
        """The sums of one part, as the file's one read told them, or computed right before it is sent."""
        start = (number - 1) * self._source.part_size
        types = part_types(self._context) | {"crc64nvme"}
        known = crc64nvme_of(self._cargo.hashes, self._cargo.stat.size, start, length)
        if known is not None and types == {"crc64nvme"}:
            return Checksums(crc64nvme=known)
        digester = self._context.digester(types)
        reader = self._cargo.file.reader(start, length)
        buffer = memoryview(bytearray(min(PIECE, length)))
        while count := reader.readinto(buffer):  # type: ignore[attr-defined]  # every reader of an OpenFile has it
            digester.update(buffer[:count])
            if self._context.stop.abandoned():
                raise Stale("stopped")
        return checksums(digester.result())

    def _send(self, number: int, length: int, sums: Checksums) -> Part:
        context, cargo = self._context, self._cargo
        check = frozenset[str]() if self._enforced else frozenset({"crc64nvme"})
        body = PartBody(
            cargo.file.reader((number - 1) * self._source.part_size, length),
            length,
            lambda: context.digester(check),
            cargo.transfer.advance,
            context.stop,
        )
        body.sums = not self._enforced
        known = sums if context.pair.s3.checksum == "crc64nvme" else _without_crc(sums)

        def send() -> Part:
            body.seek(0)
            return context.objects.put_part(cargo.key, self.id, number, cast(BinaryIO, body), length, sums=known)

        part = _renewed(send)
        if body.sums and body.whole_hashes().crc64nvme not in {None, sums.crc64nvme}:
            raise Stale(f"{cargo.key}: changed while it was sent")
        with self._lock:
            self._sent += 1
        return part

    def _in_order(self) -> list[tuple[Part, Checksums]]:
        with self._lock:
            return [self._parts[number] for number in sorted(self._parts)]

    def _whole_crc(self) -> int:
        from awscrt.checksums import combine_crc64nvme  # 10 MB of library: only where it is wanted

        whole = 0
        for part, sums in self._in_order():
            assert sums.crc64nvme is not None
            whole = combine_crc64nvme(whole, sums.crc64nvme, _length(self._source, part.number))
        return whole


def _without_crc(sums: Checksums) -> Checksums:
    return Checksums(md5=sums.md5, sha256=sums.sha256)


def _renewed(call: Callable[[], T]) -> T:
    """Once more where the credentials had run out: the second request is signed with those that are there by now."""
    try:
        return call()
    except RemoteError as error:
        if error.kind is not RemoteKind.EXPIRED:
            raise
    return call()
