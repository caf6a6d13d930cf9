"""Two-phase moves: rename first, look at what came out, and undo it where it is not what was decided on.

A version of the user's is, at every step, under its own name or in trash or cleaning: a kill loses nothing.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import dataclass

from syncd.core.model import LocalStat
from syncd.errors import ItemError, Stale
from syncd.local.renameat2 import FlagsRefused, Renames
from syncd.local.spot import Spot
from syncd.local.temporary import PartialFile
from syncd.local.translate import printable
from syncd.local.unlink import give_way

_UNDO_TRIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A path inside the root as a spot, and where in the trash something goes that leaves it."""

    path: str
    spot: Spot
    trash: Callable[[], Spot]

    def changed(self) -> Stale:
        """What is raised when another file stands there than was decided on."""
        return Stale(f"{printable(self.path)} is not the file that was looked at")


class Moves:
    """Every move inside one root."""

    def __init__(self, renames: Renames) -> None:
        self._renames = renames

    def create(self, partial: PartialFile, target: Target) -> None:
        """Put a finished file where nothing is. Stale where a file is by now, ItemError for anything else."""
        try:
            self._renames.give(partial.spot, target.spot)
        except FileExistsError:
            if not give_way(target.spot):
                raise _taken(target) from None
            self._renames.give(partial.spot, target.spot)
        target.spot.sync()

    def replace(self, partial: PartialFile, target: Target, expect: LocalStat) -> str:
        """Put a finished file in the place of `expect`, which goes to trash; return its trash name. Stale else."""
        if not target.spot.holds(expect):
            raise target.changed()
        # It is swapped from the trash, not from tmp: what comes out is the user's, and tmp is swept after a crash.
        swapped = target.trash()
        self._renames.take(partial.spot, swapped)
        try:
            self._renames.exchange(swapped, target.spot)
        except FileNotFoundError:
            self._renames.take(swapped, partial.spot)
            raise target.changed() from None
        except FlagsRefused:
            self._renames.take(swapped, partial.spot)
            raise _no_swap(target) from None
        except OSError:
            self._renames.take(swapped, partial.spot)
            raise
        if not swapped.holds(expect):
            self._undo(partial, swapped, target)
            raise target.changed()
        target.spot.sync()
        swapped.sync()
        return swapped.name

    def _undo(self, partial: PartialFile, swapped: Spot, target: Target) -> None:
        """Swap back until what comes out is what we put in. What nobody took back stays in trash."""
        put_in = partial.stat().inode
        for _ in range(_UNDO_TRIES):
            seen = swapped.stat()
            try:
                self._renames.exchange(swapped, target.spot)
            except FileNotFoundError:  # the name was removed meanwhile; what we hold never was
                if self._returned(swapped, target.spot):
                    break
                continue
            came = swapped.stat()
            if came is None or came.st_ino == put_in:
                break
            put_in = seen.st_ino if seen is not None else 0
        target.spot.sync()
        swapped.sync()
        came = swapped.stat()
        if came is not None and came.st_ino == partial.stat().inode:
            self._renames.take(swapped, partial.spot)

    def _returned(self, held: Spot, home: Spot) -> bool:
        try:
            self._renames.give(held, home)
        except (FileExistsError, FileNotFoundError):
            return False
        return True

    def take_out(self, target: Target, keep: Spot, expect: LocalStat, *, durable: bool = True) -> LocalStat:
        """Move `expect` from its path to a name of ours. Stale, and it is brought back, where it is another file."""
        if not target.spot.holds(expect):
            raise target.changed()
        if keep.stat() is not None:
            raise Stale(f"{printable(target.path)} has something left in {keep.name}")
        self._renames.take(target.spot, keep)
        came = keep.look()
        if came is None or not came.same_file(expect):
            self._bring_back(keep, target)
            raise target.changed()
        if durable:
            target.spot.sync()
            keep.sync()
        return came

    def _bring_back(self, held: Spot, target: Target) -> None:
        """Where the path is taken again it stays with us, in the trash, under a name that a person can find."""
        if not self._returned(held, target.spot):
            self._renames.take(held, target.trash())

    def bring_in(self, held: Spot, target: Target) -> LocalStat:
        """Move a file of ours to a path where nothing is. Stale where the path is taken or the file is gone."""
        try:
            self._renames.give(held, target.spot)
        except FileExistsError:
            raise _taken(target) from None
        target.spot.sync()
        held.sync()
        came = target.spot.look()
        if came is None:
            raise target.changed()
        return came

    def keep(self, held: Spot, kept: Spot) -> None:
        """Move a file from one folder of ours to another. FileNotFoundError where it is gone."""
        self._renames.take(held, kept)
        kept.sync()
        held.sync()

    def rename(self, source: Target, target: Target, expect: LocalStat) -> LocalStat:
        """Rename inside the root, never over anything. Stale where either side is not as expected."""
        if not source.spot.holds(expect):
            raise source.changed()
        try:
            self._renames.noreplace(source.spot, target.spot)
        except FileExistsError:
            raise _taken(target) from None
        except FlagsRefused:
            return self._rename_by_trash(source, target, expect)
        came = target.spot.look()
        if came is None or not came.same_file(expect):
            if not self._returned_by_flag(target, source):
                self._renames.take(target.spot, target.trash())
            raise source.changed()
        target.spot.sync()
        source.spot.sync()
        return came

    def _returned_by_flag(self, moved: Target, home: Target) -> bool:
        try:
            self._renames.noreplace(moved.spot, home.spot)
        except FileNotFoundError:
            return True
        except FileExistsError:
            return False
        return True

    def _rename_by_trash(self, source: Target, target: Target, expect: LocalStat) -> LocalStat:
        if target.spot.stat() is not None:
            raise _taken(target)
        held = source.trash()
        self.take_out(source, held, expect)
        try:
            return self.bring_in(held, target)
        except (Stale, ItemError):
            self._returned(held, source.spot)
            raise


def _no_swap(target: Target) -> ItemError:
    return ItemError(
        target.path,
        f"{printable(target.path)}: this file system cannot swap two files (RENAME_EXCHANGE)",
        hint="use mode = upload here, or another file system; `syncd --doctor` shows it",
    )


def _taken(target: Target) -> Exception:
    seen = target.spot.stat()
    if seen is None or stat.S_ISREG(seen.st_mode):
        return Stale(f"{printable(target.path)} exists by now")
    kind = "folder" if stat.S_ISDIR(seen.st_mode) else "symlink" if stat.S_ISLNK(seen.st_mode) else "special file"
    return ItemError(
        target.path,
        f"{printable(target.path)}: a {kind} of that name is in the way",
        hint="rename it or the object: `a` beside `a/b` cannot both be files",
    )
