"""How many requests went out, counted where each attempt leaves, retries included."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KINDS = {
    "PutObject": "put",
    "CreateMultipartUpload": "put",
    "UploadPart": "put",
    "CompleteMultipartUpload": "put",
    "GetObject": "get",
    "ListObjectsV2": "list",
    "ListParts": "list",
    "HeadObject": "head",
    "HeadBucket": "head",
    "DeleteObject": "delete",
    "AbortMultipartUpload": "delete",
    "CopyObject": "copy",
    "UploadPartCopy": "copy",
}
"""Which counter an operation belongs to. Everything else (versioning, tags, versions) is a `get`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """Totals since the start: attempts by kind, payload bytes, answers that asked to go slower, attempts repeated."""

    put: int = 0
    get: int = 0
    list: int = 0
    head: int = 0
    delete: int = 0
    copy: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    throttled: int = 0
    retried: int = 0


class RequestCounts:
    """The running totals of one or more clients. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._totals = asdict(Requests())

    def snapshot(self) -> Requests:
        """The totals at this moment."""
        with self._lock:
            return Requests(**self._totals)

    def add(self, **more: int) -> None:
        """Add to the named totals."""
        totals = self._totals
        with self._lock:
            for name, n in more.items():
                totals[name] += n

    def attach(self, client: S3Client) -> None:
        """Count every attempt of that client from now on. Twice is once."""
        events = client.meta.events
        events.register("before-send.s3", self._sent, unique_id=f"syncd-sent-{id(self)}")
        events.register("response-received.s3", self._received, unique_id=f"syncd-received-{id(self)}")

    def _sent(self, *, request: Any, event_name: str, **_: object) -> None:
        self.add(**{KINDS.get(event_name.rpartition(".")[2], "get"): 1})

    def _received(self, *, parsed_response: Any, context: Any, **_: object) -> None:
        if context.get("retries", {}).get("attempt", 1) > 1:
            self.add(retried=1)
        if parsed_response is None:
            return
        status = parsed_response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        if status in {429, 503} or parsed_response.get("Error", {}).get("Code") == "SlowDown":
            self.add(throttled=1)


REQUEST_KINDS = ("put", "get", "list", "head", "delete", "copy")


def totals_of(counts: Iterable[RequestCounts]) -> dict[str, int]:
    """Several counters as one, by name."""
    sums: Counter[str] = Counter()
    for each in counts:
        sums.update(asdict(each.snapshot()))
    return {field.name: sums[field.name] for field in fields(Requests)}


def requests_of(counts: Iterable[RequestCounts]) -> dict[str, int]:
    """The requests alone."""
    totals = totals_of(counts)
    return {kind: totals[kind] for kind in REQUEST_KINDS}
