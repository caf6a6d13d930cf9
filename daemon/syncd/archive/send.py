"""Sealed archives go to S3 and are proven, each with its manifest; only then may their originals go."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from syncd import events
from syncd.archive.labels import archive_parcel, hashes_of, in_memory, manifest_parcel
from syncd.archive.links import address
from syncd.archive.tally import Tally, is_lost
from syncd.archive.world import BatchFolder
from syncd.core.archive import Archive
from syncd.core.manifest import find_pointer
from syncd.core.model import ETag, ObjectFacts
from syncd.engine.deliver import Delivered, Parcel, Taken, collect, deliver, find, replace_own
from syncd.errors import ItemError, RemoteError, RemoteKind, Stale, SyncdError
from syncd.ports import HistoryRow, OpenFile

SOON_S = 1.0


def write_manifest(folder: BatchFolder, archive: Archive, etag: ETag) -> str:
    """Put the manifest of a proven archive, read from its last member, and prove it; return its s3:// address.

    For the fallback, where the index could not take its documents. Raises Stale, Taken or RemoteError.
    """
    return put_manifest(folder, archive, _last_member(folder, archive, etag), again=True)


def put_manifest(folder: BatchFolder, archive: Archive, manifest: bytes, *, again: bool = False) -> str:
    """Put these bytes as the archive's manifest object, where nothing is, and prove it; return its s3:// address.

    `again`: a try before a crash may have put it, and what is there is not sent.
    """
    context = folder.manifests or folder.context
    body = in_memory(context, archive, manifest)
    parcel = manifest_parcel(context, archive, body)
    if not (again and find(context, parcel)):
        deliver(context, parcel, body)
    return address(context.pair.bucket, context.key(parcel.path))


class GivenUp(Exception):
    """This archive will never be on S3; why, in words."""


class Sender:
    """Sends the sealed archives of one folder. Each call ends with the archive proven, dropped, or left for later."""

    def __init__(self, folder: BatchFolder, tally: Tally) -> None:
        self._folder = folder
        self._tally = tally

    def send(self, archive: Archive) -> bool:
        """Send what was spooled in this run. True: proven. RemoteError only where the endpoint is lost."""
        context = self._folder.context
        with self.guarded(archive.key, archive):
            with self._folder.spool.open(archive.uuid) as file:
                delivered = deliver(context, archive_parcel(context, archive), file)
                manifest = self._manifest_in(file, archive)
            self._prove(archive, delivered, manifest)
            return True
        return False

    def conclude(self, archive: Archive, delivered: Delivered, manifest: bytes) -> bool:
        """A streamed archive has arrived; the rest as above."""
        with self.guarded(archive.key, archive):
            self._prove(archive, delivered, manifest)
            return True
        return False

    def resume(self, archive: Archive) -> bool:
        """Go on with what an earlier run sealed: perhaps it is on S3 already. True: proven."""
        context, parcel = self._folder.context, archive_parcel(self._folder.context, archive)
        with self.guarded(archive.key, archive):
            facts = context.objects.head(context.key(archive.key))
            delivered = None if facts is None else collect(context, parcel, facts)
            if delivered is not None:
                manifest = _last_member(self._folder, archive, delivered.etag) if self._wants_manifest else b""
            else:
                with self._spooled(archive) as file:
                    delivered = self._send_again(archive, parcel, file, facts)
                    manifest = self._manifest_in(file, archive)
            self._prove(archive, delivered, manifest, again=True)
            return True
        return False

    def _send_again(self, archive: Archive, parcel: Parcel, file: OpenFile, facts: ObjectFacts | None) -> Delivered:
        if facts is None:
            return deliver(self._folder.context, parcel, file)
        if facts.operation_id == archive.operation:  # an earlier try of ours, spoilt on its way
            return replace_own(self._folder.context, parcel, file, facts)
        raise GivenUp("another object lies under its key")

    @contextmanager
    def guarded(self, key: str, archive: Archive | None = None) -> Iterator[None]:
        """What fails one archive is counted and said, and leaves its originals as they are. A lost endpoint raises."""
        try:
            yield
        except (GivenUp, Stale) as refused:
            if archive is not None and isinstance(refused, (GivenUp, Taken)):
                self._give_up(archive, str(refused))
            else:  # what is journaled of it is looked at by the next run
                self._tally.due(SOON_S)
        except (ItemError, RemoteError) as error:
            if isinstance(error, RemoteError) and is_lost(error):
                raise
            self._failed(key, error)

    @contextmanager
    def _spooled(self, archive: Archive) -> Iterator[OpenFile]:
        """Its file in the spool, as it was sealed. GivenUp where there is none."""
        with ExitStack() as stack:
            file = None
            if archive.spooled:
                with suppress(Stale):
                    file = stack.enter_context(self._folder.spool.open(archive.uuid))
            if file is None or not self._is_whole(file, archive):
                raise GivenUp("neither S3 nor the spool holds it whole")
            yield file

    def _is_whole(self, file: OpenFile, archive: Archive) -> bool:
        if file.fstat().size != archive.size:
            return False
        seen = file.hash(types=frozenset({"sha256"}), stopped=self._folder.context.stop.abandoned)
        return seen.sha256 == hashes_of(archive).sha256

    def _manifest_in(self, file: OpenFile, archive: Archive) -> bytes:
        if not self._wants_manifest:
            return b""
        return file.reader(archive.manifest_offset, archive.manifest_size).read(archive.manifest_size)

    @property
    def _wants_manifest(self) -> bool:
        """Whether a manifest object stands beside each archive; without an index the fallback is always."""
        batch = self._folder.batch
        return batch.manifest == "always" or not batch.index.url

    def _prove(self, archive: Archive, delivered: Delivered, manifest: bytes, *, again: bool = False) -> None:
        """The manifest, then the commit that lets the originals go; only then is anything told."""
        folder = self._folder
        manifest_at = put_manifest(folder, archive, manifest, again=again) if self._wants_manifest else ""
        folder.store.prove(
            archive.uuid,
            etag=delivered.etag,
            version_id=delivered.version_id,
            proof=delivered.proof,
            manifest_at=manifest_at,
            index=bool(folder.batch.index.url),
            history=HistoryRow(
                at=folder.context.clock.now(),
                path=f"{archive.bucket}/{archive.key}",
                operation="archive",
                rule="archive",
                result="done",
                size=archive.size,
                digest=f"sha256:{archive.sha256}",
                etag=delivered.etag,
            ),
        )
        self._unspool(archive)
        self._tally.add(archives=1, files=archive.files, bytes=archive.bytes)
        folder.context.events.emit(
            events.ARCHIVE_FINISHED,
            pair=folder.name,
            key=archive.key,
            files=archive.files,
            bytes=archive.bytes,
            size=archive.size,
        )

    def _unspool(self, archive: Archive) -> None:
        """It is of no use there any more; where it cannot be removed now, the next run tries."""
        if archive.spooled:
            try:
                self._folder.spool.remove(archive.uuid)
            except ItemError as error:
                self._tally.problem("spool", error)

    def _give_up(self, archive: Archive, reason: str) -> None:
        """Its originals were never touched: they are packed anew, under another name."""
        self._folder.store.drop(archive.uuid)
        self._unspool(archive)
        self._tally.due(SOON_S)
        error = ItemError(archive.key, f"{archive.key}: {reason}", hint="its files are packed anew")
        self._failed(archive.key, error)

    def _failed(self, key: str, error: SyncdError) -> None:
        self._tally.problem(key, error)
        self._folder.context.events.emit(events.ARCHIVE_FAILED, pair=self._folder.name, key=key, **error.said)


def _last_member(folder: BatchFolder, archive: Archive, etag: ETag) -> bytes:
    """The manifest as it lies in the archive on S3. RemoteError where it comes spoilt."""
    context, key = folder.context, folder.context.key(archive.key)
    tail = bytearray()
    begin = archive.manifest_offset
    with context.objects.get(key, expect=etag, start=begin, length=archive.size - begin) as body:
        for piece in body:
            tail += piece
    manifest, pointer = bytes(tail[: archive.manifest_size]), find_pointer(bytes(tail))
    if pointer is None or hashlib.sha256(manifest).hexdigest() != pointer.sha256:
        raise RemoteError(RemoteKind.CORRUPT, f"{key}: its manifest is not what was sent", hint="it is read again")
    return manifest
