"""Random edits of a synced folder by somebody who remembers the SHA-256 of every version that they closed.

Digests are taken through the editor's own descriptor, so that they name what is in the inode, whatever a daemon puts
at the path meanwhile. No two versions are equal.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

FOLDERS = ("", "logs/", "logs/2026/", "a b/", "ärger/tief/")
NAMES = ("x.log", "x.log.gz", "y.gz", "z", "ü.json", "w w.csv")
SMALLEST = 64
PIECE = 1 << 20


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

    def meant(self, host: str, path: str) -> bool:
        """Whether that host saw the path vanish twice: what it held in between may never have been seen."""
        with self._lock:
            return self._vanished[host, path] > 1

    def closed(self, host: str, path: str, digest: str) -> None:
        """The version is whole at that path, from now on."""
        with self._lock:
            now = self._write("closed", host, path, digest)
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


class Editor:
    """Works on one root, one random operation after the other, all chosen from its seed."""

    def __init__(self, host: str, root: Path, stash: Path, ledger: Ledger, *, seed: int, pace_s: float) -> None:
        self.host = host
        self.root = root
        self.done = 0
        self._stash = stash  # beside the root, in its file system: files move in from there, and out
        self._ledger = ledger
        self._random = random.Random(seed)
        self._pace_s = pace_s
        self._pause = threading.Event()
        self._made = 0

    def run(self, seconds: float) -> None:
        """Edit for so long."""
        until = time.monotonic() + seconds
        operations = (
            *((self.write, 5), (self.overwrite, 3), (self.append, 3), (self.replace, 3), (self.save, 2)),
            *((self.rename, 2), (self.delete, 2), (self.move_out, 1), (self.rename_folder, 0.3), (self.rest, 3)),
        )
        acts, weights = [act for act, _ in operations], [weight for _, weight in operations]
        while time.monotonic() < until:
            act = self._random.choices(acts, weights)[0]
            with suppress(FileNotFoundError, NotADirectoryError, FileExistsError):  # the daemon was quicker
                act()
            self.done += 1
            self._wait(self._random.expovariate(1 / self._pace_s))

    # --- operations ---

    def write(self) -> None:
        """Write a file from the start, in place, with pauses: `>`."""
        path = self._a_name()
        with self._opened(path) as file:
            os.ftruncate(file.fd, 0)
            for piece in self._pieces(self._content()):
                file.put(piece)

    def overwrite(self) -> None:
        """Other bytes in the midst of a file, its size unchanged; sometimes with its old time set back."""
        path = self._an_old_name()
        if path is None:
            return
        with self._opened(path) as file:
            before = os.fstat(file.fd)
            at = self._random.randrange(max(1, before.st_size - SMALLEST))
            os.pwrite(file.fd, self._content(SMALLEST), at)
            if self._random.random() < 0.3:
                os.utime(file.fd, ns=(before.st_atime_ns, before.st_mtime_ns))

    def append(self) -> None:
        """More at the end: `>>`."""
        path = self._an_old_name()
        if path is None:
            return
        with self._opened(path) as file:
            os.lseek(file.fd, 0, os.SEEK_END)
            for piece in self._pieces(self._content(self._random.randrange(SMALLEST, 2000))):
                file.put(piece)

    def replace(self) -> None:
        """A finished file moves in from elsewhere, often over another."""
        content = self._content()
        source = self._stash / "new"
        source.write_bytes(content)
        self._move_in(source, self._a_name(), hashlib.sha256(content).hexdigest())

    def save(self) -> None:
        """As editors do: a temporary name beside it, then a rename over it."""
        path = self._a_name()
        beside = f"{path}.part"
        with self._opened(beside) as file:
            os.ftruncate(file.fd, 0)
            file.put(self._content())
        if self._ledger.may_vanish(self.host, beside, file.digest):
            self._ledger.touched(self.host, beside, file.digest)
            self._move_in(self.root / beside, path, file.digest)

    def rename(self) -> None:
        """A file gets another name, sometimes a taken one."""
        path = self._an_old_name()
        if path is None:
            return
        target = self._a_name()
        if target == path:
            return
        with self._held(path) as digest:
            if not self._ledger.may_vanish(self.host, path, digest):
                return
            self._ledger.touched(self.host, path, digest)
            self._move_in(self.root / path, target, digest)

    def delete(self) -> None:
        """A file is removed."""
        path = self._an_old_name()
        if path is None:
            return
        with self._held(path) as digest:
            if not self._ledger.may_vanish(self.host, path, digest):
                return
            self._ledger.touched(self.host, path, digest)
            os.unlink(self.root / path)

    def move_out(self) -> None:
        """A file leaves the root."""
        path = self._an_old_name()
        if path is None:
            return
        with self._held(path) as digest:
            if not self._ledger.may_vanish(self.host, path, digest):
                return
            self._ledger.touched(self.host, path, digest)
            os.rename(self.root / path, self._stash / "out")

    def rename_folder(self) -> None:
        """A whole folder gets another name."""
        folder = self._random.choice([name for name in FOLDERS if name])[:-1]
        target = f"{folder} {self._random.randrange(3)}"
        if (self.root / target).exists():
            return
        before = {path: digest for path, digest in digests(self.root) if path.startswith(f"{folder}/")}
        if not all(self._ledger.may_vanish(self.host, path, digest) for path, digest in before.items()):
            return
        for path, digest in before.items():
            self._ledger.touched(self.host, path, digest)
        os.rename(self.root / folder, self.root / target)
        for path, digest in digests(self.root):
            if path.startswith(f"{target}/") and digest in before.values():
                self._ledger.closed(self.host, path, digest)

    def rest(self) -> None:
        """Long enough for everything to settle, now and then."""
        self._wait(self._random.choice((0.2, 0.7, 1.5)))

    # --- parts of them ---

    def _a_name(self) -> str:
        return self._random.choice(FOLDERS) + self._random.choice(NAMES)

    def _an_old_name(self) -> str | None:
        names = sorted(path for path in walk(self.root))
        return self._random.choice(names) if names else None

    def _content(self, size: int | None = None) -> bytes:
        self._made += 1
        if size is None:
            size = self._random.choice((SMALLEST, 300, 5_000, 70_000, 400_000)) + self._random.randrange(50)
        mark = f"{self.host} {self._made} {time.time_ns()} ".encode()
        return (mark + self._random.randbytes(size))[:size]

    def _pieces(self, content: bytes) -> Iterator[bytes]:
        """The content as a slow writer gives it, at times with a pause that is longer than `settle`."""
        cut = self._random.randrange(len(content))
        for piece in (content[:cut], content[cut:]):
            yield piece
            if self._random.random() < 0.3:
                self._wait(self._random.choice((0.01, 0.1, 0.8)))

    def _opened(self, path: str) -> Writing:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        return Writing(self.host, self.root, path, self._ledger)

    def _held(self, path: str) -> Holding:
        return Holding(self.root / path)

    def _move_in(self, source: Path, path: str, digest: str) -> None:
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError), self._held(path) as over:
            self._ledger.touched(self.host, path, over)
        os.rename(source, target)
        self._ledger.closed(self.host, path, digest)

    def _wait(self, seconds: float) -> None:
        self._pause.wait(seconds)


class Holding:
    """A file held open for reading while something happens to its name: its digest is that of what was there."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._fd = -1

    def __enter__(self) -> str:
        self._fd = os.open(self._file, os.O_RDONLY)
        return digest_of(self._fd)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)


class Writing:
    """A file open for writing: what it held is touched at the start, what it holds is closed at the end."""

    def __init__(self, host: str, root: Path, path: str, ledger: Ledger) -> None:
        self.fd = -1
        self.digest = ""
        self._host = host
        self._file = root / path
        self._path = path
        self._ledger = ledger

    def __enter__(self) -> Writing:
        self.fd = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o644)
        self._ledger.touched(self._host, self._path, digest_of(self.fd))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.digest = digest_of(self.fd)
        os.close(self.fd)
        self._ledger.closed(self._host, self._path, self.digest)

    def put(self, piece: bytes) -> None:
        """Write at the descriptor's own place."""
        os.write(self.fd, piece)


def digest_of(fd: int) -> str:
    """The SHA-256 of all that is in an open file, wherever the descriptor stands."""
    digest, at = hashlib.sha256(), 0
    while piece := os.pread(fd, PIECE, at):
        digest.update(piece)
        at += len(piece)
    return digest.hexdigest()


def walk(root: Path) -> Iterator[str]:
    """The paths of all files below a root, `.syncd` left out."""
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if name != ".syncd"]
        for name in files:
            yield os.path.relpath(os.path.join(folder, name), root)


def digests(root: Path) -> Iterator[tuple[str, str]]:
    """(path, SHA-256) of all files below a root, `.syncd` left out. What goes away meanwhile is left out."""
    for path in walk(root):
        with suppress(FileNotFoundError, NotADirectoryError), (root / path).open("rb") as file:
            yield path, digest_of(file.fileno())
