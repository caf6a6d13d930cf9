"""The root: its identity, its marker, its temporary files, and that no path leads out of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from support.anybody import said_by_anybody
from support.gaps import missing
from syncd.core.paths import RelPath
from syncd.errors import ItemError, PairHalted, Stale
from syncd.local.openat2 import available, open_beneath, open_by_components
from syncd.local.root import Root
from syncd.ports import Absent, LocalTree, Marker, OwnTemporary, Placed, Unchanged

OPENERS = [pytest.param(open_by_components, id="components")]
if available():
    OPENERS.append(pytest.param(open_beneath, id="openat2"))
A = RelPath("a")


def write(root: LocalTree, name: str, content: bytes, expect: Absent | Unchanged, mtime_ns: int = 10**18) -> Placed:
    with root.temporary() as temporary:
        temporary.write(content)
        temporary.finish(mtime_ns=mtime_ns)
        return root.place(temporary, RelPath(name), expect=expect)


def everything(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if not p.is_dir())


# --- identity --------------------------------------------------------------------------------------------


def test_a_root_that_is_missing_or_a_file_halts(tmp_path: Path) -> None:
    with pytest.raises(PairHalted, match="missing"):
        Root.at(tmp_path / "no")
    (tmp_path / "file").touch()
    with pytest.raises(PairHalted, match="not a folder"):
        Root.at(tmp_path / "file")


def test_a_root_is_made_where_that_is_asked_for(tmp_path: Path) -> None:
    Root.at(tmp_path / "a/b", create=True).check_root()
    assert (tmp_path / "a/b").is_dir()


@pytest.mark.parametrize("call", ["check_root", "marker", "scan", "lstat", "write"])
def test_every_way_in_notices_that_the_root_was_replaced(tmp_path: Path, call: str) -> None:
    home = tmp_path / "home"
    root = Root.at(home, create=True)
    root.check_root()
    home.rename(tmp_path / "away")
    home.mkdir()
    ways: dict[str, Callable[[], object]] = {
        "check_root": root.check_root,
        "marker": root.marker,
        "scan": lambda: list(root.scan()),
        "lstat": lambda: root.lstat(A),
        "write": lambda: write(root, "a", b"", Absent()),
    }
    with pytest.raises(PairHalted, match="another folder"):
        ways[call]()
    assert everything(home) == []
    home.rmdir()
    with pytest.raises(PairHalted, match="missing"):
        root.check_root()
    (tmp_path / "away").rename(home)
    root.check_root()


def test_an_idle_root_keeps_no_descriptor_so_that_it_can_be_unmounted(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    root = Root.at(tmp_path)
    placed = write(root, "x/a", b"1", Absent())
    write(root, "x/a", b"2", Unchanged(placed.stat))
    list(root.scan())
    assert len(os.listdir("/proc/self/fd")) == before


# --- marker ----------------------------------------------------------------------------------------------


def test_the_marker_is_written_whole_and_read_back(tmp_path: Path) -> None:
    root = Root.at(tmp_path)
    assert root.marker() is None
    assert root.write_marker(Marker("u-1", 0))
    assert root.write_marker(Marker("u-1", 7))
    assert root.marker() == Marker("u-1", 7)
    assert everything(tmp_path) == [".syncd/root.json"]
    assert "do not delete" in (tmp_path / ".syncd/root.json").read_text()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"uuid": "u"}', '{"uuid": "", "generation": 1}', '{"uuid": "u", "generation": -1}',
             '{"uuid": "u", "generation": true}', "\xff", "[" * 60_000]
)  # fmt: skip
def test_a_garbled_marker_halts_and_is_never_taken_for_none(tmp_path: Path, text: str) -> None:
    (tmp_path / ".syncd").mkdir()
    (tmp_path / ".syncd/root.json").write_text(text, encoding="latin-1")
    with pytest.raises(PairHalted, match="garbled") as halted:
        Root.at(tmp_path).marker()
    assert "backup" in halted.value.hint


def test_a_marker_that_is_a_symlink_or_a_folder_halts(tmp_path: Path) -> None:
    root = Root.at(tmp_path)
    (tmp_path / ".syncd").mkdir()
    (tmp_path / ".syncd/root.json").symlink_to("/etc/passwd")
    with pytest.raises(PairHalted, match="symlink"):
        root.marker()
    (tmp_path / ".syncd/root.json").unlink()
    (tmp_path / ".syncd/root.json").mkdir()
    with pytest.raises(PairHalted, match="no regular file"):
        root.marker()


def test_a_folder_of_ours_that_leads_elsewhere_halts(tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    home.mkdir()
    outside.mkdir()
    (home / ".syncd").symlink_to(outside)
    root = Root.at(home)
    for call in (root.marker, root.sweep_temporaries, lambda: root.write_marker(Marker("u", 1))):
        with pytest.raises(PairHalted, match="symlink"):
            call()
    with pytest.raises(PairHalted, match="symlink"):
        write(root, "a", b"", Absent())
    assert everything(outside) == []


def test_a_root_that_may_not_be_written_has_no_marker_and_says_so(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from syncd.errors import ItemError
from syncd.local.root import Root
from syncd.ports import Marker
root = Root.at(Path(sys.argv[1]))
print(root.write_marker(Marker("u", 1)), root.marker(), list(root.trash_names()), root.sweep_temporaries())
try:
    with root.temporary(): pass
except ItemError as error:
    print(error)
"""
    tmp_path.chmod(0o555)
    lines = said_by_anybody(code, tmp_path).splitlines()
    assert lines[0] == "False None [] 0"
    assert "permission denied" in lines[1]


# --- temporary files -------------------------------------------------------------------------------------


def test_a_placed_file_is_whole_dated_and_readable(tmp_path: Path) -> None:
    root = Root.at(tmp_path)
    mtime_ns = 1_700_000_000_123_456_789
    placed = write(root, "deep/er/a", b"content", Absent(), mtime_ns)
    seen = (tmp_path / "deep/er/a").stat()
    assert (tmp_path / "deep/er/a").read_bytes() == b"content"
    assert placed == Placed(placed.stat, None)
    assert (seen.st_mtime_ns, seen.st_size, seen.st_ino) == (mtime_ns, 7, placed.stat.inode)
    assert root.lstat(RelPath("deep/er/a")) == placed.stat
    assert everything(tmp_path) == ["deep/er/a"]


def test_the_mode_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(Root.at(tmp_path), "a", b"", Absent())
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_what_is_ours_is_closed_to_others(tmp_path: Path) -> None:
    root = Root.at(tmp_path)
    write(root, "a", b"", Absent())
    path = RelPath("a")
    stat = root.lstat(path)
    assert stat is not None
    root.trash(path, expect=stat)
    assert {p.name: p.stat().st_mode & 0o777 for p in (tmp_path / ".syncd").iterdir()} == {"tmp": 0o700, "trash": 0o700}


def test_a_temporary_that_was_not_placed_is_removed(tmp_path: Path) -> None:
    root = Root.at(tmp_path)
    with root.temporary() as temporary:
        temporary.write(b"half")
    assert everything(tmp_path) == []


def test_an_unfinished_temporary_cannot_be_placed(tmp_path: Path) -> None:
    root = Root.at(tmp_path)
    with root.temporary() as temporary, pytest.raises(TypeError):
        root.place(temporary, A, expect=Absent())


def test_a_sweep_removes_what_an_earlier_run_left(tmp_path: Path) -> None:
    root = Root.at(tmp_path)
    write(root, "a", b"1", Absent())
    for name in ("one", "two"):
        (tmp_path / ".syncd/tmp" / name).write_bytes(b"x")
    assert root.sweep_temporaries() == 2
    assert root.sweep_temporaries() == 0
    assert everything(tmp_path) == ["a"]


def test_a_removal_reaches_nothing_but_our_own_folder(tmp_path: Path) -> None:
    root = Root.at(tmp_path)
    write(root, "a", b"1", Absent())
    for name in ("../../a", "..", "", ".", "x/y", "nul\0"):
        with pytest.raises(ItemError):
            root.remove(OwnTemporary(name))
    root.remove(OwnTemporary("not-there"))
    assert everything(tmp_path) == ["a"]


@pytest.mark.root
def test_a_full_disk_is_an_item_error_and_leaves_nothing_behind(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from syncd.core.paths import RelPath
from syncd.errors import ItemError
from syncd.local.root import Root
from syncd.ports import Absent
home = Path(sys.argv[1])
root = Root.at(home)
try:
    with root.temporary() as temporary:
        for _ in range(200): temporary.write(b"x" * 65536)
        temporary.finish(mtime_ns=None)
        root.place(temporary, RelPath("big"), expect=Absent())
except ItemError as error:
    print(error)
with root.temporary() as temporary:
    temporary.write(b"small")
    temporary.finish(mtime_ns=None)
    root.place(temporary, RelPath("small"), expect=Absent())
print(sorted(str(p.relative_to(home)) for p in home.rglob("*") if p.is_file()))
"""
    script = 'mount -t tmpfs -o size=1m none "$1" && exec "$2" -c "$3" "$1"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-ec", script, "sh", str(tmp_path), sys.executable, code],
        capture_output=True,
        text=True,
        timeout=30,
    )
    if done.returncode and "unshare" in done.stderr:
        missing("local mounts", "no mount namespaces here")
    said, left = done.stdout.splitlines()
    assert "the disk is full" in said
    assert "free some space" in said
    assert left == "['small']"


# --- no way out ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("opener", OPENERS)
def test_no_symlink_on_the_way_is_followed_by_anything(tmp_path: Path, opener: object) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    home.mkdir()
    (outside / "sub").mkdir(parents=True)
    (outside / "secret").write_bytes(b"s")
    (home / "out").symlink_to(outside)
    (home / "loop").symlink_to("loop")
    (home / "direct").symlink_to(outside / "secret")
    root = Root.at(home, opener=opener)  # type: ignore[arg-type]
    placed = write(root, "mine", b"m", Absent())
    for name in ("out/secret", "out/sub/new", "loop/x"):
        path = RelPath(name)
        for call in (
            lambda p=path: root.lstat(p),
            lambda p=path: write(root, p, b"!", Absent()),
            lambda p=path: root.trash(p, expect=placed.stat),
            lambda p=path: root.stage(p, expect=placed.stat),
            lambda p=path: root.rename(RelPath("mine"), p, expect=placed.stat),
            lambda p=path: root.open(p).__enter__(),
            lambda p=path: root.open_elsewhere(p, for_writing=True),
        ):
            with pytest.raises(ItemError, match="symlink"):
                call()
    assert root.lstat(RelPath("direct")) is None
    with pytest.raises(ItemError, match="symlink of that name"):
        write(root, "direct", b"!", Absent())
    assert everything(outside) == ["secret"]
    assert (outside / "secret").read_bytes() == b"s"
    assert (home / "mine").read_bytes() == b"m"


@pytest.mark.parametrize("opener", OPENERS)
def test_dots_in_a_path_lead_nowhere_even_unparsed(tmp_path: Path, opener: object) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "secret").write_bytes(b"s")
    root = Root.at(home, opener=opener)  # type: ignore[arg-type]
    with pytest.raises(ItemError):
        write(root, "../x/new", b"!", Absent())
    with pytest.raises(ItemError):
        root.lstat(RelPath("../secret"))
    assert everything(tmp_path) == ["secret"]


def test_our_own_folder_is_no_target_of_a_download(tmp_path: Path) -> None:
    root = Root.at(tmp_path)
    root.write_marker(Marker("u", 3))
    with pytest.raises(ItemError, match="never synced"):
        write(root, ".syncd/root.json", b"{}", Absent())
    assert root.marker() == Marker("u", 3)


@pytest.mark.parametrize("opener", OPENERS)
def test_a_beside_a_slash_b_is_said(tmp_path: Path, opener: object) -> None:
    root = Root.at(tmp_path, opener=opener)  # type: ignore[arg-type]
    write(root, "file", b"", Absent())
    with pytest.raises(ItemError, match="a file stands where a folder is needed") as refused:
        write(root, "file/below", b"", Absent())
    assert "beside" in refused.value.hint
    write(root, "folder/below", b"", Absent())
    with pytest.raises(ItemError, match="folder of that name"):
        write(root, "folder", b"", Absent())
    assert root.lstat(RelPath("file/below")) is None
    assert root.lstat(RelPath("folder")) is None


def test_a_name_too_long_for_the_file_system_is_said(tmp_path: Path) -> None:
    with pytest.raises(ItemError, match="too long"):
        write(Root.at(tmp_path), "x" * 300, b"", Absent())


def test_probes_leave_nothing_behind(tmp_path: Path) -> None:
    root = Root.at(tmp_path)
    assert root.can_exchange() is True
    assert root.folds_names() is False
    assert everything(tmp_path) == []


def test_a_file_that_is_gone_is_none_and_stale(tmp_path: Path) -> None:
    root = Root.at(tmp_path)
    placed = write(root, "a", b"1", Absent())
    (tmp_path / "a").unlink()
    assert root.lstat(A) is None
    for call in (
        lambda: root.trash(A, expect=placed.stat),
        lambda: root.stage(A, expect=placed.stat),
        lambda: root.rename(A, RelPath("b"), expect=placed.stat),
        lambda: write(root, "a", b"2", Unchanged(placed.stat)),
        lambda: write(root, "no/folder/a", b"2", Unchanged(placed.stat)),
        lambda: root.unstage(A),
        lambda: root.trash_staged(A),
        lambda: root.staged_open_elsewhere(A),
    ):
        with pytest.raises(Stale):
            call()
    assert everything(tmp_path) == []
    assert not (tmp_path / "no").exists()


# --- one look for many calls ---------------------------------------------------------------------------------


@pytest.fixture
def swapped(tmp_path: Path) -> Callable[[], None]:
    """Put another folder in the place of the root, which goes on elsewhere."""
    (tmp_path / "root").mkdir()
    (tmp_path / "root/a").write_bytes(b"ours")

    def swap() -> None:
        (tmp_path / "root").rename(tmp_path / "moved")
        (tmp_path / "root").mkdir()
        (tmp_path / "root/a").write_bytes(b"another's, and longer")

    return swap


def test_within_a_hold_the_root_is_the_one_that_was_looked_at(tmp_path: Path, swapped: Callable[[], None]) -> None:
    root = Root.at(tmp_path / "root")
    with root.hold():
        with root.hold():
            pass
        swapped()
        stat = root.lstat(A)
        assert stat is not None
        assert stat.size == len(b"ours")
        root.trash(A, expect=stat)
    assert (tmp_path / "root/a").read_bytes() == b"another's, and longer"
    assert [file.read_bytes() for file in (tmp_path / "moved/.syncd/trash").iterdir()] == [b"ours"]
    with pytest.raises(PairHalted, match="another folder"):
        root.lstat(A)


def test_a_hold_is_its_threads_alone_and_begins_with_a_look(tmp_path: Path, swapped: Callable[[], None]) -> None:
    root = Root.at(tmp_path / "root")
    with root.hold(), ThreadPoolExecutor(1) as other:
        swapped()
        with pytest.raises(PairHalted, match="another folder"):
            other.submit(root.lstat, A).result(10)
    with pytest.raises(PairHalted, match="another folder"), root.hold():
        pass


def test_a_hold_leaves_no_descriptor(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    root = Root.at(tmp_path / "root")
    before = len(os.listdir("/proc/self/fd"))
    with suppress(Stale), root.hold():
        raise Stale("something")
    assert len(os.listdir("/proc/self/fd")) == before
