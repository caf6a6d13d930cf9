"""What the editors closed and touched, in an append-only file: the account that a synced world is held against."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A time during which a version was closed and nobody of ours touched it: from close to the next touch."""

    path: str
    host: str
    closed: float
    touched: float

    def alone_s(self, asleep: Sequence[tuple[float, float]]) -> float:
        """The longest of its parts in seconds, cut by the times (start, end) in which its daemon was not at work."""
        longest, begin = 0.0, self.closed
        for start, end in sorted(asleep):
            longest = max(longest, min(start, self.touched) - begin)
            begin = max(begin, end)
        return max(longest, self.touched - begin)


class Ledger:
    """An append-only file of what was closed and touched, fsynced line by line, shared by the editors.

    `once`: a content vanishes from one path a single time (with `deletes = "keep"` a second time means it).
    """

    def __init__(self, path: Path, *, once: bool) -> None:
        self._lock = threading.Lock()
        self._once = once
        self._gone: set[tuple[str, str]] = set()
        self._vanished: Counter[tuple[str, str]] = Counter()
        self._wrote: set[tuple[str, str]] = set()
        self._open: dict[str, tuple[str, str, float]] = {}
        self._stretches: dict[str, list[Stretch]] = defaultdict(list)
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)

    def may_vanish(self, host: str, path: str, digest: str) -> bool:
        """Whether this content may be taken away from the path; notes that it is."""
        with self._lock:
            if self._once and (path, digest) in self._gone:
                return False
            self._gone.add((path, digest))
            self._vanished[host, path] += 1
            return True

    def vanished(self, host: str, path: str) -> int:
        """How often that host saw the path vanish. Twice: what it held in between may never have been seen."""
        with self._lock:
            return self._vanished[host, path]

    def wrote(self, host: str, digest: str) -> bool:
        """Whether somebody at that host closed this version, or moved it to where it is."""
        with self._lock:
            return (host, digest) in self._wrote

    def closed(self, host: str, path: str, digest: str) -> None:
        """The version is whole at that path, from now on."""
        with self._lock:
            now = self._write("closed", host, path, digest)
            self._wrote.add((host, digest))
            self._open[digest] = (host, path, now)

    def touched(self, host: str, path: str, digest: str) -> None:
        """The editor is about to overwrite, move or remove it."""
        with self._lock:
            now = self._write("touched", host, path, digest)
            before = self._open.get(digest)
            if before is not None and before[0] == host:
                del self._open[digest]
                self._stretches[digest].append(Stretch(path=before[1], host=host, closed=before[2], touched=now))

    def stretches(self) -> dict[str, list[Stretch]]:
        """By digest; what nobody touched lasts for ever."""
        with self._lock:
            found = {digest: list(rows) for digest, rows in self._stretches.items()}
            for digest, (host, path, closed) in self._open.items():
                row = Stretch(path=path, host=host, closed=closed, touched=float("inf"))
                found.setdefault(digest, []).append(row)
        return found

    def _write(self, what: str, host: str, path: str, digest: str) -> float:
        now = time.time()
        row = {"at": now, "what": what, "host": host, "path": path, "sha256": digest}
        os.write(self._fd, (json.dumps(row) + "\n").encode())
        os.fsync(self._fd)
        return now
