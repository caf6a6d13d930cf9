"""One batch as find, restore and reindex see it: buckets in memory, a real journal, archives of our own writer."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from support.fake_store import FakeObjects
from syncd.archive.tarball import TarWriter
from syncd.config.types import S3, Batch
from syncd.core.archive import Archive, Member, MemberState, Original
from syncd.core.manifest import Manifest, archive_key, dump, manifest_key
from syncd.core.model import ETag, LocalStat, ProofKind
from syncd.core.paths import RelPath, parse_relpath
from syncd.core.timeuuid import time_uuid, uuid_ms
from syncd.errors import RemoteError, RemoteKind
from syncd.ports import ArchiveIndex, ArchiveStore

MTIME_NS = 1_700_000_000_123_456_789
BEGAN_MS = 1_750_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """An archive that was put into a bucket."""

    manifest: Manifest
    etag: ETag
    body: bytes

    @property
    def key(self) -> RelPath:
        return self.manifest.key

    def member(self, path: str) -> Member:
        return next(member for member in self.manifest.members if member.path == path)


@dataclass
class Shelf:
    """Implements `archive.manifests.BatchSection`. Each archive is a second younger than the one before it."""

    store: ArchiveStore
    index: ArchiveIndex | None = None
    name: str = "small"
    root: Path = Path("/srv/batch")
    manifest_bucket: str = ""
    known: list[str] = field(default_factory=lambda: ["lab"])
    stores: dict[str, FakeObjects] = field(default_factory=dict)
    made: int = 0

    @property
    def batch(self) -> Batch:
        return Batch(name=self.name, root=self.root, s3=S3(), manifest_bucket=self.manifest_bucket)

    def objects(self, bucket: str) -> FakeObjects:
        if bucket not in self.stores and bucket not in {*self.known, self.manifest_bucket}:
            raise RemoteError(RemoteKind.MISSING, f"there is no bucket {bucket}", hint="create it")
        return self.stores.setdefault(bucket, FakeObjects(bucket=bucket))

    def buckets(self) -> list[str]:
        return list(self.known)

    @property
    def lab(self) -> FakeObjects:
        """The one bucket that most tests use."""
        return self.objects("lab")

    # --- packing ---

    def pack(
        self,
        files: Mapping[str, bytes],
        *,
        folder: str = "",
        bucket: str = "lab",
        recorded: bool = True,
        beside: bool = True,
        void: frozenset[str] = frozenset(),
        mode: int = 0o640,
    ) -> Packed:
        """Put an archive of those files. `beside`: its manifest object too; `recorded`: in the journal, proven."""
        self.made += 1
        uuid = time_uuid(BEGAN_MS + 1000 * self.made, self.made.to_bytes(10, "big"))
        sink = io.BytesIO()
        writer = TarWriter(sink.write)
        members = []
        for path, content in sorted(files.items(), key=lambda item: item[0].encode()):
            packed = writer.add(path, len(content), MTIME_NS, mode, 1000, 100, [content])
            members.append(
                Member(
                    path=parse_relpath(path),
                    offset=packed.offset,
                    size=packed.size,
                    sha256=packed.sha256,
                    mtime_ns=MTIME_NS,
                    mode=mode,
                    uid=1000,
                    gid=100,
                    void=path in void,
                )
            )
        manifest = manifest_of(bucket, folder, uuid, members)
        tail = writer.finish(dump(manifest), uuid)
        body = sink.getvalue()
        etag = self.objects(bucket).plant(manifest.key, body)
        if beside:
            self.put_manifest(manifest)
        done = Packed(manifest=manifest, etag=etag, body=body)
        if recorded:
            self.record(done, tail.manifest_offset, tail.manifest_size)
        return done

    def put_manifest(self, manifest: Manifest, text: bytes | None = None) -> None:
        """Where this batch keeps them."""
        key, body = manifest_key(manifest.key), dump(manifest) if text is None else text
        if self.manifest_bucket:
            self.objects(self.manifest_bucket).plant(f"{manifest.bucket}/{key}", body)
        else:
            self.objects(manifest.bucket).plant(key, body)

    def record(self, packed: Packed, manifest_offset: int = 0, manifest_size: int = 0) -> None:
        """Journal it as a run does: sealed, proven, its originals gone."""
        manifest = packed.manifest
        archive = Archive(
            uuid=manifest.uuid,
            bucket=manifest.bucket,
            key=manifest.key,
            size=len(packed.body),
            sha256=hashlib.sha256(packed.body).hexdigest(),
            md5=hashlib.md5(packed.body).hexdigest(),
            crc64nvme=0,
            operation=manifest.uuid,
            created_at=manifest.created_at,
            manifest_offset=manifest_offset,
            manifest_size=manifest_size,
        )
        stat = LocalStat(1, 1, 1, 1)
        self.store.seal(archive, [Original(member=member, stat=stat) for member in manifest.members])
        self.store.prove(
            manifest.uuid, etag=packed.etag, version_id=None, proof=ProofKind.ETAG, manifest_at="", index=False
        )
        gone = [(member.path, MemberState.UNLINKED) for member in manifest.members if not member.void]
        self.store.mark(manifest.uuid, gone)


def manifest_of(bucket: str, folder: str, uuid: str, members: list[Member]) -> Manifest:
    """The manifest of one archive in that folder."""
    key = archive_key(folder, uuid)
    return Manifest(
        software="syncd/0.3.0",
        created_at=uuid_ms(uuid) / 1000,
        host="lt-07",
        uuid=uuid,
        bucket=bucket,
        key=key,
        url=f"https://s3.example/{bucket}/{key}",
        members=tuple(members),
    )
