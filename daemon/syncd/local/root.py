"""One local root behind the `LocalTree` port: each call is a way in, a move and a translation of what went wrong."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

from syncd.core.model import LocalStat
from syncd.core.paths import OURS, RelPath, is_ours
from syncd.errors import ItemError, PairHalted, Stale
from syncd.local import cleaning, probe, temporary, trash
from syncd.local.anchor import Anchor, Opener
from syncd.local.atomic import Moves, Target
from syncd.local.handle import Handle, open_regular
from syncd.local.holders import Holders
from syncd.local.marker import read_marker, write_marker
from syncd.local.openat2 import open_beneath
from syncd.local.places import SmallPlaces
from syncd.local.renameat2 import Renames
from syncd.local.scan import Found, scan
from syncd.local.small import SmallFiles
from syncd.local.spot import Spot
from syncd.local.temporary import PartialFile
from syncd.local.translate import item_error, printable, root_lost, translated
from syncd.local.unlink import give_way, unlink
from syncd.ports import (
    Absent,
    ExpiredTrash,
    LocalExpect,
    Marker,
    Openness,
    OwnTemporary,
    Placed,
    Proof,
    Removal,
    Temporary,
    Unchanged,
    Usage,
)

_NO_FOLDER_OF_OURS = {errno.ELOOP, errno.ENOTDIR, errno.EXDEV}
_BLIND_AGE_S = 1.0  # how old a look at all processes may be when the question is only whether to upload now


class Root:
    """A root that was opened: a `LocalTree`. Its methods may be called from several threads."""

    def __init__(
        self,
        anchor: Anchor,
        *,
        now: Callable[[], float] = time.time,
        renames: Renames | None = None,
        holders: Holders | None = None,
    ) -> None:
        self._anchor = anchor
        self.hold = anchor.hold
        self._now = now
        self._renames = renames or Renames()
        self._moves = Moves(self._renames)
        self._holders = holders or Holders()

    @classmethod
    def at(
        cls,
        path: Path,
        *,
        create: bool = False,
        now: Callable[[], float] = time.time,
        opener: Opener = open_beneath,
        renames: Renames | None = None,
    ) -> Root:
        """Open a root and remember its device and inode. `create` makes it, with its parents. PairHalted else."""
        if create:
            try:
                path.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise root_lost(str(path), error) from error
        return cls(Anchor(path, opener=opener), now=now, renames=renames)

    @property
    def path(self) -> Path:
        """Where the root is."""
        return self._anchor.path

    def check_root(self) -> None:
        """Raise PairHalted where the root is gone, unreadable, or another one than the one that was opened."""
        self._anchor.check()

    # --- looking -----------------------------------------------------------------------------------------

    def scan(self, under: RelPath | None = None) -> Iterator[Found]:
        """Walk regular files in the order of `core.paths.order`, `.syncd` left out. See `local.scan`."""
        return scan(self._anchor, under)

    def lstat(self, path: RelPath) -> LocalStat | None:
        """The stat of a regular file; None where there is none. ItemError where that cannot be known."""
        folder, _, name = path.rpartition("/")
        try:
            parent = self._anchor.open(folder or ".", os.O_PATH | os.O_DIRECTORY)
            try:
                return Spot(parent, name).look()
            finally:
                os.close(parent)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise item_error(path, error) from error

    def occupied(self, path: RelPath) -> bool:
        """Whether a folder stands there that holds anything at all, so that it cannot give way to a file."""
        try:
            folder = self._anchor.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:  # no folder, or one that only the move can tell of
            return False
        try:
            with os.scandir(folder) as entries:
                return next(entries, None) is not None
        finally:
            os.close(folder)

    def open(self, path: RelPath) -> AbstractContextManager[Handle]:
        """Open for reading. Stale where it is no regular file; ItemError where it may not be read."""
        _refuse_ours(path)
        return self._handle(path)

    @contextmanager
    def _handle(self, path: str) -> Iterator[Handle]:
        with translated(path):
            handle = Handle(open_regular(self._anchor, path), path)
        try:
            yield handle
        finally:
            handle.close()

    def small_files(self) -> SmallFiles:
        """A reader of small files, for one thread and for a short while. See `local.small`."""
        return SmallFiles(self._anchor, self._holders, blind_age_s=_BLIND_AGE_S)

    def open_elsewhere(self, path: RelPath, *, for_writing: bool, max_age_s: float | None = None) -> Openness:
        """Leases first, psutil where they are refused. `for_writing` False asks whether anyone has it open at all."""
        blind_age_s = _BLIND_AGE_S if for_writing else 0.0
        return self._openness(path, for_writing=for_writing, max_age_s=blind_age_s if max_age_s is None else max_age_s)

    def _openness(self, path: str, *, for_writing: bool, max_age_s: float) -> Openness:
        with self._handle(path) as handle:
            answer, file = handle.lease(for_writing=for_writing), handle.identity()
        return self._holders.ask(file, for_writing=for_writing, max_age_s=max_age_s) if answer is None else answer

    # --- writing -----------------------------------------------------------------------------------------

    @contextmanager
    def temporary(self) -> Iterator[PartialFile]:
        """A new file under `.syncd/tmp`, unlinked at the end unless it was placed. ItemError on a full disk."""
        with self._ours(temporary.FOLDER) as folder, ExitStack() as stack:
            with translated(f"{OURS}/{temporary.FOLDER}"):
                partial = stack.enter_context(temporary.partial_file(folder))
            yield partial

    @contextmanager
    def small_places(self) -> Iterator[SmallPlaces]:
        """Puts small new files in place, for one thread and a short while. See `local.places`."""
        with self._ours(temporary.FOLDER) as tmp, SmallPlaces(self._anchor, self._renames, tmp) as places:
            yield places

    def place(self, temporary: Temporary, path: RelPath, *, expect: LocalExpect) -> Placed:
        """Two-phase: NOREPLACE, or EXCHANGE and a look at what came out; that goes to trash. Folder fsynced."""
        if not isinstance(temporary, PartialFile) or not temporary.finished:
            raise TypeError("only a finished temporary of this root can be placed")
        with self._target(path, create=isinstance(expect, Absent)) as target:
            displaced = None
            if isinstance(expect, Unchanged):
                displaced = self._moves.replace(temporary, target, expect.stat)
            else:
                self._moves.create(temporary, target)
            return Placed(temporary.stat(), displaced)  # the stat after the rename: it moved the ctime

    def settle(self, path: RelPath) -> None:
        """Make a file's name durable. Stale where its folder is gone."""
        with self._target(path) as target:
            target.spot.sync()

    def rename(self, path: RelPath, target: RelPath, *, expect: LocalStat) -> LocalStat:
        """Rename inside the root, never over anything. Stale if either side is not as expected."""
        with self._target(path) as source, self._target(target, create=True) as aim:
            return self._moves.rename(source, aim, expect)

    def trash(self, path: RelPath, *, expect: LocalStat) -> str:
        """Move a file into `.syncd/trash`; return its trash name. Stale if it is another file by now."""
        with self._target(path) as target:
            kept = target.trash()
            self._moves.take_out(target, kept, expect)
            return kept.name

    def untrash(self, name: str, target: RelPath) -> LocalStat:
        """Bring a trashed file back, NOREPLACE, with its folders. Stale where the path is taken."""
        trash.own_name(name)
        with self._ours(trash.FOLDER) as folder, self._target(target, create=True) as aim:
            if Spot(folder, name).look() is None:
                raise ItemError(name, f"{name} is not in the trash", hint="`synctl trash list` shows what is")
            return self._moves.bring_in(Spot(folder, name), aim)

    def trash_names(self) -> Iterator[tuple[str, LocalStat]]:
        """Every file in the trash, oldest first."""
        return iter(self._listed(trash.FOLDER))

    # --- cleaning ----------------------------------------------------------------------------------------

    def stage(self, path: RelPath, *, expect: LocalStat, durable: bool = True) -> LocalStat:
        """Move a file to `.syncd/cleaning`; its name there is a function of the path. Stale if it is another file."""
        with self._ours(cleaning.FOLDER) as folder, self._target(path) as target:
            return self._moves.take_out(target, Spot(folder, cleaning.staged_name(path)), expect, durable=durable)

    def settle_staged(self, path: RelPath) -> None:
        """Make it last that files of that one's folder are staged. Stale where the folder is gone."""
        with self._ours(cleaning.FOLDER) as folder, self._target(path) as target:
            target.spot.sync()
            Spot(folder, "").sync()

    def staged(self, path: RelPath) -> LocalStat | None:
        """The stat of the staged file of that path; None where there is none."""
        try:
            with self._ours_translated():
                folder = self._anchor.open(f"{OURS}/{cleaning.FOLDER}", os.O_PATH | os.O_DIRECTORY)
        except Stale:
            return None
        try:
            with translated(path):
                return Spot(folder, cleaning.staged_name(path)).look()
        finally:
            os.close(folder)

    def open_staged(self, path: RelPath) -> AbstractContextManager[Handle]:
        """Open the staged file of that path for reading. Stale where there is none."""
        return self._handle(cleaning.staged_path(path))

    def unstage(self, path: RelPath) -> LocalStat:
        """Bring a staged file back, NOREPLACE. Stale where the path is taken (it then stays staged)."""
        with self._ours(cleaning.FOLDER) as folder, self._target(path, create=True) as target:
            return self._moves.bring_in(Spot(folder, cleaning.staged_name(path)), target)

    def trash_staged(self, path: RelPath) -> str:
        """Move a staged file to trash, where its place is taken; return its trash name. Stale where there is none."""
        with translated(path), self._ours(cleaning.FOLDER) as folder, self._ours(trash.FOLDER) as bin_:
            kept = Spot(bin_, trash.trash_name(path, self._now()))
            self._moves.keep(Spot(folder, cleaning.staged_name(path)), kept)
            return kept.name

    def sweep_staged(self, keep: Callable[[], Iterable[RelPath]]) -> int:
        """Move staged files of none of these paths to trash: their record was lost. Returns how many."""
        names = [name for name, _ in self._listed(cleaning.FOLDER)]
        kept = {cleaning.staged_name(path) for path in keep()} if names else set()
        orphans = [name for name in names if name not in kept]
        for name in orphans:
            with translated(name), self._ours(cleaning.FOLDER) as folder, self._ours(trash.FOLDER) as bin_:
                self._moves.keep(Spot(folder, name), Spot(bin_, trash.trash_name(RelPath(name), self._now())))
        return len(orphans)

    def staged_open_elsewhere(self, path: RelPath, *, max_age_s: float = 0.0) -> Openness:
        """Whether anyone has the staged file open at all. Stale where there is none."""
        return self._openness(cleaning.staged_path(path), for_writing=False, max_age_s=max_age_s)

    def open_trashed(self, name: str) -> AbstractContextManager[Handle]:
        """Open a trashed file for reading. Stale where there is none."""
        return self._handle(trash.trashed_path(name))

    def trashed_open_elsewhere(self, name: str, *, for_writing: bool = True) -> Openness:
        """Whether anyone still has a trashed file open, for writing or at all. Stale where there is none."""
        return self._openness(trash.trashed_path(name), for_writing=for_writing, max_age_s=_BLIND_AGE_S)

    def remove(self, allowed: Removal) -> None:
        """The one removal. A Proof's staged file must still be exactly that one (Stale); the others may be gone."""
        match allowed:
            case Proof(path=path):
                home, name = cleaning.FOLDER, cleaning.staged_name(path)
            case ExpiredTrash(name):
                home, name = trash.FOLDER, trash.own_name(name)
            case OwnTemporary(name):
                home, name = temporary.FOLDER, trash.own_name(name)
        with self._ours(home) as folder, translated(name):
            try:
                unlink(Spot(folder, name), allowed)
            except FileNotFoundError:
                if isinstance(allowed, Proof):
                    raise

    def sweep_temporaries(self) -> int:
        """Remove partial files that an earlier run left. Only before the first `temporary()`. Returns how many.

        What cannot be removed (a file system that became read-only) stays: it is in nobody's way.
        """
        removed = 0
        for name, _ in self._listed(temporary.FOLDER):
            with suppress(ItemError):
                self.remove(OwnTemporary(name))
                removed += 1
        return removed

    def vacate(self) -> None:
        """Remove our own folders where nothing is in them. A root with a marker is somebody's and keeps them.

        PairHalted where it cannot be told whose it is.
        """
        if self.marker() is not None:
            return
        try:
            ours = self._anchor.open(OURS, os.O_PATH | os.O_DIRECTORY)
        except OSError:  # never made, or nothing of ours
            return
        try:
            for name in (temporary.FOLDER, trash.FOLDER, cleaning.FOLDER):
                give_way(Spot(ours, name))
        finally:
            os.close(ours)
        with self._anchor.root() as root:
            give_way(Spot(root, OURS))

    # --- what the root is --------------------------------------------------------------------------------

    def usage(self) -> Usage:
        """How full its file system is, as `df` counts it. PairHalted for the root, ItemError where nobody can tell."""
        with self._anchor.root() as root, translated(str(self.path)):
            seen = os.fstatvfs(root)
        used = (seen.f_blocks - seen.f_bfree) * seen.f_frsize
        return Usage(used=used, size=used + seen.f_bavail * seen.f_frsize)

    def marker(self) -> Marker | None:
        """The root's marker; None where there is none. PairHalted where it cannot be read."""
        return read_marker(self._anchor)

    def write_marker(self, marker: Marker) -> bool:
        """Write it with fsync. False where the root may not be written."""
        with self._ours_translated():
            return write_marker(self._anchor, self._renames, marker)

    def can_exchange(self) -> bool:
        """Whether files can be replaced safely here (RENAME_EXCHANGE). ItemError where nothing can be written."""
        with self._ours(temporary.FOLDER) as tmp, translated(OURS):
            return probe.can_exchange(tmp, self._renames)

    def folds_names(self) -> bool:
        """Whether `A` and `a` (or two Unicode forms) are one file here. ItemError where nothing can be written."""
        with self._ours(temporary.FOLDER) as tmp, translated(OURS):
            return probe.folds_names(tmp)

    # --- ways in -----------------------------------------------------------------------------------------

    @contextmanager
    def _target(self, path: RelPath, *, create: bool = False) -> Iterator[Target]:
        _refuse_ours(path)
        folder, _, name = path.rpartition("/")
        with translated(path), self._anchor.folder(folder, create=create) as parent, ExitStack() as opened:

            def kept() -> Spot:
                return Spot(opened.enter_context(self._ours(trash.FOLDER)), trash.trash_name(path, self._now()))

            yield Target(path=path, spot=Spot(parent, name), trash=kept)

    @contextmanager
    def _ours(self, name: str) -> Iterator[int]:
        with ExitStack() as stack:
            with self._ours_translated():
                folder = stack.enter_context(self._anchor.ours(name))
            yield folder

    @contextmanager
    def _ours_translated(self) -> Iterator[None]:
        try:
            with translated(OURS):
                yield
        except ItemError as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno in _NO_FOLDER_OF_OURS:
                raise PairHalted(
                    f"{printable(str(self.path / OURS))} is not a plain folder: {error.message}",
                    hint="move it aside; it is made anew",
                ) from error
            raise

    def _listed(self, name: str) -> list[tuple[str, LocalStat]]:
        try:
            with self._ours_translated():
                folder = self._anchor.open(f"{OURS}/{name}", os.O_RDONLY | os.O_DIRECTORY)
        except Stale:
            return []
        try:
            with translated(f"{OURS}/{name}"):
                return list(trash.listed(folder))
        finally:
            os.close(folder)


def _refuse_ours(path: str) -> None:
    if is_ours(path):
        raise ItemError(path, f"{printable(path)}: `{OURS}` is ours and never synced", hint="rename the object")
