"""The staging of files that are being cleaned: a name that is a function of the path."""

from __future__ import annotations

import hashlib

from syncd.core.paths import OURS

FOLDER = "cleaning"


def staged_name(path: str) -> str:
    """The SHA-256 of the path, in hex: any path fits, and after a crash it is found again."""
    return hashlib.sha256(path.encode("utf-8")).hexdigest()


def staged_path(path: str) -> str:
    """Where that is below the root."""
    return f"{OURS}/{FOLDER}/{staged_name(path)}"
