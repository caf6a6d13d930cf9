"""What a bucket alone tells of its archives: which there are, and the manifest of each."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from syncd.config.types import Batch
from syncd.core.archive import Found, Member
from syncd.core.manifest import (
    ARCHIVE_SUFFIX,
    BLOCK,
    MANIFEST_SUFFIX,
    BadManifest,
    Manifest,
    find_pointer,
    load,
)
from syncd.core.model import ETag, HashType, ListedObject, ObjectFacts
from syncd.core.paths import RelPath, Unrepresentable, base_name, is_ours, order, parse_relpath
from syncd.core.timeuuid import is_time_uuid
from syncd.errors import ItemError, RemoteError, RemoteKind, Stale, SyncdError
from syncd.ports import ArchiveIndex, ArchiveStore, ObjectStore

TAIL = 10 << 10
"""Bytes read from the end of an archive: the pointer, and with few members the manifest too."""

MOST = 256 << 20
"""Bytes of the largest manifest that is read (a million members or so): more would be no manifest of ours."""


class BatchSection(Protocol):
    """One batch as find, restore and reindex see it."""

    @property
    def name(self) -> str: ...

    @property
    def batch(self) -> Batch: ...

    @property
    def store(self) -> ArchiveStore: ...

    @property
    def index(self) -> ArchiveIndex | None: ...

    def objects(self, bucket: str) -> ObjectStore:
        """Any bucket of the batch's endpoint, its manifest bucket too. SyncdError where there can be none."""
        ...

    def buckets(self) -> list[str]:
        """The buckets that it archives to."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestObject:
    """A manifest that lies in a bucket by itself."""

    bucket: str
    key: str
    size: int
    etag: ETag


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedArchive:
    """An archive as a listing shows it, and its manifest object where there is one. `at`: of the server's clock."""

    bucket: str
    key: RelPath
    size: int
    etag: ETag
    at: int
    manifest: ManifestObject | None = None

    @property
    def uuid(self) -> str:
        """Its name, by which archives sort by the time they were made."""
        return base_name(self.key).removesuffix(ARCHIVE_SUFFIX)

    @property
    def folder(self) -> str:
        """The key folder that its members lie in; "" for the bucket itself."""
        return self.key.rpartition("/")[0]

    @property
    def url(self) -> str:
        """As a person names it."""
        return f"s3://{self.bucket}/{self.key}"


Row = tuple[str, str, ListedObject]
"""A key below the bucket that the archives are in, the bucket that the object is in, and its row there."""


def listed_archives(section: BatchSection, bucket: str, prefix: str) -> Iterator[ListedArchive]:
    """Every archive of that bucket below a prefix, in key order. RemoteError where the listing fails."""
    beside: tuple[bytes, ManifestObject] | None = None
    for row in _rows(section, bucket, prefix):
        key, lies_in, listed = row
        if key.endswith(MANIFEST_SUFFIX):
            found = ManifestObject(bucket=lies_in, key=listed.key, size=listed.size, etag=listed.etag)
            beside = _stem(row), found
        elif lies_in == bucket and (path := _archive(key)) is not None:
            manifest = beside[1] if beside is not None and beside[0] == _stem(row) else None
            yield ListedArchive(
                bucket=bucket,
                key=path,
                size=listed.size,
                etag=listed.etag,
                at=listed.last_modified_s,
                manifest=manifest,
            )


def _rows(section: BatchSection, bucket: str, prefix: str) -> Iterator[Row]:
    """Archives and manifests, a manifest right before its archive."""
    archives = _listed(section.objects(bucket), bucket, prefix, "")
    kept_in = section.batch.manifest_bucket
    if not kept_in:
        return archives
    apart = _if_any(_listed(section.objects(kept_in), kept_in, f"{bucket}/{prefix}", f"{bucket}/"))
    return heapq.merge(apart, archives, key=_stem)


def _listed(objects: ObjectStore, bucket: str, prefix: str, cut: str) -> Iterator[Row]:
    for page in objects.list(prefix):
        for row in page.objects:
            if row.key.endswith((ARCHIVE_SUFFIX, MANIFEST_SUFFIX)):
                yield row.key.removeprefix(cut), bucket, row


def _if_any(rows: Iterator[Row]) -> Iterator[Row]:
    """The manifests of a manifest bucket, as far as it can be listed: each archive has its own beside."""
    try:
        yield from rows
    except RemoteError:
        return


def _stem(row: Row) -> bytes:
    return order(row[0].removesuffix(MANIFEST_SUFFIX).removesuffix(ARCHIVE_SUFFIX))


def _archive(key: str) -> RelPath | None:
    """The key, where it is named as an archive of ours."""
    if not key.endswith(ARCHIVE_SUFFIX) or not is_time_uuid(base_name(key).removesuffix(ARCHIVE_SUFFIX)):
        return None
    try:
        path = parse_relpath(key)
    except Unrepresentable:
        return None
    return None if is_ours(path) else path


# --- reading ----------------------------------------------------------------------------------------------------


def read_manifest(section: BatchSection, archive: ListedArchive) -> Manifest | None:
    """What it holds, by its manifest object or by its own last member. None: it is a stranger's tar.

    ItemError where its manifest is damaged or tells of another archive; RemoteError where nothing can be read now.
    """
    if archive.manifest is not None:
        try:
            return _apart(section.objects(archive.manifest.bucket), archive, archive.manifest)
        except (BadManifest, SyncdError, Stale):
            pass  # spoilt by whoever may write there, or out of reach: the archive's last member is the same text
    objects = section.objects(archive.bucket)
    try:
        try:
            return _last_member(objects, archive)
        except ItemError:  # a bit that fell over on the way is another one next time
            return _last_member(objects, archive)
    except Stale as stale:
        raise ItemError(
            archive.key, f"{archive.url} was replaced or removed while it was read", hint="look again"
        ) from stale


def _apart(objects: ObjectStore, archive: ListedArchive, manifest: ManifestObject) -> Manifest:
    data, facts = _read(objects, manifest.key, manifest.etag, 0, manifest.size)
    told = facts.digest if facts is not None else None
    if told is not None and told.type is HashType.SHA256 and told.hex != hashlib.sha256(data).hexdigest():
        raise _damaged(archive, "its manifest is not what was stored")
    return _checked(archive, load(data))


def _last_member(objects: ObjectStore, archive: ListedArchive) -> Manifest | None:
    if archive.size < BLOCK:
        return None
    begin = max(0, archive.size - TAIL)
    tail, _ = _read(objects, archive.key, archive.etag, begin, archive.size - begin)
    pointer = find_pointer(tail)
    if pointer is None:
        return None
    if pointer.offset + pointer.size > archive.size:
        raise _damaged(archive, "its pointer leads past its end")
    if pointer.offset >= begin:
        data = tail[pointer.offset - begin :][: pointer.size]
    else:
        data, _ = _read(objects, archive.key, archive.etag, pointer.offset, pointer.size)
    if hashlib.sha256(data).hexdigest() != pointer.sha256:
        raise _damaged(archive, "its manifest is not the one that its pointer names")
    try:
        return _checked(archive, load(data))
    except BadManifest as error:
        raise _damaged(archive, str(error)) from error


def _read(objects: ObjectStore, key: str, etag: ETag, start: int, length: int) -> tuple[bytes, ObjectFacts | None]:
    """Exactly those bytes, which are no more than a manifest may have."""
    if length > MOST:
        raise ItemError(key, f"{key}: a manifest of {length} bytes is not read", hint="it is none that syncd writes")
    if length == 0:
        return b"", None
    try:
        return _read_once(objects, key, etag, start, length)
    except RemoteError as error:
        if not error.retryable:
            raise
    return _read_once(objects, key, etag, start, length)


def _read_once(objects: ObjectStore, key: str, etag: ETag, start: int, length: int) -> tuple[bytes, ObjectFacts]:
    data = bytearray()
    with objects.get(key, expect=etag, start=start, length=length) as body:
        for piece in body:
            data += piece
            if len(data) > length:
                break
        facts = body.facts
    if len(data) != length:
        raise RemoteError(RemoteKind.CORRUPT, f"{key}: {len(data)} of {length} bytes came", hint="ask again")
    return bytes(data), facts


def _checked(archive: ListedArchive, manifest: Manifest) -> Manifest:
    """The manifest, if it is of this archive and all that it tells of lies within.

    A bucket that was copied under another name is as good as the one that the archive was made for.
    """
    if manifest.key != archive.key:
        raise _damaged(archive, f"its manifest is of {manifest.key}")
    for member in manifest.members:
        if member.offset + member.size > archive.size:
            raise _damaged(archive, f"{member.path!r} would lie past its end")
    return replace(manifest, bucket=archive.bucket)


def _damaged(archive: ListedArchive, reason: str) -> ItemError:
    return ItemError(
        archive.key,
        f"{archive.url}: {reason}",
        hint="`tar` may still read it; the records of the host that wrote it may know its members",
    )


def found_in(archive: ListedArchive, manifest: Manifest, members: Iterable[Member]) -> Iterator[Found]:
    """Those members as originals that can be had back, pinned to the archive as it was listed."""
    return (
        Found(
            bucket=archive.bucket,
            archive_key=archive.key,
            member=member,
            archived_at=manifest.created_at,
            host=manifest.host,
            etag=archive.etag,
        )
        for member in members
        if not member.void
    )


def by_folder(archives: Sequence[ListedArchive]) -> dict[str, list[ListedArchive]]:
    """Archives by their key folder, the newest first: an archive never holds files of two folders."""
    folders: dict[str, list[ListedArchive]] = {}
    for archive in archives:
        folders.setdefault(archive.folder, []).append(archive)
    for inside in folders.values():
        inside.sort(key=lambda archive: archive.uuid, reverse=True)
    return dict(sorted(folders.items(), key=lambda item: order(item[0])))
