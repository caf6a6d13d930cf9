"""What a root's file system can do, tried in `.syncd/tmp` with files of our own."""

from __future__ import annotations

import unicodedata
from contextlib import ExitStack

from syncd.local.renameat2 import FlagsRefused, Renames
from syncd.local.spot import Spot
from syncd.local.temporary import partial_file


def can_exchange(tmp: int, renames: Renames) -> bool:
    """Whether two files can be swapped at once (RENAME_EXCHANGE). OSError where nothing can be written."""
    with ExitStack() as stack:
        one, other = (stack.enter_context(partial_file(tmp)) for _ in range(2))
        try:
            renames.exchange(one.spot, other.spot)
        except FlagsRefused:
            return False
        swapped = other.spot.look()
        return swapped is not None and swapped.inode == one.stat().inode


def folds_names(tmp: int) -> bool:
    """Whether names that differ in case or Unicode form are one file. OSError where nothing can be written."""
    with partial_file(tmp, suffix="-aé") as one:
        twins = (one.name.upper(), unicodedata.normalize("NFD", one.name))
        return any(Spot(tmp, twin).look() is not None for twin in twins)
