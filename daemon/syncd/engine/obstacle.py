"""What on this side keeps a key from being a file: `a` beside `a/b`."""

from __future__ import annotations

from syncd.core.paths import RelPath
from syncd.ports import LocalTree


def obstacle(tree: LocalTree, path: RelPath) -> str:
    """Say what stands in the way of a new file: a file where a folder is needed, or a folder of its name; else ""."""
    parts = path.split("/")
    for depth in range(1, len(parts)):
        above = RelPath("/".join(parts[:depth]))
        if tree.lstat(above) is not None:
            return f"{above} is a file here"
    if tree.occupied(path) or next(tree.scan(path), None) is not None:
        return "a folder of that name, which is not empty, stands here"
    return ""
