"""What is written beside an archive and its manifest on S3, and what both are known to sum to."""

from __future__ import annotations

from dataclasses import replace

from syncd.archive.packing import SUMS
from syncd.core.archive import Archive
from syncd.core.manifest import manifest_key
from syncd.core.model import Digest, HashType, LocalStat
from syncd.core.paths import RelPath
from syncd.engine.context import Context
from syncd.engine.deliver import Parcel
from syncd.engine.describe import headers, headers_of_stream
from syncd.engine.memory import InMemory
from syncd.ports import Hashes, ObjectHeaders

BILLED_AT_LEAST = 128 << 10
"""Standard-IA bills so many bytes for any object: a smaller one is cheaper in the bucket's own class."""

TAR = "application/x-tar"
JSON = "application/json"


def hashes_of(archive: Archive) -> Hashes:
    """The sums of the whole object."""
    return Hashes(sha256=bytes.fromhex(archive.sha256), md5=bytes.fromhex(archive.md5), crc64nvme=archive.crc64nvme)


def archive_parcel(context: Context, archive: Archive, *, whole: bool = False) -> Parcel:
    """The archive as it is put."""
    stat = LocalStat(archive.size, _made_ns(archive), _made_ns(archive), 0)
    digest = Digest(HashType.SHA256, archive.sha256)
    described = headers(context, archive.key, stat, digest, archive.operation)
    return Parcel(
        path=archive.key,
        size=archive.size,
        hashes=hashes_of(archive),
        headers=_labelled(context, described, TAR, archive.size),
        operation=archive.operation,
        whole=whole,
    )


def stream_headers(context: Context, key: RelPath, created_at: float, operation: str) -> ObjectHeaders:
    """Of an archive that is sent before it is whole."""
    return replace(headers_of_stream(context, key, int(created_at * 1e9), operation), content_type=TAR)


def manifest_parcel(context: Context, archive: Archive, body: InMemory) -> Parcel:
    """The manifest as it is put. It carries the archive's operation id: a lost answer is found by it."""
    path, stat = manifest_key(archive.key), body.fstat()
    hashes = body.hash(types=SUMS, stopped=lambda: False)
    digest = hashes.digest(HashType.SHA256)
    assert digest is not None
    described = headers(context, path, stat, digest, archive.operation)
    return Parcel(
        path=path,
        size=stat.size,
        hashes=hashes,
        headers=_labelled(context, described, JSON, stat.size),
        operation=archive.operation,
        whole=True,
    )


def in_memory(context: Context, archive: Archive, body: bytes) -> InMemory:
    """Bytes of that archive, or its manifest, to be sent from memory."""
    return InMemory(body, _made_ns(archive), context.digester)


def _labelled(context: Context, described: ObjectHeaders, content_type: str, size: int) -> ObjectHeaders:
    small = size < BILLED_AT_LEAST and context.pair.s3.storage_class == "auto"
    return replace(described, content_type=content_type, storage_class="" if small else described.storage_class)


def _made_ns(archive: Archive) -> int:
    return int(archive.created_at * 1e9)
