"""Where an original went: asked of the records of this host, else of the index, else of the bucket itself."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import groupby

from syncd.archive.indexed import found_of
from syncd.archive.manifests import BatchSection, ListedArchive, by_folder, found_in, listed_archives, read_manifest
from syncd.archive.patterns import SPECIAL, Pattern
from syncd.core.archive import Found
from syncd.core.paths import order
from syncd.errors import RemoteError, RemoteKind, SyncdError

EVERYTHING = 1 << 40
"""A limit for the records, which give page by page: who asks takes what it needs."""

INDEX_MOST = 100_000
"""Documents that the index is asked for at once."""


LOST_IN_A_ROW = 3
"""After so many archives in a row that could not be read because of the endpoint, the others are not tried."""

OF_THE_ENDPOINT = {RemoteKind.UNAVAILABLE, RemoteKind.THROTTLED, RemoteKind.DENIED, RemoteKind.EXPIRED}


class Source(str, Enum):
    """Who answered."""

    RECORDS = "records"  # of this host, in its database
    INDEX = "index"
    MANIFESTS = "manifests"  # on S3


class Gone(Exception):
    """Who asked does not wait any longer, or the daemon stops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asked. `tell` takes what is done and counts for progress; `gone` says that nobody waits any longer."""

    tell: Callable[[str, dict[str, int]], None] = lambda *_: None
    gone: Callable[[], bool] = lambda: False

    def check(self) -> None:
        """Gone where nobody waits."""
        if self.gone():
            raise Gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """What could not be looked at, in words. `retryable`: later perhaps."""

    reason: str
    retryable: bool


def gap(where: str, error: SyncdError) -> Gap:
    """What this failure left out."""
    reason = str(error) if error.message.startswith(where) else f"{where}: {error}"
    return Gap(reason=reason, retryable=isinstance(error, RemoteError) and error.retryable)


class Losses:
    """Counts what the endpoint did not give, so that nobody waits for each of a thousand time-outs."""

    def __init__(self) -> None:
        self._count = 0

    def add(self, error: SyncdError) -> None:
        """One archive could not be read. Raises that error where it is the third in a row that the endpoint owes."""
        if isinstance(error, RemoteError) and error.kind in OF_THE_ENDPOINT:
            self._count += 1
            if self._count >= LOST_IN_A_ROW:
                raise error

    def end(self) -> None:
        """One could be read."""
        self._count = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One archived version of an original, and the batch that knows it."""

    section: BatchSection
    found: Found

    @property
    def name(self) -> str:
        """`bucket/key`."""
        return f"{self.found.bucket}/{self.found.member.path}"


@dataclass(slots=True, kw_only=True)
class Search:
    """One question. `source` says who answered, and `gaps` what could not be asked, once `hits` has begun.

    Without `source` the first that knows anything answers: a database that was lost, or is behind, knows nothing.
    """

    sections: Sequence[BatchSection]
    pattern: Pattern
    versions: bool = False  # all of a key, not the newest alone
    source: Source | None = None
    asker: Asker = field(default_factory=Asker)
    gaps: list[Gap] = field(default_factory=list)
    _losses: Losses = field(default_factory=Losses)

    def hits(self) -> Iterator[Hit]:
        """What matches, the versions of one key together, the newest first. Gone where nobody waits.

        RemoteError where the endpoint gives nothing any more.
        """
        ways = {Source.RECORDS: self._records, Source.INDEX: self._index, Source.MANIFESTS: self._manifests}
        for source in [self.source] if self.source is not None else list(Source):
            found = self._wanted(ways[source]())
            first = next(found, None)
            if first is not None:
                self.source = source
                yield first
                yield from found
                return

    def _wanted(self, hits: Iterable[Hit]) -> Iterator[Hit]:
        if self.versions:
            yield from hits
            return
        for _, same in groupby(hits, key=lambda hit: hit.name):
            yield next(same)

    def _records(self) -> Iterator[Hit]:
        return _merged([self._recorded(section) for section in self.sections])

    def _recorded(self, section: BatchSection) -> Iterator[Hit]:
        for found in section.store.find(self.pattern.glob, limit=EVERYTHING):
            self.asker.check()
            yield Hit(section=section, found=found)

    def _index(self) -> Iterator[Hit]:
        matches = self.pattern.matcher()
        hits = [hit for section in self.sections for hit in self._indexed(section) if matches(hit.name)]
        hits.sort(key=lambda hit: (order(hit.name), -hit.found.archived_at))
        return iter(hits)

    def _indexed(self, section: BatchSection) -> Iterator[Hit]:
        if section.index is None:
            return
        self.asker.check()
        self.asker.tell("asking the index", {})
        try:
            sources = section.index.find(self.pattern.glob.replace("[^", "[!"), limit=INDEX_MOST)
        except SyncdError as error:
            self.gaps.append(gap(f"the index of {section.name}", error))
            return
        if len(sources) >= INDEX_MOST:
            reason = f"the index of {section.name} knows {INDEX_MOST} or more: narrow the pattern to see the others"
            self.gaps.append(Gap(reason=reason, retryable=False))
        for source in sources:
            found = found_of(source)
            if found is not None:
                yield Hit(section=section, found=found)

    # --- the bucket alone -------------------------------------------------------------------------------------

    def _manifests(self) -> Iterator[Hit]:
        matches, read = self.pattern.matcher(), 0
        for section, bucket in buckets_to_ask(self.sections, self.pattern.bucket, self.gaps):
            for folder in self._folders(section, bucket).values():
                hits: list[Hit] = []
                for archive in folder:
                    self.asker.check()
                    read += 1
                    self.asker.tell("reading manifests", {"archives": read})
                    hits += (hit for hit in self._members(section, archive) if matches(hit.name))
                    if hits and self._single:
                        break
                hits.sort(key=lambda hit: order(hit.name))
                yield from hits

    @property
    def _single(self) -> bool:
        """Whether the first hit answers it all: the newest version of one name."""
        return not self.versions and "/" in self.pattern.glob and SPECIAL.search(self.pattern.glob) is None

    def _folders(self, section: BatchSection, bucket: str) -> dict[str, list[ListedArchive]]:
        self.asker.tell(f"listing {bucket}", {})
        archives: list[ListedArchive] = []
        try:
            for archive in listed_archives(section, bucket, self.pattern.folder):
                archives.append(archive)
                if len(archives) % 1000 == 0:
                    self.asker.check()
        except SyncdError as error:
            self.gaps += unlisted(section, bucket, error)
        folders = by_folder(archives)
        if not self._single:
            return folders
        home = self.pattern.folder.removesuffix("/")
        return {home: folders[home]} if home in folders else {}

    def _members(self, section: BatchSection, archive: ListedArchive) -> Iterator[Hit]:
        try:
            manifest = read_manifest(section, archive)
        except SyncdError as error:
            self.gaps.append(gap(archive.url, error))
            self._losses.add(error)
            return
        self._losses.end()
        if manifest is not None:
            for found in found_in(archive, manifest, manifest.members):
                yield Hit(section=section, found=found)


def _merged(streams: Sequence[Iterator[Hit]]) -> Iterator[Hit]:
    """By name. Where two batches know one name, the newer comes first; one alone knows best which of its own it is."""
    if len(streams) == 1:
        yield from streams[0]
        return
    for _, same in groupby(heapq.merge(*streams, key=lambda hit: order(hit.name)), key=lambda hit: hit.name):
        versions = list(same)
        if len({hit.section.name for hit in versions}) > 1:
            versions.sort(key=lambda hit: -hit.found.archived_at)
        yield from versions


def unlisted(section: BatchSection, bucket: str, error: SyncdError) -> list[Gap]:
    """What a failed listing left out: nothing, where somebody only made that bucket up."""
    made_up = isinstance(error, RemoteError) and error.kind is RemoteKind.MISSING and bucket not in section.buckets()
    return [] if made_up else [gap(f"bucket {bucket}", error)]


def buckets_to_ask(
    sections: Sequence[BatchSection], named: str | None, gaps: list[Gap]
) -> list[tuple[BatchSection, str]]:
    """Each bucket once. That of a name is asked by whichever batch knows it, by any where none does; None: all."""
    known: list[tuple[BatchSection, list[str]]] = []
    for section in sections:
        try:
            known.append((section, section.buckets()))
        except SyncdError as error:
            gaps.append(gap(f"the buckets of {section.name}", error))
            known.append((section, []))
    strange = named is not None and not any(named in buckets for _, buckets in known)
    found: dict[tuple[str, str], tuple[BatchSection, str]] = {}
    for section, buckets in known:
        for bucket in [named] if named is not None and strange else buckets:
            if named in {None, bucket}:
                found.setdefault((section.batch.s3.endpoint_url, bucket), (section, bucket))
    return list(found.values())
