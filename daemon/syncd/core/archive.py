"""The nouns of archiving: a file packed into an archive, an archive on its way to S3, and how far each is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from syncd.core.model import ETag, LocalStat, ProofKind
from syncd.core.paths import RelPath


class ArchiveState(str, Enum):
    """How far an archive is. Originals are touched in UNLINKING alone."""

    SEALED = "sealed"  # journaled: the spool file is whole, or its parts are sent; perhaps it is on S3 already
    UNLINKING = "unlinking"  # archive and manifest are proven on S3: originals may go
    DONE = "done"  # every original is gone, or stays because it is another version by now
    DROPPED = "dropped"  # given up before it was on S3: the originals were never touched


class MemberState(str, Enum):
    """How far one original is."""

    SEALED = "sealed"
    UNLINKING = "unlinking"  # it may go: next it is staged, then looked at again and unlinked
    UNLINKED = "unlinked"
    KEPT = "kept"  # another version lies there by now (or the member is void): it stays, and is archived anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file in an archive.

    `path` is its key in the bucket and its path below the bucket's folder. `offset`: of its bytes in the archive, in
    bytes. `sha256`: lower-case hex of its bytes. `mode`: permission bits. `void`: it shrank while it was streamed, so
    what the archive holds is padded with zeros and is no version of it.
    """

    path: RelPath
    offset: int
    size: int
    sha256: str
    mtime_ns: int
    mode: int
    uid: int
    gid: int
    void: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """A member with the file that it was read from, and how far that is."""

    member: Member
    stat: LocalStat
    state: MemberState = MemberState.SEALED


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """One archive as the journal holds it. Written before its first PUT (streamed: before its Complete).

    `key` is `<key folder>/<uuid>.tar`; the sums are of the whole object. `spooled`: its bytes lie in the spool as
    `<uuid>.tar`. `etag`, `version_id` and `proof` are there once it is proven; `manifest_at` is "s3://bucket/key" of
    its manifest, "" where its last member alone is the manifest; `manifest_offset` and `manifest_size` say where that
    lies.
    """

    uuid: str
    bucket: str
    key: RelPath
    size: int
    sha256: str
    md5: str
    crc64nvme: int
    operation: str  # the id that its PUT carries as `syncd-op`
    created_at: float  # seconds since the epoch
    manifest_offset: int
    manifest_size: int
    spooled: bool = True
    state: ArchiveState = ArchiveState.SEALED
    etag: ETag | None = None
    version_id: str | None = None
    proof: ProofKind = ProofKind.NONE
    manifest_at: str = ""
    files: int = 0  # members that are not void
    bytes: int = 0  # of their content


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One archived original, wherever it was found. `etag` None: a HEAD tells (a manifest cannot know it)."""

    bucket: str
    archive_key: RelPath
    member: Member
    archived_at: float
    host: str = ""
    etag: ETag | None = None
