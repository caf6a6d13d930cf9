"""A random share of all paths, the same for the same seed however often and in whatever order they come."""

from __future__ import annotations

import hashlib

WHOLE = 1 << 64


def chosen(path: str, *, seed: str, share: float) -> bool:
    """Whether a path is in the sample. `share`: 0..1 of all paths, each by itself."""
    if share >= 1:
        return True
    drawn = hashlib.blake2b(f"{seed}\0{path}".encode("utf-8", "surrogateescape"), digest_size=8).digest()
    return int.from_bytes(drawn, "big") < share * WHOLE
