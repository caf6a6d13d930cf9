"""Small files handed in to a batch's folder all the while, and the account of them: each in one proven archive."""

from __future__ import annotations

import hashlib
import os
import random
import threading
from typing import Any

from support.archive_reader import BucketReader
from support.archiver_host import AT_ONCE
from support.churn import walk
from support.daemon_process import Host
from support.processes import eventually

FOLDERS = ("", "day/", "ä/deep/")


class ArchiveFeed:
    """Writes into `<folder>/small/<bucket>` of a host whose configuration has `section`. Finished files move in."""

    def __init__(self, host: Host, client: Any, bucket: str, *, seed: int) -> None:
        self.originals: dict[str, str] = {}
        self._root = host.folder / "small"
        self._folder = self._root / bucket
        self._stash = host.folder / "handed-in"
        self._spool = host.state / "spool"
        self._reader = BucketReader(client, bucket)
        self._random = random.Random(f"{seed}/feed")
        self._folder.mkdir(parents=True)

    @property
    def section(self) -> str:
        """The `[[batch]]` for the host's configuration."""
        return f'[[batch]]\nname = "small"\nroot = "{self._root}"\n{AT_ONCE}'

    def run(self, over: threading.Event) -> None:
        """Hand in files until it is over."""
        while not over.wait(self._random.expovariate(4)):
            key = f"{self._random.choice(FOLDERS)}{len(self.originals):05d}.log"
            content = f"{key} ".encode() + self._random.randbytes(self._random.choice((10, 500, 20_000)))
            self._stash.write_bytes(content)
            self.originals[key] = hashlib.sha256(content).hexdigest()
            target = self._folder / key
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(self._stash, target)

    def check_all_is_archived(self, *, within: float) -> int:
        """Wait until nothing is left here; then each original is in exactly one proven archive. Returns how many."""
        eventually(lambda: not self._left(), within=within, what=lambda: f"not archived: {self._left()[:5]}", every=0.5)
        self._reader.look()
        assert not self._reader.unproven, f"archives without a manifest: {sorted(self._reader.unproven)}"
        copies = {key: [copy.sha256 for copy in held] for key, held in self._reader.copies().items()}
        assert copies == {key: [digest] for key, digest in self.originals.items()}, "originals and archives differ"
        return len(copies)

    def _left(self) -> list[str]:
        staged = self._folder / ".syncd" / "cleaning"
        return [*walk(self._folder), *(str(path) for path in staged.rglob("*") if path.is_file()), *walk(self._spool)]
