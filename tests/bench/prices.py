"""What AWS asks for S3 in us-east-1, and what a bucket's content costs by it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SOURCE = "https://aws.amazon.com/s3/pricing/"
WRITTEN_DOWN = "2026-11-21"
REGION = "us-east-1"

# what `MotoServer.requests` calls them; deleting and aborting cost nothing
WRITES = frozenset({"PUT", "COPY", "CREATE", "PART", "PARTCOPY", "COMPLETE", "LIST", "VERSIONS", "BUCKET"})
READS = frozenset({"GET", "HEAD", "HEADBUCKET", "PARTS"})

GB = 1 << 30
IA_LEAST_BYTES = 128 * 1024
"""Standard-IA bills an object as if it were at least so large."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageClass:
    """Dollars: for 1,000 requests of each tier, and for a GB in a month."""

    name: str
    writes_1000: float
    reads_1000: float
    gb_month: float
    least_bytes: int = 0


STANDARD = StorageClass(name="STANDARD", writes_1000=0.005, reads_1000=0.0004, gb_month=0.023)
STANDARD_IA = StorageClass(
    name="STANDARD_IA", writes_1000=0.01, reads_1000=0.001, gb_month=0.0125, least_bytes=IA_LEAST_BYTES
)


def first_month(requests: Mapping[str, int], sizes: Iterable[int], tier: StorageClass) -> float:
    """Dollars for sending these objects and keeping them for a month. Sizes are bytes."""
    writes = sum(count for kind, count in requests.items() if kind in WRITES)
    reads = sum(count for kind, count in requests.items() if kind in READS)
    billed = sum(max(size, tier.least_bytes) for size in sizes)
    return writes / 1000 * tier.writes_1000 + reads / 1000 * tier.reads_1000 + billed / GB * tier.gb_month
