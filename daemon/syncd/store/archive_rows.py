"""Archives as rows."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from syncd.core.archive import Archive, ArchiveState
from syncd.core.model import ETag, ProofKind
from syncd.core.paths import RelPath, order
from syncd.store.connection import Row

COLUMNS = (
    "archive.uuid, bucket_folder.bucket, archive.key, archive.size, archive.sha256, archive.md5, archive.crc64nvme, "
    "archive.operation, archive.created_at, archive.manifest_offset, archive.manifest_size, archive.spooled, "
    "archive.state, archive.etag, archive.version_id, archive.proof, archive.manifest_at, archive.files, archive.bytes"
)
INSERT_ARCHIVE = (
    "INSERT INTO archive (folder_id, state, uuid, key, size, sha256, md5, crc64nvme, operation, created_at, "
    "manifest_offset, manifest_size, spooled, etag, version_id, proof, manifest_at, files, bytes) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id"
)
SELECT_PLACE = (
    "SELECT archive.id, archive.folder_id, archive.state FROM archive "
    "JOIN bucket_folder ON bucket_folder.id = archive.folder_id WHERE archive.uuid = ? AND bucket_folder.batch_id = ?"
)

_STATE = {state.value: state for state in ArchiveState}
_PROOF = {kind.value: kind for kind in ProofKind}


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """Where an archive's rows are, and its state as the column has it: an ArchiveState's, or 'sealing'."""

    id: int
    folder_id: int
    state: str

    @property
    def proven(self) -> bool:
        """Whether it is on S3 for certain."""
        return self.state in {ArchiveState.UNLINKING.value, ArchiveState.DONE.value}


def locate(connection: sqlite3.Connection, batch_id: int, uuid: str) -> Located | None:
    """The archive of that batch as it stands in the open transaction."""
    row = connection.execute(SELECT_PLACE, (uuid, batch_id)).fetchone()
    return None if row is None else Located(id=row[0], folder_id=row[1], state=row[2])


def archive_row(archive: Archive) -> Row:
    """The columns of INSERT_ARCHIVE from `uuid` on. ValueError where a sum is no hex."""
    return (
        archive.uuid,
        order(archive.key),
        archive.size,
        bytes.fromhex(archive.sha256),
        bytes.fromhex(archive.md5),
        archive.crc64nvme.to_bytes(8, "big"),
        archive.operation,
        archive.created_at,
        archive.manifest_offset,
        archive.manifest_size,
        int(archive.spooled),
        archive.etag,
        archive.version_id,
        archive.proof.value,
        archive.manifest_at,
        archive.files,
        archive.bytes,
    )


def archive_of(row: Row) -> Archive:
    """The archive of a row with the columns COLUMNS."""
    (uuid, bucket, key, size, sha256, md5, crc64nvme, operation, created_at, manifest_offset, manifest_size) = row[:11]
    (spooled, state, etag, version_id, proof, manifest_at, files, content) = row[11:]
    return Archive(
        uuid=uuid,
        bucket=bucket,
        key=RelPath(key.decode("utf-8", "surrogateescape")),
        size=size,
        sha256=sha256.hex(),
        md5=md5.hex(),
        crc64nvme=int.from_bytes(crc64nvme, "big"),
        operation=operation,
        created_at=created_at,
        manifest_offset=manifest_offset,
        manifest_size=manifest_size,
        spooled=spooled == 1,
        state=_STATE[state],
        etag=None if etag is None else ETag(etag),
        version_id=version_id,
        proof=_PROOF[proof],
        manifest_at=manifest_at,
        files=files,
        bytes=content,
    )
