"""`syncd --once` for a batch: runs until nothing is left that time alone would not bring, told in a few lines."""

from __future__ import annotations

from collections.abc import Callable

from syncd.errors import ConfigError, PairHalted, RemoteError
from syncd.local.translate import printable
from syncd.ports import StopToken
from syncd.workers.archiver import wants_more
from syncd.workers.batch import BatchSection
from syncd.workers.batch_report import BatchReport
from syncwire.exits import Exit

PAUSE_S = 2.0
"""Between the two looks at an original that is to be unlinked."""

MOST_RUNS = 50
"""Where files keep coming, the rest is for the next time."""

TOLD = 20


def run_to_the_end(section: BatchSection, stop: StopToken) -> BatchReport:
    """Run it until every archived original is unlinked and what is ripe is archived. Raises FatalError alone."""
    report = section.run()
    last = report
    for _ in range(MOST_RUNS):
        if not wants_more(last) or stop.wait(PAUSE_S):
            break
        last = section.run()
        report = report.followed_by(last)
    for _ in range(MOST_RUNS):
        if section.feed_index().again_s != 0 or stop.stopped():  # nothing waits, or nobody answers
            break
    section.look()
    section.close()
    return report


def exit_of_batch(report: BatchReport) -> Exit:
    """The exit code of one batch's run."""
    failure = report.failure
    if isinstance(failure, PairHalted):
        return Exit.HALTED
    if isinstance(failure, ConfigError):
        return Exit.CONFIG
    if isinstance(failure, RemoteError) and failure.retryable:
        return Exit.TEMPORARY
    if failure is not None:
        return Exit.FAILED
    if report.errors or report.left:
        return Exit.ITEMS_FAILED
    return Exit.TEMPORARY if report.counts["open"] else Exit.OK


def say_batch(section: BatchSection, report: BatchReport, say: Callable[[str], None]) -> None:
    """What a person reads of it."""
    counts, waiting = report.counts, section.waiting
    archives = "1 archive" if counts["archives"] == 1 else f"{counts['archives']:,} archives"
    done = [f"{counts['archived']:,} files in {archives}"] if counts["archives"] else []
    words = {"uploaded": "uploaded alone", "unlinked": "removed here", "kept": "kept, for they changed", "open": "open"}
    done += [f"{counts[name]:,} {word}" for name, word in words.items() if counts[name]]
    wait = f"; {waiting.files:,} files wait" if waiting.files else ""
    told = ", ".join(done) or "nothing to do"
    say(f"{section.name}: {told}; {report.bytes_up / 1e6:,.1f} MB in {report.duration_s:.1f} s{wait}")
    for left in report.left:
        say(f"  {printable(left.bucket)} waits: {printable(left.reason)}")
    for problem in report.problems[:TOLD]:
        say(f"  not done: {problem.where!a}: {printable(problem.reason)}")
    if report.errors > TOLD:
        say(f"  ... and {report.errors - TOLD:,} more (--report FILE has the first hundred of each folder)")


def print_plan(section: BatchSection, out: Callable[[str], None], say: Callable[[str], None]) -> None:
    """The plan of a dry run. Raises what `BatchSection.plan` raises."""
    files = 0
    for bucket, row in section.plan():
        files += bool(row.path)
        path = f"{bucket}/{row.path}"
        shown = path if path.isprintable() else path.encode("unicode_escape", "surrogateescape").decode("ascii")
        out(f"{section.name}\t{row.action}\t{shown}\t{printable(row.reason)}")
    say(f"{section.name}: {files} files looked at; nothing was changed")
