"""What is remembered of an upload in parts, so that it can go on after a restart."""

from __future__ import annotations

from dataclasses import dataclass

from syncd.core.model import Digest, LocalStat
from syncd.ports.objects import Part


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadSource:
    """Which version of the file at `path` it is of, and as what it was begun. `part_size` in bytes.

    `terms`: what else it was begun with (storage class, kind of checksum); under others it is begun anew. `operation`:
    the `syncd-op` of its metadata. `expected`: the ETag that it replaces, "" for none, None where no precondition is
    sent.
    """

    path: str
    stat: LocalStat
    digest: Digest
    operation: str
    part_size: int
    terms: str
    expected: str | None


@dataclass(frozen=True, slots=True)
class SentPart:
    """A part that the store has taken, and the CRC64NVME of the bytes that were sent as it."""

    part: Part
    crc64nvme: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftUpload:
    """One that nobody is at. `begun_at` in seconds since the epoch; `parts` in the order of their numbers."""

    key: str
    upload_id: str
    begun_at: float
    source: UploadSource
    parts: tuple[SentPart, ...] = ()
