"""A version is kept before something takes its place on S3."""

from __future__ import annotations

import uuid
from datetime import datetime, timezone

from syncd.core.model import ETag, KeepVersions
from syncd.core.paths import OURS, RelPath
from syncd.engine.context import Context
from syncd.engine.step import Step
from syncd.errors import RemoteError, RemoteKind, Stale
from syncd.ports import Absent, TrashRow, Unchecked


def displace_object(context: Context, path: RelPath, etag: ETag, *, reason: str) -> TrashRow:
    """Keep the object that is about to be replaced or deleted; say where it will be found.

    On a versioned bucket the store keeps what has a version id. All else is copied aside, and that counts only when the
    source still had that ETag afterwards (some stores accept a pin on the source and ignore it).
    """
    key = context.key(path)
    facts = context.objects.head(key)
    if facts is None or facts.etag != etag:
        raise Stale(path)
    digest = f"{facts.digest.type.value}:{facts.digest.hex}" if facts.digest is not None else ""
    if context.capabilities.versioned and facts.version_id is not None:  # unnumbered: suspended since, or from before
        where = f"version:{key}:{facts.version_id}"
        return _row(context, path, where, reason, facts.size, digest)
    target = _aside(context, path)
    expect = Absent() if context.capabilities.put_if_none_match else Unchecked()
    context.objects.copy(key, target, source_etag=etag, expect=expect, headers=None)
    copied, after = context.objects.head(target), context.objects.head(key)
    if copied is None or copied.size != facts.size:
        raise RemoteError(RemoteKind.CORRUPT, f"{target}: the copy that keeps the old version is not there")
    if after is None or after.etag != etag:
        raise Stale(path)
    return _row(context, path, f"s3:{target}", reason, facts.size, digest)


def must_displace(context: Context, step: Step) -> bool:
    """Whether the object in the way of this step is kept first."""
    if step.sides.listed is None:
        return False
    kept_anyway = step.rule.displaces or step.unrelated or step.disguised
    return kept_anyway or context.pair.keep_versions is KeepVersions.ALL


def _aside(context: Context, path: RelPath) -> str:
    stamp = datetime.fromtimestamp(context.clock.now(), timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    bucket = ""
    if context.pair.layout == "buckets":  # aside within its own bucket
        bucket, _, path = path.partition("/")  # type: ignore[assignment]  # the rest of a path is only a name here
    name = f"{OURS}/trash/{stamp}-{uuid.uuid4().hex[:8]}/{path}"
    if len(context.key(name).encode()) > 1024:
        name = f"{OURS}/trash/{stamp}-{uuid.uuid4().hex}"
    return context.key(f"{bucket}/{name}" if bucket else name)


def _row(context: Context, path: RelPath, where: str, reason: str, size: int, digest: str) -> TrashRow:
    return TrashRow(at=context.clock.now(), path=path, where=where, reason=reason, size=size, digest=digest)
