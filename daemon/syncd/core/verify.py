"""What both sides and the record say of one path: one sign and the reason for it. Pure and total.

The signs are those of `rclone check --combined`, with this host as the source and S3 as the destination.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from syncd.core import findings as f
from syncd.core.findings import Finding
from syncd.core.model import Digest, LocalState, Mode, ProofKind, Record, RemoteState
from syncd.core.reconcile import Same


class By(str, Enum):
    """What a comparison of two contents rests on, the strongest first."""

    READ = "read"
    RECORD = "record"  # the object has the recorded ETag
    CHECKSUM = "checksum"  # what the server computed: a full-object checksum, an ETag that is an MD5
    METADATA = "metadata"  # a claim
    SIZE = "size"


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What is known of the bytes of one side. `digests`: measured, or computed by the server; `claimed`: by metadata.

    `checksum` as HEAD shows it. `read`: measured just now, from the bytes.
    """

    size: int
    digests: frozenset[Digest] = frozenset()
    checksum: str | None = None
    claimed: Digest | None = None
    read: bool = False

    def of(self, like: Digest | None) -> Digest | None:
        """The digest that can be compared with that one."""
        return next((each for each in self.digests if like is not None and each.type is like.type), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One path as it was seen. A side that is not there is None.

    `as_recorded`: the local file has the recorded stat, so nobody wrote to it. `etag`: the object's. `staged`: the
    local file lies under .syncd/cleaning.
    """

    mode: Mode
    record: Record | None
    local: Content | None
    remote: Content | None
    as_recorded: bool = False
    etag: str | None = None
    staged: bool = False
    archived: bool = False  # the object cannot be read until it is restored
    agreed: Content | None = None  # what the record tells of the content that was agreed on

    @property
    def recorded_object(self) -> bool:
        """Whether the object is the recorded one by its ETag."""
        return self.record is not None and self.etag is not None and self.record.etag == self.etag


def judge(seen: Seen) -> Finding | None:
    """The finding for one path; None where nothing is there and nothing is recorded."""
    if seen.local is not None and seen.remote is not None:
        return _both(seen, seen.local, seen.remote)
    if seen.local is not None:
        return _here_only(seen)
    if seen.remote is not None:
        return _there_only(seen, seen.remote)
    return _neither(seen.record)


def compare(local: Content, remote: Content, record: Record | None, *, recorded_object: bool) -> tuple[Same, By]:
    """Whether two contents are the same, and by what. What was measured or computed beats what is claimed."""
    if local.size != remote.size:
        return Same.DIFFERENT, By.SIZE
    if remote.read:
        return _equal(any(remote.of(each) == each for each in local.digests)), By.READ
    for each in remote.digests:
        if (ours := local.of(each)) is not None:
            return _equal(ours == each), By.CHECKSUM
    if local.checksum is not None and remote.checksum is not None:
        return _equal(local.checksum == remote.checksum), By.CHECKSUM
    if recorded_object and record is not None and record.proof is not ProofKind.UNPROVEN:
        return _equal(local.of(record.digest) == record.digest), By.RECORD
    if remote.claimed is not None and (ours := local.of(remote.claimed)) is not None:
        return _equal(ours == remote.claimed), By.METADATA
    return Same.UNPROVEN, By.SIZE


def _equal(equal: bool) -> Same:
    return Same.SAME if equal else Same.DIFFERENT


def _both(seen: Seen, local: Content, remote: Content) -> Finding:
    same, by = compare(local, remote, seen.record, recorded_object=seen.recorded_object)
    if same is Same.DIFFERENT:
        return _different(seen, local, remote)
    if seen.staged:
        return f.CLEANING
    if seen.archived and by in {By.METADATA, By.SIZE, By.RECORD}:
        return f.SAME_ARCHIVED
    return _same(seen, by) if same is Same.SAME else f.SAME_UNPROVEN


def _same(seen: Seen, by: By) -> Finding:
    match by:
        case By.READ:
            return f.SAME_READ
        case By.CHECKSUM if not seen.recorded_object:
            return f.SAME_CHECKSUM
        case By.METADATA:
            return f.SAME_METADATA
        case _:
            return f.SAME_RECORDED


def _different(seen: Seen, local: Content, remote: Content) -> Finding:
    record = seen.record
    if record is None or record.digest is None:
        return _left(seen) or f.UNRECORDED
    here, there = _holds(local, record), _holds(remote, record) or (seen.recorded_object and not remote.read)
    rotted_here = seen.as_recorded and local.read and not here
    rotted_there = seen.recorded_object and _denied(remote, record)
    if rotted_here or rotted_there:
        return f.ROTTED_BOTH if rotted_here and rotted_there else f.ROTTED_HERE if rotted_here else f.ROTTED_THERE
    left = _left(seen)
    if left is not None:
        return left
    if here:
        return f.CHANGED_THERE
    if there:
        return f.DIVERGED if seen.mode is Mode.DOWNLOAD else f.CHANGED_HERE
    return f.CHANGED_BOTH


def _left(seen: Seen) -> Finding | None:
    """Whether it is a difference that was seen and left, which status counts too."""
    record = seen.record
    if record is None or record.seen is None or record.seen != seen.etag:
        return None
    return f.SUPERSEDED if record.seen_as == "superseded" else f.DIVERGED


def _holds(content: Content, record: Record) -> bool:
    """Whether a side is known to hold the recorded content."""
    return content.size == record.size and content.of(record.digest) == record.digest


def _denied(remote: Content, record: Record) -> bool:
    """Whether the bytes, or what the server computed of them, are not those that were recorded."""
    if remote.size != record.size:
        return True
    measured = remote.of(record.digest)
    if measured is not None:
        return measured != record.digest
    return None not in {remote.checksum, record.checksum} and remote.checksum != record.checksum


def _here_only(seen: Seen) -> Finding:
    record = seen.record
    if record is None:
        return f.LOCAL_ONLY if seen.mode is Mode.DOWNLOAD else f.NEW_HERE
    if record.remote is RemoteState.PRESENT:
        return f.GONE_THERE
    if seen.as_recorded:
        return f.REMEMBERED_THERE
    return f.LOCAL_ONLY if seen.mode is Mode.DOWNLOAD else f.NEW_HERE


def _there_only(seen: Seen, remote: Content) -> Finding:
    record = seen.record
    if record is None:
        return f.REMOTE_ONLY if seen.mode is Mode.UPLOAD else f.NEW_THERE
    match record.local:
        case LocalState.PRESENT:
            return f.GONE_HERE
        case LocalState.ABSENT:
            if seen.recorded_object or record.seen == seen.etag:
                return f.REMEMBERED_HERE
            return f.REMOTE_ONLY if seen.mode is Mode.UPLOAD else f.NEW_THERE
        case LocalState.CLEANED | LocalState.CLEANING:
            return _cleaned(seen, record, remote)


def _cleaned(seen: Seen, record: Record, remote: Content) -> Finding:
    """The only copy: the object must be what was proven before the file went."""
    if seen.recorded_object and _denied(remote, record):
        return f.CLEANED_ROTTED
    proven = seen.agreed or Content(size=record.size)
    same, by = compare(proven, remote, record, recorded_object=seen.recorded_object)
    if same is not Same.SAME and not (same is Same.UNPROVEN and seen.recorded_object):
        return f.CLEANED_OTHER  # of an only copy, nothing is taken for the same
    if by is By.READ:
        return f.CLEANED_READ
    return f.CLEANED if seen.recorded_object or by is By.CHECKSUM else f.CLEANED_METADATA


def _neither(record: Record | None) -> Finding | None:
    if record is None:
        return None
    cleaned = record.local in {LocalState.CLEANED, LocalState.CLEANING}
    return f.CLEANED_GONE if cleaned else f.GONE_BOTH
