"""One `[[batch]]` at run time: its bucket folders, each a world of its own, its journal and index, its state."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping

from syncd import events
from syncd.archive.indexing import Health, Indexer, IndexState
from syncd.archive.report import PlanRow, RunReport
from syncd.archive.run import Run
from syncd.archive.send import write_manifest
from syncd.archive.world import BatchFolder
from syncd.config.types import Batch
from syncd.core.archive import Archive
from syncd.core.filters import Filter
from syncd.engine.context import Context
from syncd.errors import ConfigError, FatalError, PairHalted, SyncdError
from syncd.local.translate import printable
from syncd.ports import ArchiveIndex, Clock, Events, ObjectStore, StopToken, Totals
from syncd.workers.batch_report import BatchReport, Left
from syncd.workers.bucket_folders import BatchWorld, BucketFolders, FolderState, is_shared, reason_of, strays
from syncd.workers.standing import Standing
from syncd.workers.waiting import Waiting, look

STRIKES = 2
"""So many folders in a row that do not reach the endpoint end a run: one alone may have a name that DNS has not."""

STRAYS = {
    "symlink": "a symlink is never followed: move the folder here, or mount it",
    "file": "it lies in no bucket's folder: move it to BUCKET/KEY",
}
"""Why what lies beside the bucket folders is skipped."""


class BatchSection(Standing):
    """A batch with its state. Runs are done by one thread at a time; everything else may be read from any."""

    def __init__(
        self,
        batch: Batch,
        *,
        world: BatchWorld,
        clock: Clock,
        events: Events,
        stop: StopToken,
        requests: Callable[[], Mapping[str, int]] = dict,
    ) -> None:
        super().__init__(batch.name, clock=clock, events=events)
        self.batch = batch
        self.store = world.store(batch)
        self.last_report: BatchReport | None = None
        self.next_run_at: float | None = None
        self.last_run_failed = False
        self.waiting = Waiting()
        self.totals = Totals()
        self.indexed = IndexState(health=Health.OK if batch.index.url else Health.OFF)
        self._world = world
        self._stop = stop
        self._requests = requests
        self._folders = BucketFolders(batch, world, self.once)
        self._index: ArchiveIndex | None = None
        self._index_open = False
        self._unusable = ""
        self._indexer: Indexer | None = None
        self._broke_off = ""  # the bucket that the last run did not get beyond
        self._lock = threading.Lock()

    # --- what it has ---

    def folders(self) -> list[FolderState]:
        """The bucket folders as the last run saw them, by name."""
        return self._folders.states()

    def buckets(self) -> list[str]:
        """The buckets that it archives to: its folders whose names can be one. Empty where the root is not there."""
        try:
            return [name for name in self._folders.names() if not self._world.unusable(self.batch, name)]
        except PairHalted:
            return []

    @property
    def stopping(self) -> bool:
        """Whether nothing new begins any more: what is looked at from now on may be seen in part."""
        return self._stop.stopped()

    def objects(self, bucket: str) -> ObjectStore:
        """Any bucket of the batch's endpoint, its manifest bucket too. SyncdError where there is no way to it."""
        return self._world.objects(self.batch, bucket)

    def open(self, bucket: str) -> BatchFolder:
        """A bucket folder's world. Raises PairHalted where the folder is missing or may not be used."""
        return self._folders.open(bucket)

    def contexts(self) -> list[Context]:
        """The bucket folders that are open, as the engine has them."""
        return [folder.context for folder in self._folders.opened()]

    def prune(self, hashes: int) -> None:
        """Keep about so many hashes of each folder, those that were used last."""
        for folder in self._folders.opened():
            folder.context.records.prune_hashes(hashes)

    @property
    def index(self) -> ArchiveIndex | None:
        """The index; None where none is configured, or what is configured cannot be used (status says why)."""
        with self._lock:
            if not self._index_open:
                self._index_open, self._unusable = True, ""
                try:
                    self._index = self._world.index(self.batch)
                except ConfigError as error:
                    self._unusable = str(error)
            return self._index

    def reconfigure(self, batch: Batch) -> None:
        """Go on with other settings: what runs ends as it began, the next run opens everything anew."""
        self.batch = batch
        self._folders.reopen(batch)
        self.close()

    def close(self) -> None:
        """Let go of the index: it is opened anew when it is next asked for."""
        with self._lock:
            index, self._index, self._index_open, self._unusable = self._index, None, False, ""
            self._indexer = None
        if index is not None:
            index.close()

    def feed_index(self, moved: Callable[[], None] = lambda: None) -> IndexState:
        """Give the index the documents that wait for it, as much as one round may. By one thread only."""
        if self._unusable:  # what it is configured with may have come meanwhile
            with self._lock:
                self._index_open = False
            if self.index is not None:
                self._indexer = None
        indexer = self._indexer
        if indexer is None:
            index, batch = self.index, self.batch
            indexer = Indexer(
                self.store,
                index,
                name=self.name,
                s3=batch.s3,
                host=self._world.host,
                events=self._events,
                clock=self._clock,
                fallback=self._write_manifest if batch.manifest == "fallback" else None,
                unusable=self._unusable,
            )
            self._indexer = indexer
        self.indexed = indexer.drain(self._stop, moved)
        self.changed()
        return self.indexed

    def _write_manifest(self, archive: Archive) -> None:
        """The manifest in the place of the documents that the index does not take. PairHalted, RemoteError, Stale."""
        assert archive.etag is not None, f"{archive.uuid} is not proven"
        written = write_manifest(self._folders.prepare(archive.bucket), archive, archive.etag)
        self.store.record_manifest(archive.uuid, written)

    # --- runs ---

    def run(self, *, forced: bool = False, moved: Callable[[], None] = lambda: None) -> BatchReport:
        """One run over every bucket folder, one after the other; a folder that cannot is left, the others go on.

        `forced`: min_files and max_age are waived. Raises FatalError alone: what stops them all is in the report.
        """
        started, began, before = self._clock.now(), self._clock.monotonic(), self._requests()
        self._state("scanning" if self.state != "draining" else "draining")
        done: list[RunReport] = []
        failure: SyncdError | None = None
        try:
            self._world.spool(self.batch).free()
            failure = self._run_all(done, forced=forced, moved=moved)
        except FatalError:
            raise
        except SyncdError as error:
            failure = error
        report = BatchReport(
            started_at=started,
            duration_s=self._clock.monotonic() - began,
            folders=tuple(done),
            left=tuple(Left(bucket=each.bucket, reason=each.reason) for each in self.folders() if each.reason),
            failure=failure,
            stopped=self._stop.stopped(),
            requests={kind: count - before.get(kind, 0) for kind, count in self._requests().items()},
        )
        self._ran(report)
        return report

    def plan(self, *, forced: bool = False) -> Iterator[tuple[str, PlanRow]]:
        """(bucket, what a run would do with a file of it), by key; a folder that waits is one row with its reason.

        Reads, lists a little of each bucket, changes nothing. Raises what stops them all, as RemoteError.
        """
        for bucket in self._folders.names():
            reason = self._world.unusable(self.batch, bucket)
            try:
                if not reason:
                    folder = self.open(bucket)
                    next(iter(folder.context.objects.list(".syncd/")), None)  # whether the bucket is there
            except PairHalted as halted:
                reason = reason_of(halted, bucket)
            except SyncdError as error:
                if is_shared(error):
                    raise
                reason = reason_of(error, bucket)
            if reason:
                yield bucket, PlanRow(path="", action="wait", reason=reason, size=0)
                continue
            for row in Run(folder, forced=forced).plan():
                yield bucket, row

    def look(self, moved: Callable[[], None] = lambda: None) -> Waiting:
        """See how much lies there, by names and stats alone."""
        batch = self.batch
        try:
            buckets = self._folders.names()
        except PairHalted:  # a run tells
            buckets = []
        wants = Filter(batch.include, batch.exclude).wants
        found = look(batch.root, buckets, wants=wants, stop=self._stop, moved=moved)
        if found is not None:
            self.waiting = found
            self.changed()
        return self.waiting

    # --- the parts of a run ---

    def _run_all(self, done: list[RunReport], *, forced: bool, moved: Callable[[], None]) -> SyncdError | None:
        """Run them in turn. Returns what stops them all: nothing went through, or the last ones did not."""
        lost: dict[str, SyncdError] = {}
        in_a_row = 0
        for bucket in self._in_turn():
            if self._stop.stopped():
                break
            error = self._run_one(bucket, done, forced=forced, moved=moved)
            if error is None:
                in_a_row = 0
                continue
            lost[bucket], in_a_row = error, in_a_row + 1
            if in_a_row >= STRIKES:
                self._broke_off = bucket
                break
        if lost and (in_a_row >= STRIKES or not any(report.failure is None for report in done)):
            return list(lost.values())[-1]
        for bucket, error in lost.items():
            self._leave(bucket, reason_of(error, bucket))
        return None

    def _in_turn(self) -> list[str]:
        """The bucket folders, those first that the last run did not come to."""
        names = self._folders.names()
        for stray in strays(self.batch.root):
            if self.once("stray", stray.name):
                reason = STRAYS[stray.kind]
                self._events.emit(events.FILE_SKIPPED, pair=self.name, path=stray.name, kind=stray.kind, reason=reason)
        spooled = self._spooled_without(names)
        self._folders.keep([*names, *spooled])
        for bucket in spooled:
            self._leave(bucket, "its folder is gone, and archives of it wait in the spool: make the folder again")
        last, self._broke_off = self._broke_off, ""
        return sorted(names, key=lambda name: (name <= last, name))

    def _spooled_without(self, names: list[str]) -> list[str]:
        """Buckets whose archives lie in the spool though their folder is gone."""
        archives = [self.store.get(uuid) for uuid in self._world.spool(self.batch).uuids()]
        return sorted({archive.bucket for archive in archives if archive is not None} - set(names))

    def _run_one(
        self, bucket: str, done: list[RunReport], *, forced: bool, moved: Callable[[], None]
    ) -> SyncdError | None:
        """Run one folder. Returns what concerns the others too; what is its own is noted with it."""
        reason = self._world.unusable(self.batch, bucket)
        if reason:
            self._leave(bucket, reason)
            return None
        self._folders.working(bucket)
        self.changed()
        error: SyncdError | None = None
        try:
            report = Run(self._folders.prepare(bucket), forced=forced, moved=moved).run()
            done.append(report)
            error = report.failure
        except FatalError:
            raise
        except SyncdError as failure:
            error = failure
        if error is None:
            self._folders.through(bucket, unlinking=report.unlinking)
        elif is_shared(error):
            self._folders.resting(bucket)
            return error
        else:
            self._leave(bucket, reason_of(error, bucket))
        return None

    def _leave(self, bucket: str, reason: str) -> None:
        """The folder waits; said once until it went through."""
        if self._folders.leave(bucket, reason):
            path = printable(f"{bucket}/")
            self._events.emit(events.FILE_SKIPPED, pair=self.name, path=path, kind="bucket", reason=reason)
        self.changed()

    def _ran(self, report: BatchReport) -> None:
        self.totals = self.store.totals()
        self.last_report, self.last_run_failed = report, report.failure is not None
        if report.failure is not None:
            self.failed(report.failure)
            return
        self._recovered()
        self.last_failure, self.last_error = None, report.first_error
        if report.through:
            self.last_success_at = self._clock.now()
        if self.state != "draining":
            self._state("idle" if self.paused_until is None else "paused")
        self._events.emit(
            events.CYCLE_FINISHED,
            pair=self.name,
            elapsed=round(report.duration_s, 3),
            bytes_up=report.bytes_up,
            cleaned=report.counts["unlinked"],
            **{name: report.counts[name] for name in ("archives", "archived", "uploaded", "waiting", "errors")},
        )
