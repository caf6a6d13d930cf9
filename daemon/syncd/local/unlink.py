"""The one place that unlinks, and what has to be shown there."""

from __future__ import annotations

import os

from syncd import checkpoint
from syncd.errors import Stale
from syncd.local.spot import Spot
from syncd.ports import ExpiredTrash, OwnTemporary, Proof, Removal


def unlink(spot: Spot, allowed: Removal) -> None:
    """Remove a name of ours. A file named with its stat must still be that one, else Stale. OSError as it comes."""
    match allowed:
        case Proof(staged=staged):
            if spot.look() != staged:
                raise Stale(f"{allowed.path} is not the file that was proven")
        case ExpiredTrash(name, expect) if expect is not None:
            seen = spot.look()
            if spot.name != name or (seen is not None and not seen.same_file(expect)):
                raise Stale(f"{name} is not the file that was displaced")
        case ExpiredTrash(name) | OwnTemporary(name):
            if spot.name != name:
                raise ValueError(f"allowed is {name}, not {spot.name}")
    with checkpoint.LOCAL_UNLINK:
        os.unlink(spot.name, dir_fd=spot.folder)


def give_way(spot: Spot) -> bool:
    """Remove an empty folder that stands where a file is to be. False where it is none; nothing else can go by it."""
    try:
        with checkpoint.LOCAL_RMDIR:
            os.rmdir(spot.name, dir_fd=spot.folder)
    except OSError:  # no folder, or something is in it
        return False
    return True
