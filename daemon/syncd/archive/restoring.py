"""Archived originals back as files: few ranged reads of an archive, each member verified before it has a name.

Nothing is ever overwritten: an equal file that is there already counts as restored, a different one is an error.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from enum import Enum
from itertools import groupby, islice

from syncd.archive.finding import OF_THE_ENDPOINT, Asker, Hit, Losses, Source
from syncd.archive.manifests import BatchSection, ListedArchive, read_manifest
from syncd.core.archive import Member
from syncd.core.manifest import Manifest
from syncd.core.model import ETag, HashType, ObjectFacts
from syncd.core.paths import MAX_COMPONENT, RelPath
from syncd.core.ranges import MOST, Range, coalesce
from syncd.errors import ItemError, PairHalted, RemoteError, Stale, SyncdError
from syncd.ports import Absent, LocalTree, ObjectBody, ObjectStore

WINDOW = 10_000
"""Members that are looked at together, so that those of one archive share reads; memory is bounded by it."""

REPLACED = "it was replaced or removed (a bucket that keeps versions still has it)"


class FolderFull(SyncdError):
    """No more files fit there: what was not tried has no fate."""


class Fate(str, Enum):
    """What became of one file that was asked for."""

    RESTORED = "restored"
    PRESENT = "present"  # an equal file was there already
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """One file: its name (`bucket/key`), where it is below the folder, and why it failed."""

    name: str
    path: str
    fate: Fate
    size: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One member, and the path below the folder that it is to have."""

    hit: Hit
    path: RelPath

    @property
    def member(self) -> Member:
        """What is to be read."""
        return self.hit.found.member


class Restorer:
    """Restores into one folder. `report` takes the fate of each file, once; `tree` is that folder."""

    def __init__(self, tree: LocalTree, report: Callable[[Restored], None], asker: Asker) -> None:
        self._tree = tree
        self._report = report
        self._asker = asker
        self._losses = Losses()

    def run(self, hits: Iterable[Hit], *, source: Callable[[], Source | None]) -> None:
        """Restore them all; what fails is reported and the others go on. Gone where nobody waits.

        `source` says, once there is a hit, who knew it: what the index says is looked up in the archive first.
        RemoteError where the endpoint gives nothing any more, FolderFull, and PairHalted where the folder is gone.
        """
        wanted = _placed(hits)
        while window := list(islice(wanted, WINDOW)):
            archives: dict[tuple[str, str, str, ETag | None], list[Wanted]] = {}
            for each in window:
                found = each.hit.found
                archives.setdefault((each.hit.section.name, found.bucket, found.archive_key, found.etag), []).append(
                    each
                )
            for inside in archives.values():
                self._archive(inside, by_index=source() is Source.INDEX)

    def _archive(self, wanted: Sequence[Wanted], *, by_index: bool) -> None:
        """All that is wanted of one archive. `pending`: what has no fate yet, by its key."""
        self._asker.check()
        pending = {each.member.path: each for each in wanted if not self._there(each)}
        if not pending:
            return
        found = wanted[0].hit.found
        archive = _Archive(section=wanted[0].hit.section, bucket=found.bucket, key=found.archive_key, etag=found.etag)
        try:
            if by_index:
                self._look_up(archive, pending)
            for span in coalesce(each.member for each in pending.values()):
                self._span(archive, span, pending)
            self._losses.end()
        except Stale:
            self._fail(pending, f"{archive.url} is no longer the archive that was recorded: {REPLACED}")
        except RemoteError as error:
            self._fail(pending, str(error))
            self._losses.add(error)
        except (FolderFull, PairHalted):
            raise
        except SyncdError as error:
            self._fail(pending, str(error))

    def _look_up(self, archive: _Archive, pending: dict[RelPath, Wanted]) -> None:
        """Take what the archive itself says of its members: anybody may have written to the index."""
        manifest = archive.manifest()
        members = {member.path: member for member in manifest.members if not member.void} if manifest else {}
        strange = {}
        for path, each in pending.items():
            member = members.get(path)
            if member is None or member.sha256 != each.member.sha256:
                strange[path] = each
            else:
                found = replace(each.hit.found, member=member, etag=archive.pin())
                pending[path] = Wanted(replace(each.hit, found=found), each.path)
        for path in strange:
            del pending[path]
        self._fail(strange, f"the index tells of it, but {archive.url} does not hold it: `synctl archive reindex`")

    def _span(self, archive: _Archive, span: Range, pending: dict[RelPath, Wanted]) -> None:
        """One range: read once, and once more for what did not come whole. Its members have their fate then."""
        reason = ""
        for last in (False, True):
            left = [pending[member.path] for member in span.members if member.path in pending]
            if not left:
                return
            try:
                reason = self._read(archive, span, left, pending)
            except RemoteError as error:
                if error.retryable and not last:
                    continue
                if error.kind in OF_THE_ENDPOINT:
                    raise
                reason = str(error)
                break
        self._fail({member.path: pending[member.path] for member in span.members if member.path in pending}, reason)
        for member in span.members:
            pending.pop(member.path, None)

    def _read(self, archive: _Archive, span: Range, left: list[Wanted], pending: dict[RelPath, Wanted]) -> str:
        """Place what came whole. Returns why the rest did not."""
        if span.length > MOST:
            (each,) = left
            with archive.open(span) as body:
                return self._place(each, self._watched(body), pending)
        data = b""
        if span.length:
            with archive.open(span) as body:
                data = b"".join(self._watched(body))
        reason = ""
        for each in left:
            start = each.member.offset - span.start
            reason = self._place(each, [data[start : start + each.member.size]], pending) or reason
        return reason

    def _watched(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self._asker.check()
            yield piece

    def _place(self, each: Wanted, pieces: Iterable[bytes], pending: dict[RelPath, Wanted]) -> str:
        """Give a member its name if these are its bytes. "" where its fate is known, else why they are not."""
        digest, count = hashlib.sha256(), 0
        try:
            with self._tree.temporary() as temporary:
                for piece in pieces:
                    digest.update(piece)
                    count += len(piece)
                    if count <= each.member.size:
                        temporary.write(piece)
                if count != each.member.size:
                    return f"the archive gives {count} of its {each.member.size} bytes"
                if digest.hexdigest() != each.member.sha256:
                    return "the bytes in the archive are not those that were archived (SHA-256)"
                temporary.finish(mtime_ns=each.member.mtime_ns, mode=each.member.mode)
                self._tree.place(temporary, each.path, expect=Absent())
        except Stale:
            if not self._there(each):
                self._tell(each, Fate.FAILED, "its place changed while it was restored: ask again")
        except ItemError as error:
            self._tell(each, Fate.FAILED, _without_path(error))
            del pending[each.member.path]
            _refuse_full(error)
            return ""
        else:
            self._tell(each, Fate.RESTORED)
        del pending[each.member.path]
        return ""

    def _there(self, each: Wanted) -> bool:
        """Whether something is at its place: then its fate is told. Nothing is ever overwritten."""
        try:
            stat = self._tree.lstat(each.path)
            if stat is None:
                return False
            if stat.size == each.member.size and self._sum(each.path) == each.member.sha256:
                self._tell(each, Fate.PRESENT)
            else:
                self._tell(each, Fate.FAILED, "another file of that name is there, and stays: choose another --to")
        except Stale:
            self._asker.check()
            return False
        except ItemError as error:
            self._tell(each, Fate.FAILED, _without_path(error))
        return True

    def _sum(self, path: RelPath) -> str:
        with self._tree.open(path) as file:
            digest = file.hash(types=frozenset({"sha256"}), stopped=self._asker.gone).digest(HashType.SHA256)
        return digest.hex if digest is not None else ""

    def _tell(self, each: Wanted, fate: Fate, reason: str = "") -> None:
        self._report(Restored(name=each.hit.name, path=each.path, fate=fate, size=each.member.size, reason=reason))

    def _fail(self, pending: dict[RelPath, Wanted], reason: str) -> None:
        for each in pending.values():
            self._tell(each, Fate.FAILED, reason)


@dataclass(slots=True, kw_only=True)
class _Archive:
    """One archive that is read, always the same version of it."""

    section: BatchSection
    bucket: str
    key: RelPath
    etag: ETag | None

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def objects(self) -> ObjectStore:
        return self.section.objects(self.bucket)

    def pin(self) -> ETag:
        """Its ETag, asked for where nobody recorded it. Stale where it is gone."""
        if self.etag is None:
            self.etag = self._facts().etag
        return self.etag

    def open(self, span: Range) -> AbstractContextManager[ObjectBody]:
        return self.objects.get(self.key, expect=self.pin(), start=span.start, length=span.length)

    def manifest(self) -> Manifest | None:
        """What it says of itself."""
        facts = self._facts()
        self.etag = facts.etag
        listed = ListedArchive(
            bucket=self.bucket, key=self.key, size=facts.size, etag=facts.etag, at=facts.last_modified_s
        )
        return read_manifest(self.section, listed)

    def _facts(self) -> ObjectFacts:
        facts = self.objects.head(self.key)
        if facts is None:
            raise Stale(f"{self.url} is gone")
        return facts


def _placed(hits: Iterable[Hit]) -> Iterator[Wanted]:
    """Each version with its path: `bucket/key`, older ones with the beginning of their sum. Equal ones once."""
    for name, versions in groupby(hits, key=lambda hit: hit.name):
        seen: set[str] = set()
        for hit in versions:
            sha256 = hit.found.member.sha256
            if sha256 not in seen:
                yield Wanted(hit, RelPath(_marked(name, f".{sha256[:8]}") if seen else name))
                seen.add(sha256)


def _marked(name: str, mark: str) -> str:
    """The name with a mark behind it; its last component is cut where a file name may not be so long."""
    folder, slash, base = name.rpartition("/")
    kept = base.encode()[: MAX_COMPONENT - len(mark)].decode("utf-8", "ignore")
    return f"{folder}{slash}{kept}{mark}"


def _refuse_full(error: ItemError) -> None:
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.errno in {errno.ENOSPC, errno.EDQUOT}:
        raise FolderFull(_without_path(error)) from error


def _without_path(error: ItemError) -> str:
    """What went wrong, without the name of our temporary file."""
    return str(error).removeprefix(f"{error.path}: ")
