"""One run over one bucket folder: finish what the journal holds, select, seal, send, unlink."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import cached_property

from syncd import events
from syncd.archive.alone import Alone
from syncd.archive.clear import Clearing
from syncd.archive.crew import each
from syncd.archive.plan import plan
from syncd.archive.report import PlanRow, RunReport
from syncd.archive.seal import seal
from syncd.archive.selection import Selection
from syncd.archive.send import Sender
from syncd.archive.stream import stream
from syncd.archive.tally import Tally
from syncd.archive.world import BatchFolder
from syncd.core.archive import Archive, ArchiveState
from syncd.core.batching import Choice, Pack
from syncd.engine.guarding import may_remove
from syncd.engine.multipart import abort_open_uploads
from syncd.engine.turn import Turn
from syncd.errors import ItemError, PairHalted, RemoteError, SyncdError

AFTER_ERRORS_S = 30.0
"""What failed is not tried again at once."""

COUNTED = {field.name for field in fields(RunReport)}


class Run:
    """One run. Use once; one at a time over all folders of a batch.

    `forced`: min_files and max_age are waived. `moved` is called now and then, to show that it lives. It stops by
    `context.stop`.
    """

    def __init__(self, folder: BatchFolder, *, forced: bool = False, moved: Callable[[], None] = lambda: None) -> None:
        self._folder = folder
        self._forced = forced
        self._moved = moved
        self._tally = Tally()
        self._sender = Sender(folder, self._tally)
        self._selection = Selection(folder, self._tally, moved)
        self._choice: Choice | None = None
        self._proven: list[Archive] = []
        self._resumed: list[Archive] = []

    def run(self) -> RunReport:
        """Do it. A file or an archive that fails is counted; a lost endpoint or root ends it as `failure`."""
        clock = self._folder.context.clock
        started, began = clock.now(), clock.monotonic()
        failure: SyncdError | None = None
        try:
            self._work()
        except (RemoteError, PairHalted) as error:
            failure = error
        return self._report(started, clock.monotonic() - began, failure)

    def plan(self) -> Iterator[PlanRow]:
        """What `run` would do, file by file; changes nothing, not even the spool. PairHalted: the root is lost."""
        self._folder.context.tree.check_root()
        self._selection.scan()
        return plan(self._folder, self._selection, self._selection.choose(forced=self._forced))

    def _work(self) -> None:
        folder, stop = self._folder, self._folder.context.stop
        folder.context.tree.check_root()
        abort_open_uploads(folder.context)
        self._tidy_spool()
        self._finish_journaled()
        if stop.stopped():
            return
        self._selection.scan()
        self._choice = self._selection.choose(forced=self._forced)
        if stop.stopped():
            return
        if folder.batch.streaming:
            self._stream(self._choice.packs)
        else:
            each(folder.pool, seal(folder, self._choice.packs, self._tally, self._moved), self._send, stop=stop)
        self._clear(self._proven, fresh=True)
        alone = Alone(folder, self._tally, lambda: self._may_remove)
        alone.run([*(one.path for one in self._choice.alone), *self._selection.recorded], self._moved)

    # --- what earlier runs left ---

    def _tidy_spool(self) -> None:
        """What the journal does not hold as sealed is of no use any more; what is not ours is only told of."""
        folder = self._folder
        try:
            for uuid in folder.spool.uuids():
                archive = folder.store.get(uuid)
                if archive is None or archive.state is not ArchiveState.SEALED:
                    folder.spool.remove(uuid)
        except ItemError as error:
            self._tally.problem("spool", error)
        for name in folder.spool.strangers():
            if folder.once("spool", name):
                folder.context.events.emit(
                    events.FILE_SKIPPED,
                    pair=folder.batch.name,
                    path=name,
                    kind="spool",
                    reason="it lies in the spool and is no archive of ours: it is left alone",
                )

    def _finish_journaled(self) -> None:
        folder, stop = self._folder, self._folder.context.stop
        unfinished = folder.store.unfinished(folder.bucket)
        sealed = [archive for archive in unfinished if archive.state is ArchiveState.SEALED]
        each(folder.pool, sealed, self._resume, stop=stop)
        unlinking = [archive for archive in unfinished if archive.state is ArchiveState.UNLINKING]
        self._clear([*unlinking, *self._resumed], fresh=False)

    def _resume(self, archive: Archive) -> None:
        if self._sender.resume(archive):
            self._note_proven(archive, self._resumed)

    # --- the archives of this run ---

    def _send(self, archive: Archive) -> None:
        if self._sender.send(archive):
            self._note_proven(archive, self._proven)

    def _stream(self, packs: tuple[Pack, ...]) -> None:
        """One after the other: each takes the line for itself."""
        for pack in packs:
            if self._folder.context.stop.stopped():
                break
            with self._sender.guarded(pack.folder):
                arrived = stream(self._folder, pack, self._tally, self._moved)
                if arrived is not None and self._sender.conclude(*arrived):
                    self._note_proven(arrived[0], self._proven)

    def _note_proven(self, archive: Archive, those: list[Archive]) -> None:
        self._moved()
        proven = self._folder.store.get(archive.uuid)
        assert proven is not None
        those.append(proven)

    # --- their originals ---

    @cached_property
    def _may_remove(self) -> bool:
        """Whether files may be moved out or unlinked in this run: announced once, before the first of them."""
        context = self._folder.context
        return context.may_clean and may_remove(context)

    def _clear(self, archives: list[Archive], *, fresh: bool) -> None:
        if not archives:
            return
        if not self._may_remove:
            self._tally.add(unlinking=sum(archive.files for archive in archives))
            return
        turn = Turn()

        def clear(archive: Archive) -> None:
            Clearing(self._folder, archive, self._tally, fresh=fresh, turn=turn).run()
            self._moved()

        each(self._folder.pool, archives, clear, stop=self._folder.context.stop)

    # --- what it came to ---

    def _report(self, started: float, duration_s: float, failure: SyncdError | None) -> RunReport:
        tally, counts = self._tally, self._tally.counts
        counts["open"] = counts.get("open", 0) + len(self._selection.opened)
        if self._choice is not None:
            counts["waiting_files"] = self._choice.waiting_files
            counts["waiting_bytes"] = self._choice.waiting_bytes
            tally.due(self._choice.next_due_s)
        if counts.get("staged"):
            tally.due(0.0)
        due_s = tally.due_s
        if due_s is not None and (failure is not None or counts.get("errors")):
            due_s = max(due_s, AFTER_ERRORS_S)
        return RunReport(
            folder=self._folder.name,
            started_at=started,
            duration_s=duration_s,
            oldest_at=self._oldest_at(),
            problems=tally.problems,
            next_due_s=due_s,
            stopped=self._folder.context.stop.stopped(),
            failure=failure,
            **{name: count for name, count in counts.items() if name in COUNTED},  # type: ignore[arg-type]
        )

    def _oldest_at(self) -> float | None:
        """When the oldest file came that is in no proven archive, as far as this run can tell."""
        safe: set[str] = set()
        if self._choice is not None and self._proven:
            proven = {archive.key.rpartition("/")[0] for archive in self._proven}
            safe = {one.path for pack in self._choice.packs if pack.folder in proven for one in pack.members}
        left = (one.stat.ctime_ns for one in self._selection.candidates if one.path not in safe)
        oldest_ns = min(left, default=None)
        return None if oldest_ns is None else oldest_ns / 1e9
