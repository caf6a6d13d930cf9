"""One `[[pair]]`: its keys, and what they demand of each other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from syncd.config.findings import Findings
from syncd.config.quantities import Unreadable
from syncd.config.remotes import Remote, endpoint_identity, parse_remote
from syncd.config.tables import Table, name_section, read, section_s3
from syncd.config.types import S3, Pair
from syncd.core.model import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class PairDraft:
    """A pair as far as it could be read."""

    where: str
    name: str
    local: Path | None
    remote: Remote | None
    s3: S3
    mode: Mode | None  # None: what stands there is no mode
    pair: Pair | None


def read_pair(table: Table, place: int, defaults: S3, hostname: str, findings: Findings) -> PairDraft:
    """Read one pair; everything that is wrong in it alone is noted."""
    where = f"pair[{place}]"
    name_section(table, where, findings)
    values = read(table, ("pair", "s3"), where, findings)
    s3 = section_s3(values, defaults, where, findings)
    remote = _remote(values.pop("remote", None), where, s3, hostname, findings)
    mode = None if "mode" in table and "mode" not in values else values.get("mode", Mode.BIDIRECTIONAL)
    _check_rules(values, mode, remote, where, findings)
    pair = None
    if remote is not None and "name" in values and "local" in values:
        pair = Pair(**values, bucket=remote.bucket, prefix=remote.prefix, s3=s3)
    return PairDraft(
        where=where,
        name=values.get("name", ""),
        local=values.get("local"),
        remote=remote,
        s3=s3,
        mode=mode,
        pair=pair,
    )


def _remote(text: str | None, where: str, s3: S3, hostname: str, findings: Findings) -> Remote | None:
    """The remote taken apart; None where it is missing or wrong."""
    if text is None:
        return None
    try:
        return parse_remote(text, hostname=hostname, on_aws=not endpoint_identity(s3.endpoint_url))
    except Unreadable as error:
        findings.add(f"{where}.remote", str(error))
        return None


def _check_rules(values: Table, mode: Mode | None, remote: Remote | None, where: str, findings: Findings) -> None:
    """What the keys of one pair demand of each other."""
    if values.get("cleanup") and mode is Mode.DOWNLOAD:
        text = "cleanup removes what this host uploaded, and mode download uploads nothing; drop one of them"
        findings.add(f"{where}.cleanup", text)
    for name in ("cleanup_after", "cleanup_keep_newest", "cleanup_pressure"):
        if values.get(name) and not values.get("cleanup"):
            text = "says which files of a pair that cleans go, and this one keeps all; set cleanup = true, or drop it"
            findings.add(f"{where}.{name}", text)
    settle = values.get("settle", timedelta(seconds=2))
    settle_max = values.get("settle_max", timedelta(minutes=10))
    if settle > settle_max:
        findings.add(
            f"{where}.settle", "is longer than settle_max: every file would be held; make settle_max the longer"
        )
    buckets = values.get("layout") == "buckets"
    if buckets and mode not in {Mode.UPLOAD, None}:
        findings.add(
            f"{where}.layout", 'layout "buckets" goes with mode = "upload" alone, not bidirectional or download'
        )
    if buckets and remote is not None and remote.bucket:
        findings.add(f"{where}.remote", 'layout "buckets" takes the bucket from the folder; write remote = "s3://"')
    if not buckets and remote is not None and not remote.bucket:
        findings.add(f"{where}.remote", 'names no bucket; write s3://BUCKET/PREFIX/ (s3:// goes with layout "buckets")')
