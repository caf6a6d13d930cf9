"""The running daemon, put together: sections, workers, control socket, supervisor."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from syncd import __version__, events
from syncd.config.locate import Places
from syncd.config.types import Batch, Config, Pair
from syncd.control.port import Row
from syncd.control.server import ControlServer
from syncd.engine.pool import Pool
from syncd.lifecycle import courtesy
from syncd.lifecycle.logs import Logs
from syncd.lifecycle.notify import Notifier
from syncd.lifecycle.stop import Stop
from syncd.lifecycle.transfers import TransferBoard
from syncd.ports import Clock
from syncd.runtime.archives import ArchiveOperations
from syncd.runtime.assembly import Assembly
from syncd.runtime.batch_assembly import BatchAssembly
from syncd.runtime.chores import Chores
from syncd.runtime.operations import Operations
from syncd.runtime.pace import PaceStatus, pool_for
from syncd.runtime.run_report import ReportLost, batch_run_report, run_report, write_json
from syncd.runtime.signals import Signals
from syncd.runtime.stages import StopStage, closing_stage, worker_stage
from syncd.runtime.status import StatusBoard
from syncd.runtime.supervisor import Duties, Supervisor
from syncd.s3.counts import RequestCounts, requests_of, totals_of
from syncd.s3.paces import Paces
from syncd.store.database import Database
from syncd.workers.archiver import Archiver
from syncd.workers.auditor import SETTINGS, Auditor
from syncd.workers.batch import BatchSection
from syncd.workers.feeder import PROVEN, Feeder
from syncd.workers.hotfolder import HotFolder
from syncd.workers.housekeeper import FIRST_PASS, Housekeeper
from syncd.workers.reconciler import FORCE, LOST_EVENTS, Reconciler
from syncd.workers.section import Section

DRAIN_S = 30.0
HOT_THREADS = 4

CAME_OR_WENT = "came or went: it takes effect after systemctl restart syncd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a run of the daemon is given. `read` reads the configuration again; `show` writes it as TOML."""

    config: Config
    places: Places
    hostname: str
    machine_id: str
    read: Callable[[], Config]
    show: Callable[[Config], str]
    examine: Callable[[Database], list[Row]]


class Daemon:
    """Everything of one run, made in order and stopped in order."""

    def __init__(self, settings: Settings, *, logs: Logs, clock: Clock, database: Database, stack: ExitStack) -> None:
        self._settings = settings
        self._config = settings.config
        self._logs = logs
        self._clock = clock
        self._database = database
        self._stop = Stop()
        self._transfers_stop = self._stop.child()
        self._board = TransferBoard(clock)
        self._counts: list[RequestCounts] = []
        self._paces = Paces(clock, self._transfers_stop.wait_abandoned)
        self._paces.keep(settings.config)
        self._pool = pool_for(settings.config, self._board, self._paces)
        stack.callback(self._pool.close)
        self._hot_pool = Pool(HOT_THREADS)  # of its own: a hot file must not wait behind a pass over a million
        stack.callback(self._hot_pool.close)
        self._sections = [self._section(pair.name) for pair in settings.config.pairs]
        self._batches = [self._batch(batch) for batch in settings.config.batches]
        self._feeders = [self._feeder(section) for section in self._batches]
        self._archivers = [self._archiver(*both) for both in zip(self._batches, self._feeders)]
        self._reconcilers: list[Reconciler] = []
        self._hot: list[HotFolder] = []
        self._auditors: list[Auditor] = []
        for section in self._sections:
            self._add_workers(section)
        self._status = StatusBoard(
            self._sections,
            self._batches,
            hostname=settings.hostname,
            transfers=self._board,
            totals=self._totals,
            unresolved=database.conflicts.count,
            syslog=logs.syslog_state,
            pace=PaceStatus(self._paces, self._pool, courtesy.told()).row,
            stop=self._stop.child(),
            events=logs.events,
            clock=clock,
        )
        chores = Chores(database, clock, self._sections, self._batches, self._totals)
        self._keeper = Housekeeper(chores.all(), stop=self._stop.child(), events=logs.events, clock=clock)
        self._kept_house: set[str] = set()
        self._status.workers = [*self._hot, *self._passing, *self._auditors, self._keeper, self._status]
        self._supervisor: Supervisor | None = None
        self._server = ControlServer(self._operations(), settings.places.socket, logs.events, version=__version__)

    def run(self, signals: Signals, notifier: Notifier) -> int:
        """Until it is asked to stop, or cannot go on. Returns the exit code."""
        self._supervisor = Supervisor(
            Duties(
                startup=[self._restore_pauses, self._server.start],
                workers=self._status.workers,
                stop=self._stages(),
                status=self._status.line,
                reload=self._reload,
            ),
            signals=signals,
            notifier=notifier,
            events=self._logs.events,
            clock=self._clock,
        )
        self._logs.events.emit(events.PRIORITY_LOWERED, reason=courtesy.told())
        for notice in self._config.notices:
            self._logs.events.emit(events.CONFIG_NOTICED, reason=notice)
        code = self._supervisor.run()
        if self._supervisor.hung:  # a thread that hangs in a dead mount must not keep the process from ending
            self._logs.close()
            os._exit(code)
        return code

    # --- making ---

    def _section(self, name: str) -> Section:
        pair = next(pair for pair in self._config.pairs if pair.name == name)
        counts = RequestCounts()
        self._counts.append(counts)
        assembly = Assembly(
            database=self._database,
            clock=self._clock,
            events=self._logs.events,
            transfers=self._board,
            stop=self._transfers_stop,
            counts=counts,
            hostname=self._settings.hostname,
            machine_id=self._settings.machine_id,
            paces=self._paces,
        )
        return Section(
            pair,
            opener=assembly.open,
            pool=self._pool,
            clock=self._clock,
            events=self._logs.events,
            requests=lambda: requests_of([counts]),
        )

    def _batch(self, batch: Batch) -> BatchSection:
        counts = RequestCounts()
        self._counts.append(counts)
        assembly = BatchAssembly(
            database=self._database,
            clock=self._clock,
            events=self._logs.events,
            transfers=self._board,
            stop=self._transfers_stop,
            counts=counts,
            pool=self._pool,
            hostname=self._settings.hostname,
            machine_id=self._settings.machine_id,
            state_dir=self._settings.places.state_dir,
            paces=self._paces,
        )
        return BatchSection(
            batch,
            world=assembly,
            clock=self._clock,
            events=self._logs.events,
            stop=self._transfers_stop,
            requests=lambda: requests_of([counts]),
        )

    @property
    def _passing(self) -> list[Reconciler | Archiver | Feeder]:
        """The workers that move things, and drain together."""
        return [*self._reconcilers, *self._archivers, *self._feeders]

    def _feeder(self, section: BatchSection) -> Feeder:
        return Feeder(section, stop=self._stop.child(), events=self._logs.events, clock=self._clock)

    def _archiver(self, section: BatchSection, feeder: Feeder) -> Archiver:
        return Archiver(
            section,
            stop=self._stop.child(),
            events=self._logs.events,
            clock=self._clock,
            after=lambda: self._archived(section, feeder),
        )

    def _archived(self, section: BatchSection, feeder: Feeder) -> None:
        """After every run of a batch: the index gets its documents, and monitoring reads the run report."""
        feeder.wake(PROVEN)
        self._keep_house(section.name)
        report = section.last_report
        if report is not None and not report.stopped:  # one broken off tells nothing
            told = batch_run_report(section.batch, report, section.waiting, now=self._clock.now(), dry=False)
            self._write_report(section.name, told)

    def _add_workers(self, section: Section) -> None:
        clock, said = self._clock, self._logs.events
        hot: list[HotFolder] = []
        reconciler = Reconciler(
            section,
            stop=self._stop.child(),
            events=said,
            clock=clock,
            after=lambda: self._passed(section, hot),
        )
        worker = HotFolder(
            section,
            pool=self._hot_pool,
            stop=self._stop.child(),
            events=said,
            clock=clock,
            rescan=lambda: reconciler.wake(LOST_EVENTS),
        )
        hot.append(worker)
        self._reconcilers.append(reconciler)
        self._hot.append(worker)
        self._auditors.append(self._auditor(section))

    def _auditor(self, section: Section) -> Auditor:
        return Auditor(
            section,
            self._database.audits(section.name),
            busy=lambda: bool(self._board.totals()["running"]),
            stop=self._stop.child(),
            events=self._logs.events,
            clock=self._clock,
        )

    def _passed(self, section: Section, hot: list[HotFolder]) -> None:
        """After every pass: files may wait for their time, and monitoring reads the run report."""
        for worker in hot:
            worker.wake("timer")
        self._keep_house(section.name)
        report, error = section.last_report, section.last_failure
        if error is not None or (report is not None and not section.last_pass_failed):  # one broken off tells nothing
            told = run_report(section.pair, None if error else report, error, now=self._clock.now(), dry=False)
            self._write_report(section.name, told)

    def _write_report(self, name: str, told: dict[str, Any]) -> None:
        """A state folder that takes no report (its disk is full) is told of, and stops nobody."""
        try:
            write_json(self._settings.places.state_dir / "last-run" / f"{name}.json", told)
        except ReportLost as lost:
            self._logs.events.emit(events.REPORT_LOST, pair=name, error=lost.message, hint=lost.hint)

    def _totals(self) -> dict[str, int]:
        """Everything sent since the start, of all sections."""
        return totals_of(self._counts)

    def _keep_house(self, name: str) -> None:
        """A section that has been through for the first time is kept in order at once, not in an hour."""
        if name not in self._kept_house:
            self._kept_house.add(name)
            self._keeper.wake(FIRST_PASS)

    def _operations(self) -> Operations:
        return Operations(
            config=lambda: self._config,
            show=self._settings.show,
            reconcilers=self._reconcilers,
            archivers=self._archivers,
            archives=ArchiveOperations(
                self._batches, proposal=self._settings.places.state_dir / "restored", rest=self._stop.wait
            ),
            board=self._status,
            database=self._database,
            clock=self._clock,
            request_stop=self._request_stop,
            request_reload=self._reload_now,
            set_level=self._logs.set_level,
            examine=lambda: self._settings.examine(self._database),
            rest=self._stop.wait,
        )

    # --- running ---

    def _restore_pauses(self) -> None:
        for name, until in self._database.pauses.all().items():
            for section in (*self._sections, *self._batches):
                if section.name == name:
                    section.pause(math.inf if until is None else until)

    def _request_stop(self, now: bool) -> None:
        if self._supervisor is not None:
            self._supervisor.request_stop(now=now)

    def _reload(self) -> None:
        """SIGHUP: what cannot change in place is told in the log."""
        for told in self._reload_now()["needs_restart"]:
            self._logs.events.emit(events.CONFIG_NOTICED, reason=told)

    def _reload_now(self) -> Row:
        """Read the configuration again. What can change in place does; the rest is named."""
        fresh, before = self._settings.read(), self._config
        applied = self._reconfigure(fresh)
        restart = []
        if fresh.daemon.log_level != before.daemon.log_level:
            self._logs.set_level(fresh.daemon.log_level)
            applied.append(f"log_level = {fresh.daemon.log_level}")
        if fresh.syslog != before.syslog:
            self._logs.set_syslog(fresh.syslog)
            applied.append("[syslog]")
        if replace(fresh.daemon, log_level="") != replace(before.daemon, log_level=""):
            restart.append("[daemon] changed: it takes effect after systemctl restart syncd (nothing is lost)")
        pairs, came_or_went = _kept(before.pairs, fresh.pairs)
        restart += [f"[[pair]] {name} {CAME_OR_WENT}" for name in came_or_went]
        batches, came_or_went = _kept(before.batches, fresh.batches)
        restart += [f"[[batch]] {name} {CAME_OR_WENT}" for name in came_or_went]
        self._config = replace(fresh, pairs=pairs, batches=batches)
        self._paces.keep(self._config)
        return {"applied": applied, "needs_restart": restart, "notices": list(fresh.notices)}

    def _reconfigure(self, fresh: Config) -> list[str]:
        """Give changed sections their new settings, and a pass with them."""
        applied = []
        for reconciler, auditor in zip(self._reconcilers, self._auditors):
            section = reconciler.section
            for pair in fresh.pairs:
                if pair.name == section.name and pair != section.pair:
                    section.reconfigure(pair)
                    reconciler.wake(FORCE)
                    auditor.wake(SETTINGS)
                    applied.append(f"[[pair]] {pair.name}")
        for archiver in self._archivers:
            for batch in fresh.batches:
                if batch.name == archiver.section.name and batch != archiver.section.batch:
                    archiver.section.reconfigure(batch)
                    archiver.nudge()
                    applied.append(f"[[batch]] {batch.name}")
        return applied

    # --- stopping ---

    def _stages(self) -> list[StopStage]:
        return [
            worker_stage("intake", [*self._hot, *self._auditors], drain_s=5.0),
            StopStage(
                name="passes and transfers",
                drain=self._drain,
                ended=self._drained,
                abandon=self._stop.abandon,
                drain_s=DRAIN_S,
            ),
            closing_stage("control socket", self._server.close),
            worker_stage("status", [self._status, self._keeper], drain_s=2.0),
            closing_stage("store", self._database.close),
        ]

    def _drain(self) -> None:
        for section in (*self._sections, *self._batches):
            section.state = "draining"
        self._transfers_stop.drain()
        for worker in self._passing:
            worker.stop.drain()

    def _drained(self, seconds: float) -> bool:
        waiting = [worker for worker in self._passing if worker.alive]
        if waiting and not all(worker.join(seconds / len(waiting)) for worker in waiting):
            return False
        return self._pool.idle(seconds) and self._hot_pool.idle(seconds)


T = TypeVar("T", Pair, Batch)


def _kept(before: tuple[T, ...], fresh: tuple[T, ...]) -> tuple[tuple[T, ...], list[str]]:
    """What is in effect until a restart, by its newest settings; and the names that came or went."""
    old, new = {each.name for each in before}, {each.name for each in fresh}
    stays = tuple(each for each in fresh if each.name in old)
    gone = tuple(each for each in before if each.name not in new)
    return stays + gone, sorted(old ^ new)
