"""The queue of archives whose documents the index does not hold yet. It never gates an unlink, and loses nothing."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from syncd import events
from syncd.archive.feeding import Fed, Feeder, Visit
from syncd.config.types import S3
from syncd.core.archive import Archive
from syncd.engine.context import Host
from syncd.errors import ItemError, PairHalted, RemoteError, Stale
from syncd.ports import ArchiveIndex, ArchiveStore, Clock, Events, Queued, StopToken

ARCHIVES = 50
"""So many in one drain at most, so that archiving does not wait behind a long queue."""

BUDGET_S = 20.0
"""A drain begins no request after so long. One under way is bounded by the time-out of the index."""

IN_A_ROW = 3
"""After so many archives of which nothing at all was taken, the others are not tried."""

FIRST_S = 5.0
LONGEST_S = 300.0
"""How long an archive waits after its first failure, doubled after each, and at most."""

NONE = "no index is configured"


class Health(str, Enum):
    """How the index is, as status shows it."""

    OK = "ok"
    DOWN = "down"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexState:
    """What a drain found and left. `queued`: archives that wait; `dead`: documents refused for good, ever.

    `taken`: documents of this drain. `error`: why something waits, as far as that is known. `again_s`: a drain has
    something to do in so many seconds; None: nothing waits.
    """

    health: Health
    queued: int = 0
    dead: int = 0
    error: str = ""
    taken: int = 0
    again_s: float | None = None


class Indexer:
    """Drains one batch's queue. Used by one thread; a new one forgets nothing that matters.

    `index` None: there is none; where one is configured that cannot be used, `unusable` says why. `fallback` writes
    the manifest object of an archive and records it, for a batch whose manifests are written only where the index
    does not take the documents; None where they are written always. It raises SyncdError or Stale where it cannot.
    """

    def __init__(
        self,
        store: ArchiveStore,
        index: ArchiveIndex | None,
        *,
        name: str,
        s3: S3,
        host: Host,
        events: Events,
        clock: Clock,
        fallback: Callable[[Archive], None] | None = None,
        unusable: str = "",
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._name = name
        self._events = events
        self._clock = clock
        self._fallback = fallback
        self._unusable = unusable
        self._chance = chance
        self._feeder = (
            None if index is None else Feeder(store, index, s3=s3, host=host, clock=clock, jitter=self._jitter)
        )
        self._error = unusable
        self._lost_at: float | None = None  # monotonic; None while it answers
        self._failures = 0
        self._rest_until = -math.inf
        self._at_once = True  # nobody waits for his time: we just began, or the index was found again

    def drain(self, stop: StopToken, moved: Callable[[], None] = lambda: None) -> IndexState:
        """Send what is due, as much as one round may, and say how it stands. Raises nothing but FatalError."""
        visit = Visit(stop=stop, moved=moved, deadline=self._clock.monotonic() + BUDGET_S)
        if self._feeder is None:
            self._do_without(visit)
            return self._state(taken=0, more=False)
        waiting, taken = self._due(), 0
        if self._clock.monotonic() < self._rest_until:
            self._postpone_all(waiting, visit)
        else:
            taken = self._feed_all(self._feeder, waiting, visit)
        return self._state(taken=taken, more=len(waiting) == ARCHIVES or self._is_over(visit))

    # --- sending ---

    def _feed_all(self, feeder: Feeder, waiting: Sequence[Queued], visit: Visit) -> int:
        """One archive after the other. Where nothing at all was answered for, the index counts as lost."""
        taken = answered = fruitless = 0
        for at, queued in enumerate(waiting):
            if self._is_over(visit) or fruitless >= IN_A_ROW:
                break
            try:
                fed = feeder.feed(queued.archive, visit)
            except RemoteError as error:
                self._lost(feeder, error.message, error.hint)
                self._postpone_all(waiting[at:], visit)
                return taken
            taken, answered = taken + fed.taken, answered + fed.taken + fed.refused
            fruitless = fruitless + 1 if fed.reason and not fed.taken + fed.refused else 0
            self._settle(feeder, queued, fed)
        if fruitless and not answered:
            self._lost(feeder, f"the index takes nothing: {self._error}", "see what it says of itself")
        return taken

    def _settle(self, feeder: Feeder, queued: Queued, fed: Fed) -> None:
        """After one archive was tried. Where its time was over alone, it stays due and goes on in the next drain."""
        if fed.taken or fed.refused:
            self._found()
        if fed.reason:
            self._postpone(queued, fed.reason)
        elif fed.finished:
            self._conclude(feeder, queued, fed)

    def _conclude(self, feeder: Feeder, queued: Queued, fed: Fed) -> None:
        """All of it was taken or refused: it waits no longer."""
        archive, dead = queued.archive, fed.dead
        if dead and not self._has_manifest(archive):  # what was refused would be told nowhere
            problem = self._fall_back(archive)
            if problem:
                self._wait(queued, f"{len(dead)} of its documents were refused, and its manifest: {problem}")
                return
        self._store.indexed(archive.uuid, dead)
        feeder.forget(archive)
        if dead:
            reason = f"{dead[0].path}: {dead[0].reason}"
            self._events.emit(events.DOCUMENT_REFUSED, pair=self._name, key=archive.key, files=len(dead), reason=reason)

    # --- waiting ---

    def _due(self) -> list[Queued]:
        waiting = self._store.due(math.inf if self._at_once else self._clock.now(), limit=ARCHIVES)
        self._at_once = self._at_once and len(waiting) == ARCHIVES
        if self._failures:  # those that fail for reasons of their own must not always stand before the others
            waiting.sort(key=lambda _: self._chance())
        return waiting

    def _postpone_all(self, waiting: Sequence[Queued], visit: Visit) -> None:
        for queued in waiting:
            if self._is_over(visit):
                return
            visit.moved()
            self._postpone(queued, self._error)

    def _postpone(self, queued: Queued, reason: str) -> None:
        """Its manifest first, where that is to take the place of the index."""
        self._error = reason
        problem = "" if self._has_manifest(queued.archive) else self._fall_back(queued.archive)
        self._wait(queued, f"{reason}; nor could its manifest be written: {problem}" if problem else reason)

    def _wait(self, queued: Queued, reason: str) -> None:
        until = self._clock.now() + self._back_off(queued.attempts)
        self._store.postpone(queued.archive.uuid, until=until, error=reason)

    def _has_manifest(self, archive: Archive) -> bool:
        return self._fallback is None or bool(archive.manifest_at)

    def _fall_back(self, archive: Archive) -> str:
        """Write its manifest object. Returns why that failed."""
        if self._fallback is not None:
            try:
                self._fallback(archive)
            except (RemoteError, ItemError, PairHalted) as error:
                return str(error)
            except Stale:
                return "the archive is not what it was"
        return ""

    def _do_without(self, visit: Visit) -> None:
        """No index: whoever has no manifest gets one, and all of them wait."""
        if self._unusable and self._lost_at is None:
            self._say_lost(self._unusable, "")
        self._at_once = False
        if self._fallback is not None:
            self._error = self._unusable or NONE
            self._postpone_all(self._store.due(self._clock.now(), limit=ARCHIVES), visit)

    # --- how it is ---

    def _is_over(self, visit: Visit) -> bool:
        return visit.stop.stopped() or self._clock.monotonic() >= visit.deadline

    def _lost(self, feeder: Feeder, error: str, hint: str) -> None:
        """Nothing more is asked of it for a while; said once until it is found again."""
        feeder.distrust()
        self._rest_until = self._clock.monotonic() + self._back_off(self._failures)
        self._failures += 1
        self._error = f"{error} ({hint})" if hint else error
        if self._lost_at is None:
            self._say_lost(error, hint)

    def _say_lost(self, error: str, hint: str) -> None:
        self._lost_at = self._clock.monotonic()
        self._events.emit(events.INDEX_LOST, pair=self._name, error=error, hint=hint)

    def _found(self) -> None:
        lost_at, self._lost_at = self._lost_at, None
        self._failures = 0
        if lost_at is not None:
            self._at_once, self._error = True, ""
            seconds = round(self._clock.monotonic() - lost_at, 1)
            self._events.emit(events.INDEX_FOUND, pair=self._name, seconds=seconds)

    def _state(self, *, taken: int, more: bool) -> IndexState:
        totals = self._store.totals()
        if not totals.queued:
            self._error = self._unusable
        off = self._feeder is None and not self._unusable
        health = Health.OFF if off else Health.OK if self._lost_at is None else Health.DOWN
        rest = max(self._rest_until - self._clock.monotonic(), 0.0)
        again = rest or (0.0 if more or self._at_once else FIRST_S)
        return IndexState(
            health=health,
            queued=totals.queued,
            dead=totals.dead,
            error="" if off else self._error,
            taken=taken,
            again_s=again if totals.queued and not off else None,
        )

    def _back_off(self, attempts: int) -> float:
        return float(min(FIRST_S * 2 ** min(attempts, 20), LONGEST_S)) * self._jitter()

    def _jitter(self) -> float:
        return 0.5 + self._chance() / 2
