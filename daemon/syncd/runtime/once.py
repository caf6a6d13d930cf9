"""`syncd --once` and `--dry-run`: one full cycle of every section, told while it runs, and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from syncd.engine.cycle import Cycle
from syncd.engine.outcome import Outcome
from syncd.engine.report import CycleReport
from syncd.errors import ConfigError, FatalError, PairHalted, RemoteError, SyncdError
from syncd.lifecycle.stop import Stop
from syncd.lifecycle.transfers import TransferBoard
from syncd.local.translate import printable
from syncd.ports import Clock
from syncd.runtime.progress import ProgressLine
from syncd.runtime.run_report import ReportLost, batch_run_report, run_report, write_json
from syncd.workers.section import Section
from syncwire.exits import Exit, gravest

if TYPE_CHECKING:
    from syncd.workers.batch import BatchSection
    from syncd.workers.batch_report import BatchReport

SETTLING_LOOKS = 3


class Once:
    """Runs every section once. `out` takes the plan of a dry run, `screen` what else a person reads.

    `logged`: the screen shows the log's lines too, in words, so that a failure is not said twice. `afterwards`: what is
    done at the end of a run that may change things.
    """

    def __init__(
        self,
        sections: Sequence[Section],
        batches: Sequence[BatchSection] = (),
        *,
        stop: Stop,
        clock: Clock,
        transfers: TransferBoard,
        state_dir: Path,
        report: Path | None,
        dry: bool,
        logged: bool = False,
        afterwards: Callable[[], None] = lambda: None,
        out: TextIO = sys.stdout,
        screen: TextIO = sys.stderr,
    ) -> None:
        self._sections = sections
        self._batches = batches
        self._stop = stop
        self._clock = clock
        self._transfers = transfers
        self._state_dir = state_dir
        self._report_file = report
        self._dry = dry
        self._logged = logged
        self._afterwards = afterwards
        self._out = out
        self._screen = screen

    def run(self) -> int:
        """The exit code: the gravest of all sections."""
        codes, reports = [], []
        with ProgressLine(self._sections, self._transfers, self._clock, self._screen, enabled=not self._dry):
            for section in self._sections:
                if self._stop.stopped():
                    break
                code, told = self._section(section)
                codes.append(code)
                reports.append(told)
            for batch in self._batches:
                if self._stop.stopped():
                    break
                code, told = self._batch(batch)
                codes.append(code)
                reports.append(told)
        if not self._dry and not self._stop.stopped():
            self._afterwards()
        if self._report_file is not None and reports:
            alone = len(self._sections) + len(self._batches) == 1
            try:
                write_json(self._report_file, reports[0] if alone else reports)
            except ReportLost as lost:  # it was asked for by name: a script would go on with an old one
                self._tell(str(lost))
                codes.append(Exit.FAILED)
        if self._stop.stopped():
            return int(Exit.INTERRUPTED)
        return int(gravest(codes))

    def _section(self, section: Section) -> tuple[Exit, dict[str, Any]]:
        report: CycleReport | None = None
        error: SyncdError | None = None
        try:
            report = self._passes(section)
        except FatalError:
            raise
        except SyncdError as failure:
            section.failed(failure)
            if not self._logged:
                print(f"{section.name}: {printable(str(failure))}", file=self._screen)
            error = failure
        told = run_report(section.pair, report, error, now=self._clock.now(), dry=self._dry)
        if not self._dry:
            self._write_report(section.name, told)
        if report is not None and not self._dry:
            self._say(section, report)
        return exit_of(report, error), told

    def _batch(self, section: BatchSection) -> tuple[Exit, dict[str, Any]]:
        from syncd.runtime.once_batch import exit_of_batch, run_to_the_end, say_batch

        report = self._batch_plan(section) if self._dry else run_to_the_end(section, self._stop)
        if report.failure is not None and not self._logged:
            self._tell(f"{section.name}: {printable(str(report.failure))}")
        told = batch_run_report(section.batch, report, section.waiting, now=self._clock.now(), dry=self._dry)
        if not self._dry:
            self._write_report(section.name, told)
            if report.failure is None:
                say_batch(section, report, self._tell)
        return exit_of_batch(report), told

    def _batch_plan(self, section: BatchSection) -> BatchReport:
        from syncd.runtime.once_batch import print_plan
        from syncd.workers.batch_report import BatchReport

        failure: SyncdError | None = None
        try:
            print_plan(section, lambda line: print(line, file=self._out), self._tell)
        except FatalError:
            raise
        except SyncdError as error:
            failure = error
            section.failed(error)
        return BatchReport(started_at=self._clock.now(), duration_s=0.0, failure=failure)

    def _write_report(self, name: str, told: dict[str, Any]) -> None:
        try:
            write_json(self._state_dir / "last-run" / f"{name}.json", told)
        except ReportLost as lost:
            self._tell(f"{name}: {lost}")

    def _tell(self, line: str) -> None:
        print(line, file=self._screen)

    def _passes(self, section: Section) -> CycleReport:
        """One pass, and more while files need their moment to settle; what is then still written waits."""
        report, cycle = section.run_pass(dry=self._dry)
        if self._dry:
            self._print_plan(section, cycle)
            return report
        for _ in range(SETTLING_LOOKS):
            if not report.waiting or report.halted_plan or self._stop.wait(self._until_due(section)):
                break
            again, _ = section.run_pass()
            report = _added(report, again)
        return report

    def _until_due(self, section: Section) -> float:
        due = section.stability.next_due(self._clock.monotonic())
        most = section.pair.settle.total_seconds() + 0.5
        return most if due is None else min(max(due, 0.05), most)

    def _print_plan(self, section: Section, cycle: Cycle) -> None:
        steps = sorted(cycle.steps, key=lambda step: step.path)
        for step in steps:
            path = step.path.encode("unicode_escape").decode("ascii") if not step.path.isprintable() else step.path
            print(f"{section.name}\t{step.rule.do.value}\t{path}\t{step.rule.id}: {step.rule.why}", file=self._out)
        print(f"{section.name}: {len(steps)} steps; nothing was changed", file=self._screen)

    def _say(self, section: Section, report: CycleReport) -> None:
        counts = report.counts
        done = ", ".join(
            f"{counts[name]:,} {name}"
            for name in ("uploaded", "downloaded", "adopted", "deleted", "cleaned", "conflicts")
            if counts.get(name)
        )
        mb = (report.bytes_up + report.bytes_down) / 1e6
        print(
            f"{section.name}: {done or 'nothing to do'}; {mb:,.1f} MB in {report.duration_s:.1f} s; "
            f"{report.local_files:,} files here, {report.remote_objects:,} objects there",
            file=self._screen,
        )
        if report.halted_plan:
            print(
                f"{section.name} is halted: {printable(report.halt_reason)}.\n"
                f"  look: syncd --dry-run --once; to accept exactly this plan, run the daemon and "
                f"`synctl resume {section.name} --accept {report.halted_plan}`",
                file=self._screen,
            )
        for outcome in report.unfinished[:20]:
            print(f"  not done: {outcome.step.path!a}: {printable(_reason(outcome))}", file=self._screen)
        if len(report.unfinished) > 20:
            print(f"  ... and {len(report.unfinished) - 20:,} more (--report FILE has all)", file=self._screen)


def _reason(outcome: Outcome) -> str:
    return str(outcome.error) if outcome.error is not None else outcome.reason


def _added(first: CycleReport, then: CycleReport) -> CycleReport:
    """Two passes of one run told as one: what was done adds up, what is left is what the last one left."""
    names = (set(first.counts) | set(then.counts)) - {"waiting", "skipped", "errors"}
    counts = {name: first.counts.get(name, 0) + then.counts.get(name, 0) for name in names}
    counts |= {name: then.counts.get(name, 0) for name in ("waiting", "skipped", "errors")}
    return replace(
        then,
        started_at=first.started_at,
        duration_s=first.duration_s + then.duration_s,
        counts=counts,
        bytes_up=first.bytes_up + then.bytes_up,
        bytes_down=first.bytes_down + then.bytes_down,
    )


def exit_of(report: CycleReport | None, error: SyncdError | None) -> Exit:
    """The exit code of one section's run."""
    if isinstance(error, PairHalted):
        return Exit.HALTED
    if isinstance(error, ConfigError):
        return Exit.CONFIG
    if isinstance(error, RemoteError) and error.retryable:
        return Exit.TEMPORARY
    if error is not None or report is None:
        return Exit.FAILED
    if report.halted_plan:
        return Exit.HALTED
    if report.errors or report.unseen or report.counts.get("conflicts"):
        return Exit.ITEMS_FAILED
    return Exit.TEMPORARY if report.waiting else Exit.OK
