"""The scan: order, what is no file, and what must never look like a deletion."""

from __future__ import annotations

import os
import resource
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.anybody import said_by_anybody
from support.gaps import missing
from syncd.core.paths import RelPath, order
from syncd.errors import PairHalted
from syncd.local.openat2 import available, open_beneath, open_by_components
from syncd.local.root import Root
from syncd.ports import ScanEntry, ScanProblem

OPENERS = [pytest.param(open_by_components, id="components")]
if available():
    OPENERS.append(pytest.param(open_beneath, id="openat2"))


def put(root: Path, name: str, content: bytes = b"x") -> Path:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def paths(root: Root, under: str | None = None) -> list[str]:
    return [e.path for e in root.scan(None if under is None else RelPath(under)) if isinstance(e, ScanEntry)]


def problems(root: Root) -> dict[str, str]:
    return {e.name: e.kind for e in root.scan() if isinstance(e, ScanProblem)}


COMPONENT = st.text(
    st.sampled_from(["a", "b", "-", ".", "!", "0", "é", "\uffee", "\U0001f600", "\n"]), min_size=1
).filter(lambda name: name not in {".", ".."} and len(name.encode()) < 60)


@settings(max_examples=80, deadline=None)
@given(st.sets(st.lists(COMPONENT, min_size=1, max_size=4).map("/".join), max_size=25))
def test_the_walk_is_in_the_order_of_the_keys_as_bytes(
    tmp_path_factory: pytest.TempPathFactory, names: set[str]
) -> None:
    folder = tmp_path_factory.mktemp("order")
    kept = {name for name in names if not any(other.startswith(name + "/") for other in names)}
    for name in kept:
        put(folder, name)
    assert paths(Root.at(folder)) == sorted(kept, key=order)
    shutil.rmtree(folder)


def test_a_folder_sorts_by_its_name_with_a_slash(tmp_path: Path) -> None:
    for name in ("a/b", "a-b", "a.b", "a0"):
        put(tmp_path, name)
    assert paths(Root.at(tmp_path)) == ["a-b", "a.b", "a/b", "a0"]


def test_every_entry_carries_the_stat_of_its_file(tmp_path: Path) -> None:
    seen = put(tmp_path, "a/b", b"four").stat()
    (entry,) = Root.at(tmp_path).scan()
    assert isinstance(entry, ScanEntry)
    stat = entry.stat
    assert (stat.size, stat.mtime_ns, stat.ctime_ns, stat.inode) == (4, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino)


def test_what_is_ours_is_left_out_in_silence_at_any_depth(tmp_path: Path) -> None:
    for name in (".syncd/root.json", "a/.syncd/x", "a/b", "c/.syncd"):
        put(tmp_path, name)
    assert [(type(e), getattr(e, "path", "")) for e in Root.at(tmp_path).scan()] == [(ScanEntry, "a/b")]


@pytest.mark.parametrize("opener", OPENERS)
def test_what_is_no_file_is_named_and_the_rest_goes_on(tmp_path: Path, opener: object) -> None:
    put(tmp_path, "real/file")
    put(tmp_path, "z")
    (tmp_path / "link").symlink_to("z")
    (tmp_path / "folder-link").symlink_to("real")
    (tmp_path / "dangling").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "sock"))
    put(tmp_path, os.fsdecode(b"bad-\xff"))
    root = Root.at(tmp_path, opener=opener)  # type: ignore[arg-type]
    assert paths(root) == ["real/file", "z"]
    assert problems(root) == {
        "link": "symlink",
        "folder-link": "symlink",
        "dangling": "symlink",
        "pipe": "special",
        "sock": "special",
        "bad-\\xff": "unrepresentable",
    }


def test_a_folder_whose_name_is_not_utf8_is_one_problem(tmp_path: Path) -> None:
    put(tmp_path, os.fsdecode(b"bad\xfe/a"))
    put(tmp_path, os.fsdecode(b"bad\xfe/b/c"))
    assert problems(Root.at(tmp_path)) == {"bad\\xfe/": "unrepresentable"}


def test_problem_names_hold_nothing_that_upsets_a_terminal_and_paths_are_exact(tmp_path: Path) -> None:
    (tmp_path / "a\n\x1b[31m\u202eb").symlink_to("x")
    (problem,) = Root.at(tmp_path).scan()
    assert isinstance(problem, ScanProblem)
    assert problem.name.isprintable()
    assert problem.path == "a\n\x1b[31m\u202eb"


def test_names_with_control_characters_are_files_like_others(tmp_path: Path) -> None:
    put(tmp_path, "new\nline")
    assert paths(Root.at(tmp_path)) == ["new\nline"]


PRINT_SCAN = """
import sys
from pathlib import Path
from syncd.errors import PairHalted
from syncd.local.root import Root
try:
    for e in Root.at(Path(sys.argv[1])).scan():
        print(type(e).__name__, getattr(e, "name", ""), e.path, getattr(e, "kind", ""))
except PairHalted as halted:
    print("halted:", halted)
"""


def test_an_unreadable_folder_is_unknown_and_the_others_are_walked(tmp_path: Path) -> None:
    put(tmp_path, "a/one")
    put(tmp_path, "shut/two")
    put(tmp_path, "z")
    (tmp_path / "shut").chmod(0)
    assert said_by_anybody(PRINT_SCAN, tmp_path).splitlines() == [
        "ScanEntry  a/one ",
        "ScanProblem shut/ shut unreadable",
        "ScanEntry  z ",
    ]


def test_a_root_that_may_not_be_read_halts(tmp_path: Path) -> None:
    tmp_path.chmod(0o300)
    assert "may not be read" in said_by_anybody(PRINT_SCAN, tmp_path)


@pytest.mark.root
def test_a_mount_below_is_another_root(tmp_path: Path) -> None:
    put(tmp_path, "a")
    (tmp_path / "mounted").mkdir()
    (tmp_path / "bound").mkdir()
    put(tmp_path, "other/b")
    script = 'mount -t tmpfs none "$1/mounted" && mount --bind "$1/other" "$1/bound" && exec "$2" -c "$3" "$1"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-ec", script, "sh", str(tmp_path), sys.executable, PRINT_SCAN],
        capture_output=True,
        text=True,
        timeout=30,
    )
    if done.returncode and "unshare" in done.stderr:
        missing("local mounts", "no mount namespaces here")
    wanted = ["ScanEntry  a ", "ScanProblem mounted/ mounted mount", "ScanEntry  other/b "]
    if available():
        wanted.insert(1, "ScanProblem bound/ bound mount")
    assert done.stdout.splitlines() == wanted, done.stderr


def test_a_root_that_goes_away_during_the_scan_halts_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name in ("a/1", "b/2", "c/3"):
        put(home, name)
    walk = Root.at(home).scan()
    assert isinstance(next(walk), ScanEntry)
    home.rename(tmp_path / "away")
    with pytest.raises(PairHalted, match="missing"):
        list(walk)


def test_a_root_that_is_replaced_during_the_scan_halts_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for name in ("a/1", "b/2"):
        put(home, name)
    walk = Root.at(home).scan()
    next(walk)
    home.rename(tmp_path / "away")
    home.mkdir()
    with pytest.raises(PairHalted, match="another folder"):
        list(walk)


def test_what_vanishes_during_the_scan_is_said(tmp_path: Path) -> None:
    for name in ("a", "b", "c/d"):
        put(tmp_path, name)
    walk = Root.at(tmp_path).scan()
    next(walk)
    (tmp_path / "b").unlink()
    shutil.rmtree(tmp_path / "c")
    assert [(e.name, e.kind) for e in walk if isinstance(e, ScanProblem)] == [("b", "vanished"), ("c/", "vanished")]


def test_a_folder_swapped_for_a_symlink_during_the_scan_is_not_followed(tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    put(home, "a")
    put(home, "b/inner")
    put(outside, "secret")
    walk = Root.at(home).scan()
    next(walk)
    shutil.rmtree(home / "b")
    (home / "b").symlink_to(outside)
    assert [(e.path, getattr(e, "kind", "file")) for e in walk] == [("b", "symlink")]


def test_a_very_deep_tree_needs_no_recursion_and_no_descriptors(tmp_path: Path) -> None:
    put(tmp_path, "d/" * 400 + "leaf")
    deeper = os.open(tmp_path, os.O_RDONLY)
    for _ in range(3000):  # far below what a key can name
        os.mkdir("x", dir_fd=deeper)
        inner = os.open("x", os.O_RDONLY, dir_fd=deeper)
        os.close(deeper)
        deeper = inner
    os.close(deeper)
    put(tmp_path, "z")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 128), hard))
    try:
        found = list(Root.at(tmp_path).scan())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [e.path for e in found if isinstance(e, ScanEntry)] == ["d/" * 400 + "leaf", "z"]
    assert [e.kind for e in found if isinstance(e, ScanProblem)] == ["unrepresentable"]
    subprocess.run(["rm", "-rf", str(tmp_path / "x")], check=True)


def test_a_scan_that_is_dropped_leaves_no_descriptor(tmp_path: Path) -> None:
    for name in ("a/b/1", "a/b/2"):
        put(tmp_path, name)
    before = len(os.listdir("/proc/self/fd"))
    walk = Root.at(tmp_path).scan()
    next(walk)
    walk.close()  # type: ignore[attr-defined]
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_scan_of_a_folder_sees_that_folder_alone(tmp_path: Path) -> None:
    for name in ("a/b/1", "a/b/c/2", "a/bc", "z"):
        put(tmp_path, name)
    root = Root.at(tmp_path)
    assert paths(root, "a/b") == ["a/b/1", "a/b/c/2"]
    assert paths(root, "a/bc") == ["a/bc"]
    assert list(root.scan(RelPath("a/nothing"))) == []
    assert list(root.scan(RelPath("z/below-a-file"))) == []


def test_a_scan_below_a_symlink_is_unknown_and_not_empty(tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    put(outside, "x/y")
    home.mkdir()
    (home / "link").symlink_to(outside)
    root = Root.at(home)
    for under in ("link", "link/x"):
        (problem,) = root.scan(RelPath(under))
        assert isinstance(problem, ScanProblem)
        assert problem.kind == "symlink"
