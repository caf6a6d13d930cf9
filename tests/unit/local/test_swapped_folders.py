"""A folder that becomes a symlink again and again, while files are written, moved and read below it."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from syncd.core.model import LocalStat
from syncd.core.paths import RelPath
from syncd.errors import ItemError, PairHalted, Stale
from syncd.local.openat2 import available, open_beneath, open_by_components
from syncd.local.renameat2 import Renames
from syncd.local.root import Root
from syncd.local.spot import Spot
from syncd.ports import Absent, Unchanged

OPENERS = [pytest.param(open_by_components, id="components")]
if available():
    OPENERS.append(pytest.param(open_beneath, id="openat2"))
SECONDS = 1.0
THEIRS = b"not ours to touch"
OURS = b"ours"


@contextmanager
def swapped(folder: Path, outside: Path) -> Iterator[None]:
    """The folder and a symlink to `outside` take turns under its name, as fast as they can, without a gap between."""
    ended = threading.Event()
    above = os.open(folder.parent, os.O_PATH | os.O_DIRECTORY)
    link = f"{folder.name}.link"
    os.symlink(os.path.relpath(outside, folder.parent), link, dir_fd=above)

    def swap() -> None:
        while not ended.is_set():
            Renames().exchange(Spot(above, folder.name), Spot(above, link))

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        os.close(above)


def copy_of(place: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file below it: inode, mtime, content. And no more than that."""
    return {
        str(file.relative_to(place)): (file.stat().st_ino, file.stat().st_mtime_ns, file.read_bytes())
        for file in sorted(place.rglob("*"))
        if file.is_file()
    }


def write(root: Root, path: RelPath, expect: Absent | Unchanged) -> None:
    with root.temporary() as temporary:
        temporary.write(OURS)
        temporary.finish(mtime_ns=10**18)
        root.place(temporary, path, expect=expect)


def everything_done_once(root: Root, path: RelPath, read: list[bytes]) -> Iterator[Callable[[], object]]:
    """One of each thing that a root can do with a path, each by itself."""
    yield lambda: write(root, path, Absent())
    stat = _stat(root, path)
    if stat is not None:
        yield lambda: write(root, path, Unchanged(stat))
        yield lambda: root.rename(path, RelPath(f"{path}.moved"), expect=stat)
        yield lambda: root.rename(RelPath(f"{path}.moved"), path, expect=stat)
        yield lambda: root.stage(path, expect=stat, durable=False)
        yield lambda: root.unstage(path)
        yield lambda: root.trash(path, expect=stat)
    trashed: list[str] = []
    yield lambda: trashed.extend(name for name, _ in root.trash_names())
    if trashed:
        yield lambda: root.untrash(trashed[0], path)

    def look() -> None:
        with root.open(path) as handle:
            read.append(handle.pread(100, 0))

    yield look
    yield lambda: root.open_elsewhere(path, for_writing=True)
    yield lambda: list(root.scan())


def _stat(root: Root, path: RelPath) -> LocalStat | None:
    with suppress(ItemError, Stale, PairHalted):
        return root.lstat(path)
    return None


@pytest.mark.parametrize("opener", OPENERS)
@pytest.mark.parametrize("which", ["d", "d/e", ".syncd/tmp", ".syncd/trash", ".syncd/cleaning", ".syncd"])
def test_nothing_outside_is_written_moved_or_read_whatever_becomes_a_symlink(
    tmp_path: Path, opener: object, which: str
) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    for folder in ("d/e", ".syncd/tmp", ".syncd/trash", ".syncd/cleaning"):
        (home / folder).mkdir(parents=True)
    for inner in ("", "e", "tmp", "trash", "cleaning"):
        (outside / inner).mkdir(parents=True, exist_ok=True)
        (outside / inner / "f").write_bytes(THEIRS)
    before = copy_of(outside)
    root = Root.at(home, opener=opener)  # type: ignore[arg-type]
    path, outcomes, read = RelPath("d/e/f"), Counter[str](), list[bytes]()
    until = time.monotonic() + SECONDS
    with swapped(home / which, outside):
        while time.monotonic() < until or not (outcomes["done"] and outcomes["refused"]):
            for call in everything_done_once(root, path, read):
                try:
                    call()
                    outcomes["done"] += 1
                except (ItemError, Stale, PairHalted):
                    outcomes["refused"] += 1
            assert time.monotonic() < until + 60, outcomes
    assert copy_of(outside) == before
    assert THEIRS not in read
    assert not [
        file for file in home.rglob("*") if file.is_file() and file.read_bytes() == THEIRS and not _through(file)
    ]


def _through(file: Path) -> bool:
    """Whether a symlink stands on the way: what is seen there is the outside itself."""
    return any(parent.is_symlink() for parent in (file, *file.parents))
