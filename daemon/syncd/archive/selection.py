"""Which files a run packs: the list is locked once, and what somebody has open is left out."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from syncd import events
from syncd.archive.alone import recorded
from syncd.archive.openness import RECENT_S
from syncd.archive.tally import Tally
from syncd.archive.world import BatchFolder
from syncd.config.types import Batch
from syncd.core.batching import Candidate, Choice, Limits, choose
from syncd.core.paths import RelPath
from syncd.engine.sight import Seer, Sight
from syncd.errors import ItemError, Stale
from syncd.ports import Openness

MOVED_EVERY = 1000


def limits_of(batch: Batch) -> Limits:
    """What the batch's settings ask for. Unknown counts as open until `min_age` and `settle` have passed."""
    return Limits(
        max_size=batch.max_size,
        max_files=batch.max_files,
        min_files=batch.min_files,
        max_age_s=batch.max_age.total_seconds(),
        min_age_s=max(batch.min_age, batch.settle).total_seconds(),
        spool_max=batch.spool_max,
    )


class Selection:
    """The files of one folder that a run found, and what it chose of them."""

    def __init__(self, folder: BatchFolder, tally: Tally, moved: Callable[[], None]) -> None:
        self._folder = folder
        self._tally = tally
        self._moved = moved
        self._closed: set[RelPath] = set()
        self.opened: set[RelPath] = set()
        self.unreadable: dict[RelPath, str] = {}
        self.busy: dict[RelPath, int] = {}  # sizes of those in an archive that is not through yet
        self.recorded: list[RelPath] = []  # went up alone, and are not cleaned yet
        self.up_already: dict[RelPath, int] = {}  # sizes of those of them that are still at their place
        self.candidates: list[Candidate] = []

    def scan(self) -> None:
        """Lock the list: wanted files that no archive holds yet. PairHalted where the root is lost."""
        folder, sight = self._folder, Sight()
        busy, known = folder.store.busy(folder.bucket), recorded(folder)
        for number, (path, stat) in enumerate(Seer(folder.context, sight, folder.once).local(None)):
            if number % MOVED_EVERY == 0:
                self._moved()
                if folder.context.stop.stopped():
                    break
            if path in busy:
                self.busy[path] = stat.size
            elif path not in known or known[path] != stat:
                self.candidates.append(Candidate(path=path, stat=stat))
                known.pop(path, None)
            else:
                self.up_already[path] = stat.size
        for path, reason in sight.unreadable:
            self._tally.problem(path, ItemError(path, f"{path}: {reason}"))
        self._tally.add(skipped=sum(sight.problems.values()))
        self.recorded = sorted(known)

    def choose(self, *, forced: bool) -> Choice:
        """What this run does with each of them. Whatever is picked was closed a moment ago, or could not be asked."""
        left_out = self.opened | self.unreadable.keys()
        while True:
            choice = choose(
                (one for one in self.candidates if one.path not in left_out),
                now_ns=self._folder.context.clock.now_ns(),
                limits=limits_of(self._folder.batch),
                forced=forced,
            )
            if self._all_closed(one for pack in choice.packs for one in pack.members) & self._all_closed(choice.alone):
                return choice
            left_out = self.opened | self.unreadable.keys()

    def _all_closed(self, picked: Iterable[Candidate]) -> bool:
        """Whether none of them has to be left out; each is asked once in a run."""
        closed = True
        for number, candidate in enumerate(picked):
            if number % MOVED_EVERY == 0:
                self._moved()
                if self._folder.context.stop.stopped():  # nothing will be made of them
                    return True
            if candidate.path not in self._closed:
                closed &= self._is_closed(candidate.path)
        return closed

    def _is_closed(self, path: RelPath) -> bool:
        try:
            openness = self._folder.context.tree.open_elsewhere(path, for_writing=False, max_age_s=RECENT_S)
        except Stale:  # gone: the packing finds that out too
            openness = Openness.CLOSED
        except ItemError as error:
            self._unreadable(path, error)
            return False
        if openness is Openness.OPEN:
            self.opened.add(path)
            return False
        self._closed.add(path)
        return True

    def _unreadable(self, path: RelPath, error: ItemError) -> None:
        self.unreadable[path] = str(error)
        self._tally.problem(path, error)
        if self._folder.once("unreadable", path):
            self._folder.context.events.emit(
                events.FILE_SKIPPED, pair=self._folder.name, path=path, kind="unreadable", reason=str(error)
            )
