"""A daemon before a real store that is killed, frozen or full: files handed in all the while, and what must hold after.

Two pairs: one sends and cleans what a writer hands in, the other fetches what somebody else puts. The account is the
writer's own append-only file, held against a plain client and a walk.
"""

from __future__ import annotations

import hashlib
import os
import random
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from support.ceph import CephServer
from support.churn import digests, walk
from support.daemon_process import Host
from support.processes import eventually
from support.proxy import Proxy

UP, DOWN = "up/", "down/"
SILENT_S = 300.0
"""So long a frozen store may be silent before the proxy gives up: longer than any client."""

PAIR = """\
interval = "1s"
settle = "100ms"
max_delete = "off"
cleanup = true
"""


class Hardship:
    """The world of one test. Its requests go through a proxy that keeps what was answered, but for `direct`."""

    def __init__(self, folder: Path, ceph: CephServer, proxy: Proxy, *, retries: int = 1, direct: bool = False) -> None:
        self.ceph = ceph
        self.client = ceph.client()
        self.bucket = ceph.new_bucket()
        self.proxy = proxy
        self.down = folder / "down"
        self.down.mkdir()
        self.fetched: dict[str, str] = {}  # what somebody else put, by path
        self.host = Host(
            folder / "host",
            ceph.endpoint if direct else proxy.endpoint,
            remote=f"s3://{self.bucket}/{UP}",
            pair=PAIR,
            s3=f"retries = {retries}",
            more=f'[[pair]]\nname = "down"\nlocal = "{self.down}"\nremote = "s3://{self.bucket}/{DOWN}"\n'
            'mode = "download"\ninterval = "1s"\n',
            env={"AWS_ACCESS_KEY_ID": ceph.access_key, "AWS_SECRET_ACCESS_KEY": ceph.secret_key},
        )
        self._account = folder / "account"
        self._stash = folder / "handed-in"
        self._random = random.Random(folder.name)
        self._number = 0

    # --- load ---

    def hand_in(self, count: int = 1) -> None:
        """Write finished files and move them in; each is in the account first."""
        for _ in range(count):
            self._number += 1
            path = f"{self._random.choice(('', 'a/', 'ä b/'))}{self._number:05d}.log"
            content = f"{path} ".encode() + self._random.randbytes(self._random.choice((0, 500, 20_000, 300_000)))
            self._stash.write_bytes(content)
            with self._account.open("a") as account:
                account.write(f"{hashlib.sha256(content).hexdigest()} {path}\n")
                account.flush()
                os.fsync(account.fileno())
            target = self.host.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(self._stash, target)

    def put(self, count: int = 1) -> None:
        """Somebody else writes objects below `down/`, as far as the store lets them."""
        for _ in range(count):
            self._number += 1
            path, content = f"{self._number:05d}.txt", self._random.randbytes(5_000)
            with suppress(BotoCoreError, ClientError):
                self.client.put_object(Bucket=self.bucket, Key=f"{DOWN}{path}", Body=content, IfNoneMatch="*")
                self.fetched[path] = hashlib.sha256(content).hexdigest()

    @contextmanager
    def under_load(self, *, pace_s: float = 0.1) -> Iterator[None]:
        """Files are handed in meanwhile."""
        over = threading.Event()

        def load() -> None:
            while not over.wait(pace_s):
                self.hand_in()

        with ThreadPoolExecutor(1) as threads:
            loading = threads.submit(load)
            try:
                yield
            finally:
                over.set()
            loading.result()

    # --- what is ---

    def account(self) -> dict[str, str]:
        """Path to SHA-256 of everything that was handed in."""
        rows = (line.split(" ", 1) for line in self._account.read_text().splitlines())
        return {path: digest for digest, path in rows}

    def stored(self, under: str = UP) -> dict[str, str]:
        """Path to SHA-256 of what is there whole, by a plain client; ours left out."""
        found = {}
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=under):
            for row in page.get("Contents", ()):
                if ".syncd/" not in row["Key"]:
                    body = self.client.get_object(Bucket=self.bucket, Key=row["Key"])["Body"].read()
                    found[row["Key"].removeprefix(under)] = hashlib.sha256(body).hexdigest()
        return found

    def here(self) -> set[str]:
        """The SHA-256 of what lies here: under its name, or aside on its way out."""
        aside = (self.host.root / ".syncd" / name for name in ("cleaning", "trash"))
        return {digest for folder in (self.host.root, *aside) for _, digest in digests(folder)}

    def section(self, name: str = "logs") -> dict[str, Any]:
        """A pair's row of the status."""
        rows: list[dict[str, Any]] = self.host.status()["pairs"]
        return next(row for row in rows if row["name"] == name)

    def troubles(self) -> Counter[str]:
        """The lines of warning or worse that a person was shown, by event."""
        return Counter(row["event"] for row in self.host.events() if row["level"] not in {"debug", "info"})

    # --- what must hold ---

    def nothing_is_lost(self) -> None:
        """At any time: what does not lie here is whole on S3 under its name."""
        here, stored = self.here(), self.stored()
        lost = {path for path, digest in self.account().items() if digest not in here and stored.get(path) != digest}
        assert not lost, f"neither here nor on S3: {sorted(lost)[:5]}"

    def comes_to_rest(self, *, within: float) -> None:
        """Alone: all is on S3, nothing is left here, what was put is here, and the daemon says that it is well."""

        def rested() -> bool:
            left = [*walk(self.host.root), *walk(self.host.root / ".syncd" / "cleaning")]
            return not left and dict(digests(self.down)) == self.fetched and self.host.status()["health"] == "ok"

        eventually(rested, within=within, what=self.said, every=0.5)
        assert self.stored() == self.account()

    def nothing_was_sent_twice(self) -> None:
        """The store took each file once, whatever became of its answer."""
        taken = Counter(
            unquote(urlsplit(row.target).path)
            for row in self.proxy.answered
            if row.method == "PUT" and row.status == 200 and "/.syncd/" not in row.target
        )
        twice = {key: count for key, count in taken.items() if count > 1}
        assert not twice, f"stored more than once: {twice}"

    def said(self) -> str:
        """How it stands, for a failure's message."""
        left = sorted(walk(self.host.root))
        return f"{len(left)} left: {left[:5]}\n{self.host.ctl('status').said}\n{self.host.log.read_text()[-5000:]}"
