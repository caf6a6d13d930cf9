"""Which archives there are, and what one of them holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from syncd.archive.finding import Asker, Gap, Source, buckets_to_ask, unlisted
from syncd.archive.manifests import BatchSection, ListedArchive, found_in, listed_archives, read_manifest
from syncd.core.archive import Archive, Found
from syncd.core.manifest import ARCHIVE_SUFFIX
from syncd.core.paths import RelPath, base_name, is_ours
from syncd.core.timeuuid import is_time_uuid, uuid_ms
from syncd.errors import ItemError, SyncdError


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One archive in a list. `files` and `bytes` of content are None where a listing alone is known of it."""

    bucket: str
    key: RelPath
    size: int
    created_at: float  # seconds since the epoch
    files: int | None = None
    bytes: int | None = None


@dataclass(slots=True, kw_only=True)
class Listing:
    """Archives or members, by the records of this host or, where those know nothing, by the bucket.

    `source` and `gaps` as of a Search.
    """

    sections: Sequence[BatchSection]
    asker: Asker = field(default_factory=Asker)
    source: Source | None = None
    gaps: list[Gap] = field(default_factory=list)

    def archives(self, place: str, *, limit: int) -> list[Box]:
        """Those in `bucket` or `bucket/folder` ("": all), newest first, at most `limit`. Gone where nobody waits."""
        prefix = f"{place.strip('/')}/" if place.strip("/") else ""
        recorded = [_recorded(one) for section in self.sections for one in section.store.archives(prefix, limit=limit)]
        if recorded:
            self.source = Source.RECORDS
            return _newest(recorded)[:limit]
        listed = _newest([_listed(archive) for _, archive in self._on_s3(prefix)])
        if listed:
            self.source = Source.MANIFESTS
        return listed[:limit]

    def members(self, name: str, *, limit: int) -> list[Found] | None:
        """What the archive `bucket/key.tar` holds, in archive order. None: there is no such archive.

        ItemError where its manifest is damaged, RemoteError where it cannot be read.
        """
        for section in self.sections:
            archive = section.store.get(base_name(name).removesuffix(ARCHIVE_SUFFIX))
            if archive is not None and archive.etag is not None and f"{archive.bucket}/{archive.key}" == name:
                self.source = Source.RECORDS
                return list(islice(_inside(section, archive), limit))
        for section, listed in self._on_s3(name):
            if f"{listed.bucket}/{listed.key}" == name:
                manifest = read_manifest(section, listed)
                if manifest is None:
                    raise ItemError(listed.key, f"{listed.url} is no archive of syncd", hint="`tar` may know it")
                self.source = Source.MANIFESTS
                return list(islice(found_in(listed, manifest, manifest.members), limit))
        return None

    def _on_s3(self, prefix: str) -> Iterator[tuple[BatchSection, ListedArchive]]:
        named, _, folder = prefix.partition("/")
        for section, bucket in buckets_to_ask(self.sections, named or None, self.gaps):
            yield from ((section, archive) for archive in self._listed(section, bucket, folder))

    def _listed(self, section: BatchSection, bucket: str, prefix: str) -> Iterator[ListedArchive]:
        self.asker.tell(f"listing {bucket}", {})
        try:
            for count, archive in enumerate(listed_archives(section, bucket, _stem(prefix))):
                if count % 1000 == 0:
                    self.asker.check()
                if archive.key.startswith(prefix):
                    yield archive
        except SyncdError as error:
            self.gaps += unlisted(section, bucket, error)


def names_archive(place: str) -> bool:
    """Whether this is the name of one archive."""
    return place.endswith(ARCHIVE_SUFFIX) and is_time_uuid(base_name(place).removesuffix(ARCHIVE_SUFFIX))


def _stem(prefix: str) -> str:
    """So that the manifest beside a named archive is listed with it."""
    return prefix.removesuffix(ARCHIVE_SUFFIX) if names_archive(prefix) else prefix


def _recorded(archive: Archive) -> Box:
    return Box(
        bucket=archive.bucket,
        key=archive.key,
        size=archive.size,
        created_at=archive.created_at,
        files=archive.files,
        bytes=archive.bytes,
    )


def _listed(archive: ListedArchive) -> Box:
    return Box(bucket=archive.bucket, key=archive.key, size=archive.size, created_at=uuid_ms(archive.uuid) / 1000)


def _newest(boxes: list[Box]) -> list[Box]:
    return sorted(boxes, key=lambda box: (-box.created_at, box.bucket, box.key))


def _inside(section: BatchSection, archive: Archive) -> Iterator[Found]:
    for original in section.store.originals(archive.uuid):
        if not original.member.void and not is_ours(original.member.path):
            yield Found(
                bucket=archive.bucket,
                archive_key=archive.key,
                member=original.member,
                archived_at=archive.created_at,
                etag=archive.etag,
            )
