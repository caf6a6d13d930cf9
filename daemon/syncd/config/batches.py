"""One `[[batch]]` with its index: the keys, and what they demand of each other."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from syncd.config.findings import Findings
from syncd.config.quantities import Unreadable, format_size
from syncd.config.remotes import check_bucket, endpoint_identity
from syncd.config.schema import INDEX, INDEX_SECTION
from syncd.config.tables import Table, name_section, read, section_s3, single
from syncd.config.types import S3, Batch, Index


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchDraft:
    """A batch as far as it could be read."""

    where: str
    name: str
    root: Path | None
    spool: Path | None  # None: in the state folder
    batch: Batch | None


def read_batch(table: Table, place: int, defaults: S3, findings: Findings) -> BatchDraft:
    """Read one batch; everything that is wrong in it alone is noted."""
    where = f"batch[{place}]"
    name_section(table, where, findings)
    own = {name: value for name, value in table.items() if name != INDEX}
    values = read(own, ("batch", "s3"), where, findings)
    s3 = section_s3(values, defaults, where, findings)
    index = _read_index(single(table, INDEX, findings, within=where), f"{where}.{INDEX}", findings)
    _check_amounts(values, where, findings)
    _check_manifests(values, s3, where, findings)
    batch = Batch(**values, s3=s3, index=index) if values.keys() >= {"name", "root"} else None
    return BatchDraft(
        where=where, name=values.get("name", ""), root=values.get("root"), spool=values.get("spool"), batch=batch
    )


def _read_index(table: Table, where: str, findings: Findings) -> Index:
    """Read [batch.elasticsearch]."""
    values = read(table, (INDEX_SECTION,), where, findings)
    index = Index(**values)
    if index.api_key and (index.username or index.password):
        findings.add(f"{where}.api_key", "stands beside username and password; keep one way to log in")
    elif index.username and "password" not in table:
        findings.add(f"{where}.username", "has no password beside it; write one, or an api_key in place of both")
    elif index.password and "username" not in table:
        findings.add(f"{where}.password", "has no username beside it; write one, or an api_key in place of both")
    return index


def _check_amounts(values: Table, where: str, findings: Findings) -> None:
    """What sizes and counts demand of each other."""
    value = _of(values)
    if value("min_files") > value("max_files"):
        findings.add(
            f"{where}.min_files",
            f"{value('min_files')} is over max_files ({value('max_files')}): no archive could be so full; lower it",
        )
    if value("spool_max") < value("max_size") and not value("streaming"):
        largest, room = format_size(value("max_size")), format_size(value("spool_max"))
        findings.add(
            f"{where}.spool_max",
            f"{room} cannot hold one archive of max_size ({largest}); raise it, lower max_size, or set streaming",
        )


def _check_manifests(values: Table, s3: S3, where: str, findings: Findings) -> None:
    """The manifests' bucket is one that can be."""
    if values.get("manifest_bucket"):
        try:
            check_bucket(values["manifest_bucket"], on_aws=not endpoint_identity(s3.endpoint_url))
        except Unreadable as error:
            findings.add(f"{where}.manifest_bucket", str(error))


def _of(values: Table) -> Callable[[str], int]:
    """What a key is, by what was written or by default."""
    defaults = {field.name: field.default for field in dataclasses.fields(Batch)}
    return lambda name: values.get(name, defaults[name])
