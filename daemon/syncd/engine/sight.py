"""The two sides of a pair as sorted streams of paths, with what was seen on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from syncd import events
from syncd.core.clearing import Newest
from syncd.core.model import ListedObject, LocalStat, Record
from syncd.core.paths import RelPath, Unrepresentable, is_ours, parse_relpath
from syncd.engine.context import Context
from syncd.ports import ListPage, ScanEntry, ScanProblem

YIELD_EVERY = 1000


@dataclass(slots=True)
class Sight:
    """What the streams passed. `blind`: local names below which nothing may be called deleted."""

    local_files: int = 0
    local_bytes: int = 0
    remote_objects: int = 0
    records: int = 0
    local_gone: int = 0
    remote_gone: int = 0
    renumbered: int = 0
    blind: set[str] = field(default_factory=set)
    unreadable: list[tuple[RelPath, str]] = field(default_factory=list)
    problems: Counter[str] = field(default_factory=Counter)
    newest: Newest = field(default_factory=lambda: Newest(0))

    def is_blind(self, path: str) -> bool:
        """Whether the local side of a path could not be seen."""
        while path and self.blind:
            if path in self.blind:
                return True
            path = path.rpartition("/")[0]
        return False


class Seer:
    """Opens the streams of one pass. `once` says a skipped name a single time in the daemon's life."""

    def __init__(self, context: Context, sight: Sight, once: Callable[[str, str], bool]) -> None:
        self._context = context
        self._sight = sight
        self._once = once

    def local(self, under: RelPath | None) -> Iterator[tuple[RelPath, LocalStat]]:
        """Wanted files. What is no file is counted, said once, and hides its name from deletion."""
        sight, wants, stop = self._sight, self._context.wants, self._context.stop
        for number, entry in enumerate(self._context.tree.scan(under)):
            if number % YIELD_EVERY == 0:
                stop.wait(0)
            if isinstance(entry, ScanEntry):
                if wants(entry.path):
                    sight.local_files += 1
                    sight.local_bytes += entry.stat.size
                    if sight.newest.most:
                        sight.newest.see(entry.stat.mtime_ns, entry.path)
                    yield entry.path, entry.stat
            else:
                self._problem(entry)

    def _problem(self, problem: ScanProblem) -> None:
        if problem.path is not None:
            self._sight.blind.add(problem.path)
            if not problem.name.endswith("/") and not self._context.wants(problem.path):
                return
        if problem.kind == "vanished":
            return
        self._sight.problems[problem.kind] += 1
        if problem.kind == "unreadable" and problem.path is not None:
            self._sight.unreadable.append((problem.path, problem.reason))
        if self._once(problem.kind, problem.name):
            self._context.events.emit(
                events.FILE_SKIPPED,
                pair=self._context.pair.name,
                path=problem.name,
                kind=problem.kind,
                reason=problem.reason,
            )

    def remote(self, under: RelPath | None) -> Iterator[tuple[RelPath, ListedObject]]:
        """Wanted objects whose keys can be files here."""
        for page in self.pages(under):
            yield from self.objects(page.objects)

    def pages(self, under: RelPath | None) -> Iterator[ListPage]:
        """The listing as it comes."""
        for page in self._context.objects.list(self._context.pair.prefix + (f"{under}/" if under else "")):
            yield page
            self._context.stop.wait(0)

    def objects(self, listed: Iterable[ListedObject]) -> Iterator[tuple[RelPath, ListedObject]]:
        """Those of a page that are wanted and can be files here."""
        start = len(self._context.pair.prefix)
        for each in listed:
            path = self._path(each.key[start:])
            if path is not None and self._context.wants(path):
                self._sight.remote_objects += 1
                yield path, each

    def _path(self, name: str) -> RelPath | None:
        if not name or is_ours(name):
            return None
        try:
            return parse_relpath(name)
        except Unrepresentable as problem:
            self._sight.problems["unrepresentable"] += 1
            if self._once("unrepresentable", name):
                self._context.events.emit(
                    events.FILE_SKIPPED,
                    pair=self._context.pair.name,
                    path=name,
                    kind="unrepresentable",
                    reason=problem.reason,
                )
            return None

    def records(self, under: RelPath | None) -> Iterator[Record]:
        """The rows of wanted paths; the others sleep."""
        yield from self.wanted(self._context.records.walk(under))

    def wanted(self, rows: Iterable[Record]) -> Iterator[Record]:
        """Those of wanted paths."""
        wants = self._context.wants
        for record in rows:
            if wants(record.path):
                self._sight.records += 1
                yield record
