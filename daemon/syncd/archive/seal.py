"""Archives are sealed into the spool: whole, durable and journaled before their first byte goes to S3."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager

from syncd import events
from syncd.archive.packing import BrokenOff, Packing, fresh_uuid
from syncd.archive.tally import Tally
from syncd.archive.world import BatchFolder
from syncd.core.archive import Archive
from syncd.core.batching import Candidate, Pack, sealed_size
from syncd.errors import ItemError, Stale, SyncdError
from syncd.ports import SpoolFile

RESERVE = 64 << 20
"""Bytes that stay free on the spool's file system: the database of the daemon may lie there too."""

STOP_EVERY = 256


class SpoolFull(SyncdError):
    """No archive can be written there now."""


def seal(folder: BatchFolder, packs: Iterable[Pack], tally: Tally, moved: Callable[[], None]) -> list[Archive]:
    """Seal one archive after the other. Where the spool has no room, the others wait, and it is said."""
    sealed: list[Archive] = []
    for pack in packs:
        if folder.context.stop.stopped():
            break
        try:
            archive = _sealed(folder, pack, tally, moved)
        except SpoolFull as full:
            tally.problem("spool", full)
            folder.context.events.emit(
                events.ARCHIVE_FAILED, pair=folder.name, key=pack.folder, error=full.message, hint=full.hint
            )
            break
        except BrokenOff:
            break
        if archive is not None:
            sealed.append(archive)
    return sealed


def _sealed(folder: BatchFolder, pack: Pack, tally: Tally, moved: Callable[[], None]) -> Archive | None:
    """One archive, journaled; None where none of its files could be packed."""
    _check_room(folder, pack)
    uuid = fresh_uuid(folder)
    with _created(folder, uuid) as file:
        packing = Packing(folder, pack.folder, uuid, lambda piece: _write(file, piece))
        fill(folder, packing, pack.members, tally, moved)
        if packing.is_empty:
            return None
        archive = packing.finish(spooled=True)
        with _spool_errors():
            file.finish()
    folder.store.seal(archive, packing.originals)
    say_sealed(folder, archive)
    return archive


def fill(
    folder: BatchFolder, packing: Packing, members: Iterable[Candidate], tally: Tally, moved: Callable[[], None]
) -> None:
    """Pack the files one by one; one that changed, or cannot be read, stays for a later run."""
    for number, candidate in enumerate(members):
        if number % STOP_EVERY == 0:
            moved()
            if folder.context.stop.abandoned():
                raise BrokenOff
        try:
            packing.add(candidate)
        except Stale:
            tally.add(changed=1)
        except ItemError as error:
            tally.problem(candidate.path, error)


def say_sealed(folder: BatchFolder, archive: Archive) -> None:
    """One line for one archive."""
    folder.context.events.emit(
        events.ARCHIVE_SEALED, pair=folder.name, key=archive.key, files=archive.files, size=archive.size
    )


def _check_room(folder: BatchFolder, pack: Pack) -> None:
    need, free = sealed_size(pack.members) + RESERVE, folder.spool.free()
    if free < need:
        raise SpoolFull(
            f"the spool has {free} bytes free, and the next archive needs {need} ({RESERVE} of them stay free)",
            hint="free some space there, set `spool` to a larger file system, or lower max_size",
        )


@contextmanager
def _created(folder: BatchFolder, uuid: str) -> Iterator[SpoolFile]:
    with ExitStack() as stack:
        with _spool_errors():
            file = stack.enter_context(folder.spool.create(uuid))
        yield file


def _write(file: SpoolFile, piece: bytes) -> None:
    with _spool_errors():
        file.write(piece)


@contextmanager
def _spool_errors() -> Iterator[None]:
    """What fails here is the spool's and not a member's."""
    try:
        yield
    except ItemError as error:
        raise SpoolFull(f"the spool: {error.message}", hint=error.hint) from error
