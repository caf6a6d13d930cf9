"""A corpus that is archived by a daemon which is killed again and again, and what must hold each time it lies dead.

The requests go through a proxy, so that a death can be timed by them. A failure names the seed: CHAOS_SEED=0x...
repeats its choices.
"""

from __future__ import annotations

import hashlib
import os
import random
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.archive_reader import BucketReader, Copy, folder_of
from support.archiver_host import ArchiverHost
from support.churn import digests, walk
from support.corpus import copy_regular
from support.daemon_process import SYNCD
from support.moto import CREDENTIALS
from support.processes import Process, eventually
from support.proxy import Proxy

LONGEST_S = 2.5
"""Of a life, from its first request, and a second more for each 5,000 files of the corpus."""

STILLBORN_S = 1.5
"""Of a life that may end before its first request."""

REQUESTS = 3
"""About so many for an archive."""

PATIENCE_S = 10.0
RUN_OVER = "cycle.finished"


def seed_for_chaos() -> int:
    """CHAOS_SEED, or another one each time."""
    given = os.environ.get("CHAOS_SEED")
    return int(given, 16) if given else secrets.randbits(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """What a file was before the archiver saw it."""

    sha256: str
    size: int
    mtime_ns: int
    mode: int


class Chaos:
    """A corpus beside the bucket's folder, moved in bit by bit, and the daemon that archives it.

    `most`: so many of its files, None: all. It may be 0, for a test with files of its own.
    """

    def __init__(
        self, host: ArchiverHost, client: Any, bucket: str, proxy: Proxy, *, seed: int, most: int | None
    ) -> None:
        self.host = host
        self.bucket = bucket
        self.reader = BucketReader(client, bucket)
        self.chance = random.Random(seed)
        self.folder = host.root / bucket
        self.proxy = proxy
        self._incoming = host.folder / "incoming"  # in the same file system: files move in from there
        self._incoming.mkdir()
        if most != 0:
            copy_regular(self._incoming, most=most)
        self.originals = dict(_originals(self._incoming))
        self._longest_s = LONGEST_S + len(self.originals) / 5000
        self._most_requests = REQUESTS
        self.folder.mkdir()

    # --- files ---

    def portions(self, count: int) -> list[list[str]]:
        """All keys in so many heaps of about equal size. Most key folders stay whole, a large one is split."""
        by_folder: dict[str, list[str]] = {}
        for key in sorted(self.originals):
            by_folder.setdefault(folder_of(key), []).append(key)
        most = max(1, len(self.originals) // (2 * count))
        pieces = [keys[at : at + most] for keys in by_folder.values() for at in range(0, len(keys), most)]
        self.chance.shuffle(pieces)
        self._most_requests = REQUESTS * max(1, len(pieces) // count)
        return [[key for piece in pieces[number::count] for key in piece] for number in range(count)]

    def incoming(self, key: str) -> Path:
        """Where a file lies before it is moved in."""
        return self._incoming / key

    def move_in(self, keys: Iterable[str]) -> None:
        """Rename files into the bucket's folder, as whoever hands in finished ones does."""
        for key in keys:
            target = self.folder / key
            target.parent.mkdir(parents=True, exist_ok=True)
            os.rename(self.incoming(key), target)

    def hand_in(self, key: str, content: bytes) -> None:
        """One more original, not of the corpus, finished elsewhere and moved in."""
        self.incoming(key).parent.mkdir(parents=True, exist_ok=True)
        self.incoming(key).write_bytes(content)
        self.originals |= {key: one for key, one in _originals(self._incoming) if key not in self.originals}
        self.move_in([key])

    # --- lives ---

    def live_and_die(self) -> str:
        """Start the daemon and kill it at a random moment; says which."""
        host, began = self.host, len(self.proxy.seen)
        host.process = Process([*SYNCD, "--config", host.config], log=host.log, env={**CREDENTIALS, **host.env})
        born = time.monotonic()
        how = self.chance.choices(("stillborn", "time", "requests"), (1, 4, 5))[0]
        if how == "stillborn":
            threading.Event().wait(self.chance.uniform(0, STILLBORN_S))
        elif how == "time":
            self._until(lambda: len(self.proxy.seen) > began)
            threading.Event().wait(self.chance.uniform(0, self._longest_s))
        else:
            number = self.chance.randint(1, self._most_requests)
            self._until(lambda: len(self.proxy.seen) >= began + number)
        assert host.process.running, host.process.said()
        host.process.kill()
        return f"{how}, after {time.monotonic() - born:.2f} s and {len(self.proxy.seen) - began} requests"

    def _until(self, condition: Callable[[], bool]) -> None:
        """Until it is so, but not for ever: a life with little to do sends few requests."""
        deadline = time.monotonic() + PATIENCE_S
        pause = threading.Event()
        while not condition() and time.monotonic() < deadline:
            pause.wait(0.001)

    def survive(self, kills: int, *, meanwhile: Callable[[int], None] = lambda kill: None) -> None:
        """Feed and kill it so often; each time it lies dead, nothing is gone that is not in a proven archive.

        `meanwhile` is told the number of the kill that comes next.
        """
        *portions, last = self.portions(kills + 1)
        for number, portion in enumerate(portions, 1):
            meanwhile(number)
            self.move_in(portion)
            how = self.live_and_die()
            left = self.check_nothing_is_lost()
            print(
                f"kill {number} ({how}): {left} left, {len(self.host.staged(self.bucket))} staged, "
                f"{len(self.host.spooled())} in the spool, {len(self.reader.proven)} archives proven, "
                f"{len(self.reader.unproven)} not",
                file=sys.stderr,
            )
        self.move_in(last)

    def finish(self, *, within: float, staying: frozenset[str] = frozenset()) -> None:
        """Start it for good; wait until nothing but those files is left in the folder, nor in staging or spool."""
        self.host.start()
        self.until_left(staying, within=within)

    def until_left(self, staying: frozenset[str], *, within: float) -> None:
        """Wait until exactly those originals are left."""

        def through() -> bool:
            left = self.left()
            return left == staying and not self.host.staged(self.bucket) and not self.host.spooled()

        eventually(through, within=within, what=self._said, every=0.25)

    def runs(self, count: int) -> None:
        """Wait until the daemon has gone through the folder so often again."""
        seen = len(self.host.events(RUN_OVER))
        eventually(lambda: len(self.host.events(RUN_OVER)) >= seen + count, within=60, what=self._said)

    def left(self) -> set[str]:
        """The keys of the originals that lie in the folder."""
        return set(walk(self.folder))

    def eventually_indexed(self, documents: Callable[[], int], *, within: float) -> None:
        """Wait until the index holds as many documents as there are originals, and nothing waits for it."""

        def through() -> bool:
            return documents() >= len(self.originals) and self.host.batch()["index"]["queued"] == 0

        eventually(through, within=within, what=lambda: f"{documents()} documents\n{self._said()}", every=0.5)

    def _said(self) -> str:
        left = sorted(walk(self.folder))
        return (
            f"{len(left)} left: {left[:5]}; staged {self.host.staged(self.bucket)[:5]}; "
            f"spool {self.host.spooled()[:5]}\n{self.host.ctl('status').said}\n{self.host.log.read_text()[-6000:]}"
        )

    # --- what must hold ---

    def check_nothing_is_lost(self) -> int:
        """At any time: an original lies where it lay, or in exactly one proven archive. Returns how many lie there."""
        there = set(walk(self.folder)) | set(walk(self._incoming))
        self.reader.look()
        copies = self.reader.copies()
        self._no_copy_differs(copies)
        gone = [key for key in self.originals if key not in there and key not in copies]
        assert not gone, f"{len(gone)} originals are gone and in no proven archive: {gone[:5]}"
        return len(there & set(self.originals)) - len(set(walk(self._incoming)))

    def check_all_is_archived(self, *, staying: frozenset[str] = frozenset()) -> None:
        """At the end: each original is in exactly one proven archive, but those, which lie there unchanged."""
        self.reader.look()
        assert not self.reader.unproven, f"archives without a manifest: {sorted(self.reader.unproven)}"
        assert not self.reader.alone, f"went up alone: {sorted(self.reader.alone)[:5]}"
        copies = self.reader.copies()
        self._no_copy_differs(copies)
        assert set(copies) == set(self.originals) - staying
        left = dict(digests(self.folder))
        assert left == {key: self.originals[key].sha256 for key in staying}

    def check_tar_lists_them(self) -> None:
        """`tar tf` of each archive names its members, and then its manifest."""
        for key, archive in self.reader.proven.items():
            names = [copy.key for copy in archive.copies] + [f".syncd/manifest-{archive.uuid}.json"]
            assert self.reader.listed_by_tar(key) == names

    def check_restored(self, folder: Path) -> None:
        """What was brought back below that folder is what it was, with its time, and nothing else is there."""
        back = dict(_originals(folder))
        assert set(back) == set(self.originals)
        differing = [key for key, one in back.items() if one != self.originals[key]]
        assert not differing, [(key, back[key], self.originals[key]) for key in differing[:3]]

    def _no_copy_differs(self, copies: Mapping[str, list[Copy]]) -> None:
        for key, held in copies.items():
            assert len(held) == 1, f"{key} is in {len(held)} archives: {[copy.archive for copy in held]}"
            one, original = held[0], self.originals[key]
            seen = Original(sha256=one.sha256, size=one.size, mtime_ns=one.mtime_ns, mode=one.mode)
            assert seen == original, f"{key} in {one.archive}: {seen}, not {original}"


def _originals(folder: Path) -> Iterator[tuple[str, Original]]:
    for key in walk(folder):
        path = folder / key
        stat = path.stat()
        yield (
            key,
            Original(
                sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
                size=stat.st_size,
                mtime_ns=stat.st_mtime_ns,
                mode=stat.st_mode & 0o7777,
            ),
        )


@contextmanager
def holding(files: Iterable[Path], *, log: Path) -> Iterator[None]:
    """Another process has these files open for reading, meanwhile."""
    names = log.with_suffix(".names")
    names.write_bytes(b"\0".join(os.fsencode(file) for file in files))
    program = (
        "import signal, sys\n"
        "held = [open(name, 'rb') for name in open(sys.argv[1], 'rb').read().split(b'\\0')]\n"
        "print('held', len(held), flush=True)\n"
        "signal.pause()\n"
    )
    holder = Process([sys.executable, "-c", program, names], log=log)
    try:
        eventually(lambda: "held" in holder.said(), within=20, what=holder.said)
        yield
        assert holder.running, holder.said()
    finally:
        holder.signal(signal.SIGKILL)
        holder.kill()
