"""Disks that fail: the n-th write, fsync or rename of each kind of work; no room for bytes, names or descriptors.

One item fails in words, the others go on, nothing half is left under a final name; once the disk is well again all
comes right by itself, and no version was lost.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.archiver_host import AT_ONCE, ArchiverHost
from support.daemon_process import Host
from support.faulty_disk import DiskFault, FaultyDisk
from support.moto import MotoServer
from support.processes import eventually
from support.safekeeping import Versions, files_in, stored

MakeHost = Callable[..., Host]

pytestmark = pytest.mark.root

NAMES = ("a", "b", "c")
SIZE = 300_000  # several writes
PAIR = 'settle = "0s"\nkeep_versions = "all"\ndeletes = "propagate"\nmax_delete = "off"\n'
OFTEN = 'interval = "1s"\n'
WITHIN = 90.0

FULL = "the disk is full"
FAILED = "the disk failed to read or write"


class Bench:
    """A daemon whose root lies on a disk that fails when told, and all that was made in that root and its bucket."""

    def __init__(self, folder: Path, server: MotoServer, disk: FaultyDisk, *, mode: str, pair: str) -> None:
        self.server = server
        self.bucket = server.new_bucket(f"disk-{os.urandom(6).hex()}")
        self.disk = disk
        self.versions = Versions()
        self.host = Host(folder / "host", server.endpoint, remote=f"s3://{self.bucket}/p/", mode=mode, pair=pair)
        self.host.root = disk.path / "hot"
        self.host.root.mkdir()
        self.host.configure()

    def write(self, folder: str) -> dict[str, bytes]:
        """New files in that folder."""
        made = self._made(folder, "here")
        for name, content in made.items():
            self.host.write(name, content)
        return made

    def store(self, folder: str, generation: str) -> dict[str, bytes]:
        """New objects below that folder."""
        made = self._made(folder, generation)
        for name, content in made.items():
            self.server.client().put_object(Bucket=self.bucket, Key=f"p/{name}", Body=content)
        return made

    def stored_and_come(self, folder: str) -> None:
        """Objects that the daemon has brought down."""
        made = self.store(folder, "first")
        eventually(lambda: self.here(folder) == made, within=WITHIN, what=self.host.log.read_text)

    def here(self, folder: str) -> dict[str, bytes]:
        """The files in that folder."""
        return {f"{folder}/{name}": content for name, content in files_in(self.host.root / folder).items()}

    def there(self, folder: str) -> dict[str, bytes]:
        """The objects below it."""
        found = stored(self.server.client(), self.bucket, f"p/{folder}/")
        return {f"{folder}/{name}": content for name, content in found.items()}

    def _made(self, folder: str, generation: str) -> dict[str, bytes]:
        def content(name: str) -> bytes:
            seed = f"{name} in {folder}, {generation}; ".encode()
            return self.versions.made(f"{folder}/{name} ({generation})", (seed * (SIZE // len(seed) + 1))[:SIZE])

        return {f"{folder}/{name}": content(name) for name in NAMES}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A fault that is met once. `words`: how its failure is told; "": it is none. {} in `path` is the row's folder."""

    call: str
    path: str
    words: str = FAILED
    error: int = errno.EIO
    skip: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One kind of work. `before`: what must stand before the fault; `begin` asks for it and says when it is done."""

    before: Callable[[Bench, str], object]
    begin: Callable[[Bench, str], Callable[[], bool]]
    rows: tuple[Row, ...]
    mode: str = "bidirectional"
    pair: str = PAIR + OFTEN


def come_down(bench: Bench, folder: str) -> Callable[[], bool]:
    made = bench.store(folder, "second")
    return lambda: bench.here(folder) == made == bench.there(folder)


def go_up(bench: Bench, folder: str) -> Callable[[], bool]:
    made = bench.write(folder)
    return lambda: bench.here(folder) == made == bench.there(folder)


def go(bench: Bench, folder: str) -> Callable[[], bool]:
    for name in NAMES:
        bench.server.client().delete_object(Bucket=bench.bucket, Key=f"p/{folder}/{name}")
    return lambda: bench.here(folder) == {} == bench.there(folder)


def be_cleaned(bench: Bench, folder: str) -> Callable[[], bool]:
    made = bench.write(folder)
    staged = bench.host.root / ".syncd" / "cleaning"
    return lambda: bench.here(folder) == {} and bench.there(folder) == made and not list(staged.iterdir())


def nothing(bench: Bench, folder: str) -> None:
    """Nothing stands before it."""


TMP = r"\.syncd/tmp/"
WORKS = {
    "download": Work(
        before=nothing,
        begin=come_down,
        rows=(
            Row(call="create", path=TMP, error=errno.ENOSPC, words=FULL),
            Row(call="write", path=TMP, error=errno.ENOSPC, words=FULL, skip=2),
            Row(call="write", path=TMP, skip=4),
            Row(call="fsync", path=TMP),
            Row(call="flush", path=TMP, error=errno.EDQUOT, words="the disk quota is used up"),
            Row(call="utimens", path=TMP),
            Row(call="rename", path=TMP),
            Row(call="mkdir", path="/hot/{}$", error=errno.ENOSPC, words=FULL),
            Row(call="fsyncdir", path="/hot/{}$"),
        ),
    ),
    "replace": Work(
        before=Bench.stored_and_come,
        begin=come_down,
        rows=(
            Row(call="rename", path=r"\.syncd/trash/"),  # the exchange itself
            Row(call="fsyncdir", path="/hot/{}$"),
            Row(call="flush", path="/hot/{}/", words=""),  # close after reading: the bytes were had
        ),
    ),
    "upload": Work(
        before=nothing,
        begin=go_up,
        rows=(Row(call="open", path="/hot/{}/"), Row(call="read", path="/hot/{}/")),
        pair=PAIR + OFTEN + "watch = false\n",
    ),
    "propagated deletion": Work(
        before=Bench.stored_and_come,
        begin=go,
        rows=(Row(call="rename", path="/hot/{}/"), Row(call="fsyncdir", path=r"\.syncd/trash")),
    ),
    "cleanup": Work(
        before=nothing,
        begin=be_cleaned,
        rows=(
            Row(call="rename", path="/hot/{}/"),
            Row(call="read", path="cleaning"),
            Row(call="unlink", path="cleaning"),
        ),
        mode="upload",
        pair=f'settle = "0s"\nkeep_versions = "all"\ncleanup = true\n{OFTEN}',
    ),
}


@pytest.mark.parametrize("name", WORKS)
def test_a_disk_that_fails_once_fails_one_item_in_words_and_it_comes_right_by_itself(
    s3: MotoServer, tmp_path: Path, name: str
) -> None:
    work = WORKS[name]
    with FaultyDisk(tmp_path / "disk") as disk:
        bench = Bench(tmp_path, s3, disk, mode=work.mode, pair=work.pair)
        host = bench.host
        try:
            host.start()
            for number, row in enumerate(work.rows):
                fail_once(bench, work, row, f"{number}-{row.call}")
            assert host.stop(within=60) == 0
        finally:
            host.close()
        assert not host.events("worker.crashed")
        assert not list((host.root / ".syncd" / "tmp").iterdir())
        assert bench.versions.lost([host.root], s3.client(), bench.bucket) == []


def fail_once(bench: Bench, work: Work, row: Row, folder: str) -> None:
    """Do the work in that folder with the fault on its way, until it is done."""
    work.before(bench, folder)
    told = len(failures(bench.host))
    met = bench.disk.hits()
    fault = DiskFault(call=row.call, path=row.path.format(folder), error=row.error, skip=row.skip, times=1)
    bench.disk.fail(fault)
    mark = bench.server.mark()
    done = work.begin(bench, folder)
    what = f"{folder}: {row}"
    eventually(lambda: bench.disk.hits() == met + 1, within=WITHIN, what=lambda: f"not met, {what}", every=0.2)
    eventually(done, within=WITHIN, what=lambda: f"{what}\n{bench.host.log.read_text()}", every=0.2)
    fresh = failures(bench.host)[told:]
    if row.words:
        assert [event for event in fresh if row.words in event["error"] and event["hint"]], (what, fresh)
        paths = {event.get("path") for event in fresh}
        assert len(paths) == 1, f"{what}: the others were not left alone: {fresh}"
    puts = Counter(path for kind, path, _ in bench.server.log(mark) if kind == "PUT" and f"/p/{folder}/" in path)
    assert all(count == 1 for count in puts.values()), f"{what}: sent again what was there: {puts}"


def failures(host: Host) -> list[dict[str, Any]]:
    """What was told of items and passes that failed."""
    return [*host.events("transfer.failed"), *host.events("cycle.failed")]


def test_a_folder_that_cannot_be_read_is_not_taken_for_an_empty_one(s3: MotoServer, tmp_path: Path) -> None:
    with FaultyDisk(tmp_path / "disk") as disk:
        bench = Bench(tmp_path, s3, disk, mode="bidirectional", pair=PAIR)
        made = bench.write("d")
        assert bench.host.once().code == 0
        disk.fail(DiskFault(call="readdir", path="/hot/d$"))
        answer = bench.host.once()
        assert answer.code == 4, answer.said
        assert bench.there("d") == made
        disk.mend()
        assert bench.host.once().code == 0
        assert bench.there("d") == made == bench.here("d")


# --- the archiver, its originals and its spool --------------------------------------------------------------------


ARCHIVES = (
    DiskFault(call="read", path="hot/.*/{}/", times=1),
    DiskFault(call="rename", path="hot/.*/{}/", times=1),
    DiskFault(call="unlink", path="hot/.*cleaning", times=1),
    DiskFault(call="create", path="spool/", error=errno.ENOSPC, times=1),
    DiskFault(call="write", path="spool/", error=errno.ENOSPC, times=1),
    DiskFault(call="fsync", path="spool/", times=1),
    DiskFault(call="flush", path=r"spool/.*\.tar", times=1),
    DiskFault(call="read", path="spool/", times=1),
    DiskFault(call="unlink", path="spool/", times=1),
)


def test_an_archiver_whose_disk_fails_once_archives_all_the_same(s3: MotoServer, tmp_path: Path) -> None:
    bucket, versions = s3.new_bucket(f"disk-{os.urandom(6).hex()}"), Versions()
    with FaultyDisk(tmp_path / "disk") as disk:
        host = ArchiverHost(tmp_path / "host", s3.endpoint, batch=f'{AT_ONCE}spool = "{disk.path}/spool"\n')
        host.root = disk.path / "hot"
        (host.root / bucket).mkdir(parents=True)
        host.configure()
        try:
            host.start()
            for number, fault in enumerate(ARCHIVES):
                folder = f"{number}-{fault.call}"
                disk.fail(replace(fault, path=fault.path.format(folder)))
                for name in NAMES:
                    host.write(f"{bucket}/{folder}/{name}", versions.made(name, f"{folder} {name}".encode() * 5000))
                eventually(partial(met, disk, number + 1), within=WITHIN, what=f"{fault} was never met", every=0.2)
                eventually(lambda: through(host, disk, bucket), within=WITHIN, what=host.log.read_text, every=0.2)
            assert host.stop(within=60) == 0
        finally:
            host.close()
        assert not host.events("worker.crashed")
        assert versions.lost([host.root / bucket], s3.client(), bucket) == []
        assert {event["hint"] for event in host.events("archive.failed")} != {""}


def met(disk: FaultyDisk, times: int) -> bool:
    """Whether so many calls failed by now."""
    return disk.hits() == times


def through(host: ArchiverHost, disk: FaultyDisk, bucket: str) -> bool:
    """Whether nothing is left of it: no original, nothing staged, nothing in the spool."""
    return not host.left(bucket) and not host.staged(bucket) and not list((disk.path / "spool").iterdir())
