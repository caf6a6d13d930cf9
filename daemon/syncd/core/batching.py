"""Which files become archives in this run, which go up alone, and which wait, and for what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate
from json import JSONEncoder

from syncd.core.manifest import BLOCK, LONGEST_FOLDER
from syncd.core.model import LocalStat
from syncd.core.paths import RelPath, order

PAX_RECORDS = 160
"""The pax records of a member but for its path: mtime, size, uid and gid, each at its longest."""

MANIFEST_LINE = 300
"""A member's line in the manifest but for its key, every number at its longest."""

TAIL = 20 << 10
"""The manifest's head and header, the end mark, the pointer, what fills the last record; a long folder adds to it."""

_NS = 10**9
_EVER_NS = 1 << 62
_json = JSONEncoder(ensure_ascii=False).encode


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A file that may be archived, as the scan saw it."""

    path: RelPath
    stat: LocalStat


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a batch asks for, its sizes in bytes (`config.types.Batch`)."""

    max_size: int
    max_files: int
    min_files: int
    max_age_s: float
    min_age_s: float
    spool_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """One archive to be made: members of one key folder ("" is the root), in key order."""

    folder: str
    members: tuple[Candidate, ...]


class Why(str, Enum):
    """What keeps a file waiting."""

    YOUNG = "young"  # touched less than min_age ago
    FEW = "few"  # its folder has neither min_files nor one older than max_age
    ROOM = "room"  # this run's spool is full: the next run takes it


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """Files of one folder that wait for the same, which ends in `due_s` seconds if nothing else happens."""

    folder: str
    why: Why
    members: tuple[Candidate, ...]
    due_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Where each candidate went: exactly one of `packs`, `alone` and `waiting`.

    `next_due_s`: in how many seconds the first of those that wait is due; None where nothing waits.
    """

    packs: tuple[Pack, ...]
    alone: tuple[Candidate, ...]
    waiting: tuple[Waits, ...]
    waiting_files: int
    waiting_bytes: int
    next_due_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Aged:
    """A candidate with what decides over it; `cost`: its bytes in an archive, at most."""

    candidate: Candidate
    age_ns: int
    cost: int

    @property
    def size(self) -> int:
        return self.candidate.stat.size


def choose(candidates: Iterable[Candidate], *, now_ns: int, limits: Limits, forced: bool) -> Choice:
    """Choose what this run packs, oldest folder first, within the limits; `forced` waives min_files and max_age.

    A file goes up alone where no archive can take it: it is larger than max_size or than the whole spool, or the
    key of an archive would be too long in its folder. A path that was seen twice is one file, as it was seen last.
    """
    rule = _Rule(limits, forced=forced)
    folders: dict[str, list[_Aged]] = defaultdict(list)
    outsize: list[_Aged] = []
    for candidate in {one.path: one for one in candidates}.values():
        aged = _Aged(candidate=candidate, age_ns=rule.age_ns(candidate.stat, now_ns), cost=_cost(candidate))
        (folders[_folder(candidate.path)] if rule.fits(aged) else outsize).append(aged)
    for files in (outsize, *folders.values()):
        files.sort(key=_oldest_first)
    packs = _within([files for files in folders.values() if rule.due_ns(files) == 0], rule)
    gone = {member.path for pack in packs for member in pack.members}
    waiting = [_waits(Why.YOUNG, [one], rule.matures_ns(one)) for one in outsize if not rule.mature(one)]
    for files in folders.values():
        waiting += _waiting([one for one in files if one.candidate.path not in gone], rule)
    waiting.sort(key=lambda one: (one.due_s, order(one.members[0].path)))
    return Choice(
        packs=packs,
        alone=tuple(one.candidate for one in outsize if rule.mature(one)),
        waiting=tuple(waiting),
        waiting_files=sum(len(one.members) for one in waiting),
        waiting_bytes=sum(member.stat.size for one in waiting for member in one.members),
        next_due_s=waiting[0].due_s if waiting else None,
    )


def sealed_size(members: Iterable[Candidate]) -> int:
    """Bytes that one archive of these members takes in the spool, at most: for the question whether there is room."""
    folder, total = "", 0
    for candidate in members:
        folder, total = _folder(candidate.path), total + _cost(candidate)
    return total + _tail(folder)


# --- what one archive takes -----------------------------------------------------------------------------------------


def _cost(candidate: Candidate) -> int:
    """Its header, its content and its line in the manifest, at most."""
    header = 2 * BLOCK + _blocks(len(candidate.path.encode()) + PAX_RECORDS)
    return header + _blocks(candidate.stat.size) + MANIFEST_LINE + len(_json(candidate.path).encode())


def _tail(folder: str) -> int:
    return TAIL + 9 * len(folder.encode())  # escaped in its JSON and quoted in its URL


def _blocks(size: int) -> int:
    return -(-size // BLOCK) * BLOCK


def _folder(path: str) -> str:
    return path.rpartition("/")[0]


# --- who is ripe -----------------------------------------------------------------------------------------------------


class _Rule:
    """The limits as decisions over single files and whole folders."""

    def __init__(self, limits: Limits, *, forced: bool) -> None:
        self.limits = limits
        self._min_age_ns = round(limits.min_age_s * _NS)
        self._max_age_ns = 0 if forced else round(limits.max_age_s * _NS)
        self._min_files = 1 if forced else max(limits.min_files, 1)

    def age_ns(self, stat: LocalStat, now_ns: int) -> int:
        """How long it was not touched.

        A time further ahead than min_age says nothing: it was set by hand, or the clock went back. A file with no
        other time counts as old, or it would wait until the clock is there again.
        """
        times = [time for time in (stat.mtime_ns, stat.ctime_ns) if time <= now_ns + self._min_age_ns]
        return now_ns - max(times) if times else _EVER_NS

    def fits(self, one: _Aged) -> bool:
        """Whether an archive can take it at all."""
        folder = _folder(one.candidate.path)
        return (
            one.size <= self.limits.max_size
            and one.cost + _tail(folder) <= self.limits.spool_max
            and len(folder.encode()) <= LONGEST_FOLDER
        )

    def mature(self, one: _Aged) -> bool:
        """Whether it may be packed as far as its age goes."""
        return one.age_ns >= self._min_age_ns

    def matures_ns(self, one: _Aged) -> int:
        """In how many nanoseconds it is mature."""
        return max(self._min_age_ns - one.age_ns, 0)

    def due_ns(self, files: list[_Aged]) -> int:
        """In how many nanoseconds a folder of these files is ripe: 0 is now. There is one file at least."""
        waits = [self.matures_ns(one) for one in files]  # oldest first, so that it only grows
        due = max(waits[0], self._max_age_ns - files[0].age_ns)
        if len(files) >= self._min_files:
            due = min(due, waits[self._min_files - 1])
        totals = accumulate(one.size for one in files)
        return min(due, next((wait for wait, total in zip(waits, totals) if total >= self.limits.max_size), due))


def _oldest_first(one: _Aged) -> tuple[int, bytes]:
    return -one.age_ns, order(one.candidate.path)


# --- who waits -------------------------------------------------------------------------------------------------------


def _waiting(files: list[_Aged], rule: _Rule) -> Iterator[Waits]:
    """What the files of one folder wait for that are not packed now, if there are any."""
    if not files:
        return
    due_ns = rule.due_ns(files)
    mature = [one for one in files if rule.mature(one)]
    young = files[len(mature) :]
    if mature:
        yield _waits(Why.FEW if due_ns else Why.ROOM, mature, due_ns)
    if young:
        yield _waits(Why.YOUNG, young, due_ns or rule.due_ns(young))


def _waits(why: Why, files: list[_Aged], due_ns: int) -> Waits:
    members = tuple(one.candidate for one in files)
    return Waits(folder=_folder(members[0].path), why=why, members=members, due_s=due_ns / _NS)


# --- packing ---------------------------------------------------------------------------------------------------------


def _within(ripe: list[list[_Aged]], rule: _Rule) -> tuple[Pack, ...]:
    """The archives of these folders that the spool has room for in one run, those of the oldest folder first."""
    packs: list[Pack] = []
    room = rule.limits.spool_max
    for files in sorted(ripe, key=lambda files: _oldest_first(files[0])):
        folder = _folder(files[0].candidate.path)
        for part in _split([one for one in files if rule.mature(one)], _tail(folder), rule.limits):
            size = _tail(folder) + sum(one.cost for one in part)
            if size <= room:
                packs.append(Pack(folder=folder, members=tuple(one.candidate for one in part)))
                room -= size
    return tuple(packs)


def _split(files: list[_Aged], tail: int, limits: Limits) -> Iterator[list[_Aged]]:
    """The files of one folder in key order, cut where an archive is full."""
    part: list[_Aged] = []
    size, cost = 0, tail
    for one in sorted(files, key=lambda one: order(one.candidate.path)):
        full = len(part) >= limits.max_files or size + one.size > limits.max_size or cost + one.cost > limits.spool_max
        if part and full:
            yield part
            part, size, cost = [], 0, tail
        part.append(one)
        size += one.size
        cost += one.cost
    yield part
