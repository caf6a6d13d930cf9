"""Whether each version that its writers made can still be had: by a walk and plain boto3, never by our database."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any


class Versions:
    """The versions that somebody closed or stored, in the order in which he did."""

    def __init__(self) -> None:
        self._made: dict[str, str] = {}  # digest -> name

    def made(self, name: str, content: bytes) -> bytes:
        """Note it, and give it back to be written."""
        self._made[digest(content)] = name
        return content

    def digests(self) -> frozenset[str]:
        """The SHA-256 of each of them."""
        return frozenset(self._made)

    def lost(self, folders: Iterable[Path], client: Any, bucket: str) -> list[str]:
        """The names of those that are nowhere: in no folder (trash and staging included), no object, no archive."""
        there = {each for folder in folders for each in on_disk(folder)} | set(on_s3(client, bucket))
        return sorted(name for each, name in self._made.items() if each not in there)


def digest(content: bytes) -> str:
    """Its SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def on_disk(folder: Path) -> Iterator[str]:
    """The digest of every file below a folder, but for those that are only on their way down."""
    for path in folder.rglob("*"):
        if path.is_file() and path.parent.parts[-2:] != (".syncd", "tmp"):
            with suppress(FileNotFoundError):
                yield digest(path.read_bytes())


def on_s3(client: Any, bucket: str) -> Iterator[str]:
    """The digest of every version of every object, ours included, and of what is in its archives."""
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for row in page.get("Versions", ()):
            named = {} if row["VersionId"] == "null" else {"VersionId": row["VersionId"]}
            with suppress(client.exceptions.NoSuchKey):  # it was replaced meanwhile
                body = client.get_object(Bucket=bucket, Key=row["Key"], **named)["Body"].read()
                yield digest(body)
                if row["Key"].endswith(".tar"):
                    yield from in_archive(body)


def files_in(folder: Path) -> dict[str, bytes]:
    """The bytes of each file directly in a folder, by name; one that goes meanwhile is left out."""
    found: dict[str, bytes] = {}
    for path in folder.glob("*"):
        with suppress(FileNotFoundError, IsADirectoryError):
            found[path.name] = path.read_bytes()
    return found


def stored(client: Any, bucket: str, prefix: str) -> dict[str, bytes]:
    """Every object's bytes by its name below the prefix, ours left out; one that goes meanwhile is left out too."""
    found: dict[str, bytes] = {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for key in (row["Key"] for row in page.get("Contents", ()) if ".syncd/" not in row["Key"]):
            with suppress(client.exceptions.NoSuchKey):
                found[key[len(prefix) :]] = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    return found


def in_archive(archive: bytes) -> Iterator[str]:
    """The digests of its members."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            file = tar.extractfile(member)
            if file is not None:
                yield digest(file.read())
