"""The watch on real folders with the real inotify."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from support.anybody import as_anybody
from support.gaps import missing
from support.processes import eventually
from syncd import events as log
from syncd.core.paths import parse_relpath
from syncd.local import inotify_kernel, inotify_mounts
from syncd.local.watch import (
    Closed,
    Degraded,
    FolderAppeared,
    FolderGone,
    Gone,
    HotEvent,
    RootGone,
    Touched,
    Watch,
    WatchMode,
)

CHILD = Path(__file__).parents[1] / "support" / "watch_child.py"


class Heard:
    """A sink that remembers what it heard and when, and the events that were said beside it."""

    def __init__(self) -> None:
        self.hints: list[HotEvent] = []
        self.at: list[float] = []
        self.said: list[tuple[str, dict[str, object]]] = []
        self._news = threading.Condition()

    def __call__(self, hint: HotEvent) -> None:
        with self._news:
            self.hints.append(hint)
            self.at.append(time.monotonic())
            self._news.notify_all()

    def emit(self, event: str, **fields: object) -> None:
        self.said.append((event, fields))

    def until(self, wanted: Callable[[list[HotEvent]], object], within: float = 5.0) -> None:
        with self._news:
            assert self._news.wait_for(lambda: wanted(self.hints), within), f"heard only {self.hints[-20:]}"

    def hears(self, *hints: HotEvent) -> None:
        self.until(lambda heard: all(hint in heard for hint in hints))

    def when(self, hint: HotEvent) -> float:
        return self.at[self.hints.index(hint)]


def closed(path: str) -> Closed:
    return Closed(parse_relpath(path))


def touched(path: str) -> Touched:
    return Touched(parse_relpath(path))


def gone(path: str) -> Gone:
    return Gone(parse_relpath(path))


def appeared(path: str) -> FolderAppeared:
    return FolderAppeared(parse_relpath(path))


def folder_gone(path: str) -> FolderGone:
    return FolderGone(parse_relpath(path))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "hot"
    made.mkdir()
    return made


@pytest.fixture
def heard() -> Heard:
    return Heard()


@contextmanager
def watching(root: Path, heard: Heard) -> Iterator[Watch]:
    watch = Watch(root, heard, events=heard)
    watch.start()
    try:
        yield watch
    finally:
        watch.stop()


@pytest.fixture
def watch(root: Path, heard: Heard) -> Iterator[Watch]:
    with watching(root, heard) as made:
        yield made


def settled(root: Path, heard: Heard) -> None:
    """Everything that happened so far was heard: a mark written now has come through."""
    mark = f"mark-{time.monotonic_ns()}"
    (root / mark).write_text("")
    heard.hears(closed(mark))


def found(root: Path, heard: Heard) -> set[str]:
    """The files that somebody who follows the hints would know: named by one, or below a folder that appeared."""
    known = {str(hint.path) for hint in heard.hints if isinstance(hint, Closed | Touched)}
    for hint in list(heard.hints):
        if isinstance(hint, FolderAppeared):
            known |= {str(file.relative_to(root)) for file in (root / hint.path).rglob("*") if file.is_file()}
    return known


# --- files ---


@pytest.mark.usefixtures("watch")
def test_a_file_that_is_written_is_touched_first_and_closed_last(root: Path, heard: Heard) -> None:
    with (root / "a.log").open("w") as file:
        file.write("one")
        file.flush()
        heard.hears(touched("a.log"))
        assert closed("a.log") not in heard.hints
    heard.hears(closed("a.log"))


@pytest.mark.usefixtures("watch")
def test_an_append_is_heard_before_its_close_and_a_change_of_mode_too(root: Path, heard: Heard) -> None:
    (root / "a.log").write_text("one")
    heard.hears(closed("a.log"))
    heard.hints.clear()
    with (root / "a.log").open("a") as file:
        file.write("two")
        file.flush()
        heard.hears(touched("a.log"))
    heard.hears(closed("a.log"))
    heard.hints.clear()
    (root / "a.log").chmod(0o600)
    heard.hears(touched("a.log"))


@pytest.mark.usefixtures("watch")
def test_reading_a_file_is_not_heard(root: Path, heard: Heard) -> None:
    (root / "a.log").write_text("one")
    settled(root, heard)
    heard.hints.clear()
    assert (root / "a.log").read_text() == "one"
    assert os.listdir(root)
    settled(root, heard)
    assert [hint for hint in heard.hints if "mark" not in str(hint)] == []


@pytest.mark.usefixtures("watch")
def test_a_rename_within_the_root_is_a_departure_and_a_closed_file(root: Path, heard: Heard) -> None:
    (root / "sub").mkdir()
    settled(root, heard)
    (root / "a.tmp").write_text("whole")
    (root / "a.tmp").rename(root / "sub" / "a.log")
    heard.hears(gone("a.tmp"), closed("sub/a.log"))


@pytest.mark.usefixtures("watch")
def test_a_file_moved_in_is_closed_and_one_moved_out_or_deleted_is_gone(
    root: Path, heard: Heard, tmp_path: Path
) -> None:
    (tmp_path / "outside").write_text("whole")
    (tmp_path / "outside").rename(root / "in.log")
    heard.hears(closed("in.log"))
    (root / "in.log").rename(tmp_path / "outside")
    heard.hears(gone("in.log"))
    (root / "b.log").write_text("x")
    (root / "b.log").unlink()
    heard.hears(gone("b.log"))


@pytest.mark.usefixtures("watch")
def test_what_is_ours_a_symlink_to_a_folder_and_an_impossible_name_yield_nothing(
    root: Path, heard: Heard, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (root / "sub" / ".syncd" / "tmp").mkdir(parents=True)
    (root / ".syncd").mkdir()
    settled(root, heard)
    (root / ".syncd" / "a").write_text("x")
    (root / "sub" / ".syncd" / "tmp" / "b").write_text("x")
    (tmp_path / "elsewhere" / "c").write_text("x")
    bad = os.fsencode(root) + b"/\xff\xfe"
    os.mkdir(bad)
    with open(bad + b"/d", "w"):
        pass
    with open(os.fsencode(root) + b"/\xff.log", "w"):
        pass
    settled(root, heard)
    paths = {str(hint.path) for hint in heard.hints if hasattr(hint, "path")}
    assert {path for path in paths if "mark" not in path} == {
        "link",
        "sub",
    }  # the link itself, seen by lstat, is no file
    (root / ".syncd" / "tmp-1").write_text("x")
    (root / ".syncd" / "tmp-1").rename(root / "placed.log")
    heard.hears(closed("placed.log"))


@pytest.mark.usefixtures("watch")
def test_a_stream_of_writes_to_one_file_is_not_a_stream_of_hints(root: Path, heard: Heard) -> None:
    with (root / "a").open("wb", buffering=0) as a, (root / "b").open("wb", buffering=0) as b:
        for _ in range(4_000):
            a.write(b"x")
            b.write(b"y")
    heard.hears(closed("a"), closed("b"))
    assert len(heard.hints) < 1_000


# --- folders ---


def test_folders_that_were_there_before_are_watched(root: Path, heard: Heard) -> None:
    (root / "a" / "b" / "c").mkdir(parents=True)
    with watching(root, heard):
        (root / "a" / "b" / "c" / "f.log").write_text("x")
        heard.hears(closed("a/b/c/f.log"))
        assert heard.said[0] == (log.WATCH_STARTED, {"root": str(root), "folders": 4})


@pytest.mark.usefixtures("watch")
def test_a_tree_with_hundreds_of_files_moved_in_is_found_whole_and_watched(
    root: Path, heard: Heard, tmp_path: Path
) -> None:
    made = [f"tree/{n % 20}/{n % 7}/{n}.log" for n in range(400)]
    for name in made:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    (tmp_path / "tree").rename(root / "tree")
    heard.hears(appeared("tree"))
    assert found(root, heard) >= set(made)
    (root / "tree" / "3" / "2" / "late.log").write_text("x")
    heard.hears(closed("tree/3/2/late.log"))


@pytest.mark.usefixtures("watch")
def test_deep_folders_with_files_written_at_once_are_not_missed(root: Path, heard: Heard) -> None:
    made = set()
    for n in range(60):
        deep = root / f"run-{n}" / "a" / "b" / "c" / "d"
        deep.mkdir(parents=True)
        for folder in (deep, deep.parent.parent):
            (folder / "f.log").write_text("x")
            made.add(str((folder / "f.log").relative_to(root)))
    settled(root, heard)
    assert found(root, heard) >= made
    heard.hints.clear()
    (root / "run-59" / "a" / "b" / "c" / "d" / "late.log").write_text("x")
    heard.hears(closed("run-59/a/b/c/d/late.log"))


@pytest.mark.usefixtures("watch")
def test_a_hundred_new_folders_in_a_burst_are_all_watched(root: Path, heard: Heard) -> None:
    for n in range(100):
        (root / f"d{n}").mkdir()
    settled(root, heard)
    for n in range(100):
        (root / f"d{n}" / "f").write_text("x")
    heard.hears(*(closed(f"d{n}/f") for n in range(100)))


@pytest.mark.usefixtures("watch")
def test_a_renamed_folder_is_heard_under_its_new_name_at_every_depth(root: Path, heard: Heard) -> None:
    (root / "old" / "sub" / "deep").mkdir(parents=True)
    (root / "to").mkdir()
    settled(root, heard)
    (root / "old").rename(root / "to" / "new")
    (root / "to" / "new" / "sub" / "deep" / "at-once.log").write_text("x")
    heard.hears(folder_gone("old"), appeared("to/new"))
    (root / "to" / "new" / "sub" / "deep" / "later.log").write_text("x")
    heard.hears(closed("to/new/sub/deep/later.log"))
    assert "to/new/sub/deep/at-once.log" in found(root, heard)
    assert not any(str(getattr(hint, "path", "")).startswith("old/sub/deep/") for hint in heard.hints)


@pytest.mark.usefixtures("watch")
def test_two_folders_that_swap_their_names_are_each_heard_under_the_new_one(root: Path, heard: Heard) -> None:
    (root / "a" / "from-a").mkdir(parents=True)
    (root / "b" / "from-b").mkdir(parents=True)
    settled(root, heard)
    (root / "a").rename(root / "c")
    (root / "b").rename(root / "a")
    (root / "c").rename(root / "b")
    settled(root, heard)
    (root / "a" / "from-b" / "f").write_text("x")
    (root / "b" / "from-a" / "f").write_text("x")
    heard.hears(closed("a/from-b/f"), closed("b/from-a/f"))


@pytest.mark.usefixtures("watch")
def test_a_deleted_folder_is_gone_and_the_same_name_is_heard_again(root: Path, heard: Heard) -> None:
    (root / "d" / "e").mkdir(parents=True)
    heard.hears(appeared("d"))
    shutil.rmtree(root / "d")
    heard.hears(folder_gone("d"))
    heard.hints.clear()
    (root / "d" / "e").mkdir(parents=True)
    heard.hears(appeared("d"))
    (root / "d" / "e" / "f").write_text("x")
    heard.until(lambda _: "d/e/f" in found(root, heard))


def watches_of_this_process() -> int:
    infos = (Path(entry.path.replace("/fd/", "/fdinfo/")) for entry in os.scandir("/proc/self/fd"))
    return sum(info.read_text().count("inotify wd:") for info in infos if info.exists())


@pytest.mark.usefixtures("watch")
def test_a_folder_moved_out_is_gone_at_once_and_soon_no_longer_watched(
    root: Path, heard: Heard, tmp_path: Path
) -> None:
    (root / "d" / "e").mkdir(parents=True)
    settled(root, heard)
    before = watches_of_this_process()
    (root / "d").rename(tmp_path / "away")
    heard.hears(folder_gone("d"))
    (tmp_path / "away" / "e" / "f").write_text("x")
    eventually(lambda: watches_of_this_process() == before - 2, within=5, what="two watches fewer")
    settled(root, heard)
    assert not any(str(getattr(hint, "path", ""))[-1:] == "f" for hint in heard.hints)


def test_an_unreadable_folder_does_not_stop_the_rest_and_is_heard_once_it_may_be_read(root: Path) -> None:
    (root / "locked").mkdir()
    (root / "locked" / "f").write_text("x")
    (root / "locked").chmod(0)
    with child(*as_anybody(), sys.executable, CHILD, root) as reader:
        assert reader.line() == {"mode": "inotify"}
        (root / "a").write_text("x")
        reader.until(lambda line: line == {"hint": "Closed", "path": "a"})
        (root / "locked").chmod(0o755)
        reader.until(lambda line: line == {"hint": "FolderAppeared", "path": "locked"})
        (root / "locked" / "g").write_text("x")
        reader.until(lambda line: line == {"hint": "Closed", "path": "locked/g"})


# --- latency ---


@pytest.mark.usefixtures("watch")
def test_a_closed_file_is_heard_at_once_while_others_are_moved_out(root: Path, heard: Heard, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    for n in range(400):
        (root / f"out-{n}").write_text("x")
    settled(root, heard)
    done = threading.Event()

    def move_out() -> None:
        for n in range(400):
            (root / f"out-{n}").rename(away / str(n))
            if done.wait(0.003):
                return

    storm = threading.Thread(target=move_out)
    storm.start()
    late = []
    try:
        for n in range(30):
            (root / f"in-{n}").write_text("x")
            at = time.monotonic()
            heard.hears(closed(f"in-{n}"))
            late.append(heard.when(closed(f"in-{n}")) - at)
            assert storm.is_alive()
    finally:
        done.set()
        storm.join(10)
    assert sorted(late)[len(late) // 2] < 0.05
    assert max(late) < 0.25


# --- ends ---


def test_stop_is_prompt_gives_the_descriptors_back_and_may_be_called_twice(root: Path, heard: Heard) -> None:
    before = len(os.listdir("/proc/self/fd"))
    watch = Watch(root, heard, events=heard)
    watch.start()
    assert watch.mode is WatchMode.INOTIFY
    began = time.monotonic()
    watch.stop()
    assert time.monotonic() - began < 0.5
    watch.stop()
    assert watch.mode is WatchMode.OFF
    assert len(os.listdir("/proc/self/fd")) == before
    assert not any(thread.name == "watch hot" for thread in threading.enumerate())


def test_the_sink_may_stop_the_watch(root: Path) -> None:
    heard = Heard()
    watch = Watch(root, lambda hint: (heard(hint), watch.stop())[0], events=heard)
    watch.start()
    (root / "a").write_text("x")
    eventually(lambda: "watch hot" not in {thread.name for thread in threading.enumerate()}, within=5, what="an end")
    assert watch.mode is WatchMode.OFF


@pytest.mark.parametrize("end", ["deleted", "moved"])
def test_a_root_that_goes_ends_the_watch_though_somebody_holds_it_open(
    root: Path, heard: Heard, tmp_path: Path, end: str
) -> None:
    holder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with watching(root, heard) as watch:
            if end == "deleted":
                root.rmdir()
            else:
                root.rename(tmp_path / "elsewhere")
            heard.hears(RootGone())
            eventually(lambda: watch.mode is WatchMode.OFF, within=5, what="mode off")
    finally:
        os.close(holder)
    assert heard.hints.count(RootGone()) == 1


def test_a_root_that_is_not_there_is_said_and_not_raised(tmp_path: Path, heard: Heard) -> None:
    with watching(tmp_path / "nowhere", heard) as watch:
        assert (watch.mode, heard.hints) == (WatchMode.OFF, [RootGone()])


# --- where inotify cannot be trusted ---


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_a_network_file_system_is_polled_and_that_is_said_once(root: Path, heard: Heard, kind: str) -> None:
    watch = Watch(root, heard, events=heard, file_system=lambda _: kind)
    watch.start()
    (root / "a").write_text("x")
    assert watch.mode is WatchMode.POLLING
    assert heard.hints == [Degraded(f"on {kind}, inotify does not hear what other hosts write")]
    assert [event for event, _ in heard.said] == [log.WATCH_DEGRADED]
    watch.stop()
    assert watch.mode is WatchMode.OFF


def test_the_file_system_of_a_folder_is_the_one_that_is_mounted_there(root: Path) -> None:
    assert inotify_mounts.file_system(Path("/proc/self")) == "proc"
    assert inotify_mounts.file_system(root / "nowhere") == ""
    shown = subprocess.run(["stat", "-f", "-c", "%T", root], capture_output=True, text=True, check=True).stdout
    assert inotify_mounts.file_system(root)[:3] == shown[:3]
    table = "24 1 8:1 / / rw - ext4 /dev/sda rw\n240 24 0:40 / /mnt/a\\040b rw shared:1 - nfs4 host:/ rw\n"
    assert inotify_mounts.mounted_type("pos:\t0\nmnt_id:\t240\n", table) == "nfs4"
    assert inotify_mounts.mounted_type("pos:\t0\n", table) == ""


def test_the_remedy_is_a_line_that_can_be_run() -> None:
    limit = int(Path("/proc/sys/fs/inotify/max_user_watches").read_text())
    text = str(inotify_kernel._failure(28, "x"))
    assert text.endswith(f"run: sysctl -w fs.inotify.max_user_watches={max(524_288, 2 * limit)}")


class Child:
    """Another process that watches and prints."""

    def __init__(self, *argv: str | Path) -> None:
        self.process = subprocess.Popen(
            [str(part) for part in argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        assert text, self.process.communicate(timeout=5)[1]
        return json.loads(text)  # type: ignore[no-any-return]

    def until(self, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        while not wanted(line := self.line()):
            pass
        return line

    def mode(self) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return str(self.until(lambda line: "mode" in line)["mode"])


@contextmanager
def child(*argv: str | Path) -> Iterator[Child]:
    made = Child(*argv)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.communicate(timeout=10)


def test_an_overflowed_queue_is_said_and_folders_made_meanwhile_are_watched(root: Path) -> None:
    (root / "busy").mkdir()
    queue = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    with child(sys.executable, CHILD, root) as reader:
        assert reader.line() == {"mode": "inotify"}
        reader.process.send_signal(signal.SIGSTOP)
        for n in range(queue // 3 + 500):  # created, closed, deleted: three records each
            file = root / "busy" / str(n)
            os.close(os.open(file, os.O_CREAT | os.O_WRONLY))
            file.unlink()
        (root / "lost" / "deep").mkdir(parents=True)
        reader.process.send_signal(signal.SIGCONT)
        reader.until(lambda line: line == {"hint": "Overflowed"})
        (root / "lost" / "deep" / "f").write_text("x")
        reader.until(lambda line: line == {"hint": "Closed", "path": "lost/deep/f"})
        assert reader.mode() == "inotify"


def in_user_namespace() -> list[str]:
    argv = ["unshare", "-Ur"]
    probe = "test -w /proc/sys/user/max_inotify_watches"
    if shutil.which("unshare") is None or subprocess.run([*argv, "sh", "-c", probe], capture_output=True).returncode:
        missing("watch limits", "a user namespace cannot be made here (unshare -Ur)")
    return argv


@pytest.mark.parametrize(
    ("limit", "line"),
    [
        ("max_inotify_watches=3", "sysctl -w fs.inotify.max_user_watches="),
        ("max_inotify_instances=0", "sysctl -w fs.inotify.max_user_instances="),
    ],
)
def test_no_watches_or_instances_left_at_the_start_means_polling_and_the_line_to_run(
    root: Path, limit: str, line: str
) -> None:
    for n in range(5):
        (root / str(n)).mkdir()
    with child(*in_user_namespace(), sys.executable, CHILD, root, limit) as reader:
        hint = reader.line()
        assert hint["hint"] == "Degraded"
        assert line in hint["reason"]
        assert int(hint["reason"].rpartition("=")[2]) > 0
        assert reader.line() == {"mode": "polling"}


def test_watches_that_run_out_while_watching_mean_polling(root: Path) -> None:
    with child(*in_user_namespace(), sys.executable, CHILD, root, "max_inotify_watches=6") as reader:
        assert reader.line() == {"mode": "inotify"}
        for n in range(8):
            (root / str(n)).mkdir()
        hint = reader.until(lambda line: line["hint"] == "Degraded")
        assert "sysctl -w fs.inotify.max_user_watches=" in hint["reason"]
        assert reader.mode() == "polling"


# --- everything at once ---


def test_after_a_random_history_every_folder_is_heard_under_its_own_name(root: Path, heard: Heard) -> None:
    dice = random.Random(7)
    outside = root.parent / "outside"
    outside.mkdir()

    def folders() -> list[Path]:
        return [root, *(path for path in root.rglob("*") if path.is_dir())]

    def act(n: int) -> None:
        source, target = dice.choice(folders()), dice.choice(folders()) / f"d{dice.randrange(12)}"
        roll = dice.random()
        if roll < 0.5:
            target.mkdir(exist_ok=True)
        elif source == root or target.exists() or target.is_relative_to(source):
            (target.parent / f"f{n}").write_text("x")
        elif roll < 0.8:
            source.rename(target)
        elif roll < 0.9:
            source.rename(outside / str(n))
            (outside / str(n)).rename(target)
        else:
            shutil.rmtree(source)

    with watching(root, heard):
        for n in range(1_500):
            act(n)
        settled(root, heard)
        standing = [path / "probe" for path in folders()]
        for probe in standing:
            probe.write_text("x")
        heard.hears(*(closed(str(probe.relative_to(root))) for probe in standing))
        settled(root, heard)
        probes = [hint for hint in heard.hints if isinstance(hint, Closed) and hint.path.endswith("probe")]
        assert sorted(hint.path for hint in probes) == sorted(str(probe.relative_to(root)) for probe in standing)
        assert len(standing) > 5
