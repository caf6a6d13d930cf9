"""The rows of one pass: what is settled is counted and left; whole stretches that nobody touched are not even merged.

A pass that has nothing to do is the usual one. Whether a row asks for a look follows from the row, the file's stat and
the listed object alone (`core.classify.settled`); so a stretch of names whose files, objects and records are what they
were when all of it was settled is settled now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from itertools import chain

from syncd.core.classify import Sides, settled
from syncd.core.inodes import adopted, only_inode_moved
from syncd.core.model import ListedObject, LocalStat, LocalState, Record, RemoteState
from syncd.core.paths import RelPath
from syncd.engine.context import Context
from syncd.engine.merge import Row, merge
from syncd.engine.sight import Seer, Sight
from syncd.ports import ListPage

LONGEST = 4096
"""Files of one stretch that are held in memory; one that has more is merged as it streams."""

File = tuple[RelPath, LocalStat]


@dataclass(frozen=True, slots=True)
class Still:
    """A stretch as it was when all of it was settled; equal ones are settled alike."""

    files: int  # a hash of paths and stats
    objects: int  # of listed rows, or their mark
    records: tuple[int, int]  # how many, and the newest commit number


@dataclass(slots=True)
class Seen:
    """What a stretch adds to the counts of a pass, apart from its files, which each pass sees anew."""

    remote_objects: int = 0
    records: int = 0
    local_gone: int = 0
    remote_gone: int = 0


@dataclass(slots=True)
class Memory:
    """The settled stretches of the last whole pass, by the name that they begin behind. A kilobyte for each page."""

    kept: dict[str, tuple[Still, Seen]] = field(default_factory=dict)


class Sweep:
    """Walks the three streams side by side, a page of the listing at a time. Use once.

    `paged` is called before the next page is asked for.
    `cleans`: whether a path would be cleaned now, if its record allows it. `newest`: rows of later commits are left to
    the next pass.
    """

    def __init__(
        self,
        context: Context,
        sight: Sight,
        *,
        once: Callable[[str, str], bool],
        cleans: Callable[[Record | None], bool],
        moved: Callable[[], None],
        paged: Callable[[], None],
        newest: int,
        memory: Memory | None,
    ) -> None:
        self._context = context
        self._sight = sight
        self._seer = Seer(context, sight, once)
        self._cleans = cleans
        self._moved = moved
        self._paged = paged
        self._newest = newest
        self._memory = memory
        self._found: dict[str, tuple[Still, Seen]] = {}
        self._quiet = True  # of the stretch at hand: every row was settled

    def rows(self, under: RelPath | None) -> Iterator[Row]:
        """The rows that ask for a closer look; counted, without those of which a side is only not to be seen."""
        if self._memory is None or under is not None:
            yield from self._asking(self._seer.local(under), self._seer.remote(under), self._seer.records(under))
            return
        files = _Files(self._seer.local(None))
        after = ""
        for page in self._seer.pages(None):
            if not (page.objects or page.last):
                continue
            last = "" if page.last else page.objects[-1].key[len(self._context.pair.prefix) :]
            yield from self._stretch(files, page, after, last)
            self._paged()
            if self._context.stop.stopped():
                return
            after = last
        self._memory.kept = self._found

    def _stretch(self, files: _Files, page: ListPage, after: str, last: str) -> Iterator[Row]:
        """The asking rows of the names behind `after`, up to `last` ("": to the end)."""
        assert self._memory is not None
        held = files.until(last, LONGEST)
        whole = len(held) < LONGEST and not (held and self._context.pair.cleanup)
        still = seen = None
        if whole:
            objects = page.mark if page.mark is not None else hash(tuple(page.objects))
            still = Still(hash(tuple(held)), objects, self._context.records.mark(after, last))
            known = self._memory.kept.get(after)
            if known is not None and known[0] == still:
                self._found[after] = known
                self._add(known[1])
                self._moved()
                return
        before, problems = self._counts(), self._sight.problems.total()
        self._quiet = True
        rows = self._context.records.walk(
            after=RelPath(after) if after else None, until=RelPath(last) if last else None
        )
        yield from self._asking(
            iter(held) if whole else chain(held, files.streamed(last)),
            self._seer.objects(page.objects),
            self._seer.wanted(rows),
        )
        if still is not None and self._quiet and problems == self._sight.problems.total():
            after_it = self._counts()
            seen = Seen(*(now - then for now, then in zip(after_it, before)))
            self._found[after] = (still, seen)

    def _counts(self) -> tuple[int, ...]:
        return tuple(getattr(self._sight, each.name) for each in fields(Seen))

    def _add(self, seen: Seen) -> None:
        for each in fields(Seen):
            setattr(self._sight, each.name, getattr(self._sight, each.name) + getattr(seen, each.name))

    def _asking(
        self, files: Iterator[File], objects: Iterator[tuple[RelPath, ListedObject]], records: Iterator[Record]
    ) -> Iterator[Row]:
        context, sight, mode = self._context, self._sight, self._context.pair.mode
        for number, (path, stat, listed, record) in enumerate(merge(files, objects, records)):
            if number % 256 == 0:
                self._moved()
                if context.stop.stopped():
                    self._quiet = False
                    return
            if record is not None:
                _count_gone(sight, record, stat, listed)
                if record.seq > self._newest:
                    self._quiet = False
                    continue
                if not context.numbered:
                    record = adopted(record, stat)
            if settled(Sides(record, stat, listed), mode=mode, cleans=self._cleans(record)):
                continue
            self._quiet = False
            if record is not None and only_inode_moved(record.stat, stat):
                sight.renumbered += 1
            if not self._unseen(path, stat, listed):
                yield path, stat, listed, record

    def _unseen(self, path: RelPath, stat: LocalStat | None, listed: ListedObject | None) -> bool:
        """Whether a side is only not to be seen: then nothing may be concluded from its absence."""
        if stat is None and self._sight.is_blind(path):
            return True
        return listed is None and path.partition("/")[0] in self._context.objects.incomplete


class _Files:
    """The scan, taken in stretches."""

    def __init__(self, files: Iterator[File]) -> None:
        self._files = files
        self._next = next(files, None)

    def until(self, last: str, most: int) -> list[File]:
        """The next ones up to that name ("": all), so many at most."""
        taken: list[File] = []
        file, files = self._next, self._files
        while file is not None and len(taken) < most and (not last or file[0] <= last):
            taken.append(file)
            file = next(files, None)
        self._next = file
        return taken

    def streamed(self, last: str) -> Iterator[File]:
        """The rest of them."""
        while self._next is not None and (not last or self._next[0] <= last):
            file, self._next = self._next, next(self._files, None)
            yield file


def _count_gone(sight: Sight, record: Record, stat: LocalStat | None, listed: ListedObject | None) -> None:
    if record.local is LocalState.PRESENT and stat is None:
        sight.local_gone += 1
    if record.remote is RemoteState.PRESENT and listed is None:
        sight.remote_gone += 1
