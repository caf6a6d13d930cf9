"""The SHA-256 of every version in a bucket, by a plain client that reads each of them once."""

from __future__ import annotations

import hashlib
from typing import Any


class VersionsRead:
    """Remembers what it read: a version's bytes never change under its ETag and time.

    `torn`: what versions claim to be by their metadata and are not. A file that is overwritten while it is sent makes
    one on a store that takes wrong checksums; its sender disbelieves it and sends the file again.
    """

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self._bucket = bucket
        self.torn: set[str] = set()
        self._read: dict[tuple[str, str, str, str], str] = {}

    def live(self) -> dict[str, str]:
        """Key to SHA-256 of every object that is there."""
        return {row["Key"]: digest for row, digest in self._rows() if row["IsLatest"]}

    def everywhere(self) -> set[str]:
        """The SHA-256 of every version, previous ones too."""
        return {digest for _, digest in self._rows()}

    def _rows(self) -> list[tuple[dict[str, Any], str]]:
        found = []
        for page in self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket):
            for row in page.get("Versions", ()):
                digest = self._digest(row)
                if digest is not None:
                    found.append((row, digest))
        return found

    def _digest(self, row: dict[str, Any]) -> str | None:
        """None: it went between the listing and the read."""
        name = (row["Key"], row["VersionId"], row["ETag"], str(row["LastModified"]))
        if name not in self._read:
            named = {"VersionId": row["VersionId"]} if row["VersionId"] != "null" else {"IfMatch": row["ETag"]}
            try:
                answer = self._client.get_object(Bucket=self._bucket, Key=row["Key"], **named)
            except self._client.exceptions.ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] in {404, 412}:
                    return None
                raise
            self._read[name] = hashlib.sha256(answer["Body"].read()).hexdigest()
            claimed = answer["Metadata"].get("file-hash", self._read[name])
            if claimed != self._read[name]:
                self.torn.add(claimed)
        return self._read[name]
