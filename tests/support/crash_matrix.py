"""Scenario by checkpoint: a world of its own for each, a death there, and what must hold then and in the end."""

from __future__ import annotations

import os
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

from support.crash_scenarios import Scenario
from support.crash_world import Life, Picture, World, sha256
from support.elastic_stub import ElasticStub
from support.moto import MotoServer
from support.nursery import Nursery

AT_ONCE = int(os.environ.get("CRASH_WORKERS", "2"))
ALL = os.environ.get("CRASH_ALL") == "1"
"""Each time that a point is passed. Else its first and its last pass, and once in all what is tried by its neighbour:

Nothing changes between the point after one call and that before the next, so that a death at either leaves the same.
"""

ALIKE = ("state.", "store.create.", "store.migrate.", "store.sweep.", "store.close.", "s3.probe.", "socket.")
"""What a life begins and ends with, whatever it does: once in all, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """Of which life (1 is the first after the scenario's act) at which point, passed for the how-manieth time in it."""

    life: int
    point: str
    nth: int

    def __str__(self) -> str:
        return f"life {self.life}, {self.point}, {self.nth}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One case. `problems`: what did not hold."""

    death: Death
    reached: bool
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Undisturbed:
    """How a scenario goes where nobody kills: what is passed in each life, and how both sides look in the end."""

    lives: tuple[Life, ...]
    picture: Picture

    def deaths(self, *, every: bool, but: Set[str] = frozenset(), only: Set[str] = frozenset()) -> list[Death]:
        """Each point at its first and at its last pass, or at each; a life that found nothing to do aside.

        `but`: points that are died at elsewhere. `only`: the others are.
        """
        times: dict[str, list[Death]] = {}
        for number, life in enumerate(self.lives[:-1] or self.lives, 1):
            passed: Counter[str] = Counter()
            for point in life.trail:
                passed[point] += 1
                times.setdefault(point, []).append(Death(life=number, point=point, nth=passed[point]))
        if every:
            return [death for deaths in times.values() for death in deaths]
        here = [each for point, each in times.items() if point not in but and (not only or point in only)]
        chosen = [end for each in here for end in (each[0], each[-1])]
        return list(dict.fromkeys(chosen))


class OneClient(MotoServer):
    """A client takes a tenth of a second to make: the same for all that one thread asks."""

    def client(self, **options: Any) -> Any:
        return super().client(**options) if options else self._shared

    @cached_property
    def _shared(self) -> Any:
        return super().client()


@dataclass(slots=True)
class Workshop:
    """What one thread of the matrix works with."""

    server: MotoServer
    nursery: Nursery


@dataclass(kw_only=True)
class Matrix:
    """Makes worlds and tries deaths in them, several at once. Use as a context manager."""

    folder: Path
    _stack: ExitStack = field(default_factory=ExitStack)
    _mine: threading.local = field(default_factory=threading.local)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _seen: dict[str, Undisturbed] = field(default_factory=dict)
    tried: dict[str, list[Tried]] = field(default_factory=dict)

    def __enter__(self) -> Matrix:
        self._pool = self._stack.enter_context(ThreadPoolExecutor(AT_ONCE))
        self._stub = self._stack.enter_context(ElasticStub())
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    # --- worlds ---

    @contextmanager
    def world(self, scenario: Scenario) -> Iterator[World]:
        """A world in which the scenario has acted."""
        with self._lock:
            number = next(self._numbers)
        shop = self._workshop()
        bucket = shop.server.new_bucket(f"{scenario.store}-{number}", versioned=scenario.versioned)
        index = f'[batch.elasticsearch]\nurl = "{self._stub.url}"\nindex = "i{number}"\n' if scenario.indexed else ""
        world = World(
            Path(tempfile.mkdtemp(prefix="w", dir=self.folder)),
            shop.server,
            shop.nursery,
            bucket,
            batch=scenario.batch + index,
            s3=dict(scenario.s3),
            patches=dict(scenario.patches),
            flagless=scenario.flagless,
            **scenario.keys,
        )
        if scenario.indexed:
            world.documents = lambda: [row["key"] for row in self._stub.indices.get(f"i{number}", {}).values()]
        try:
            scenario.before(world)
            world.keep_backup()
            scenario.act(world)
            yield world
        finally:
            world.close()

    def _workshop(self) -> Workshop:
        shop: Workshop | None = getattr(self._mine, "shop", None)
        if shop is None:
            server = OneClient()
            server.start()
            shop = self._mine.shop = Workshop(server, Nursery(server.env))
            with self._lock:
                self._stack.callback(server.close)
                self._stack.callback(shop.nursery.close)
        return shop

    # --- cases ---

    def undisturbed(self, scenario: Scenario) -> Undisturbed:
        """How it goes where nobody kills; tried once."""
        with self._lock:
            seen = self._seen.get(scenario.name)
        if seen is None:
            seen = self._pool.submit(self._record, scenario).result()
            with self._lock:
                self._seen[scenario.name] = seen
        return seen

    def _record(self, scenario: Scenario) -> Undisturbed:
        with self.world(scenario) as world:
            first = [world.live(attend=scenario.attend)] if scenario.attend else []
            lives = (*first, *world.converge())
            problems = [*lost(world, scenario), *in_the_end(world)]
            problems += not_indexed(world)
            passed = {point for life in lives for point in life.trail}
            problems += [f"it goes without {name}" for name in scenario.by if f"{name}.after" not in passed]
            assert not problems, f"{scenario.name}, undisturbed: {problems}\n{world.told()}"
            return Undisturbed(lives=lives, picture=world.picture())

    def run(self, scenario: Scenario, *, only: Set[str] = frozenset()) -> list[Tried]:
        """Every death of one scenario; `only`: the short form tries these points alone."""
        if scenario.name not in self.tried:
            calm = self.undisturbed(scenario)
            deaths = calm.deaths(every=ALL, but=self._died_at(), only=only)
            self.tried[scenario.name] = list(self._pool.map(lambda death: self._try(scenario, calm, death), deaths))
        return self.tried[scenario.name]

    def passed(self) -> dict[str, set[str]]:
        """The points that each scenario passes where nobody kills."""
        return {name: {point for life in calm.lives for point in life.trail} for name, calm in self._seen.items()}

    def _died_at(self) -> set[str]:
        points = {one.death.point for rows in self.tried.values() for one in rows if one.reached}
        return {point for point in points if point.startswith(ALIKE) or point.endswith(".before")}

    def each(self, tries: Iterable[Callable[[], list[str]]]) -> list[list[str]]:
        """Other tries, several at once."""
        return list(self._pool.map(lambda attempt: attempt(), tries))

    def _try(self, scenario: Scenario, calm: Undisturbed, death: Death) -> Tried:
        problems: list[str] = []
        reached = False
        try:
            with self.world(scenario) as world:
                reached = die(world, scenario, death)
                problems = [*lost(world, scenario), *self._recovered(world, scenario, calm)]
                if problems:
                    problems.append(world.told())
        except AssertionError as error:
            problems.append(str(error))
        return Tried(death=death, reached=reached, problems=tuple(problems))

    def _recovered(self, world: World, scenario: Scenario, calm: Undisturbed) -> Iterator[str]:
        there = world.live_objects()
        asked_again = [world.live(attend=scenario.attend)] if scenario.attend else []
        lives = [*asked_again, *world.converge()]
        yield from (f"after the restart: {problem}" for problem in lost(world, scenario))
        yield from in_the_end(world)
        yield from sent_again(there, lives)
        yield from not_indexed(world)
        if world.picture() != calm.picture:
            yield f"it ends in {world.picture()}, without the death in {calm.picture}"


def die(world: World, scenario: Scenario, death: Death) -> bool:
    """Live up to that death. Whether it came: threads may be told from each other by chance."""
    for number in range(1, death.life):
        world.live(attend=scenario.attend if number == 1 else None)
    attend = scenario.attend if death.life == 1 else None
    return world.live(at=death.point, nth=death.nth, attend=attend).killed


def lost(world: World, scenario: Scenario) -> Iterator[str]:
    """Versions of the writers' log that are nowhere."""
    missing = world.written() - world.found()
    for body in scenario.may_go:
        missing.pop(sha256(body), None)
    if missing:
        yield f"{sum(missing.values())} versions are lost: {dict(missing)}"


def in_the_end(world: World) -> Iterator[str]:
    """What no finished run leaves."""
    if world.strange():
        yield f"nobody wrote what lies at {world.strange()}"
    if world.leftovers():
        yield f"left over: {world.leftovers()}"


def not_indexed(world: World) -> Iterator[str]:
    """Each archived file has one document, where there is an index. (A lost journal is mended by `reindex`.)"""
    if world.documents is not None and sorted(world.documents()) != sorted(world.picture().there):
        yield f"the index holds {world.documents()}"


def sent_again(there: dict[str, str], lives: Sequence[Life]) -> Iterator[str]:
    """Content that lay under its key already."""
    for life in lives:
        again = [key for key, content in life.sent if there.get(key) == content]
        if again:
            yield f"sent again though it was there: {again}"


def table(tried: dict[str, list[Tried]], passed: dict[str, set[str]], points: Sequence[str]) -> str:
    """One line a point, one column a scenario: how many deaths were survived.

    `-` where it is not passed, `=` where the short form leaves it to its neighbour.
    """
    names = list(tried)
    lines = [f"{number:>4}  {name}" for number, name in enumerate(names, 1)]
    heads = "".join(f"{number:>4}" for number in range(1, len(names) + 1))
    lines += ["", f"{'':28}{heads}"]
    for point in points:
        cells = "".join(
            f"{_cell([one for one in tried[name] if one.death.point == point], passed=point in passed[name]):>4}"
            for name in names
        )
        lines.append(f"{point:28}{cells}")
    deaths = sum(one.reached for rows in tried.values() for one in rows)
    lines.append(f"{deaths} deaths; {sum(bool(one.problems) for rows in tried.values() for one in rows)} not survived")
    return "\n".join(lines)


def _cell(rows: list[Tried], *, passed: bool) -> str:
    if any(row.problems for row in rows):
        return "LOST"
    reached = sum(row.reached for row in rows)
    return str(reached) if reached else "=" if passed else "-"
