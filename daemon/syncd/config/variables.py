"""The environment variables of the old tools: which family names what, and what each variable means now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from syncd.config.findings import Findings
from syncd.config.quantities import Unreadable, format_size, parse_size, parse_switch, quote

FIRST = ("S3_BUCKET", "LOGS_DIR")
SECOND = ("SOURCE_DIR", "BUCKET_NAME", "S3_SUBDIRECTORY")
BUCKETS = ("S3_SYNC_BUCKETS_FOLDER",)
TRAITS = ("HASH_TYPE", "CLEANUP_LOCAL", "UPLOAD_ONLY", "DOWNLOAD_ONLY")
PAIR_VARIABLES = (*FIRST, *TRAITS, *SECOND, "S3_STORAGE_CLASS", *BUCKETS)
BATCH = ("S3_BATCH_BUCKETS_FOLDER", "MAX_BATCH_SIZE_MB", "MANIFEST_FALLBACK_BUCKET")
SEARCH = ("ELASTICSEARCH_LOGS_HOST", "ELASTICSEARCH_LOGS_PORT")  # of that batch; they describe none by themselves
SECTION_VARIABLES = (*PAIR_VARIABLES, *BATCH)
LATER_VARIABLES = (
    "CUSTOMER_S3_ENDPOINT",
    "CUSTOMER_S3_ACCESS_KEY",
    "CUSTOMER_S3_SECRET_KEY",
    "CUSTOMER_S3_BUCKET",
    "FILE_MANAGER_API_URL",
    "MOCK_API_URL",
    "SYNC_INTERVAL",
    "DATABASE_PATH",
)
IGNORED_VARIABLES = ("LIVE_RELOAD",)  # accepted from the old mirror, and nothing to say about it

LEVELS = {"trace": "debug", "warn": "warning"}
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Draft:
    """Tables as a document would have them, and for each dotted key the flag or variable that it came from."""

    tables: dict[str, Any] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    def put(self, section: str, name: str, value: object, label: str) -> None:
        """Set a key of a table that is there once; what a document has in its place is left to `parse`."""
        table = self.tables.setdefault(section, {})
        if isinstance(table, dict):
            table[name] = value
            self.labels[f"{section}.{name}"] = label

    def pairs(self) -> list[dict[str, Any]]:
        """The tables of `[[pair]]` that are tables."""
        return self._several("pair")

    def batches(self) -> list[dict[str, Any]]:
        """The tables of `[[batch]]` that are tables."""
        return self._several("batch")

    def _several(self, section: str) -> list[dict[str, Any]]:
        found = self.tables.get(section)
        return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """The parts of a pair that a family of variables, or flags, name. `labels` say which did."""

    local: str
    bucket: str
    prefix: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    traits: Mapping[str, object] = field(default_factory=dict)  # keys of the pair that come with the family


def given(environ: Mapping[str, str], names: tuple[str, ...]) -> tuple[str, ...]:
    """The variables of a family that are set. An empty one counts as unset, as it did for the shell tools."""
    return tuple(name for name in names if environ.get(name, "").strip())


def naming(environ: Mapping[str, str], findings: Findings) -> Naming:
    """The pair that the variables name; by default the first tool's, with no bucket yet."""
    families = [names for names in (FIRST, SECOND, BUCKETS) if given(environ, names)]
    if len(families) > 1:
        named = " and ".join(", ".join(given(environ, names)) for names in families)
        findings.add_plain(f"{named} name different pairs; keep one family, or write a file with several [[pair]]")
    family = families[0] if families else FIRST
    if family is SECOND:
        return _second(environ, findings)
    if family is BUCKETS:
        return _buckets(environ["S3_SYNC_BUCKETS_FOLDER"])
    return Naming(
        local=environ.get("LOGS_DIR", "").strip() or "./logs",
        bucket=environ.get("S3_BUCKET", "").strip(),
        labels={"local": "LOGS_DIR", "remote": "S3_BUCKET"},
        traits={"include": ["*.gz"]},
    )


def _second(environ: Mapping[str, str], findings: Findings) -> Naming:
    """SOURCE_DIR and BUCKET_NAME: an upload pair of all files, named `default` like the first tool's."""
    source = environ.get("SOURCE_DIR", "").strip()
    return Naming(
        local=source,
        bucket=environ.get("BUCKET_NAME", "").strip(),
        prefix=environ.get("S3_SUBDIRECTORY", "").strip(),
        labels={"local": "SOURCE_DIR", "remote": "BUCKET_NAME"},
        traits={"mode": "upload"},
    )


def _buckets(folder: str) -> Naming:
    """S3_SYNC_BUCKETS_FOLDER: one upload pair, `<folder>/<bucket>/<key>`."""
    labels = {"local": "S3_SYNC_BUCKETS_FOLDER"}
    return Naming(local=folder.strip(), bucket="", labels=labels, traits={"mode": "upload", "layout": "buckets"})


def put_traits(environ: Mapping[str, str], draft: Draft, findings: Findings) -> list[str]:
    """Set what HASH_TYPE, CLEANUP_LOCAL, UPLOAD_ONLY and DOWNLOAD_ONLY say; those of another family's are returned."""
    pair = draft.pairs()[0]
    set_ones = given(environ, TRAITS)
    if given(environ, (*SECOND, *BUCKETS)):
        return list(set_ones)
    if "HASH_TYPE" in set_ones:
        pair["hash"] = environ["HASH_TYPE"].strip().lower()
        draft.labels["pair[0].hash"] = "HASH_TYPE"
    if "CLEANUP_LOCAL" in set_ones:
        pair["cleanup"] = _switch(environ, "CLEANUP_LOCAL", findings)
        draft.labels["pair[0].cleanup"] = "CLEANUP_LOCAL"
    up, down = (_switch(environ, name, findings) for name in ("UPLOAD_ONLY", "DOWNLOAD_ONLY"))
    if up and down:
        findings.add_plain("UPLOAD_ONLY and DOWNLOAD_ONLY are both true; keep one")
    elif up or down:
        pair["mode"] = "upload" if up else "download"
    return []


def put_settings(environ: Mapping[str, str], draft: Draft, findings: Findings) -> None:
    """Set what variables say of `[s3]` and `[daemon]`; these hold with a file, too."""
    for name, key in (("AWS_REGION", "region"), ("AWS_PROFILE", "profile")):
        if given(environ, (name,)):
            draft.put("s3", key, environ[name].strip(), name)
    counts = (("S5CMD_CONCURRENCY", "concurrency"), ("S5CMD_NUM_WORKERS", "workers"), ("S5CMD_RETRY_COUNT", "retries"))
    for name, key in counts:
        if given(environ, (name,)):
            draft.put("s3", key, count(environ[name].strip()), name)
    if given(environ, ("S5CMD_PART_SIZE",)):
        draft.put("s3", "part_size", _part_size(environ["S5CMD_PART_SIZE"].strip(), findings), "S5CMD_PART_SIZE")
    if given(environ, ("S5CMD_CHECKSUM_ALGORITHM",)):
        word = environ["S5CMD_CHECKSUM_ALGORITHM"].strip().lower()
        draft.put("s3", "checksum", word, "S5CMD_CHECKSUM_ALGORITHM")
    if given(environ, ("S5CMD_LOG_LEVEL",)):
        level = environ["S5CMD_LOG_LEVEL"].strip().lower()
        draft.put("daemon", "log_level", LEVELS.get(level, level), "S5CMD_LOG_LEVEL")
    if _switch(environ, "DEBUG", findings):
        draft.put("daemon", "log_level", "debug", "DEBUG")


def later_notice(environ: Mapping[str, str]) -> str:
    """One sentence on the variables whose feature is not there yet; empty where none is set."""
    there = given(environ, LATER_VARIABLES)
    return f"not there yet, accepted and without effect: {', '.join(there)}" if there else ""


def _switch(environ: Mapping[str, str], name: str, findings: Findings) -> bool:
    """A boolean variable; unset is false."""
    if not given(environ, (name,)):
        return False
    try:
        return parse_switch(environ[name])
    except Unreadable as error:
        findings.add_plain(f"{name}: {error}")
        return False


def count(text: str) -> int | str:
    """A number where it is one; else the text, which `parse` refuses (or takes, for "auto")."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else text


def _part_size(text: str, findings: Findings) -> str:
    """A part size for `[s3]`: bare numbers count MiB."""
    if text == "auto":
        return text
    try:
        return format_size(parse_size(text, bare=MIB))
    except Unreadable as error:
        findings.add_plain(f"S5CMD_PART_SIZE: {error} (a bare number counts MiB)")
        return "auto"


def absolute(text: str, cwd: Path, environ: Mapping[str, str]) -> str:
    """A path of a flag or variable made absolute; `~/` is the home of the environment."""
    if text.startswith("~/") and environ.get("HOME", "").startswith("/"):
        return f"{environ['HOME'].rstrip('/')}/{text[2:]}"
    return str(cwd / text)


def join_remote(bucket: str, prefix: str, label: str, findings: Findings) -> str | None:
    """`s3://bucket/prefix`; None, with a problem, where the bucket is no single name."""
    if "/" in bucket or bucket.startswith("s3:"):
        findings.add_plain(f"{label}: {quote(bucket)} is not a bucket's name alone; the rest goes to the prefix")
        return None
    inside = prefix.strip("/")
    return f"s3://{bucket}/{inside}/" if inside else f"s3://{bucket}/"
