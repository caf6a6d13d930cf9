"""A pass leaves out what nobody touched, and nothing else: with and without its memory it comes to the same."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.fake_store import FakeObjects
from support.model_host import InlinePool
from support.trash_host import TrashHost, trash_host
from syncd.core.model import Mode
from syncd.engine.cycle import Cycle
from syncd.engine.report import CycleReport
from syncd.engine.sweep import Memory
from syncd.store.pairs import PairStore

NAMES = [f"{folder}{number:02}" for folder in ("", "a/", "b c/", "ä/") for number in range(6)]


@pytest.fixture(params=[True, False], ids=["marked pages", "unmarked"])
def host(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[TrashHost]:
    bucket = FakeObjects(page_size=5)
    bucket.marks = request.param
    with trash_host(tmp_path, mode=Mode.BIDIRECTIONAL, bucket=bucket) as made:
        for name in NAMES:
            made.write(name, name.encode())
        yield made


def look(host: TrashHost, memory: Memory) -> CycleReport:
    host.clock.seconds += 60
    return Cycle(host.context, InlinePool(), host.backlog, once=lambda *_: True, memory=memory).run()


@pytest.fixture
def settled(host: TrashHost) -> Memory:
    """A host that is at rest, and what a pass remembers of that."""
    memory = Memory()
    for _ in range(3):
        look(host, memory)
    return memory


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Which stretches of records were read row by row."""
    seen: list[object] = []
    walk = PairStore.walk

    def walking(self: PairStore, *args: object, **more: object) -> object:
        seen.append(more)
        return walk(self, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(PairStore, "walk", walking)
    return seen


def test_a_pass_over_what_is_settled_reads_no_row_and_counts_the_same(
    host: TrashHost, settled: Memory, walks: list[object]
) -> None:
    plain = look(host, Memory())
    assert walks
    walks.clear()
    report = look(host, settled)
    assert walks == []
    same = ("tracked", "local_files", "local_bytes", "remote_objects", "counts", "shown")
    assert {name: getattr(report, name) for name in same} == {name: getattr(plain, name) for name in same}


@pytest.mark.parametrize(
    "touch",
    [
        pytest.param(lambda host: host.write("a/03", b"edited here"), id="a file edited"),
        pytest.param(
            lambda host: (host.root / "a/03").write_bytes(b"a/0X"), id="a file overwritten, as long as before"
        ),
        pytest.param(lambda host: host.write("a/03+", b"new here"), id="a file more"),
        pytest.param(lambda host: host.write("zzz", b"new here"), id="a file more at the end"),
        pytest.param(lambda host: os.rename(host.root / "a/03", host.root / "a/03-"), id="a file renamed"),
        pytest.param(lambda host: host.bucket.plant("p/a/03", b"edited there"), id="an object edited"),
        pytest.param(lambda host: host.bucket.plant("p/a/03+", b"new there"), id="an object more"),
        pytest.param(lambda host: host.bucket.plant("p/zzz", b"new there"), id="an object more at the end"),
        pytest.param(lambda host: host.bucket.take_away("p/a/03"), id="an object gone"),
        pytest.param(lambda host: os.unlink(host.root / "a/03"), id="a file gone"),
    ],
)
def test_whatever_is_touched_is_seen_as_if_nothing_were_remembered(
    tmp_path: Path, touch: Callable[[TrashHost], object]
) -> None:
    came_to = []
    for kind in ("with", "without"):
        with trash_host(tmp_path / kind, mode=Mode.BIDIRECTIONAL, bucket=FakeObjects(page_size=5)) as host:
            for name in NAMES:
                host.write(name, name.encode())
            memory = Memory()
            for _ in range(3):
                look(host, memory)
            before = _both(host)
            touch(host)
            assert _both(host) != before
            for _ in range(3):
                look(host, memory if kind == "with" else Memory())
            came_to.append(_both(host))
    assert came_to[0] == came_to[1]
    files, objects = came_to[0]
    assert files == {key.removeprefix("p/"): body for key, body in objects.items()}


def _both(host: TrashHost) -> tuple[dict[str, bytes], dict[str, bytes]]:
    files = {
        file.relative_to(host.root).as_posix(): file.read_bytes()
        for file in host.root.rglob("*")
        if file.is_file() and ".syncd" not in file.parts
    }
    return files, {key: body for key, body in host.bucket.contents().items() if "/.syncd/" not in key}


def test_a_row_that_changed_by_itself_is_read(host: TrashHost, settled: Memory, walks: list[object]) -> None:
    record = host.context.records.get("a/03")  # type: ignore[arg-type]
    assert record is not None
    from syncd.ports import Commit

    host.context.records.commit(Commit(path=record.path, put=replace(record, stat=None))).result()
    walks.clear()
    look(host, settled)
    assert len(walks) == 1  # the one stretch that it is in
    after = host.context.records.get(record.path)
    assert after is not None
    assert after.stat is not None


def test_a_folder_that_could_not_be_read_is_not_settled(
    host: TrashHost, settled: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files are unseen, which looks like an empty folder: when it is one, that is news."""
    from syncd.local.scan import _Walk

    enter = _Walk.enter

    def closed(self: _Walk, path: str) -> int:
        if path == "a":
            raise PermissionError(13, "permission denied")
        return enter(self, path)

    monkeypatch.setattr(_Walk, "enter", closed)
    for _ in range(2):
        look(host, settled)
    monkeypatch.undo()
    for number in range(6):
        (host.root / f"a/{number:02}").unlink()
    assert look(host, settled).counts["downloaded"] == 6  # they were deleted here, and come back


def test_a_pair_that_cleans_looks_at_what_lies_here(tmp_path: Path, walks: list[object]) -> None:
    """When a file is due is a question of time, not of what was touched."""
    with trash_host(tmp_path, mode=Mode.UPLOAD, bucket=FakeObjects(page_size=5), cleanup=True) as host:
        for name in NAMES:
            host.write(name, name.encode())
        memory = Memory()
        for _ in range(4):
            look(host, memory)
        assert _both(host)[0] == {}
        walks.clear()
        look(host, memory)
        assert walks == []  # all cleaned: at rest again
        host.write("a/03", b"a new one")
        for _ in range(3):
            look(host, memory)
        assert _both(host)[0] == {}
        assert _both(host)[1]["p/a/03"] == b"a new one"


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_edits_come_to_the_same_with_a_memory(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    names = st.sampled_from(NAMES)
    bodies = st.sampled_from([b"1", b"22", b"333"])
    edit = st.one_of(
        st.tuples(st.just("write"), names, bodies),
        st.tuples(st.just("plant"), names, bodies),
        st.tuples(st.just("unlink"), names, st.just(b"")),
        st.tuples(st.just("take"), names, st.just(b"")),
    )
    rounds = data.draw(st.lists(st.lists(edit, max_size=3), min_size=1, max_size=5))
    came_to = []
    for remembers in (True, False):
        folder = tmp_path_factory.mktemp("swept")
        with trash_host(folder, mode=Mode.BIDIRECTIONAL, bucket=FakeObjects(page_size=4)) as host:
            memory = Memory()
            for edits in rounds:
                for kind, name, body in edits:
                    _edit(host, kind, name, body)
                for _ in range(2):
                    look(host, memory if remembers else Memory())
            came_to.append(_both(host))
    assert came_to[0] == came_to[1]


def _edit(host: TrashHost, kind: str, name: str, body: bytes) -> None:
    match kind:
        case "write":
            host.write(name, body)
        case "plant":
            host.bucket.plant(f"p/{name}", body)
        case "unlink":
            (host.root / name).unlink(missing_ok=True)
        case _:
            host.bucket.take_away(f"p/{name}")
