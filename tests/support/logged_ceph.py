"""A Ceph radosgw with an account of its requests: the proxy before it keeps what moto's own log keeps."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any
from urllib.parse import unquote, urlsplit

from support.ceph import CephServer
from support.moto import kind_of
from support.proxy import Answered, Proxy

HASH = re.compile(rb"\r\nx-amz-meta-file-hash: *([^\r]*)", re.IGNORECASE)
COPIES = re.compile(rb"\r\nx-amz-copy-source:", re.IGNORECASE)


class LoggedCeph:
    """Looks like a MotoServer to the soak. Requests of `client()` are not in the log."""

    deletes_conditionally = False

    def __init__(self, ceph: CephServer) -> None:
        self._ceph = ceph
        self._proxy = Proxy(ceph.port)
        self.endpoint = ""
        self.env = {"AWS_ACCESS_KEY_ID": ceph.access_key, "AWS_SECRET_ACCESS_KEY": ceph.secret_key}

    def __enter__(self) -> LoggedCeph:
        self._proxy.listen()
        self.endpoint = self._proxy.endpoint
        return self

    def __exit__(self, *exc: object) -> None:
        self._proxy.__exit__(None, None, None)

    def client(self) -> Any:
        """A plain boto3 client."""
        return self._ceph.client()

    unchecking_client = client

    def new_bucket(self, name: str, *, versioned: bool = False) -> str:
        """Make an empty bucket; returns its name, which is not quite the one that was asked for."""
        bucket = self._ceph.new_bucket()
        if versioned:
            status = {"Status": "Enabled"}
            self.client().put_bucket_versioning(Bucket=bucket, VersioningConfiguration=status)
        return bucket

    def mark(self) -> int:
        """A place in the log, to count from."""
        return len(self._proxy.answered)

    def log(self, since: int = 0) -> list[tuple[str, str, int]]:
        """(kind, path with the bucket, status) of every request that was answered, in order."""
        return [(_kind(row), _path(row), row.status) for row in self._rows(since)]

    def requests(self, since: int = 0) -> Counter[str]:
        """Requests by kind, those that failed too."""
        return Counter(_kind(row) for row in self._rows(since))

    def hashes_put(self, since: int = 0, *, under: str = "") -> set[str]:
        """What every object that was ever stored there said of its content (`file-hash`), those long gone too."""
        rows = [row for row in self._rows(since) if row.status < 300 and _path(row).startswith(under)]
        found = [HASH.search(row.head) for row in rows]
        return {one[1].decode() for one in found if one is not None}

    def _rows(self, since: int) -> list[Answered]:
        return self._proxy.answered[since:]


def _kind(row: Answered) -> str:
    return kind_of(row.method, row.target, copies=COPIES.search(row.head) is not None)


def _path(row: Answered) -> str:
    return unquote(urlsplit(row.target).path.lstrip("/"))
