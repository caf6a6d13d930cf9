"""Archives read by plain means: boto3, Python's tarfile and the manifests. Nothing of ours is asked.

What is wrong with an archive is an AssertionError that names it. docs/ARCHIVES.md promises what is checked here.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import tarfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

POINTER = re.compile(rb"syncd-manifest 1 offset=(\d+) size=(\d+) sha256=([0-9a-f]{64})\n\0*")
BLOCK = 512
RECORD = 10240
NANO = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One original as one archive holds it. `offset`: of its bytes in the archive."""

    archive: str
    key: str
    offset: int
    size: int
    sha256: str
    mtime_ns: int
    mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSeen:
    """A sound archive. `manifest` is the bytes of its last member."""

    key: str
    uuid: str
    manifest: bytes
    copies: tuple[Copy, ...]


def read_archive(bucket: str, key: str, body: bytes) -> ArchiveSeen:
    """Read one archive by tarfile and hold every promise about it against its bytes."""
    document, manifest = _last_member(key, body)
    told = document["archive"]
    uuid = key.rpartition("/")[2].removesuffix(".tar")
    assert (told["uuid"], told["bucket"], told["key"]) == (uuid, bucket, key), f"{key}: its manifest is of {told}"
    rows = {row["key"]: row for row in document["members"]}
    assert len(rows) == len(document["members"]), f"{key}: a member is told twice"
    with tarfile.open(fileobj=io.BytesIO(body), encoding="utf-8", errors="surrogateescape") as tar:
        members = tar.getmembers()
    names = [member.name for member in members]
    assert names[-1] == f".syncd/manifest-{uuid}.json", f"{key}: its last member is {names[-1]}"
    assert names[:-1] == list(rows), f"{key}: the manifest tells other members, or in another order"
    assert names[:-1] == sorted(names[:-1], key=_as_bytes), f"{key}: not in key order"
    assert {folder_of(name) for name in names[:-1]} == {folder_of(key)}, f"{key}: mixes key folders"
    copies = tuple(_copy(key, member, rows[member.name], body) for member in members[:-1])
    return ArchiveSeen(
        key=key,
        uuid=uuid,
        manifest=manifest,
        copies=tuple(copy for copy in copies if not rows[copy.key].get("void", False)),
    )


def folder_of(key: str) -> str:
    """The key folder: "" at the bucket's root."""
    return key.rpartition("/")[0]


def _as_bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _last_member(key: str, body: bytes) -> tuple[dict[str, Any], bytes]:
    """The manifest, found by the pointer in the last block as somebody with the bucket alone would."""
    assert len(body) % RECORD == 0, f"{key}: {len(body)} bytes are no multiple of {RECORD}"
    pointer = POINTER.fullmatch(body[-BLOCK:])
    assert pointer is not None, f"{key}: no pointer in its last block but {body[-BLOCK:][:80]!r}"
    offset, size = int(pointer[1]), int(pointer[2])
    manifest = body[offset : offset + size]
    assert hashlib.sha256(manifest).hexdigest().encode() == pointer[3], f"{key}: its manifest has another sum"
    document: dict[str, Any] = json.loads(manifest)
    assert document["schema_version"] == 1
    return document, manifest


def _copy(archive: str, member: tarfile.TarInfo, row: Mapping[str, Any], body: bytes) -> Copy:
    """One member: what tar says, what the manifest says and what the bytes are must be the same."""
    where = f"{archive}: {member.name}"
    assert member.isreg(), f"{where} is no regular file"
    content = body[member.offset_data : member.offset_data + member.size]
    digest = hashlib.sha256(content).hexdigest()
    in_tar = (member.offset_data, member.size, digest, member.mode, member.uid, member.gid)
    in_manifest = tuple(row[name] for name in ("offset", "size", "sha256", "mode", "uid", "gid"))
    assert in_tar == in_manifest, f"{where}: tar has {in_tar}, the manifest {in_manifest}"
    assert abs(member.mtime - row["mtime_ns"] / NANO) < 1, f"{where}: modified {member.mtime}, {row['mtime_ns']} ns"
    return Copy(
        archive=archive,
        key=member.name,
        offset=member.offset_data,
        size=member.size,
        sha256=digest,
        mtime_ns=row["mtime_ns"],
        mode=member.mode,
    )


class BucketReader:
    """What the archives of one bucket hold. Archives are written once, so each is read once.

    `proven` are those whose manifest lies beside them, byte for byte; `unproven` have none (yet). `alone` is every
    other object's size by its key, ours under `.syncd/` left out.
    """

    def __init__(self, client: Any, bucket: str) -> None:
        self.proven: dict[str, ArchiveSeen] = {}
        self.unproven: dict[str, ArchiveSeen] = {}
        self.alone: dict[str, int] = {}
        self._client = client
        self._bucket = bucket
        self._etags: dict[str, str] = {}

    def look(self) -> None:
        """Read what is new."""
        listed = {row["Key"]: row for row in self._listed()}
        for key in [*self.proven, *self.unproven]:
            assert key in listed, f"{key}: an archive that was there is gone"
            assert self._etags[key] == listed[key]["ETag"], f"{key}: an archive was overwritten"
        for key, row in listed.items():
            if key.endswith(".tar") and key not in self.proven and key not in self.unproven:
                self._etags[key] = row["ETag"]
                self.unproven[key] = read_archive(self._bucket, key, self._bytes(key))
        for key, archive in list(self.unproven.items()):
            beside = f"{key.removesuffix('.tar')}.manifest.json"
            if beside in listed:
                assert self._bytes(beside) == archive.manifest, f"{beside} is not the archive's last member"
                self.proven[key] = self.unproven.pop(key)
        self.alone = {
            key: row["Size"]
            for key, row in listed.items()
            if not key.endswith((".tar", ".manifest.json")) and ".syncd" not in key.split("/")
        }

    def copies(self) -> dict[str, list[Copy]]:
        """Every member of a proven archive by its key."""
        found: dict[str, list[Copy]] = defaultdict(list)
        for archive in self.proven.values():
            for copy in archive.copies:
                found[copy.key].append(copy)
        return dict(found)

    def listed_by_tar(self, key: str) -> list[str]:
        """The names that `tar` itself lists in that archive."""
        done = subprocess.run(
            ["tar", "--quoting-style=literal", "-tf", "-"],
            input=self._bytes(key),
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b""), f"{key}: tar says {done.stderr!r}"
        return [line.decode("utf-8", "surrogateescape") for line in done.stdout.splitlines()]

    def _listed(self) -> Iterator[Any]:
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket):
            yield from page.get("Contents", ())

    def _bytes(self, key: str) -> bytes:
        body: bytes = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        return body
