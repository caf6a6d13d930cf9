"""The nouns of a decision: digests, what was seen on each side, and the record of what both agreed on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, NewType

from syncd.core.paths import RelPath

ETag = NewType("ETag", str)
"""An entity tag without its quotes, exactly as the store sent it otherwise."""


class HashType(str, Enum):
    """The content hash that a pair compares by."""

    SHA256 = "sha256"
    MD5 = "md5"


@dataclass(frozen=True, slots=True)
class Digest:
    """A content hash: lower-case hex of 64 (sha256) or 32 (md5) digits."""

    type: HashType
    hex: str


class LocalStat(NamedTuple):
    """What lstat says of a regular file. `size` in bytes; times in nanoseconds since the epoch."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    def same_file(self, other: LocalStat) -> bool:
        """Equal but for ctime, which our own rename or link moves."""
        return (self.size, self.mtime_ns, self.inode) == (other.size, other.mtime_ns, other.inode)


class ListedObject(NamedTuple):
    """One row of a LIST. `last_modified_s` is the server's clock, whole seconds since the epoch."""

    key: str
    size: int
    etag: ETag
    last_modified_s: int
    archived: bool = False  # in an archive tier: it cannot be read until restored


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectFacts:
    """What HEAD (or GET) says of one object, its metadata parsed; what disagreed with the object is absent.

    `digest` comes from the metadata (`file-hash`), never from the ETag: it is a claim, not a proof.
    """

    etag: ETag
    size: int
    last_modified_s: int
    version_id: str | None = None
    digest: Digest | None = None
    mtime_ns: int | None = None
    host_id: str | None = None
    host_name: str | None = None
    operation_id: str | None = None
    checksum: str | None = None  # "CRC64NVME:base64", full-object only
    archived: bool = False
    lying: bool = False  # its metadata disagrees with the object (size, or an impossible hash)


class LocalState(str, Enum):
    """The local side of a record."""

    PRESENT = "present"
    ABSENT = "absent"  # a remembered absence
    CLEANING = "cleaning"  # on its way out: staged under .syncd/cleaning or about to be
    CLEANED = "cleaned"  # removed by us after proof


class RemoteState(str, Enum):
    """The remote side of a record."""

    PRESENT = "present"
    ABSENT = "absent"


class ProofKind(str, Enum):
    """What showed that S3 holds the bytes (SEMANTICS.md, proof)."""

    NONE = "none"  # nothing yet: transferred, not proven
    UNPROVEN = "unproven"  # adopted by size and time only, or refuted by an audit; never cleaned
    CHECKSUM = "checksum"  # (a) the store shows our checksum, and was seen to refuse a wrong one
    PAYLOAD = "payload"  # (a) it took a request signed with our SHA-256, and was seen to refuse another body
    ETAG = "etag"  # (b) the ETag equals the MD5 that we computed while sending
    READBACK = "readback"  # (c) a full read-back


class Origin(str, Enum):
    """How this host came to agree with S3 on the content."""

    UPLOADED = "uploaded"  # this host wrote the object
    DOWNLOADED = "downloaded"
    ADOPTED = "adopted"  # both sides had it already


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What this host last saw both sides agree on, for one path (SEMANTICS.md, record).

    `digest`, `size` describe the agreed content. `stat` is the local file as it was then, `looked_ns` when it
    was looked at (a file touched within 2 s of the look is looked at again). `seen` is the ETag at which a
    remote change was left alone, `seen_as` the reason. `restored`: a deletion of this content was undone once.
    `seq` is the store's commit number; it grows with every change of any record.
    """

    path: RelPath
    local: LocalState
    remote: RemoteState
    size: int
    digest: Digest | None
    stat: LocalStat | None = None
    looked_ns: int = 0
    etag: ETag | None = None
    version_id: str | None = None
    checksum: str | None = None
    proof: ProofKind = ProofKind.NONE
    origin: Origin = Origin.ADOPTED
    seen: ETag | None = None
    seen_as: str = ""  # "", "superseded", "diverged"
    restored: bool = False
    kept: bool = False  # came back after cleaning: not cleaned again by itself
    seq: int = 0


class Mode(str, Enum):
    """Which way content flows."""

    BIDIRECTIONAL = "bidirectional"
    UPLOAD = "upload"
    DOWNLOAD = "download"


class Deletes(str, Enum):
    """What a deletion on one side means for the other."""

    KEEP = "keep"
    LEAVE = "leave"
    PROPAGATE = "propagate"


class ConflictPolicy(str, Enum):
    """Who wins when both sides changed."""

    NEWER = "newer"
    LOCAL = "local"
    REMOTE = "remote"
    KEEP_BOTH = "keep-both"


class KeepVersions(str, Enum):
    """Which displaced versions are kept."""

    CONFLICTS = "conflicts"
    ALL = "all"


RACY_NS = 2_000_000_000


def racy(stat: LocalStat, looked_ns: int) -> bool:
    """Whether the file was touched so near the look that a later edit could leave the same stat.

    An mtime ahead of the look was set by hand (or by a wrong clock): ctime alone tells then.
    """
    touched = stat.ctime_ns if stat.mtime_ns > looked_ns else max(stat.mtime_ns, stat.ctime_ns)
    return looked_ns - touched < RACY_NS
