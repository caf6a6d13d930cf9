"""Archives that go up while they are packed: no spool, and a part stays in memory until its answer is there."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import ExitStack
from typing import BinaryIO, cast

from syncd.archive.labels import archive_parcel, in_memory, stream_headers
from syncd.archive.packing import BrokenOff, Packing, fresh_uuid
from syncd.archive.seal import fill, say_sealed
from syncd.archive.tally import Tally
from syncd.archive.world import BatchFolder
from syncd.core.archive import Archive
from syncd.core.batching import Pack, sealed_size
from syncd.core.paths import RelPath
from syncd.engine.checksum import checksums
from syncd.engine.context import Context
from syncd.engine.deliver import Delivered, Parcel, after_refusal, deliver, settle
from syncd.engine.multipart import PartsUpload, part_size, part_types, upload_in_parts
from syncd.engine.upload import Sent
from syncd.engine.watched import Watched
from syncd.errors import Stale
from syncd.ports import Absent, ObjectHeaders, Transfer


class PartStream:
    """Bytes of one object in order; full parts go at once, from memory. The upload begins with the first of them."""

    def __init__(
        self, context: Context, key: RelPath, headers: Callable[[], ObjectHeaders], part: int, transfer: Transfer
    ) -> None:
        self._context = context
        self._key = key
        self._headers = headers
        self._part = part
        self._transfer = transfer
        self._held = bytearray()
        self._open = ExitStack()
        self._upload: PartsUpload | None = None

    def __enter__(self) -> PartStream:
        return self

    def __exit__(self, *exc: object) -> bool | None:
        return self._open.__exit__(*exc)  # type: ignore[arg-type]  # what `with` hands over

    def write(self, piece: bytes) -> None:
        """Take the next bytes. RemoteError where a part cannot be sent; BrokenOff where the daemon stops."""
        self._held += piece
        while len(self._held) >= self._part:
            self._send(bytes(memoryview(self._held)[: self._part]))
            del self._held[: self._part]

    @property
    def held(self) -> bytes:
        """What is not sent yet; all of it where it is less than a part."""
        return bytes(self._held)

    @property
    def begun(self) -> bool:
        """Whether parts were sent."""
        return self._upload is not None

    def flush_if_begun(self) -> None:
        """Send the last part, unless all of it is less than one."""
        if self.begun and self._held:
            self._send(bytes(self._held))
            self._held.clear()

    def complete(self, parcel: Parcel) -> Sent:
        """Make the object of the parts."""
        assert self._upload is not None
        answer = self._upload.complete(expect=Absent(), size=parcel.size, sums=checksums(parcel.hashes))
        return Sent(answer=answer, expected=self._upload.expected_etag, in_parts=True)

    def _send(self, body: bytes) -> None:
        context = self._context
        if self._upload is None:
            upload = upload_in_parts(context, context.key(self._key), self._headers())
            self._upload = self._open.enter_context(upload)
        digester = context.digester(part_types(context))
        digester.update(body)
        watched = Watched(
            cast(BinaryIO, io.BytesIO(body)),
            len(body),
            lambda: context.digester(frozenset()),
            self._transfer.advance,
            context.stop,
        )
        try:
            self._upload.send(cast(BinaryIO, watched), len(body), checksums(digester.result()))
        except Stale as stale:
            raise BrokenOff from stale


def stream(
    folder: BatchFolder, pack: Pack, tally: Tally, moved: Callable[[], None]
) -> tuple[Archive, Delivered, bytes] | None:
    """Pack and send one archive, journaled before its Complete; with what proves it, and its manifest.

    None where none of its files could be packed, or the daemon stops. Raises RemoteError, Stale or Taken: what is
    journaled then is looked for by the next run.
    """
    context, name, expected = folder.context, fresh_uuid(folder), sealed_size(pack.members)
    transfer = context.transfers.begin(
        pair=folder.name, path=f"{pack.folder}/{name}.tar", direction="up", total_bytes=expected
    )
    try:
        return _streamed(folder, pack, name, tally, moved, transfer)
    except BrokenOff:
        return None
    finally:
        transfer.end()


def _streamed(
    folder: BatchFolder, pack: Pack, name: str, tally: Tally, moved: Callable[[], None], transfer: Transfer
) -> tuple[Archive, Delivered, bytes] | None:
    context = folder.context
    part = part_size(sealed_size(pack.members), context.pair.s3.part_size)
    packing = Packing(folder, pack.folder, name, lambda piece: parts.write(piece))

    def described() -> ObjectHeaders:
        return stream_headers(context, packing.key, packing.created_at, packing.operation)

    with PartStream(context, packing.key, described, part, transfer) as parts:
        fill(folder, packing, pack.members, tally, moved)
        if packing.is_empty:
            raise BrokenOff  # what was sent is dropped
        archive = packing.finish(spooled=False)
        parts.flush_if_begun()
        folder.store.seal(archive, packing.originals)
        say_sealed(folder, archive)
        delivered = _delivered(context, archive, parts)
    return archive, delivered, packing.manifest


def _delivered(context: Context, archive: Archive, parts: PartStream) -> Delivered:
    if not parts.begun:
        return deliver(context, archive_parcel(context, archive, whole=True), in_memory(context, archive, parts.held))
    parcel = archive_parcel(context, archive)
    try:
        return settle(context, parcel, parts.complete(parcel))
    except Stale as stale:
        return after_refusal(context, parcel, stale)
