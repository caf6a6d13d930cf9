"""Names: what a path inside a pair may be, how it maps to a key, and in which order names are walked."""

from __future__ import annotations

import re
from typing import NewType

RelPath = NewType("RelPath", str)
"""A valid path relative to a pair's root: UTF-8, `/` separated, no empty, `.` or `..` component, none over
255 bytes, no NUL, nothing of ours. Made by `parse_relpath` alone. It is also the key below the prefix."""

OURS = ".syncd"
"""The folder, on either side, that holds what is ours; a component of this name is never synced."""

MAX_COMPONENT = 255
MAX_KEY = 1024

CONFLICT_DIGITS = 12
"""So many digits of its digest name a conflict copy."""

MIN_STEM = 4
"""A conflict name keeps at least one character of the stem, whichever it is."""

MARKED = re.compile(r"(.+)\.conflict-[0-9a-f]{12}((?:\.[^.]*)?)", re.DOTALL)
"""A last component with our mark: what stood before it, and the extension behind it."""


class Unrepresentable(ValueError):
    """A key that cannot be a file here, or a file name that cannot be a key. `reason` says why."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"{name!r}: {reason}")
        self.name = name
        self.reason = reason


def parse_relpath(text: str) -> RelPath:
    """Parse a path or key into a RelPath. Raises Unrepresentable with the reason."""
    try:
        encoded = text.encode("utf-8")
    except UnicodeEncodeError:
        raise Unrepresentable(text, "the name is not valid UTF-8, so it cannot be a key") from None
    if not text:
        raise Unrepresentable(text, "an empty name")
    if "\0" in text:
        raise Unrepresentable(text, "a NUL byte cannot be in a file name")
    if len(encoded) > MAX_KEY:
        raise Unrepresentable(text, f"{len(encoded)} bytes are more than the {MAX_KEY} a key may have")
    for part in text.split("/"):
        if not part:
            raise Unrepresentable(text, "an empty component (a leading, trailing or double slash)")
        if part in {".", ".."}:
            raise Unrepresentable(text, f"the component {part!r} would lead elsewhere")
        if len(part) * 4 > MAX_COMPONENT and len(part.encode("utf-8")) > MAX_COMPONENT:
            raise Unrepresentable(text, f"a component over {MAX_COMPONENT} bytes cannot be a file name")
    return RelPath(text)


def is_ours(path: str) -> bool:
    """Whether a component of the path is our own folder, at any depth."""
    return OURS in path and OURS in path.split("/")


def order(path: str) -> bytes:
    """The sort key of the merge: UTF-8 bytes. Equal to walking names with folders as name + `/`."""
    return path.encode("utf-8", "surrogateescape")


def base_name(path: str) -> str:
    """The last component."""
    return path.rpartition("/")[2]


def conflict_name(path: RelPath, digest_hex: str) -> RelPath:
    """`stem.conflict-<12 hex>.ext` beside `path`; the stem is cut at a character where 255 bytes ask for it.

    The extension is the last suffix, so that `a.log.gz` becomes `a.log.conflict-….gz` and `*.gz` still matches.
    Where the whole key would be over 1024 bytes, the copy stands in the nearest folder above that leaves room.
    """
    folder, _, name = path.rpartition("/")
    stem, dot, extension = name.rpartition(".")
    mark = f".conflict-{digest_hex[:CONFLICT_DIGITS]}"
    tail = f"{mark}{dot}{extension}"
    marked = MARKED.fullmatch(name)
    if not stem or (marked and not marked[2]) or len(tail.encode()) > MAX_COMPONENT // 2:
        stem, tail = name, mark  # no extension, a mark for one, or a monstrous one: all of it is the stem
    while folder and len(f"{folder}/{tail}".encode()) + MIN_STEM > MAX_KEY:
        folder = folder.rpartition("/")[0]
    before = f"{folder}/" if folder else ""
    room = min(MAX_COMPONENT, MAX_KEY - len(before.encode())) - len(tail.encode())
    kept = stem.encode()[:room].decode("utf-8", "ignore")
    return parse_relpath(f"{before}{kept}{tail}")


def original_name(path: str) -> str:
    """The name without a conflict mark: what filters test, so that a conflict copy shares its original's fate."""
    folder, slash, name = path.rpartition("/")
    marked = MARKED.fullmatch(name)
    return path if marked is None else f"{folder}{slash}{marked[1]}{marked[2]}"
