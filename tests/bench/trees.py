"""The files that are moved: made once of seeded bytes, known by their size and CRC64NVME."""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from awscrt.checksums import crc64nvme

OURS = ".syncd"
FOLDER = 1000
BLOCK = 8 << 20
LONG_AGO = 1_700_000_000
Sums = dict[str, tuple[int, int]]
"""Size and CRC64NVME by path below the root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """So many files of so many bytes."""

    count: int
    size: int

    @property
    def bytes(self) -> int:
        return self.count * self.size

    def __str__(self) -> str:
        size = f"{self.size >> 20} MiB" if self.size >= 1 << 20 else f"{self.size >> 10} KiB"
        return f"{self.count:,} x {size}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A folder of such files, and what they are."""

    root: Path
    shape: Shape
    sums: Sums = field(repr=False)


def make(root: Path, shape: Shape, *, seed: int = 11) -> Tree:
    """The same files each time, last touched long ago, a thousand in a folder."""
    dice = random.Random(seed)
    block = memoryview(dice.randbytes(BLOCK) * 2)
    sums: Sums = {}
    for number in range(shape.count):
        folder = root / f"part-{number // FOLDER:04d}"
        if number % FOLDER == 0:
            folder.mkdir(parents=True)
        file, crc, left = folder / f"file-{number:06d}.bin", 0, shape.size
        with file.open("wb") as out:
            while left:
                at, size = dice.randrange(BLOCK), min(left, BLOCK)
                out.write(block[at : at + size])
                crc = crc64nvme(block[at : at + size], crc)
                left -= size
        os.utime(file, (LONG_AGO + number, LONG_AGO + number))
        sums[file.relative_to(root).as_posix()] = (shape.size, crc)
    return Tree(root=root, shape=shape, sums=sums)


def sums_of(root: Path) -> Sums:
    """What lies there, by reading it; without what syncd keeps for itself."""
    found: Sums = {}
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if name != OURS]
        for name in names:
            file = Path(folder, name)
            crc, size = 0, 0
            with file.open("rb", buffering=0) as stream:
                while piece := stream.read(1 << 20):
                    crc, size = crc64nvme(piece, crc), size + len(piece)
            found[file.relative_to(root).as_posix()] = (size, crc)
    return found


def difference(found: Sums, wanted: Sums) -> str:
    """What is wrong with what was found, in words; empty where it is what was wanted."""
    if found == wanted:
        return ""
    missing, more = wanted.keys() - found.keys(), found.keys() - wanted.keys()
    other = sum(1 for path in found.keys() & wanted.keys() if found[path] != wanted[path])
    return f"{len(missing)} missing, {len(more)} too many, {other} of other bytes, of {len(wanted)}"


def forget_ours(root: Path) -> None:
    """Remove what syncd keeps in a root, so that the next client finds the tree as it was."""
    shutil.rmtree(root / OURS, ignore_errors=True)
