"""Thousands of real small files in deep folders: the compressed documentation of this machine."""

from __future__ import annotations

import gzip
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

SOURCES = (Path("/usr/share/doc"), Path("/usr/share/man"))
ENOUGH = 3000
"""So many files are a corpus; a machine with fewer is stripped of its docs, and gets made ones."""


def copy_corpus(root: Path, *, most: int | None) -> int:
    """Fill a folder with real files (their own times kept), evenly chosen where there are more than `most`.

    Where docs are stripped, with made ones. Returns how many there are.
    """
    return _copy(sorted(_compressed()), root, most=most)


def copy_regular(root: Path, *, most: int | None) -> int:
    """As `copy_corpus`, but every regular file, compressed or not. Symlinks are left out."""
    return _copy(sorted(_regular()), root, most=most)


def _copy(found: list[Path], root: Path, *, most: int | None) -> int:
    if len(found) < ENOUGH:
        return _made(root, ENOUGH)
    step = 1 if most is None else max(1, len(found) // most)
    chosen = found[::step]
    for source in chosen:
        target = root / source.relative_to("/usr/share")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)
    return len(chosen)


def _compressed() -> Iterator[Path]:
    return (path for path in _regular() if path.name.endswith(".gz"))


def _regular() -> Iterator[Path]:
    for source in SOURCES:
        for folder, _, files in os.walk(source):
            for name in files:
                path = Path(folder, name)
                if path.is_file() and not path.is_symlink() and os.access(path, os.R_OK):
                    yield path


def _made(root: Path, count: int) -> int:
    chance = random.Random(1)
    for number in range(count):
        folder = root / f"doc/package-{number % 97}/a/b c/{number % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"changelog-{number}.gz"
        file.write_bytes(gzip.compress(chance.randbytes(chance.randrange(8000)), mtime=0))
        when = 1_500_000_000_000_000_000 + number * 1_000_000_007
        os.utime(file, ns=(when, when))
    return count


def measure(tree: Path) -> tuple[int, int]:
    """(files, bytes) below a folder, `.syncd` left out."""
    files = size = 0
    for folder, folders, names in os.walk(tree):
        folders[:] = [name for name in folders if name != ".syncd"]
        files += len(names)
        size += sum(os.lstat(os.path.join(folder, name)).st_size for name in names)
    return files, size
