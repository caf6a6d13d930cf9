"""The bytes that the sink serves: one seeded block, and each object begins somewhere in it."""

from __future__ import annotations

import hashlib
import mmap
import os
import random
from collections.abc import Iterator

from awscrt.checksums import crc64nvme

BLOCK = 8 << 20
SEED = 7
STRIDE = 4099


class Pattern:
    """The block, twice in a row in one memory file, so that any piece up to a block lies in one stretch."""

    def __init__(self) -> None:
        block = random.Random(SEED).randbytes(BLOCK)
        self.fd = os.memfd_create("sink-pattern")
        for _ in range(2):
            os.write(self.fd, block)
        self.view = memoryview(mmap.mmap(self.fd, 2 * BLOCK, prot=mmap.PROT_READ))

    def pieces(self, salt: int, start: int, length: int) -> Iterator[tuple[int, int]]:
        """(offset in the block, length) of the stretches that are bytes [start, start+length) of an object."""
        while length > 0:
            at = (salt + start) % BLOCK
            size = min(length, BLOCK)
            yield at, size
            start, length = start + size, length - size

    def sums(self, salt: int, size: int) -> tuple[str, str, int]:
        """(MD5, SHA-256, CRC64NVME) of an object of so many bytes that begins at `salt`."""
        md5, sha256, crc = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
        for at, length in self.pieces(salt, 0, size):
            piece = self.view[at : at + length]
            md5.update(piece)
            sha256.update(piece)
            crc = crc64nvme(piece, crc)
        return md5.hexdigest(), sha256.hexdigest(), crc
