"""The short ways end whatever ends the pass: what they hold is let go, said or left, and no claim stays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from support.fake_store import FakeObjects
from support.model_host import InlinePool
from support.recorded import HandClock, KeptEvents
from support.trash_host import TrashHost, trash_host
from syncd import events
from syncd.core.model import ETag, LocalStat, Mode
from syncd.core.paths import RelPath
from syncd.engine.context import Context
from syncd.engine.cycle import Cycle
from syncd.engine.lane import LINGER_S, Ends, Group, Lane
from syncd.engine.pool import Pool
from syncd.engine.report import CycleReport
from syncd.engine.sweep import Memory
from syncd.engine.work import Worksite
from syncd.errors import RemoteError, RemoteKind
from syncd.lifecycle.stop import Stop
from syncd.ports import Awaited, ObjectBody, PutAnswer

LOST = RemoteError(RemoteKind.UNAVAILABLE, "the answer is lost")
ENDS_S = 10.0
"""A pass of these few files takes milliseconds; one that is not over by then hangs."""

PAGE = 9


class Wire(FakeObjects):
    """Sends at once, as a wire does, and knows which answers somebody waited for."""

    def __init__(self, *, page_size: int = PAGE) -> None:
        super().__init__(page_size=page_size)
        self.sent: Callable[[str], object] = lambda key: None
        self.heard: list[str] = []
        self.lost = False  # every answer, though not what was sent

    def start_put(self, key: str, body: BinaryIO, size: int, **more: Any) -> Awaited[PutAnswer]:
        answer = self.put(key, body, size, **more)
        self.sent(key)
        return Awaited(partial(self._hear, key, lambda: answer), under_way=True)

    def start_get(self, key: str, *, expect: ETag) -> Awaited[AbstractContextManager[ObjectBody]]:
        self.sent(key)
        return Awaited(partial(self._hear, key, partial(self.get, key, expect=expect)), under_way=True)

    def _hear(self, key: str, answer: Callable[[], Any]) -> Any:
        self.heard.append(key)
        if self.lost:
            raise LOST
        return answer()


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture(params=[Mode.UPLOAD, Mode.DOWNLOAD], ids=["up", "down"])
def host(tmp_path: Path, wire: Wire, request: pytest.FixtureRequest) -> Iterator[TrashHost]:
    with trash_host(tmp_path, mode=request.param, bucket=wire) as made:
        yield made


@pytest.fixture
def sender(tmp_path: Path, wire: Wire) -> Iterator[TrashHost]:
    with trash_host(tmp_path, mode=Mode.UPLOAD, bucket=wire) as made:
        yield made


def look(host: TrashHost, *, threads: int = 1, stop: Stop | None = None, memory: Memory | None = None) -> CycleReport:
    """A pass that must end. One thread takes one path, then two together, then four, and so on, in order."""
    host.clock.seconds += 60
    context = host.context if stop is None else replace(host.context, stop=stop)
    pool, report = Pool(threads), Future[CycleReport]()

    def run() -> None:
        try:
            report.set_result(Cycle(context, pool, host.backlog, once=lambda *_: True, memory=memory).run())
        except BaseException as error:
            report.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return report.result(ENDS_S)
    finally:
        pool.close()


def new(host: TrashHost, names: Iterable[str]) -> None:
    """Files or objects, on the side that the pair takes from."""
    for name in names:
        if host.context.pair.mode is Mode.UPLOAD:
            host.write(name, name.encode())
        else:
            host.bucket.plant(f"p/{name}", name.encode())


def in_step(host: TrashHost) -> set[str]:
    """What is the same here and there, and recorded."""
    here = {file.name: file.read_bytes() for file in host.root.iterdir() if file.is_file()}
    there = {key.removeprefix("p/"): body for key, body in host.bucket.contents().items()}
    return {
        name
        for name, body in here.items()
        if there.get(name) == body == name.encode() and host.context.records.get(RelPath(name)) is not None
    }


def claimed(host: TrashHost, names: Iterable[str]) -> set[str]:
    """Those that somebody still has; for after a pass."""
    free = {RelPath(name) for name in names if host.context.claims.take(RelPath(name))}
    host.context.claims.release_all(free)
    return set(names) - free


# --- a listing that breaks off ---


@pytest.mark.parametrize("remembers", [True, False], ids=["in stretches", "row by row"])
def test_a_listing_that_breaks_off_ends_the_pass_though_some_wait_for_company(
    host: TrashHost, wire: Wire, remembers: bool
) -> None:
    names = [f"a{number}" for number in range(PAGE)]
    new(host, names)
    for number in range(2 * PAGE):
        wire.plant(f"p/b{number:02}", b"b%02d" % number)
    wire.intervene("list", lambda: wire.intervene("list", lambda: wire.fail_next("list", LOST)))
    with pytest.raises(RemoteError) as raised:
        look(host, threads=2, memory=Memory() if remembers else None)
    assert raised.value is LOST
    assert wire.requests["list"] == 2
    assert claimed(host, names) == set()
    look(host, threads=2)
    assert in_step(host) >= set(names)
    assert len(wire.heard) == len(set(wire.heard)), "each went once"


# --- who waits for company ---


def test_a_lone_path_behind_full_groups_is_let_go_while_the_sweep_goes_on(tmp_path: Path) -> None:
    wire, sent = Wire(page_size=400), threading.Event()
    with trash_host(tmp_path, mode=Mode.UPLOAD, bucket=wire) as host:
        new(host, ["0", "1", "2", "3", "4"])  # 3 waits, and 4 is not quiet: it goes the long way
        for number in range(500):  # only there: these rows ask for nothing
            wire.plant(f"p/b{number:03}", b"")

        def quiet(path: RelPath, _: LocalStat) -> bool:
            if path == "4":
                host.clock.seconds += LINGER_S
            return path != "4"

        host.context = replace(host.context, quiet=quiet)
        wire.sent = lambda key: sent.set() if key == "p/3" else None
        before_the_end: list[bool] = []
        wire.intervene("list", lambda: wire.intervene("list", lambda: before_the_end.append(sent.wait(ENDS_S / 2))))
        look(host)
        assert before_the_end == [True]
        assert in_step(host) == {"0", "1", "2", "3", "4"}


def unheard(context: Context) -> Ends[LocalStat]:
    """Ends of which nobody is told."""
    return Ends(
        begun=lambda: None,
        settled=lambda outcomes: None,
        failed=lambda step, error: None,
        long_way=lambda path, seen: None,
        dropped=context.claims.release,
        crashed=Future.result,
    )


def test_paths_wait_for_company_no_longer_than_the_first_of_them_may(sender: TrashHost) -> None:
    went: list[list[str]] = []
    small = LocalStat(1, 0, 0, 1)
    clock = HandClock()
    context = replace(sender.context, clock=clock)

    def work(items: Sequence[tuple[RelPath, LocalStat]], group: Group[LocalStat]) -> None:
        went.append([str(path) for path, _ in items])

    ends = unheard(context)
    pool = InlinePool()
    lane = Lane(context, Worksite(context, pool, sender.backlog), pool, ends, work)
    for name in "abcd":
        lane.take(RelPath(name), small)
    assert went == [["a"], ["b", "c"]]
    clock.tick(LINGER_S / 2)
    lane.take(RelPath("e"), small)
    lane.hurry()
    assert went == [["a"], ["b", "c"]]
    clock.tick(LINGER_S / 2)
    lane.hurry()
    lane.hurry()
    assert went == [["a"], ["b", "c"], ["d", "e"]]
    lane.take(RelPath("f"), small)  # its time begins now, not with that of those before
    lane.hurry()
    assert len(went) == 3


# --- what was sent when the pass is over ---


def test_once_the_stop_is_abandoned_no_answer_is_waited_for(host: TrashHost, wire: Wire) -> None:
    names = [f"{number}" for number in range(7)]  # 3 to 6 go together
    new(host, names)
    stop = Stop()
    wire.sent = lambda key: stop.abandon() if key == "p/4" else None
    assert look(host, stop=stop).stopped
    assert wire.heard == ["p/0", "p/1", "p/2"]
    assert claimed(host, names) == set()
    assert in_step(host) == {"0", "1", "2"}
    look(host)
    assert in_step(host) == set(names)
    assert wire.requests["put"] in {0, len(names)}, "what had arrived is not sent again"


def test_once_the_endpoint_is_given_up_no_answer_is_waited_for(host: TrashHost, wire: Wire) -> None:
    names = [f"{number:02}" for number in range(15)]  # 07 to 14 go together
    new(host, names)
    wire.lost = True
    with pytest.raises(RemoteError):
        look(host)
    assert wire.heard == [f"p/{name}" for name in names[:8]]
    assert claimed(host, names) == set()
    wire.lost = False
    look(host)
    assert in_step(host) == set(names)
    assert wire.requests["put"] in {0, len(names)}, "what had arrived is not sent again"


# --- the one of a group that goes the long way ---


class Telling(KeptEvents):
    """Says when a transfer of that path is over, durable and all."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._path = path
        self.over = threading.Event()

    def emit(self, event: str, **fields: object) -> None:
        super().emit(event, **fields)
        if event == events.TRANSFER_FINISHED and fields["path"] == self._path:
            self.over.set()


def test_when_one_goes_the_long_way_the_others_of_its_group_are_recorded(sender: TrashHost) -> None:
    new(sender, ["0", "1", "2"])  # 1 and 2 go together
    told = Telling("2")
    recorded: list[bool] = []

    def ready(path: RelPath, _: LocalStat) -> bool:
        """Only the long way asks that."""
        assert path == "1"
        recorded.append(told.over.wait(ENDS_S / 2) and sender.context.records.get(RelPath("2")) is not None)
        return False

    sender.context = replace(sender.context, ready=ready, events=told)
    with open(sender.root / "1", "ab"):
        report = look(sender)
    assert recorded == [True]
    assert report.waiting == 1
    assert in_step(sender) == {"0", "2"}


def long_ways(host: TrashHost) -> list[str]:
    """The paths that go the long way from now on: it alone asks whether a file is ready."""
    begun: list[str] = []

    def ready(path: RelPath, _: LocalStat) -> bool:
        begun.append(str(path))
        return True

    host.context = replace(host.context, ready=ready)
    return begun


def test_after_a_stop_the_long_way_is_not_begun(sender: TrashHost, wire: Wire) -> None:
    new(sender, ["0", "1", "2"])  # 1 and 2 go together
    begun = long_ways(sender)
    stop = Stop()
    wire.sent = lambda key: stop.drain() if key == "p/2" else None
    with open(sender.root / "1", "ab"):
        assert look(sender, stop=stop).stopped
    assert begun == []
    assert in_step(sender) == {"0", "2"}
    assert claimed(sender, ["0", "1", "2"]) == set()
    look(sender)
    assert in_step(sender) == {"0", "1", "2"}


def test_once_the_endpoint_is_given_up_the_long_way_is_not_begun(sender: TrashHost, wire: Wire) -> None:
    names = [f"{number:02}" for number in range(15)]  # 07 to 14 go together
    new(sender, names)
    begun = long_ways(sender)
    wire.lost = True
    with open(sender.root / "07", "ab"), pytest.raises(RemoteError):
        look(sender)
    assert begun == []
    assert "p/08" in wire.heard, "that was the eighth failure"
    assert claimed(sender, names) == set()
    wire.lost = False
    look(sender)
    assert in_step(sender) == set(names)


@pytest.mark.parametrize(
    ("threads", "concurrency", "size", "largest"),
    [(4, None, 1, 32), (1, None, 1, 64), (128, None, 1, 1), (4, 8, 1, 2), (4, 4, 1, 1), (1, None, 200_000, 6)],
    ids=["few threads", "one", "many", "as many as may be open", "no more than threads", "by their bytes"],
)
def test_no_more_are_under_way_than_may_be(
    sender: TrashHost, threads: int, concurrency: int | None, size: int, largest: int
) -> None:
    went: list[int] = []
    pair = replace(sender.context.pair, s3=replace(sender.context.pair.s3, concurrency=concurrency))
    context = replace(sender.context, pair=pair)
    ends = unheard(context)
    pool = InlinePool()
    pool.threads = threads
    lane = Lane(context, Worksite(context, pool, sender.backlog), pool, ends, lambda items, _: went.append(len(items)))
    for number in range(2000):
        lane.take(RelPath(f"{number}"), LocalStat(size, 0, 0, number))
    assert max(went) == largest
    assert went[: min(threads, 128)] == [1] * min(threads, 128), "every thread has one at once"
