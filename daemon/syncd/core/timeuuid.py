"""Names of archives: UUIDs of version 7 (RFC 9562), whose text sorts by the time they were made."""

from __future__ import annotations

import re
from uuid import UUID

RANDOM_BYTES = 10
LAST_MS = (1 << 48) - 1

_CANONICAL = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def time_uuid(now_ms: int, randomness: bytes) -> str:
    """The UUID of this millisecond since the epoch and these 10 random bytes (74 of their bits), as canonical text.

    A clock outside of what 48 bits hold counts as the nearest end: a wrong clock must not stop the archiver.
    """
    if len(randomness) != RANDOM_BYTES:
        raise ValueError(f"a UUID takes {RANDOM_BYTES} random bytes, not {len(randomness)}")
    milliseconds = min(max(now_ms, 0), LAST_MS)
    bits = int.from_bytes(randomness, "big")
    first = (bits >> 64) & 0xFFF
    rest = bits & ((1 << 62) - 1)
    return str(UUID(int=milliseconds << 80 | 0x7 << 76 | first << 64 | 0b10 << 62 | rest))


def is_time_uuid(text: str) -> bool:
    """Whether this is the canonical (lower-case, hyphenated) text of a UUID of version 7."""
    return _CANONICAL.fullmatch(text) is not None


def uuid_ms(uuid: str) -> int:
    """The millisecond since the epoch at which it was made."""
    return UUID(uuid).int >> 80
