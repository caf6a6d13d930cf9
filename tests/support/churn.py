"""Random edits of a synced folder by somebody who remembers the SHA-256 of every version that they closed.

Digests are taken through the editor's own descriptor, so that they name what is in the inode, whatever a daemon puts
at the path meanwhile. No two versions are equal. The n-th operation of a seed is the same in every run: what it does,
the names it prefers and the bytes that it writes come from the seed and n alone.
"""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from support.ledger import Ledger

FOLDERS = ("", "logs/", "logs/2026/", "a b/", "ärger/tief/")
NAMES = ("x.log", "x.log.gz", "y.gz", "z", "ü.json", "w w.csv")
SMALLEST = 64
PIECE = 1 << 20


class Editor:
    """Works on one root, one random operation after the other, chosen from its seed. `pace_s` 0: without a pause."""

    def __init__(self, host: str, root: Path, stash: Path, ledger: Ledger, *, seed: int, pace_s: float) -> None:
        self.host = host
        self.root = root
        self.done = 0
        self._stash = stash  # beside the root, in its file system: files move in from there, and out
        self._ledger = ledger
        self._seed = seed
        self._random = random.Random(seed)
        self._pace_s = pace_s
        self._pause = threading.Event()
        self._made = 0
        self._operations = (
            *((self.write, 5), (self.overwrite, 3), (self.append, 3), (self.replace, 3), (self.save, 2)),
            *((self.rename, 2), (self.delete, 2), (self.move_out, 1), (self.rename_folder, 0.3), (self.rest, 3)),
        )

    def run(self, seconds: float) -> None:
        """Edit for so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.step()
            self._wait(self._random.expovariate(1 / self._pace_s))

    def step(self) -> None:
        """The next operation. Whatever became of those before, its choices are its own."""
        self._random = random.Random(f"{self._seed}/{self.done}")
        self._made = 0
        acts, weights = [act for act, _ in self._operations], [weight for _, weight in self._operations]
        act = self._random.choices(acts, weights)[0]
        with suppress(FileNotFoundError, NotADirectoryError, FileExistsError):  # the daemon was quicker
            act()
        self.done += 1

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
        """One of the files that are there: the one that this operation likes best, whatever else is there."""
        liking = self._random.getrandbits(64)
        return min(walk(self.root), key=lambda path: hashlib.sha256(f"{liking}/{path}".encode()).digest(), default=None)

    def _content(self, size: int | None = None) -> bytes:
        self._made += 1
        if size is None:
            size = self._random.choice((SMALLEST, 300, 5_000, 70_000, 400_000)) + self._random.randrange(50)
        mark = f"{self.host} {self.done}.{self._made} of {self._seed:x} ".encode()
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
        if self._pace_s:
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
