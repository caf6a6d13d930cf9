"""What was closed in one burst goes up together, and no path of it is lost, sent half, or kept from others."""

from __future__ import annotations

import errno
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest

from support.lone_host import LoneHost, lone_host
from support.model_host import InlinePool
from syncd.core.paths import RelPath
from syncd.engine.hot import MOST_TOGETHER, HotPath
from syncd.engine.lane import LARGEST
from syncd.engine.outcome import Outcome, Result
from syncd.errors import PairHalted, RemoteError, RemoteKind
from syncd.lifecycle.stop import Stop
from syncd.local.small import SmallFiles
from syncd.local.stability import Ready, Stability
from syncd.ports import Commit

LARGE = b"x" * (LARGEST + 1)
SMALL = b"a line\n"


class Queue(InlinePool):
    """Keeps what it is to do later until a test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: deque[Callable[[], None]] = deque()

    @property
    def queued(self) -> int:
        """As many as are kept."""
        return len(self.kept)

    def later(self, task: Callable[[], None]) -> Future[None]:
        """Not now."""
        self.kept.append(task)
        return Future()

    def catch_up(self) -> None:
        """Do it."""
        while self.kept:
            self.kept.popleft()()


class Burst:
    """A hot path on a folder of its own, with a true tracker of what is stable."""

    def __init__(self, root: Path) -> None:
        self.lone: LoneHost = lone_host(root)
        self.stability = Stability(2.0, 60.0)
        self.stop = Stop()
        self.pool = Queue()
        self.again: list[str] = []
        self.outcomes: list[Outcome] = []
        self.lone.run()
        tree = self.lone.host.context.tree

        def ready(path: RelPath, stat: object) -> bool:
            verdict = self.stability.consider(
                path,
                stat,  # type: ignore[arg-type]
                time.monotonic(),
                time.time_ns(),
                lambda: tree.open_elsewhere(path, for_writing=True),
            )
            return isinstance(verdict, Ready)

        self.context = replace(self.lone.host.context, ready=ready, stop=self.stop)
        self.hot = self._path()

    def _path(self) -> HotPath:
        return HotPath(
            self.context,
            self.pool,
            self.lone.host.backlog,
            again=self.again.append,
            unready=lambda: None,
            forget=self.stability.forget,
            hand_over=lambda: None,
            finished=self.outcomes.append,
        )

    def closed(self, **files: bytes) -> list[RelPath]:
        """Files that somebody wrote and closed."""
        for name, body in files.items():
            self.lone.write(name, body)
            self.stability.closed(RelPath(name))
        return [RelPath(name) for name in files]

    def open_for_more(self, name: str, more: bytes) -> IO[bytes]:
        """The same file in the hand of a writer again."""
        file = (self.lone.host.path / name).open("ab", buffering=0)
        file.write(more)
        return file

    def free(self, *names: str) -> bool:
        """Whether nobody holds a claim on them."""
        return all(self.lone.host.free(name) for name in names)

    def waiting(self) -> dict[str, str]:
        """What waits, and in what state."""
        return {str(one.path): one.state for one in self.lone.host.backlog.snapshot()}


@pytest.fixture
def burst(tmp_path: Path) -> Iterator[Burst]:
    made = Burst(tmp_path / "root")
    yield made
    made.stop.abandon()


def test_small_files_of_a_burst_are_recorded_together(burst: Burst, monkeypatch: pytest.MonkeyPatch) -> None:
    commits: list[int] = []
    records = type(burst.context.records)
    plain = records.commit_all

    def counted(self: object, changes: Sequence[Commit]) -> object:
        commits.append(len(changes))
        return plain(self, changes)  # type: ignore[arg-type]

    monkeypatch.setattr(records, "commit_all", counted)
    burst.hot.run(burst.closed(**{f"f{number}": SMALL for number in range(10)}))
    assert burst.lone.objects() == {f"f{number}": SMALL for number in range(10)}
    assert sum(commits) == 10
    assert [outcome.result for outcome in burst.outcomes] == [Result.DONE] * 10
    assert burst.waiting() == {}
    assert burst.free(*(f"f{number}" for number in range(10)))


@pytest.mark.parametrize("body", [LARGE, SMALL], ids=["by itself", "together"])
def test_a_file_that_is_opened_again_meanwhile_waits(
    burst: Burst, body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = SmallFiles.read
    opened: list[IO[bytes]] = []

    def read(self: SmallFiles, path: RelPath, expect: object) -> bytes:
        opened.append(burst.open_for_more("a", b"half"))
        return plain(self, path, expect)  # type: ignore[arg-type]

    if body is SMALL:
        monkeypatch.setattr(SmallFiles, "read", read)
        burst.hot.run(burst.closed(a=body))
    else:
        burst.hot.run(burst.closed(a=body, b=body, c=body))
        opened.append(burst.open_for_more("a", b"half"))
        burst.pool.catch_up()
    assert "a" not in burst.lone.objects()
    assert burst.free("a")
    for file in opened:
        file.close()
    monkeypatch.undo()
    burst.stability.closed(RelPath("a"))
    burst.hot.run([RelPath("a")])
    assert burst.lone.objects()["a"] == body + b"half"


def test_after_a_stop_nothing_of_a_burst_is_begun(burst: Burst) -> None:
    burst.hot.run(burst.closed(a=LARGE, b=LARGE, c=LARGE))
    begun = set(burst.lone.objects())
    burst.stop.drain()
    burst.pool.catch_up()
    assert set(burst.lone.objects()) == begun
    burst.hot.run(burst.closed(d=SMALL))
    assert "d" not in burst.lone.objects()
    assert burst.free("a", "b", "c", "d")


def test_no_more_is_put_off_than_there_are_threads(burst: Burst) -> None:
    paths = burst.closed(**{f"f{number:03}": LARGE for number in range(3 * MOST_TOGETHER)})
    burst.hot.run(paths)
    assert len(burst.pool.kept) <= burst.pool.threads
    burst.pool.catch_up()
    assert len(burst.lone.objects()) == len(paths)


def test_what_nobody_expected_ends_the_run_and_leaves_no_claim(tmp_path: Path) -> None:
    burst = Burst(tmp_path / "root")
    ready = burst.context.ready

    def bad(path: RelPath, stat: object) -> bool:
        if path == "b":
            raise OSError(errno.EMFILE, "too many open files")
        return ready(path, stat)  # type: ignore[arg-type]

    burst.context = replace(burst.context, ready=bad)
    burst.hot = burst._path()
    burst.hot.run(burst.closed(a=SMALL, b=SMALL, c=SMALL))
    assert burst.free("a", "b", "c")
    with pytest.raises(OSError, match="too many"):
        burst.hot.run([])


def test_a_root_that_goes_away_meanwhile_is_told_for_each_path(burst: Burst, monkeypatch: pytest.MonkeyPatch) -> None:
    def halted(*_: object) -> bytes:
        raise PairHalted("the root is gone")

    monkeypatch.setattr(SmallFiles, "read", halted)
    burst.hot.run(burst.closed(a=SMALL, b=SMALL))
    assert sorted(burst.again) == ["a", "b"], "each is looked at again"
    assert burst.free("a", "b")
    burst.hot.run([])


def test_a_dead_endpoint_is_not_asked_for_every_file_of_a_burst(burst: Burst) -> None:
    burst.lone.bucket.fail_next("put", RemoteError(RemoteKind.UNAVAILABLE, "nobody there"), times=1000)
    paths = burst.closed(**{f"f{number:02}": SMALL for number in range(MOST_TOGETHER)})
    burst.hot.run(paths)
    assert burst.lone.bucket.requests["put"] < MOST_TOGETHER
    assert burst.free(*map(str, paths))
    assert set(burst.waiting()) == set(map(str, paths))


def test_a_key_that_is_taken_is_settled_by_one_more_look(burst: Burst) -> None:
    burst.lone.bucket.plant("p/a", b"of somebody else")
    burst.hot.run(burst.closed(a=SMALL))
    assert burst.free("a")
    assert burst.lone.bucket.requests["put"] <= 2
