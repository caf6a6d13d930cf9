"""Files become members: each read through one descriptor, and one that changes meanwhile is left where it is."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Iterable, Iterator

from syncd.archive.links import link
from syncd.archive.tarball import Packed, TarWriter
from syncd.archive.world import BatchFolder
from syncd.core.archive import Archive, Member, Original
from syncd.core.batching import Candidate
from syncd.core.manifest import Manifest, archive_key, dump
from syncd.core.timeuuid import RANDOM_BYTES, time_uuid
from syncd.errors import ItemError, Stale
from syncd.ports import Hashes, Inode, OpenFile

WHOLE = 1 << 20
"""Up to so many bytes a file is read whole before its member is begun: what changes meanwhile leaves no trace."""

PIECE = 1 << 18

SUMS = frozenset({"sha256", "md5", "crc64nvme"})


class BrokenOff(Exception):
    """The daemon abandons what is under way: this archive is never finished."""


def fresh_uuid(folder: BatchFolder) -> str:
    """The name of an archive that is made now."""
    return time_uuid(int(folder.context.clock.now() * 1000), secrets.token_bytes(RANDOM_BYTES))


class Packing:
    """One archive while it is written. `write` takes all of its bytes, in order."""

    def __init__(self, folder: BatchFolder, key_folder: str, name: str, write: Callable[[bytes], object]) -> None:
        context = folder.context
        self.created_at = context.clock.now()
        self.uuid = name
        self.key = archive_key(key_folder, name)
        self.operation = uuid.uuid4().hex
        self.originals: list[Original] = []
        self.manifest = b""  # once it is finished
        self._context = context
        self._sink = write
        self._digester = context.digester(SUMS)
        self._tar = TarWriter(self._write)

    @property
    def is_empty(self) -> bool:
        """Whether it holds no version of anything."""
        return all(original.member.void for original in self.originals)

    @property
    def hashes(self) -> Hashes:
        """The sums of all bytes so far."""
        return self._digester.result()

    def add(self, candidate: Candidate) -> None:
        """Pack one file as it is now. Stale: it is another one by now, or changed while it was read, or is gone.

        ItemError where it cannot be read. BrokenOff, and what `write` raises, end the archive.
        """
        with self._context.tree.open(candidate.path) as file:
            inode = file.inode()
            if not inode.stat.same_file(candidate.stat):
                raise Stale(candidate.path)
            if inode.stat.size <= WHOLE:
                packed, void = self._add_whole(candidate, file, inode), False
            else:
                packed = self._member(candidate, inode, self._pieces(file, inode.stat.size))
                void = packed.void or packed.grew or file.fstat() != inode.stat
        member = Member(
            path=candidate.path,
            offset=packed.offset,
            size=packed.size,
            sha256=packed.sha256,
            mtime_ns=inode.stat.mtime_ns,
            mode=inode.mode,
            uid=inode.uid,
            gid=inode.gid,
            void=void,
        )
        self.originals.append(Original(member=member, stat=inode.stat))

    def finish(self, *, spooled: bool) -> Archive:
        """Write the manifest and the end. What `write` raises goes through."""
        self.manifest = dump(self._described())
        tail = self._tar.finish(self.manifest, self.uuid)
        hashes = self.hashes
        assert hashes.sha256 is not None
        assert hashes.md5 is not None
        assert hashes.crc64nvme is not None
        packed = [original.member.size for original in self.originals if not original.member.void]
        return Archive(
            uuid=self.uuid,
            bucket=self._context.pair.bucket,
            key=self.key,
            size=tail.size,
            sha256=hashes.sha256.hex(),
            md5=hashes.md5.hex(),
            crc64nvme=hashes.crc64nvme,
            operation=self.operation,
            created_at=self.created_at,
            manifest_offset=tail.manifest_offset,
            manifest_size=tail.manifest_size,
            spooled=spooled,
            files=len(packed),
            bytes=sum(packed),
        )

    def _add_whole(self, candidate: Candidate, file: OpenFile, inode: Inode) -> Packed:
        size = inode.stat.size
        body = file.reader(0, size).read(size) if size else b""
        if file.fstat() != inode.stat:
            raise Stale(f"{candidate.path} changed while it was read")
        return self._member(candidate, inode, (body,))

    def _member(self, candidate: Candidate, inode: Inode, pieces: Iterable[bytes]) -> Packed:
        stat = inode.stat
        return self._tar.add(candidate.path, stat.size, stat.mtime_ns, inode.mode, inode.uid, inode.gid, pieces)

    def _pieces(self, file: OpenFile, size: int) -> Iterator[bytes]:
        """A large file as it streams. Where it ends early or cannot be read on, the member is padded and void."""
        reader = file.reader(0, size)
        while True:
            if self._context.stop.abandoned():
                raise BrokenOff
            try:
                piece = reader.read(PIECE)
            except (Stale, ItemError):
                return
            if not piece:
                return
            yield piece

    def _write(self, piece: bytes) -> None:
        self._digester.update(piece)
        self._sink(piece)

    def _described(self) -> Manifest:
        context = self._context
        return Manifest(
            software=context.host.software,
            created_at=self.created_at,
            host=context.host.name,
            uuid=self.uuid,
            bucket=context.pair.bucket,
            key=self.key,
            url=link(context.pair.s3, context.pair.bucket, self.key),
            members=tuple(original.member for original in self.originals),
        )
