"""What a search index is told of an archive: one document for each original that can be had back."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from syncd.core.archive import Member
from syncd.core.manifest import Manifest, nanoseconds, rfc3339
from syncd.core.paths import base_name
from syncd.ports.archives import Document


def documents(manifest: Manifest) -> Iterator[Document]:
    """One document a member, in archive order; a void one gives none, for the archive holds no version of it."""
    archived_at = rfc3339(nanoseconds(manifest.created_at))
    return (_document(manifest, member, archived_at) for member in manifest.members if not member.void)


def document_id(bucket: str, archive: str, member: Member) -> str:
    """The same for the same bytes of the same archive, however often and from wherever they are told."""
    text = f"{bucket}\0{archive}\0{member.path}\0{member.offset}"
    return hashlib.sha256(text.encode()).hexdigest()


def _document(manifest: Manifest, member: Member, archived_at: str) -> Document:
    return Document(
        id=document_id(manifest.bucket, manifest.key, member),
        source={
            "bucket": manifest.bucket,
            "key": member.path,
            "name": base_name(member.path),
            "folder": member.path.rpartition("/")[0],
            "archive_key": manifest.key,
            "archive_url": manifest.url,
            "uuid": manifest.uuid,
            "offset": member.offset,
            "size": member.size,
            "sha256": member.sha256,
            "mtime": rfc3339(member.mtime_ns),
            "archived_at": archived_at,
            "host": manifest.host,
            "schema_version": manifest.schema_version,
        },
    )
