"""The originals of proven archives go, in two phases: staged in one run, looked at again and unlinked in the next."""

from __future__ import annotations

from collections import deque
from itertools import islice

from syncd import events
from syncd.archive.openness import RECENT_S, may_go, untouched_s
from syncd.archive.tally import Tally
from syncd.archive.world import BatchFolder
from syncd.core.archive import Archive, MemberState, Original
from syncd.core.model import LocalStat
from syncd.core.paths import RelPath
from syncd.engine.prove import Shown, prove_member, shown
from syncd.engine.turn import Turn
from syncd.errors import ItemError, Stale
from syncd.ports import Commit, Openness, TrashRow

MARKED_AT_ONCE = 1000

IN_A_ROW = 64
"""So many originals go, or stay, between two looks at the root."""

UNLINKING = frozenset({MemberState.UNLINKING})


class Unseen(Exception):
    """The archive has to be looked at before this original may go."""


class Missing(Exception):
    """The archive is not on S3 as it was proven: nothing of it may go."""


class Clearing:
    """Clears one archive. Each original is asked for in each run at most once, so no file goes in the run it is staged.

    `fresh`: the archive was proven in this run, so that nothing of it can be staged yet. `turn`: of those who clear
    beside it.
    """

    def __init__(self, folder: BatchFolder, archive: Archive, tally: Tally, *, fresh: bool, turn: Turn) -> None:
        self._folder = folder
        self._tree = folder.context.tree
        self._archive = archive
        self._tally = tally
        self._fresh = fresh
        self._turn = turn
        self._shown: Shown | None = None
        self._marks: list[tuple[RelPath, MemberState]] = []

    def run(self) -> None:
        """Go through its originals. RemoteError where the endpoint is lost; PairHalted where the root is."""
        try:
            originals = iter(self._folder.store.originals(self._archive.uuid, states=UNLINKING))
            while not self._stopped() and (row := deque(islice(originals, IN_A_ROW))):
                while row and not self._stopped():
                    self._some(row)
        except Missing:
            self._bring_all_back()
        finally:
            self._flush()

    def _stopped(self) -> bool:
        return self._folder.context.stop.stopped()

    def _some(self, row: deque[Original]) -> None:
        """Take from the row, in turn; out of it, once, the archive is looked at: it may have to be read back."""
        try:
            with self._turn, self._tree.hold():
                while row and not self._stopped():
                    self._one(row[0])
                    row.popleft()
        except Unseen:
            self._shown = self._ask()

    def _one(self, original: Original) -> None:
        path = original.member.path
        try:
            staged = None if self._fresh else self._tree.staged(path)
            if staged is None:
                self._at_its_path(path, original)
            else:
                self._staged(path, original, staged)
        except Stale:  # somebody was faster: the next run looks again
            self._tally.add(unlinking=1)
        except ItemError as error:
            self._tally.add(unlinking=1)
            self._tally.problem(path, error)

    # --- phase one ---

    def _at_its_path(self, path: RelPath, original: Original) -> None:
        try:
            openness = self._tree.open_elsewhere(path, for_writing=False, max_age_s=RECENT_S)
            if openness is Openness.CLOSED:
                self._look()
                self._tree.stage(path, expect=original.stat, durable=False)  # a power cut brings it back: no harm
                self._tally.add(staged=1, unlinking=1)
                return
        except Stale:
            openness = Openness.OPEN
        self._not_staged(path, original, openness)

    def _not_staged(self, path: RelPath, original: Original, openness: Openness) -> None:
        """It is gone, another version by now, or somebody has it open, for all we know."""
        stat = self._tree.lstat(path)
        if stat is None:  # unlinked before a crash, or by somebody
            self._mark(path, MemberState.UNLINKED)
        elif not stat.same_file(original.stat):
            self._keep(path)
        elif self._may_go(openness, stat, self._folder.context.pair.cleanup_blind_age.total_seconds()):
            self._look()
            self._tree.stage(path, expect=original.stat, durable=False)
            self._tally.add(staged=1, unlinking=1)

    # --- phase two ---

    def _staged(self, path: RelPath, original: Original, staged: LocalStat) -> None:
        if not staged.same_file(original.stat):
            self._bring_back(path, staged)
            self._keep(path)
            return
        proof = prove_member(self._folder.context, self._look(), original.member, staged)
        if proof is None:  # somebody who had it open wrote to it
            self._bring_back(path, staged)
            self._keep(path)
            return
        openness = self._tree.staged_open_elsewhere(path, max_age_s=RECENT_S)
        batch = self._folder.batch
        if self._may_go(openness, staged, max(batch.min_age, batch.settle).total_seconds()):
            self._tree.remove(proof)
            self._mark(path, MemberState.UNLINKED)
        elif openness is Openness.OPEN and self._tree.lstat(path) is None:
            self._tree.unstage(path)  # whoever has it open finds it under its name

    def _may_go(self, openness: Openness, stat: LocalStat, blind_s: float) -> bool:
        now_ns = self._folder.context.clock.now_ns()
        if may_go(openness, stat, now_ns, blind_s):
            return True
        self._tally.add(open=1, unlinking=1)
        if openness is Openness.UNKNOWN:
            self._tally.due(blind_s - untouched_s(stat, now_ns))
        return False

    def _look(self) -> Shown:
        """The archive as it was when the first original could go; Unseen before that, with nothing done yet."""
        if self._shown is None:
            raise Unseen
        return self._shown

    def _ask(self) -> Shown:
        """The archive as it is now: asked once in a run."""
        seen = shown(self._folder.context, self._archive)
        if seen is None:
            raise Missing
        if seen.kind is not self._archive.proof:  # it was read back: once is enough
            self._folder.store.prove_again(self._archive.uuid, seen.kind)
        return seen

    # --- what stays ---

    def _keep(self, path: RelPath) -> None:
        self._mark(path, MemberState.KEPT)
        self._folder.context.events.emit(
            events.ORIGINAL_KEPT,
            pair=self._folder.name,
            path=path,
            key=self._archive.key,
            reason="another version lies there by now",
        )

    def _bring_back(self, path: RelPath, staged: LocalStat) -> None:
        """To its path; where that is taken, to trash."""
        if self._tree.lstat(path) is None:
            self._tree.unstage(path)
            return
        context = self._folder.context
        where = f"local:{self._tree.trash_staged(path)}"
        trash = TrashRow(at=context.clock.now(), path=path, where=where, reason="cleaned", size=staged.size)
        context.records.commit(Commit(trash=trash)).result()

    def _bring_all_back(self) -> None:
        """The archive is gone: what is still here of its originals stays, and is archived anew."""
        self._flush()
        back = 0
        for original in self._folder.store.originals(self._archive.uuid, states=UNLINKING):
            try:
                back += self._back(original.member.path)
            except (Stale, ItemError):  # it stays staged, and its row with it: the next run tries again
                self._tally.add(unlinking=1)
        hint = "somebody removed or replaced it on S3; what is still here of its files is archived anew"
        self._tally.problem(self._archive.key, ItemError(self._archive.key, "the archive is gone", hint=hint))
        self._folder.context.events.emit(
            events.ARCHIVE_MISSING, pair=self._folder.name, key=self._archive.key, files=back, hint=hint
        )

    def _back(self, path: RelPath) -> bool:
        """Whether it is still here; it is at its path then, or in trash where that is taken."""
        staged = self._tree.staged(path)
        here = staged is not None or self._tree.lstat(path) is not None
        if staged is not None:
            self._bring_back(path, staged)
        self._mark(path, MemberState.KEPT if here else MemberState.UNLINKED)
        return here

    def _mark(self, path: RelPath, state: MemberState) -> None:
        self._marks.append((path, state))
        self._tally.add(**{state.value: 1})
        if len(self._marks) >= MARKED_AT_ONCE:
            self._flush()

    def _flush(self) -> None:
        marks, self._marks = self._marks, []
        if marks:
            self._folder.store.mark(self._archive.uuid, marks)
