"""The manifest of an archive: what lies where in it. As JSON it stands beside the archive and as its last member.

docs/ARCHIVES.md describes the format for people. Whatever is read here may have been written by anybody who may write
to the bucket: nothing of it is believed before it is parsed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

from syncd.core.archive import Member
from syncd.core.paths import MAX_KEY, RelPath, Unrepresentable, base_name, is_ours, parse_relpath
from syncd.core.timeuuid import is_time_uuid

SCHEMA_VERSION = 1

BLOCK = 512
"""A tar block: the pointer is the last one of the object."""

ARCHIVE_SUFFIX = ".tar"
MANIFEST_SUFFIX = ".manifest.json"

LONGEST_FOLDER = MAX_KEY - len("/") - 36 - len(MANIFEST_SUFFIX) - 63 - len("/")
"""Bytes of a key folder whose archives and manifests (in a manifest bucket: `<bucket>/<folder>/…`) are keys still."""

_POINTER = re.compile(rb"syncd-manifest 1 offset=(0|[1-9]\d{0,18}) size=(0|[1-9]\d{0,18}) sha256=([0-9a-f]{64})\n\0*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_LONG = 1 << 63  # what a database and most languages hold
_TIME_NS = _LONG * 10**9  # file systems keep seconds in 64 bits
_LATEST_NS = 253402300799 * 10**9  # 9999-12-31T23:59:59Z
_EARLIEST_NS = -62135596800 * 10**9  # 0001-01-01T00:00:00Z


class BadManifest(ValueError):
    """No manifest that can be read: `where` in it ("members[3].offset"), and `reason`, what is wrong there."""

    def __init__(self, where: str, reason: str) -> None:
        super().__init__(f"{where}: {reason}")
        self.where = where
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One archive and its members, in archive order. `created_at` in seconds since the epoch; `host` packed it."""

    schema_version: int = SCHEMA_VERSION
    software: str
    created_at: float
    host: str
    uuid: str
    bucket: str
    key: RelPath
    url: str
    members: tuple[Member, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """Where the manifest lies in its archive, in bytes, and the lower-case hex of its sum."""

    offset: int
    size: int
    sha256: str


# --- names ------------------------------------------------------------------------------------------------------


def archive_key(folder: str, uuid: str) -> RelPath:
    """`<folder>/<uuid>.tar`; the root's folder is "". Unrepresentable where that is too long for a key."""
    return parse_relpath(f"{folder}/{uuid}{ARCHIVE_SUFFIX}" if folder else f"{uuid}{ARCHIVE_SUFFIX}")


def manifest_key(archive_key: RelPath) -> RelPath:
    """`<folder>/<uuid>.manifest.json`, beside the archive."""
    return parse_relpath(f"{archive_key.removesuffix(ARCHIVE_SUFFIX)}{MANIFEST_SUFFIX}")


def manifest_member_name(uuid: str) -> str:
    """How the manifest is called in its archive: in our own folder, so that it is nobody's file."""
    return f".syncd/manifest-{uuid}.json"


# --- the pointer --------------------------------------------------------------------------------------------------


def pointer_block(pointer: Pointer) -> bytes:
    """The last 512 bytes of an archive: one line of ASCII, then zeros."""
    line = f"syncd-manifest 1 offset={pointer.offset} size={pointer.size} sha256={pointer.sha256}\n"
    return line.encode("ascii").ljust(BLOCK, b"\0")


def find_pointer(tail: bytes) -> Pointer | None:
    """The pointer in the last bytes of an object (512 are enough); None where it is no archive of ours.

    The very last block alone counts: whatever precedes it may be the content of somebody's file.
    """
    found = _POINTER.fullmatch(tail[-BLOCK:]) if len(tail) >= BLOCK else None
    if found is None:
        return None
    return Pointer(offset=int(found[1]), size=int(found[2]), sha256=found[3].decode())


# --- writing ------------------------------------------------------------------------------------------------------


def rfc3339(ns: int) -> str:
    """Nanoseconds since the epoch as RFC 3339 in UTC, its fraction without trailing zeros; years 1 to 9999."""
    seconds, rest = divmod(min(max(ns, _EARLIEST_NS), _LATEST_NS), 10**9)
    whole = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
    return f"{whole}.{rest:09d}".rstrip("0").rstrip(".") + "Z" if rest else f"{whole}Z"


def dump(manifest: Manifest) -> bytes:
    """The JSON of a manifest, a line for each member, so that grep finds one. The same value gives the same bytes."""
    head = {
        "schema_version": manifest.schema_version,
        "software": manifest.software,
        "created_at": rfc3339(nanoseconds(manifest.created_at)),
        "host": manifest.host.encode("utf-8", "replace").decode(),  # a host name may be any bytes
        "archive": {
            "uuid": manifest.uuid,
            "bucket": manifest.bucket,
            "key": manifest.key,
            "url": manifest.url,
        },
    }
    members = ",\n".join(_json(_entry(member)) for member in manifest.members)
    body = f"\n{members}\n" if members else ""
    return f'{_json(head)[:-1]}, "members": [{body}]}}\n'.encode()


def nanoseconds(seconds: float) -> int:
    """Seconds since the epoch in whole nanoseconds; dividing by 10**9 gives the same float again (from 1971 on)."""
    return round(Fraction(seconds) * 10**9)


def _entry(member: Member) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "key": member.path,
        "offset": member.offset,
        "size": member.size,
        "sha256": member.sha256,
        "mtime": rfc3339(member.mtime_ns),
        "mtime_ns": member.mtime_ns,
        "mode": member.mode,
        "uid": member.uid,
        "gid": member.gid,
    }
    return {**entry, "void": True} if member.void else entry


_json: Callable[[Any], str] = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


# --- reading ------------------------------------------------------------------------------------------------------


def load(data: bytes) -> Manifest:
    """Parse a manifest. BadManifest says where it is wrong; what it does not name is ignored.

    Keys are paths that lie in the archive's folder and not in our own, so that nothing read from it leads elsewhere.
    """
    document = _object(_parsed(data), "manifest")
    version = _integer(document, "schema_version", 1, _LONG)
    if version > SCHEMA_VERSION:
        reason = f"{version} is newer than the {SCHEMA_VERSION} that this version reads: use a newer syncd"
        raise BadManifest("schema_version", reason)
    archive = _object(_value(document, "archive"), "archive")
    uuid = _text(archive, "uuid", "archive.")
    if not is_time_uuid(uuid):
        raise BadManifest("archive.uuid", f"{uuid!r} is no UUID of version 7 in lower case")
    key = _key(archive, "archive.")
    if base_name(key) != f"{uuid}{ARCHIVE_SUFFIX}":
        raise BadManifest("archive.key", f"{key!r} is not named {uuid}{ARCHIVE_SUFFIX}")
    return Manifest(
        schema_version=version,
        software=_text(document, "software"),
        created_at=_time(document, "created_at"),
        host=_text(document, "host"),
        uuid=uuid,
        bucket=_bucket(archive),
        key=key,
        url=_text(archive, "url", "archive."),
        members=tuple(_members(document, key.rpartition("/")[0])),
    )


def _parsed(data: bytes) -> object:
    try:
        return json.loads(data.decode("utf-8"))
    except UnicodeDecodeError as problem:
        raise BadManifest("manifest", f"it is not UTF-8 at byte {problem.start}") from problem
    except RecursionError as problem:
        raise BadManifest("manifest", "it is nested too deeply") from problem
    except ValueError as problem:
        raise BadManifest("manifest", f"it is not JSON: {problem}") from problem


def _members(document: dict[str, Any], folder: str) -> Iterator[Member]:
    entries = _value(document, "members")
    if not isinstance(entries, list):
        raise BadManifest("members", "is no array")
    seen: set[str] = set()
    for number, entry in enumerate(entries):
        where = f"members[{number}]"
        member = _member(_object(entry, where), f"{where}.")
        if folder and not member.path.startswith(f"{folder}/"):
            raise BadManifest(f"{where}.key", f"{member.path!r} does not lie in the archive's folder {folder!r}")
        if member.path in seen:
            raise BadManifest(f"{where}.key", f"{member.path!r} is there twice")
        seen.add(member.path)
        yield member


def _member(entry: dict[str, Any], at: str) -> Member:
    void = entry.get("void", False)
    if not isinstance(void, bool):
        raise BadManifest(f"{at}void", "is neither true nor false")
    sha256 = _text(entry, "sha256", at)
    if not _SHA256.fullmatch(sha256):
        raise BadManifest(f"{at}sha256", f"{sha256[:80]!r} is not 64 hexadecimal digits in lower case")
    return Member(
        path=_key(entry, at),
        offset=_integer(entry, "offset", 0, _LONG, at),
        size=_integer(entry, "size", 0, _LONG, at),
        sha256=sha256,
        mtime_ns=_integer(entry, "mtime_ns", -_TIME_NS, _TIME_NS, at),
        mode=_integer(entry, "mode", 0, 0o10000, at),
        uid=_integer(entry, "uid", 0, 1 << 32, at),
        gid=_integer(entry, "gid", 0, 1 << 32, at),
        void=void,
    )


def _value(entry: dict[str, Any], name: str, at: str = "") -> Any:
    if name not in entry:
        raise BadManifest(f"{at}{name}", "is missing")
    return entry[name]


def _object(value: object, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadManifest(where, "is no JSON object")
    return value


def _integer(entry: dict[str, Any], name: str, least: int, below: int, at: str = "") -> int:
    value = _value(entry, name, at)
    if type(value) is not int:
        raise BadManifest(f"{at}{name}", f"{str(value)[:80]!r} is no whole number")
    if not least <= value < below:
        raise BadManifest(f"{at}{name}", f"{value} is not from {least} to {below - 1}")
    return value


def _text(entry: dict[str, Any], name: str, at: str = "") -> str:
    value = _value(entry, name, at)
    if not isinstance(value, str):
        raise BadManifest(f"{at}{name}", "is no string")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as problem:
        raise BadManifest(f"{at}{name}", "is no valid Unicode") from problem
    return value


def _key(entry: dict[str, Any], at: str) -> RelPath:
    value = _value(entry, "key", at)
    if not isinstance(value, str):
        raise BadManifest(f"{at}key", "is no string")
    try:
        path = parse_relpath(value)
    except Unrepresentable as problem:
        raise BadManifest(f"{at}key", str(problem)) from problem
    if is_ours(path):
        raise BadManifest(f"{at}key", f"{path!r} lies in syncd's own folder")
    return path


def _bucket(archive: dict[str, Any]) -> str:
    bucket = _text(archive, "bucket", "archive.")
    try:
        parse_relpath(bucket)
    except Unrepresentable as problem:
        raise BadManifest("archive.bucket", str(problem)) from problem
    if "/" in bucket:
        raise BadManifest("archive.bucket", f"{bucket!r} is no name of a bucket")
    return bucket


def _time(document: dict[str, Any], name: str) -> float:
    text = _text(document, name)
    found = _RFC3339.fullmatch(text)
    try:
        whole = datetime.fromisoformat(f"{found[1]}+00:00") if found else None
    except ValueError:
        whole = None
    if found is None or whole is None:
        raise BadManifest(name, f"{text[:80]!r} is no time such as 2026-01-15T14:30:17Z")
    elapsed = whole - _EPOCH
    ns = (elapsed.days * 86400 + elapsed.seconds) * 10**9 + int((found[2] or "").ljust(9, "0"))
    return ns / 10**9
