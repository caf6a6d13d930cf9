"""Somebody who rewrites the files of a folder while they are archived, and remembers every version that he finished."""

from __future__ import annotations

import hashlib
import os
import random
import threading
from collections import defaultdict
from pathlib import Path

FOLDERS, FILES = 4, 25
SIZES = (0, 10, 3_000, 60_000)
PAUSES_S = (0.0, 0.02, 0.2)
PACE_S = 0.01


class Scribbler:
    """Use as a context manager: a thread writes until it is left. `versions`: SHA-256 by key, the last one last."""

    def __init__(self, folder: Path, beside: Path, *, seed: int) -> None:
        self.versions: dict[str, list[str]] = defaultdict(list)
        self._folder = folder
        self._beside = beside  # a name in the same file system, for files that are moved in
        self._chance = random.Random(seed)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._made = 0

    def __enter__(self) -> Scribbler:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._over.set()
        self._thread.join(20)

    def _run(self) -> None:
        while not self._over.wait(PACE_S):
            key = f"d{self._chance.randrange(FOLDERS)}/f{self._chance.randrange(FILES)}.log"
            path = self._folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            self._chance.choice((self._overwrite, self._move_in, self._append))(key, path)

    def _overwrite(self, key: str, path: Path) -> None:
        """In place, with a pause amid it. A version exists once it is closed, and nobody else closes it before."""
        content = self._content()
        half = len(content) // 2
        with path.open("wb", buffering=0) as file:
            file.write(content[:half])
            self._over.wait(self._chance.choice(PAUSES_S))
            file.write(content[half:])
            self._finished(key, content)

    def _move_in(self, key: str, path: Path) -> None:
        """A whole file replaces what is there."""
        content = self._content()
        self._beside.write_bytes(content)
        self._finished(key, content)
        os.rename(self._beside, path)

    def _append(self, key: str, path: Path) -> None:
        """At the end of what is there, in two pieces."""
        with path.open("ab+", buffering=0) as file:
            file.write(self._content())
            self._over.wait(self._chance.choice(PAUSES_S))
            file.write(self._content())
            file.seek(0)
            self._finished(key, file.read())

    def _content(self) -> bytes:
        self._made += 1
        return self._chance.randbytes(self._chance.choice(SIZES)) + f" version {self._made}".encode()

    def _finished(self, key: str, content: bytes) -> None:
        """Noted while the file is open still, so before anybody may take it."""
        self.versions[key].append(hashlib.sha256(content).hexdigest())
