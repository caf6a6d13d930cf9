"""What the control socket may ask for, done: `control.port.Daemon` over the running sections."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice, repeat
from pathlib import Path

from syncd import __version__
from syncd.archive.report import PlanRow
from syncd.config.types import Config
from syncd.control.port import Archives, BadRequest, NotFound, Row
from syncd.core.paths import RelPath, Unrepresentable, parse_relpath
from syncd.engine.explain import explain, row
from syncd.engine.verify import Scope
from syncd.errors import ConfigError, PairHalted, RemoteError, Stale, SyncdError
from syncd.ports import Clock, HistoryRow
from syncd.runtime import recovery
from syncd.runtime.forced import Request, force_sync
from syncd.runtime.places import Place, folder_places
from syncd.runtime.status import StatusBoard
from syncd.runtime.times import rfc3339
from syncd.runtime.verified import Asked, VerifiedPairs, new_seed
from syncd.store.database import Database
from syncd.workers.archiver import Archiver
from syncd.workers.batch import BatchSection
from syncd.workers.reconciler import Reconciler
from syncd.workers.section import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """Rows of history: under which `name` they are kept, and how a person knows section and path."""

    name: str
    section: str
    prefix: str = ""
    path: str | None = None


class Operations:
    """The daemon as its users see it. Every method may be called from many threads at once."""

    def __init__(
        self,
        *,
        config: Callable[[], Config],
        show: Callable[[Config], str],
        reconcilers: Sequence[Reconciler],
        archivers: Sequence[Archiver],
        archives: Archives,
        board: StatusBoard,
        database: Database,
        clock: Clock,
        request_stop: Callable[[bool], None],
        request_reload: Callable[[], Row],
        set_level: Callable[[str], None],
        examine: Callable[[], Iterable[Row]],
        rest: Callable[[float], object],
    ) -> None:
        self._config = config
        self._show = show
        self._reconcilers: Mapping[str, Reconciler] = {each.section.name: each for each in reconcilers}
        self._archivers: Mapping[str, Archiver] = {each.section.name: each for each in archivers}
        self.archives = archives
        self._board = board
        self._database = database
        self._clock = clock
        self._request_stop = request_stop
        self._request_reload = request_reload
        self._set_level = set_level
        self._examine = examine
        self._rest = rest

    # --- at a glance ---

    def status(self) -> Row:
        """The snapshot."""
        return self._board.snapshot()

    def version(self) -> Row:
        """What runs."""
        return {"version": __version__, "pid": os.getpid(), "python": platform.python_version()}

    def config_show(self) -> str:
        """The configuration in effect."""
        return self._show(self._config())

    def doctor(self) -> Iterable[Row]:
        """Every check, now."""
        return self._examine()

    # --- making it work ---

    def force_sync(
        self,
        pair: str | None,
        path: str | None,
        wait: bool,
        timeout: float | None,
        progress: Callable[[Row], None],
        gone: Callable[[], bool],
    ) -> Row:
        """Run now."""
        wanted = None
        if path is not None:
            section, wanted = self._locate(path, pair)
            pair = section.name
        request = Request(wait=wait, timeout=timeout, path=wanted, progress=progress, gone=gone, rest=self._rest)
        answer = force_sync(self._chosen(pair), request, self._clock, self._batches(pair))
        if wait:  # who asks for the status next must see what was told here
            self._board.refresh()
        return answer

    def stop(self, now: bool) -> None:
        """Begin to stop."""
        self._request_stop(now)

    def pause(self, name: str | None, seconds: float | None) -> None:
        """Stop new work of one section, or of all."""
        until = math.inf if seconds is None else self._clock.now() + seconds
        for each in self._workers(name):
            self._database.pauses.set(each.section.name, None if seconds is None else until)
            each.section.pause(until)
        self._board.refresh()

    def resume(self, name: str | None, accept: str | None) -> None:
        """Start work again; with `accept`, run exactly the plan that a guard halted."""
        chosen = self._chosen(name)
        if accept is not None and not any(self._accepted(each.section, accept) for each in chosen):
            raise NotFound(
                f"no halted plan {accept}", hint="`synctl status` shows the plan that is halted now; it may be newer"
            )
        for worker in self._workers(name):
            self._database.pauses.clear(worker.section.name)
            if worker.section.paused_until is not None:
                worker.section.resume()
            worker.nudge()
        self._board.refresh()

    def _accepted(self, section: Section, plan_id: str) -> bool:
        if plan_id.startswith("root-"):
            if section.halted_plan != plan_id:
                return False
            section.accepted_root = plan_id
            return True
        try:
            context = section.open()  # also before the first pass: an earlier run may have halted
        except (PairHalted, RemoteError, ConfigError):  # it halts for another reason, which status names
            return False
        return context.records.accept_plan(plan_id)

    def reload(self) -> Row:
        """Read the configuration again."""
        return self._request_reload()

    def set_log_level(self, level: str) -> None:
        """Change what is logged."""
        try:
            self._set_level(level)
        except ValueError as error:
            raise BadRequest(f"{level} is no log level", hint="debug, info, warning or error") from error

    # --- looking closer ---

    def plan(self, pair: str | None) -> Iterator[Row]:
        """What the next pass would do. Reads and lists, changes nothing."""
        for each in self._chosen(pair):
            _, cycle = each.section.run_pass(dry=True)
            for step in sorted(cycle.steps, key=lambda step: step.path):
                yield row(each.section.name, step)
        for archiver in self._batches(pair):
            for bucket, planned in archiver.section.plan():
                yield _planned(archiver.section, bucket, planned)

    def verify(
        self,
        pair: str | None,
        path: str | None,
        *,
        share: float,
        seed: str | None,
        download: bool,
        differences: bool,
        progress: Callable[[Row], None],
        gone: Callable[[], bool],
    ) -> VerifiedPairs:
        """Both sides and the record of one pair, or of all, compared."""
        wanted = None
        if path is not None:
            section, wanted = self._locate(path, pair)
            pair = section.name
        pairs, batches = [each.section for each in self._chosen(pair)], self._batches(pair)
        if batches and not pairs:
            raise BadRequest(
                f"{batches[0].section.name} is a batch, and only pairs are verified",
                hint="`synctl archive ls` lists its archives; each original was proven before it went",
            )
        asked = Asked(
            scope=Scope(path=wanted, share=share, seed=seed or new_seed(), download=download),
            differences=differences,
            progress=progress,
            gone=gone,
        )
        problems = [f"{each.section.name} is a batch: its archives are not verified" for each in batches]
        return VerifiedPairs(pairs, asked, self._clock, problems)

    def explain(self, path: str) -> Row:
        """All that is known of one path."""
        section, wanted = self._locate(path, None)
        if isinstance(section, BatchSection):
            raise BadRequest(
                f"{path} belongs to the batch {section.name}",
                hint=f"`synctl plan {section.name}` says what comes next, `synctl archive find` where it went",
            )
        try:
            answer = explain(section.open(), wanted)
        except Stale as stale:
            raise SyncdError(f"{path} changed while it was looked at", hint="ask again") from stale
        answer["agreed"] = answer.pop("record")
        answer["history"] = list(self.history(wanted, None, 20, section.name))
        return answer

    def history(self, path: str | None, since: float | None, limit: int, pair: str | None) -> Iterable[Row]:
        """What was done, newest first."""
        streams = [
            zip(repeat(kept), self._database.history.query(pair=kept.name, path=kept.path, since=since, limit=limit))
            for kept in self._kept_under(path, pair)
        ]
        newest = merge(*streams, key=lambda found: (found[1].at, found[1].id), reverse=True)
        return (_history(kept, done) for kept, done in islice(newest, limit))

    def conflicts(self) -> Iterable[Row]:
        """The ones that nobody settled."""
        for place, _ in self._places(None):
            for met in self._database.conflicts.unresolved(place.name):
                yield {
                    "id": str(met.id),
                    "at": rfc3339(met.at),
                    "pair": place.name,
                    "path": met.path,
                    "rule": met.rule,
                    "winner": met.winner,
                    "loser_digest": met.loser_digest,
                    "loser_at": met.loser_at,
                    "resolved": met.resolved,
                }

    def resolve_conflict(self, id: str, keep: str) -> None:
        """Settle one."""
        for place, worker in self._places(None):
            for met in self._database.conflicts.unresolved(place.name):
                if str(met.id) == id:
                    recovery.resolve(place, self._database, met, keep)
                    worker.nudge()
                    return
        raise NotFound(f"no conflict {id}", hint="`synctl conflicts` lists them")

    def trash(self, pair: str | None) -> Iterable[Row]:
        """What was displaced."""
        for place, _ in self._places(pair):
            outlooks = recovery.outlooks(place, self._database)
            for kept in recovery.trash_rows(place, self._database):
                expires, why = outlooks.get(kept.where, (None, ""))
                yield {
                    "id": recovery.wire_id(kept),
                    "at": rfc3339(kept.at),
                    "pair": place.name,
                    "path": kept.path,
                    "where": kept.where,
                    "reason": kept.reason,
                    "size": kept.size,
                    "digest": kept.digest,
                    "expires": None if expires is None else rfc3339(expires),
                    "kept": why,
                }

    def trash_restore(self, id: str, to: str | None) -> None:
        """Bring one back."""
        for place, _ in self._places(None):
            for kept in recovery.trash_rows(place, self._database):
                if recovery.wire_id(kept) == id:
                    recovery.restore(place, self._database, kept, to)
                    return
        raise NotFound(f"nothing in the trash has the id {id}", hint="`synctl trash list` shows what is there")

    # --- names ---

    def _chosen(self, name: str | None) -> list[Reconciler]:
        """The pair of that name, or all; none where it names a batch."""
        if name is None:
            return list(self._reconcilers.values())
        if name not in self._reconcilers and name not in self._archivers:
            known = ", ".join((*self._reconcilers, *self._archivers)) or "none is configured"
            raise NotFound(f"no section named {name}", hint=f"sections: {known}")
        return [self._reconcilers[name]] if name in self._reconcilers else []

    def _batches(self, name: str | None) -> list[Archiver]:
        """The batch of that name, or all; none where it names no batch."""
        return [each for each in self._archivers.values() if name in {None, each.section.name}]

    def _workers(self, name: str | None) -> list[Reconciler | Archiver]:
        return [*self._chosen(name), *self._batches(name)]

    def _places(self, name: str | None) -> Iterator[tuple[Place, Reconciler | Archiver]]:
        """Everything that has a trash and conflicts of its own, with who works there."""
        for reconciler in self._chosen(name):
            yield reconciler.section, reconciler
        for archiver in self._batches(name):
            for place in folder_places([archiver.section]):
                yield place, archiver

    def _kept_under(self, path: str | None, name: str | None) -> list[_Kept]:
        """Where the history of a section, or of all, is kept: under its name, of a batch also under its folders'."""
        pairs, batches = [each.section for each in self._chosen(name)], [each.section for each in self._batches(name)]
        wanted: RelPath | None = None
        if path is not None and path.startswith("/"):
            section, wanted = self._locate(path, name)
            pairs, batches = [each for each in pairs if each is section], [each for each in batches if each is section]
        elif path is not None:
            wanted = _parsed(path)  # of every pair: what is gone from all sides has a history all the same
        kept = [_Kept(name=each.name, section=each.name, path=wanted) for each in (*pairs, *batches)]
        for place in folder_places(batches):
            prefix = f"{place.bucket}/"
            if wanted is None or wanted.startswith(prefix):
                inner = None if wanted is None else wanted[len(prefix) :]
                kept.append(_Kept(name=place.name, section=place.section.name, prefix=prefix, path=inner))
        return kept

    def _locate(self, path: str, pair: str | None) -> tuple[Section | BatchSection, RelPath]:
        """The section and the path in it; absolute, or relative to the root of the only (or the named) one."""
        pairs = [each.section for each in self._chosen(pair)]
        batches = [each.section for each in self._batches(pair)]
        if path.startswith("/"):
            roots: dict[Section | BatchSection, Path] = {each: each.pair.local for each in pairs}
            roots |= {each: each.batch.root for each in batches}
            for section, root in roots.items():
                if Path(path).is_relative_to(root):
                    return section, _parsed(str(Path(path).relative_to(root)))
            raise NotFound(f"{path} lies under no configured root")
        alone: list[Section | BatchSection] = [*pairs, *batches]
        if len(alone) == 1:
            return alone[0], _parsed(path)
        wanted = _parsed(path)
        for each in pairs:
            if _knows(each, wanted):
                return each, wanted
        raise NotFound(f"no pair knows {path}", hint="give the absolute path")


def _parsed(path: str) -> RelPath:
    try:
        return parse_relpath(path)
    except Unrepresentable as error:
        raise BadRequest(f"{path!r} is no path in a root: {error.reason}") from error


def _knows(section: Section, path: RelPath) -> bool:
    try:
        context = section.open()
    except PairHalted:
        return False
    return context.records.get(path) is not None or context.tree.lstat(path) is not None


def _planned(section: BatchSection, bucket: str, planned: PlanRow) -> Row:
    return {
        "pair": section.name,
        "path": f"{bucket}/{planned.path}",
        "action": planned.action,
        "rule": "archive",
        "reason": planned.reason,
        "size": planned.size,
    }


def _history(kept: _Kept, done: HistoryRow) -> Row:
    return {
        "id": str(done.id),
        "at": rfc3339(done.at),
        "pair": kept.section,
        "path": f"{kept.prefix}{done.path}",
        "operation": done.operation,
        "rule": done.rule,
        "result": done.result,
        "size": done.size,
        "digest": done.digest,
        "etag": done.etag,
        "error": done.error,
        "cycle": done.cycle,
        "elapsed_seconds": round(done.elapsed_s, 3),
    }
