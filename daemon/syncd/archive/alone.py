"""Files that no archive can take go up as they are, by the engine's own rules, and are cleaned by them too."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from syncd.archive.tally import Tally, is_lost
from syncd.archive.world import BatchFolder
from syncd.core.model import LocalStat, LocalState
from syncd.core.paths import RelPath
from syncd.core.rules import Do
from syncd.engine.inflight import Inflight
from syncd.engine.observe import decide_step, listed_by_facts, sides_of
from syncd.engine.outcome import Outcome, Result
from syncd.engine.step import Step
from syncd.engine.work import Worksite
from syncd.errors import ItemError, RemoteError, Stale

CLEANS = {Do.CLEAN, Do.FINISH_CLEANING}

RUNS = CLEANS | {
    Do.UPLOAD,
    Do.STORE_CONFLICT,
    Do.ADOPT,
    Do.MARK_SUPERSEDED,
    Do.REMEMBER_LOCAL,
    Do.REMEMBER_REMOTE,
    Do.UNSTAGE,
    Do.RECORD_CLEANED,
    Do.DROP,
}
"""What can be decided for a file that only goes up. Anything else would take something from S3, or bring it down."""

HERE = {LocalState.PRESENT, LocalState.CLEANING}


def recorded(folder: BatchFolder) -> dict[RelPath, LocalStat | None]:
    """Files that went up alone and are not cleaned yet, as they were then."""
    context = folder.context
    if context.records.count() == 0:
        return {}
    rows = (record for record in context.records.walk() if record.local in HERE and context.wants(record.path))
    return {record.path: record.stat for record in rows}


class Alone:
    """Works on single paths of one folder. `may_remove` says whether anything may be cleaned in this run."""

    def __init__(self, folder: BatchFolder, tally: Tally, may_remove: Callable[[], bool]) -> None:
        self._folder = folder
        self._tally = tally
        self._may_remove = may_remove
        self._site = Worksite(folder.context, folder.pool, folder.backlog)
        self._inflight = Inflight()
        self._lost: RemoteError | None = None

    def run(self, paths: Iterable[RelPath], moved: Callable[[], None]) -> None:
        """One step for each of the paths. RemoteError where the endpoint is lost."""
        try:
            for path in paths:
                if self._folder.context.stop.stopped() or self._lost is not None:
                    break
                moved()
                self._one(path)
        finally:
            self._inflight.wait()
        if self._lost is not None:
            raise self._lost

    def _one(self, path: RelPath) -> None:
        try:
            step = self._decided(path)
        except Stale:
            self._tally.add(changed=1)
            return
        except ItemError as error:
            self._tally.problem(path, error)
            return
        except RemoteError as error:
            if is_lost(error):
                raise
            self._tally.problem(path, error)
            return
        if step.rule.do in CLEANS and not self._may_remove():
            return
        if step.rule.do in RUNS:
            self._run(step)

    def _run(self, step: Step) -> None:
        """Its outcome comes once it is durable; where it raises, none comes."""
        self._inflight.begin()
        handed_on = False
        try:
            self._site.run(step, "alone", self._through)
            handed_on = True
        finally:
            if not handed_on:
                self._inflight.end()

    def _decided(self, path: RelPath) -> Step:
        context = self._folder.context
        facts = context.objects.head(context.key(path))
        return decide_step(context, path, sides_of(context, path, listed_by_facts(path, facts)))

    def _through(self, outcome: Outcome) -> None:
        do, error = outcome.step.rule.do, outcome.error
        if outcome.result in {Result.DONE, Result.WAITING}:
            self._done(outcome)
        elif isinstance(error, RemoteError) and is_lost(error):
            self._lost = error
        elif error is not None:
            self._tally.problem(outcome.step.path, error)
        else:
            self._tally.add(**{"open" if do in CLEANS else "changed": 1})
        self._inflight.end()

    def _done(self, outcome: Outcome) -> None:
        step = outcome.step
        match step.rule.do:
            case Do.UPLOAD | Do.STORE_CONFLICT:
                self._tally.add(alone=1, alone_bytes=outcome.bytes_up)
                self._tally.due(0.0)  # then it is cleaned
            case Do.ADOPT if step.record is None:  # it went up in a life that ended before the commit
                self._tally.add(alone=1)
                self._tally.due(0.0)
            case Do.CLEAN:
                self._tally.add(staged=1, unlinking=1)
            case Do.FINISH_CLEANING:
                self._tally.add(unlinked=1)
