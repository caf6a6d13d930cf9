"""The trash by age and size: what may go goes, the file before its entry, so that a kill leaves neither alone for good.

An entry without its file is dropped when its time is over; a file without its entry counts as possibly the only copy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from syncd import events
from syncd.core.expiry import Displaced, Expires, Fate, Lair, decide, questions
from syncd.core.model import LocalStat, Record
from syncd.core.paths import OURS, RelPath
from syncd.engine import content
from syncd.engine.context import Context
from syncd.engine.download import read_back
from syncd.engine.outlook import clock_of, elsewhere, is_live, limits_of, name_of, parse_text, survey
from syncd.engine.transferring import text
from syncd.errors import ItemError, RemoteError, Stale
from syncd.ports import Commit, ConflictRow, ExpiredTrash, HistoryRow, Matches, Openness, TrashRow, Unchecked

FORGET_AT = 128
"""So many entries are forgotten at once. Their files are gone by then: a full disk has room for it again."""


class TrashBook(Protocol):
    """The entries of the trash, as `store.trash` keeps them."""

    def rows(self, pair: str | None = None) -> list[TrashRow]: ...
    def get(self, id: int) -> TrashRow | None: ...
    def forget(self, ids: Sequence[int]) -> None:
        """Drop entries whose file or object is gone, durably."""
        ...


class ConflictBook(Protocol):
    """The conflicts that nobody settled."""

    def unresolved(self, pair: str | None = None) -> list[ConflictRow]: ...


@dataclass(slots=True)
class Expired:
    """What a run did. `kept`: only copies that outlived their time."""

    files: int = 0
    bytes: int = 0
    kept: int = 0
    errors: list[str] = field(default_factory=list)


def trash_claim(where: str) -> RelPath:
    """What is claimed while a version in the trash is restored or removed: nobody does both."""
    return RelPath(f"{OURS}/trash/{where}")


def expire(
    context: Context, trash: TrashBook, conflicts: ConflictBook, *, moved: Callable[[], None] = lambda: None
) -> Expired:
    """Remove what may go now. Raises PairHalted where the root is gone or another one, FatalError of the database."""
    return _Run(context, trash, conflicts, moved).run()


class _Run:
    def __init__(self, context: Context, trash: TrashBook, conflicts: ConflictBook, moved: Callable[[], None]) -> None:
        self._context = context
        self._trash = trash
        self._conflicts = conflicts
        self._moved = moved
        self._done = Expired()
        self._over: list[int] = []  # entries whose file is gone by now
        self._lost = False  # the endpoint did not answer: the copies there wait for the next run
        self._names: dict[str, LocalStat] = {}
        self._paths: dict[int, str] = {}
        self._live: dict[str, Record] = {}

    def run(self) -> Expired:
        context = self._context
        context.tree.check_root()
        rows = self._trash.rows(context.pair.name)  # before the names: a file that comes meanwhile is young, at least
        self._paths = {row.id: row.path for row in rows}
        self._names = dict(context.tree.trash_names())
        items = survey(rows, self._names, self._conflicts.unresolved(context.pair.name))
        limits, now = limits_of(context), clock_of(context)
        decided = decide(items, limits, now=now, elsewhere=frozenset())
        if asked := questions(decided):
            items = self._read(items, asked)
            asked = questions(decide(items, limits, now=now, elsewhere=frozenset()))
            self._live = elsewhere(context, {item.digest for item in asked}, ask=True)
            decided = decide(items, limits, now=now, elsewhere=frozenset(self._live))
        self._done.kept = len(questions(decided))
        try:
            self._remove_all(decided)
        finally:
            self._forget()
        self._say()
        return self._done

    def _read(self, items: Sequence[Displaced], asked: Sequence[Displaced]) -> list[Displaced]:
        """The same, with what the files in question, and those they may lean on, really hold. Each is read but once."""
        places, digests = {item.where for item in asked}, {item.digest for item in asked if item.digest}
        known: dict[str, str] = {}
        for item in items:
            in_question = item.where in places or item.digest in digests
            if in_question and item.lair is Lair.LOCAL and not item.gone and not self._stopped():
                known[item.where] = self._digest(item, self._names[name_of(item.where)])
                self._moved()
        return [replace(item, digest=known.get(item.where, item.digest)) for item in items]

    def _digest(self, item: Displaced, stat: LocalStat) -> str:
        context, noted = self._context, parse_text(item.digest)
        type = context.pair.hash if noted is None else noted.type
        try:
            with context.tree.open_trashed(name_of(item.where)) as file:
                if file.fstat() != stat:
                    return ""
                hashes = content.open_hashes(context, RelPath(item.where), file, stat, frozenset({type.value}))
        except (Stale, ItemError):
            return ""
        return text(hashes.digest(type))

    def _remove_all(self, decided: Sequence[tuple[Displaced, Fate]]) -> None:
        for item, fate in decided:
            if self._stopped():
                return
            if not isinstance(fate, Expires) or (item.lair is Lair.COPY and self._lost):
                continue
            self._moved()
            try:
                if self._claimed(item):
                    self._note(item, fate)
            except Stale:
                continue
            except RemoteError as error:
                self._lost = True
                if not error.retryable:  # else the next run has it, and the pass tells of the endpoint
                    self._done.errors.append(str(error))
            except ItemError as error:
                self._done.errors.append(str(error))

    def _claimed(self, item: Displaced) -> bool:
        """Remove it unless somebody restores it just now, or did. Whether it is gone."""
        claim = trash_claim(item.where)
        if not self._context.claims.take(claim):
            return False
        try:
            if item.id and self._trash.get(item.id) is None:
                return False
            return self._still_elsewhere(item) and self._take_away(item)
        finally:
            self._context.claims.release(claim)

    def _still_elsewhere(self, item: Displaced) -> bool:
        """Right before an only copy is one no more: whether what it leaned on outside of the trash is there now."""
        holder = self._live.get(item.digest)
        return holder is None or (holder.size == item.size and is_live(self._context, holder, ask=True))

    def _take_away(self, item: Displaced) -> bool:
        match item.lair:
            case Lair.LOCAL:
                if not item.gone:
                    _unlink(self._context, name_of(item.where), self._names[name_of(item.where)])
                return True
            case Lair.COPY:
                return _delete(self._context, item)
            case Lair.VERSION:  # the bucket's own rules end a version; only our entry of it goes
                return True

    def _note(self, item: Displaced, fate: Expires) -> None:
        context, done = self._context, self._done
        path = self._paths.get(item.id, name_of(item.where))
        if item.id:
            self._over.append(item.id)
            if len(self._over) >= FORGET_AT:
                self._forget()
        if item.gone or item.lair is Lair.VERSION:
            return
        done.files += 1
        done.bytes += item.size
        context.events.emit(
            events.VERSION_EXPIRED,
            pair=context.pair.name,
            path=path,
            kept_at=item.where,
            reason=fate.why.value,
            size=item.size,
        )
        row = HistoryRow(
            at=context.clock.now(),
            path=path,
            operation="expire",
            rule="",
            result="done",
            size=item.size,
            digest=item.digest,
        )
        context.records.commit(Commit(history=row))

    def _forget(self) -> None:
        over, self._over = self._over, []
        if over:
            self._trash.forget(over)

    def _say(self) -> None:
        done, pair = self._done, self._context.pair.name
        if done.files:
            self._context.events.emit(events.TRASH_EXPIRED, pair=pair, files=done.files, bytes=done.bytes)
        if done.errors:
            reason = f"{len(done.errors)} versions in the trash are over their time and cannot be removed"
            self._context.events.emit(events.PAIR_DEGRADED, pair=pair, reason=f"{reason}: {done.errors[0]}")

    def _stopped(self) -> bool:
        return self._context.stop.stopped()


# --- what goes ---


def _unlink(context: Context, name: str, stat: LocalStat) -> None:
    """The one file, while it is still that one and nobody has it open. Stale else."""
    openness = context.tree.trashed_open_elsewhere(name, for_writing=False)
    if openness is Openness.OPEN:
        raise Stale("open elsewhere")
    age_s = context.clock.now() - max(stat.mtime_ns, stat.ctime_ns) / 1e9
    if openness is Openness.UNKNOWN and age_s < context.pair.cleanup_blind_age.total_seconds():
        raise Stale("whether it is open elsewhere cannot be seen")
    context.tree.remove(ExpiredTrash(name, expect=stat))


def _delete(context: Context, item: Displaced) -> bool:
    """The copy below `.syncd/trash`, while it is still that one. False: it is not what was noted, and stays."""
    key = name_of(item.where)
    if not key.startswith(context.pair.prefix) or f"/{OURS}/trash/" not in f"/{key}":
        return False
    facts = context.objects.head(key)
    if facts is None:
        return True
    if facts.size != item.size:
        return False
    noted = parse_text(item.digest)
    if noted is not None and facts.digest is not None and facts.digest.type is noted.type and facts.digest != noted:
        return False
    if item.guarded and (noted is None or read_back(context, key, facts.etag, noted.type) != noted):
        return False  # what it holds is not what is elsewhere
    honoured = context.capabilities.delete_if_match
    context.objects.delete(key, expect=Matches(facts.etag) if honoured else Unchecked())
    return True
