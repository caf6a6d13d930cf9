"""What is written beside the bytes of an object (INTERFACE: on the bucket)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from functools import lru_cache

from syncd.core.model import Digest, LocalStat
from syncd.core.paths import base_name
from syncd.engine.context import Context
from syncd.ports import ObjectHeaders

NS = 1_000_000_000


def headers(context: Context, path: str, stat: LocalStat, digest: Digest, operation: str) -> ObjectHeaders:
    """The metadata and headers of an upload of that file by this host."""
    content = {"file-size": str(stat.size), "file-hash": digest.hex, "hash-type": digest.type.value}
    return ObjectHeaders(
        metadata=_metadata(context, path, stat.mtime_ns, operation, content),
        storage_class=_storage_class(context),
        acl=context.pair.s3.acl,
    )


def headers_of_stream(context: Context, path: str, mtime_ns: int, operation: str) -> ObjectHeaders:
    """The same for bytes that are sent before their size and digest are known."""
    return ObjectHeaders(
        metadata=_metadata(context, path, mtime_ns, operation, {}),
        storage_class=_storage_class(context),
        acl=context.pair.s3.acl,
    )


def _metadata(
    context: Context, path: str, mtime_ns: int, operation: str, content: Mapping[str, str]
) -> Mapping[str, str]:
    return {
        "original-filename": base_name(path),
        "upload-time": _second(int(context.clock.now())),
        "source-host": context.host.name,
        **content,
        "synced-by": context.host.software,
        "source-host-id": context.host.id,
        "syncd-op": operation,
        "mtime": mtime_text(mtime_ns),
    }


@lru_cache(maxsize=4)
def _second(now: int) -> str:
    return datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _storage_class(context: Context) -> str:
    asked = context.pair.s3.storage_class
    if asked != "auto":
        return asked
    return "" if context.pair.s3.endpoint_url else "STANDARD_IA"


def mtime_text(mtime_ns: int) -> str:
    """Seconds since the epoch with nine decimals, as rclone reads them, before 1970 too."""
    seconds, nanoseconds = divmod(abs(mtime_ns), NS)
    return f"{'-' if mtime_ns < 0 else ''}{seconds}.{nanoseconds:09d}"
