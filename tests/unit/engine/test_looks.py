"""Where a store holds no If-None-Match, a look goes before each write of the short way, many under way at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from support.fake_store import EVERYTHING, FakeObjects
from support.processes import eventually
from support.trash_host import TrashHost, trash_host
from syncd.core.model import LocalStat, Mode, ObjectFacts
from syncd.core.paths import RelPath
from syncd.engine.cycle import Cycle
from syncd.engine.lookout import FRESH_S
from syncd.engine.pool import Pool
from syncd.engine.report import CycleReport
from syncd.errors import RemoteError, RemoteKind
from syncd.lifecycle.stop import Stop
from syncd.ports import Awaited, PutAnswer, Unchecked

NAMES = [f"{number:02}" for number in range(31)]
"""16 of them go together: a thread takes one, then two, then four."""


class Asking(FakeObjects):
    """Sends at once, as a wire does; what is done to it when a look is asked, and when its answer is taken."""

    def __init__(self) -> None:
        super().__init__(capabilities=replace(EVERYTHING, put_if_none_match=False))
        self.asked: Callable[[str], object] = lambda key: None
        self.heard: Callable[[str], object] = lambda key: None
        self.at_once = True
        self.most = self.open = 0

    def start_head(self, key: str) -> Awaited[ObjectFacts | None]:
        if not self.at_once:
            return Awaited(partial(self.head, key))
        answer = self.head(key)
        self.open += 1
        self.most = max(self.most, self.open)
        self.asked(key)
        return Awaited(partial(self._hear, key, answer), under_way=True)

    def _hear(self, key: str, answer: ObjectFacts | None) -> ObjectFacts | None:
        self.open -= 1
        self.heard(key)
        return answer

    def start_put(self, key: str, body: BinaryIO, size: int, **more: Any) -> Awaited[PutAnswer]:
        answer = self.put(key, body, size, **more)
        return Awaited(lambda: answer, lambda: True, under_way=True)


@pytest.fixture
def store() -> Asking:
    return Asking()


@pytest.fixture
def host(tmp_path: Path, store: Asking) -> Iterator[TrashHost]:
    """An upload pair and some new files; whatever goes the long way is kept by name."""
    with trash_host(tmp_path, mode=Mode.UPLOAD, bucket=store) as made:
        for name in NAMES:
            made.write(name, name.encode())
        yield made


def run(host: TrashHost, *, stop: Stop | None = None) -> tuple[CycleReport, list[str]]:
    """One pass on one thread, and the paths that went the long way: it alone asks whether a file is ready."""
    host.clock.seconds += 60
    long_way: list[str] = []

    def ready(path: RelPath, _: LocalStat) -> bool:
        long_way.append(str(path))
        return True

    context = replace(host.context, ready=ready, stop=stop or host.context.stop)
    with closing(Pool(1)) as pool:
        return Cycle(context, pool, host.backlog, once=lambda *_: True).run(), long_way


def there(host: TrashHost) -> dict[str, bytes]:
    found = {key.removeprefix("p/"): body for key, body in host.bucket.contents().items()}
    return {name: body for name, body in found.items() if not name.startswith(".syncd/")}


def test_new_files_are_looked_for_together_and_go_the_short_way(host: TrashHost, store: Asking) -> None:
    _, long_way = run(host)
    assert there(host) == {name: name.encode() for name in NAMES}
    assert long_way == []
    assert (store.requests["head"], store.requests["put"]) == (len(NAMES), len(NAMES))
    assert store.most == 16


def test_what_came_there_after_the_listing_is_never_written_over(host: TrashHost, store: Asking) -> None:
    name = NAMES[20]
    store.asked = lambda key: store.plant(f"p/{name}", b"another's") if key == f"p/{NAMES[14]}" else None
    _, long_way = run(host)
    assert set(long_way) == {name}
    assert b"another's" in store.contents().values()
    others = [other for other in NAMES if other != name]
    assert {other: there(host)[other] for other in others} == {other: other.encode() for other in others}


@pytest.mark.parametrize("late_s", [FRESH_S / 2, FRESH_S * 2], ids=["in time", "late"])
def test_who_waited_for_long_behind_a_slow_answer_looks_again(host: TrashHost, store: Asking, late_s: float) -> None:
    """Another host writes `20` after its look; the answer to the look before, `19`, is slow."""
    before, name = f"p/{NAMES[19]}", f"p/{NAMES[20]}"
    hand = Moving(host.clock)
    host.context = replace(host.context, clock=hand)

    def slow(key: str) -> None:
        if key == before:
            hand.gone_s += late_s
            if late_s > FRESH_S:
                store.plant(name, b"another's")

    store.heard = slow
    _, long_way = run(host)
    if late_s > FRESH_S:
        assert set(long_way) >= set(NAMES[19:])
        assert b"another's" in store.contents().values()
    else:
        assert long_way == []


class Moving:
    """A clock that goes on when it is told to."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self.gone_s = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._clock, name)

    def monotonic(self) -> float:
        at: float = self._clock.monotonic()
        return at + self.gone_s


def test_a_plane_that_asks_only_when_the_answer_is_taken_goes_the_long_way(host: TrashHost, store: Asking) -> None:
    """Else all looks would be asked before all writes, each of them waited for."""
    store.at_once = False
    _, long_way = run(host)
    assert set(long_way) == set(NAMES)
    assert there(host) == {name: name.encode() for name in NAMES}


def test_what_arrived_is_recorded_while_a_look_is_waited_for(host: TrashHost, store: Asking) -> None:
    waited: list[bool] = []

    def recorded() -> bool:
        return all(host.context.records.get(RelPath(name)) for name in NAMES[:-1])

    def wait(key: str) -> None:
        if key == f"p/{NAMES[-1]}":
            eventually(recorded, within=10, what="the records of all before it")
            waited.append(True)

    store.heard = wait
    run(host)
    assert waited == [True]


def test_a_look_whose_answer_is_lost_fails_its_file_alone(host: TrashHost, store: Asking) -> None:
    def lost(key: str) -> None:
        if key == f"p/{NAMES[20]}":
            raise RemoteError(RemoteKind.UNAVAILABLE, "the answer is lost")

    store.heard = lost
    report, _ = run(host)
    assert report.errors == 1
    assert set(there(host)) == set(NAMES) - {NAMES[20]}


def test_a_write_whose_answer_does_not_come_is_not_sent_again_without_a_look(host: TrashHost, store: Asking) -> None:
    """Another host writes there meanwhile: what would be sent again would be written over it."""
    name = NAMES[20]
    put = store.start_put

    def start_put(key: str, body: BinaryIO, size: int, **more: Any) -> Awaited[PutAnswer]:
        if key != f"p/{name}":
            return put(key, body, size, **more)
        assert more["expect"] == Unchecked(once=True)

        def lost() -> PutAnswer:
            store.plant(key, b"another's")
            raise RemoteError(RemoteKind.UNAVAILABLE, "the connection broke")

        return Awaited(lost, under_way=True)

    store.start_put = start_put  # type: ignore[method-assign]
    _, long_way = run(host)
    assert set(long_way) == {name}
    assert b"another's" in store.contents().values()


def test_a_write_whose_answer_is_lost_is_known_as_our_own(host: TrashHost, store: Asking) -> None:
    put = store.start_put

    def start_put(key: str, body: BinaryIO, size: int, **more: Any) -> Awaited[PutAnswer]:
        put(key, body, size, **more)

        def lost() -> PutAnswer:
            raise RemoteError(RemoteKind.UNAVAILABLE, "the answer is lost")

        return Awaited(lost, under_way=True)

    store.start_put = start_put  # type: ignore[method-assign]
    report, long_way = run(host)
    assert (report.errors, long_way) == (0, [])
    assert there(host) == {name: name.encode() for name in NAMES}
    assert store.requests["put"] == len(NAMES)


def test_a_look_that_is_denied_fails_its_file_alone(host: TrashHost, store: Asking) -> None:
    store.fail_next("head", RemoteError(RemoteKind.DENIED, "403"))
    report, _ = run(host)
    assert report.errors == 1
    assert set(there(host)) == set(NAMES[1:])
    report, _ = run(host)
    assert there(host) == {name: name.encode() for name in NAMES}


def test_after_a_stop_nothing_is_sent_on_the_ground_of_a_look(host: TrashHost, store: Asking) -> None:
    stop = Stop()
    store.asked = lambda key: stop.drain() if key == f"p/{NAMES[-1]}" else None
    report, _ = run(host, stop=stop)
    assert report.stopped
    assert set(there(host)) == set(NAMES[:15])
    assert all(host.context.claims.take(RelPath(name)) for name in NAMES)
    host.context.claims.release_all(RelPath(name) for name in NAMES)
    run(host)
    assert there(host) == {name: name.encode() for name in NAMES}
