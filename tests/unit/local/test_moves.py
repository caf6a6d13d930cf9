"""Two-phase moves against other writers: whoever comes in between, every version can be found afterwards."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syncd.core.model import Digest, ETag, HashType, LocalStat, ProofKind
from syncd.core.paths import RelPath
from syncd.errors import ItemError, Stale
from syncd.local.renameat2 import EXCHANGE, NOREPLACE, FlagsRefused, Renames
from syncd.local.root import Root
from syncd.local.spot import Spot
from syncd.ports import Absent, ExpiredTrash, Placed, Proof, Unchanged

A = RelPath("folder/a")
B = RelPath("folder/b")


class Interrupted(Renames):
    """Real renames, with another writer's work right before the n-th one of a kind."""

    def __init__(self) -> None:
        self.before: dict[tuple[int, int], Callable[[], object]] = {}
        self._count: dict[int, int] = {}

    def call(self, source: Spot, target: Spot, flags: int) -> None:
        number = self._count[flags] = self._count.get(flags, 0) + 1
        self.before.pop((flags, number), lambda: None)()
        super().call(source, target, flags)


class WithoutFlags(Renames):
    """A file system that refuses the flags, as some NFS and FUSE do."""

    def call(self, source: Spot, target: Spot, flags: int) -> None:
        if flags:
            raise FlagsRefused
        super().call(source, target, flags)


class WithoutExchange(Renames):
    """A file system that knows NOREPLACE alone."""

    def call(self, source: Spot, target: Spot, flags: int) -> None:
        if flags == EXCHANGE:
            raise FlagsRefused
        super().call(source, target, flags)


@pytest.fixture
def renames() -> Interrupted:
    return Interrupted()


@pytest.fixture
def root(tmp_path: Path, renames: Interrupted) -> Root:
    return Root.at(tmp_path, renames=renames)


def place(root: Root, name: str, content: bytes, expect: Absent | Unchanged) -> Placed:
    with root.temporary() as temporary:
        temporary.write(content)
        temporary.finish(mtime_ns=10**18)
        return root.place(temporary, RelPath(name), expect=expect)


def user_writes(root: Root, name: str, content: bytes) -> LocalStat:
    """As editors do it: a new file, renamed over the old one."""
    file = root.path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name("editor-swap")
    beside.write_bytes(content)
    beside.replace(file)
    stat = root.lstat(RelPath(name))
    assert stat is not None
    return stat


def contents(root: Root) -> dict[str, list[bytes]]:
    """What lies where: the user's files by path, ours by folder."""
    found: dict[str, list[bytes]] = {}
    for file in sorted(p for p in root.path.rglob("*") if p.is_file()):
        name = str(file.relative_to(root.path))
        place = name.rpartition("/")[0] if name.startswith(".syncd/") else name
        found.setdefault(place, []).append(file.read_bytes())
    return found


# --- create and replace ----------------------------------------------------------------------------------


def test_a_replaced_file_goes_to_trash_under_a_name_that_says_which_and_when(tmp_path: Path) -> None:
    root = Root.at(tmp_path, now=lambda: 1_700_000_000.0)
    old = user_writes(root, A, b"old")
    placed = place(root, A, b"new", Unchanged(old))
    assert contents(root) == {A: [b"new"], ".syncd/trash": [b"old"]}
    assert placed.displaced is not None
    assert placed.displaced.startswith("20231114T221320Z-")
    assert placed.displaced.endswith("-a")
    assert placed.stat == root.lstat(A)
    ((name, stat),) = root.trash_names()
    assert (name, stat.same_file(old)) == (placed.displaced, True)


def test_a_trash_name_of_a_long_file_fits(root: Root) -> None:
    name = "é" * 126 + ".gz"
    old = user_writes(root, name, b"old")
    assert root.trash(RelPath(name), expect=old).endswith("é")


def test_a_file_that_came_before_a_create_stays(root: Root) -> None:
    user_writes(root, A, b"theirs")
    with pytest.raises(Stale):
        place(root, A, b"ours", Absent())
    assert contents(root) == {A: [b"theirs"]}


def test_a_file_that_changed_before_a_replace_stays(root: Root) -> None:
    old = user_writes(root, A, b"old")
    user_writes(root, A, b"newer")
    with pytest.raises(Stale):
        place(root, A, b"ours", Unchanged(old))
    assert contents(root) == {A: [b"newer"]}


def test_a_touched_mode_is_no_other_file(root: Root) -> None:
    old = user_writes(root, A, b"old")
    (root.path / A).chmod(0o600)
    place(root, A, b"ours", Unchanged(old))
    assert contents(root) == {A: [b"ours"], ".syncd/trash": [b"old"]}


def test_a_writer_between_look_and_create_wins(root: Root, renames: Interrupted) -> None:
    renames.before[NOREPLACE, 1] = lambda: user_writes(root, A, b"theirs")
    with pytest.raises(Stale):
        place(root, A, b"ours", Absent())
    assert contents(root) == {A: [b"theirs"]}


def test_a_writer_between_look_and_exchange_gets_its_file_back(root: Root, renames: Interrupted) -> None:
    old = user_writes(root, A, b"old")
    renames.before[EXCHANGE, 1] = lambda: user_writes(root, A, b"theirs")
    with pytest.raises(Stale):
        place(root, A, b"ours", Unchanged(old))
    assert contents(root) == {A: [b"theirs"]}


def test_a_writer_before_and_one_after_the_exchange_are_both_kept_the_last_in_place(
    root: Root, renames: Interrupted
) -> None:
    old = user_writes(root, A, b"old")
    renames.before[EXCHANGE, 1] = lambda: user_writes(root, A, b"second")
    renames.before[EXCHANGE, 2] = lambda: user_writes(root, A, b"third")
    with pytest.raises(Stale):
        place(root, A, b"ours", Unchanged(old))
    assert contents(root) == {A: [b"third"], ".syncd/trash": [b"second"]}


def test_a_writer_at_every_exchange_loses_no_version_that_we_took_away(root: Root, renames: Interrupted) -> None:
    old = user_writes(root, A, b"0")
    taken: list[bytes] = []

    def write(number: int) -> Callable[[], object]:
        return lambda: (taken.append(b"%d" % number), user_writes(root, A, b"%d" % number))

    for number in range(1, 30):
        renames.before[EXCHANGE, number] = write(number)
    with pytest.raises(Stale):
        place(root, A, b"ours", Unchanged(old))
    found = contents(root)
    # the last two that were written are there: what stood in between was overwritten by its own writer
    assert set(taken[-2:]) <= {version for versions in found.values() for version in versions}
    assert b"ours" not in found[A]


def test_a_name_removed_between_the_exchanges_comes_back(root: Root, renames: Interrupted) -> None:
    old = user_writes(root, A, b"old")
    renames.before[EXCHANGE, 1] = lambda: user_writes(root, A, b"theirs")
    renames.before[EXCHANGE, 2] = lambda: (root.path / A).unlink()
    with pytest.raises(Stale):
        place(root, A, b"ours", Unchanged(old))
    assert contents(root) == {A: [b"theirs"]}


def test_a_folder_removed_between_the_exchanges_leaves_the_version_in_trash(root: Root, renames: Interrupted) -> None:
    old = user_writes(root, A, b"old")
    renames.before[EXCHANGE, 1] = lambda: user_writes(root, A, b"theirs")
    renames.before[EXCHANGE, 2] = lambda: ((root.path / A).unlink(), (root.path / A).parent.rmdir())
    with pytest.raises(Stale):
        place(root, A, b"ours", Unchanged(old))
    assert contents(root) == {".syncd/trash": [b"theirs"]}


def test_a_file_deleted_between_look_and_exchange_stays_deleted(root: Root, renames: Interrupted) -> None:
    old = user_writes(root, A, b"old")
    renames.before[EXCHANGE, 1] = lambda: (root.path / A).unlink()
    with pytest.raises(Stale):
        place(root, A, b"ours", Unchanged(old))
    assert contents(root) == {}


def test_a_symlink_put_in_the_place_is_not_followed_and_comes_back(root: Root, renames: Interrupted) -> None:
    old = user_writes(root, A, b"old")
    user_writes(root, "elsewhere", b"target")

    def put_symlink() -> None:
        (root.path / A).unlink()
        (root.path / A).symlink_to("../elsewhere")

    renames.before[EXCHANGE, 1] = put_symlink
    with pytest.raises(Stale):
        place(root, A, b"ours", Unchanged(old))
    assert (root.path / A).is_symlink()
    assert (root.path / "elsewhere").read_bytes() == b"target"


def test_a_program_that_goes_on_writing_writes_into_the_trash(root: Root) -> None:
    old = user_writes(root, A, b"old")
    with (root.path / A).open("ab", buffering=0) as other:
        place(root, A, b"ours", Unchanged(old))
        other.write(b" and more")
    assert contents(root) == {A: [b"ours"], ".syncd/trash": [b"old and more"]}


# --- trash, rename, stage --------------------------------------------------------------------------------

Move = Callable[[Root, LocalStat], object]
MOVES: dict[str, Move] = {
    "trash": lambda root, expect: root.trash(A, expect=expect),
    "stage": lambda root, expect: root.stage(A, expect=expect),
    "rename": lambda root, expect: root.rename(A, B, expect=expect),
}


@pytest.fixture(params=sorted(MOVES))
def move(request: pytest.FixtureRequest) -> Iterator[Move]:
    return MOVES[request.param]


def test_another_file_is_not_moved(root: Root, move: Move) -> None:
    old = user_writes(root, A, b"old")
    user_writes(root, A, b"newer")
    with pytest.raises(Stale):
        move(root, old)
    assert contents(root) == {A: [b"newer"]}


def test_a_file_swapped_right_before_the_rename_is_brought_back(root: Root, renames: Interrupted, move: Move) -> None:
    old = user_writes(root, A, b"old")
    once = iter([True])
    for flags in (0, NOREPLACE):
        renames.before[flags, 1] = lambda: next(once, False) and user_writes(root, A, b"newer")
    with pytest.raises(Stale):
        move(root, old)
    assert contents(root) == {A: [b"newer"]}


def test_where_it_cannot_be_brought_back_both_are_kept(root: Root, renames: Interrupted, move: Move) -> None:
    old = user_writes(root, A, b"old")
    first = iter([True])

    def swap() -> None:
        if next(first, False):
            user_writes(root, A, b"second")
        else:
            user_writes(root, A, b"third")

    for flags, number in ((0, 1), (NOREPLACE, 1), (NOREPLACE, 2)):
        renames.before[flags, number] = swap
    with pytest.raises(Stale):
        move(root, old)
    assert contents(root) == {A: [b"third"], ".syncd/trash": [b"second"]}


def test_a_trashed_file_comes_back_with_its_folders_and_never_over_another(root: Root) -> None:
    name = root.trash(A, expect=user_writes(root, A, b"old"))
    (root.path / "folder").rmdir()
    user_writes(root, B, b"taken")
    with pytest.raises(Stale):
        root.untrash(name, B)
    stat = root.untrash(name, A)
    assert stat == root.lstat(A)
    assert contents(root) == {A: [b"old"], B: [b"taken"]}
    with pytest.raises(ItemError, match="not in the trash"):
        root.untrash(name, A)
    for bad in ("../root.json", "", ".."):
        with pytest.raises(ItemError):
            root.untrash(bad, A)


def test_a_rename_never_replaces(root: Root) -> None:
    old = user_writes(root, A, b"a")
    user_writes(root, B, b"b")
    with pytest.raises(Stale):
        root.rename(A, B, expect=old)
    moved = root.rename(A, RelPath("new/folder/a"), expect=old)
    assert moved.same_file(old)
    assert contents(root) == {B: [b"b"], "new/folder/a": [b"a"]}


def test_staging_and_back(root: Root) -> None:
    old = user_writes(root, A, b"a")
    staged = root.stage(A, expect=old)
    assert root.lstat(A) is None
    assert root.staged(A) == staged
    with root.open_staged(A) as handle:
        assert handle.reader(0, 1).read() == b"a"
    assert root.unstage(A).same_file(old)
    assert root.staged(A) is None
    assert contents(root) == {A: [b"a"]}


def test_an_empty_folder_is_left_alone(root: Root) -> None:
    root.stage(A, expect=user_writes(root, A, b"a"))
    assert (root.path / "folder").is_dir()


def test_what_is_staged_is_not_staged_over_nor_brought_back_over_another(root: Root) -> None:
    root.stage(A, expect=user_writes(root, A, b"first"))
    second = user_writes(root, A, b"second")
    with pytest.raises(Stale):
        root.stage(A, expect=second)
    with pytest.raises(Stale):
        root.unstage(A)
    assert contents(root) == {A: [b"second"], ".syncd/cleaning": [b"first"]}
    name = root.trash_staged(A)
    assert contents(root) == {A: [b"second"], ".syncd/trash": [b"first"]}
    assert [n for n, _ in root.trash_names()] == [name]


def proof(staged: LocalStat) -> Proof:
    return Proof(A, staged, Digest(HashType.MD5, "0" * 32), ETag("e"), ProofKind.ETAG)


def test_a_proof_removes_exactly_the_staged_file(root: Root) -> None:
    staged = root.stage(A, expect=user_writes(root, A, b"a"))
    user_writes(root, A, b"again")
    root.remove(proof(staged))
    assert contents(root) == {A: [b"again"]}
    with pytest.raises(Stale):
        root.remove(proof(staged))


def test_a_staged_file_that_changed_since_the_proof_stays(root: Root) -> None:
    staged = root.stage(A, expect=user_writes(root, A, b"a"))
    (file,) = (root.path / ".syncd/cleaning").iterdir()
    os.utime(file, ns=(0, staged.mtime_ns))  # as an edit with its mtime set back: only ctime tells
    with pytest.raises(Stale):
        root.remove(proof(staged))
    assert contents(root) == {".syncd/cleaning": [b"a"]}


def test_expired_trash_is_removed_once_and_again_is_no_error(root: Root) -> None:
    name = root.trash(A, expect=user_writes(root, A, b"a"))
    root.remove(ExpiredTrash(name))
    root.remove(ExpiredTrash(name))
    assert contents(root) == {}


# --- file systems that refuse the flags ------------------------------------------------------------------


def test_without_exchange_a_replace_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    root = Root.at(tmp_path, renames=WithoutExchange())
    old = user_writes(root, A, b"old")
    with pytest.raises(ItemError, match="cannot swap two files") as refused:
        place(root, A, b"new", Unchanged(old))
    assert "mode = upload" in refused.value.hint
    assert contents(root) == {A: [b"old"]}
    assert root.can_exchange() is False


def test_without_noreplace_link_and_unlink_do_and_never_over_another(tmp_path: Path) -> None:
    root = Root.at(tmp_path, renames=WithoutFlags())
    placed = place(root, A, b"one", Absent())
    assert root.lstat(A) == placed.stat
    with pytest.raises(Stale):
        place(root, A, b"two", Absent())
    assert contents(root) == {A: [b"one"]}
    assert (root.path / A).stat().st_nlink == 1


def test_without_flags_moves_keep_their_promises(tmp_path: Path) -> None:
    root = Root.at(tmp_path, renames=WithoutFlags())
    old = place(root, A, b"a", Absent()).stat
    user_writes(root, B, b"b")
    with pytest.raises(Stale):
        root.rename(A, B, expect=old)
    moved = root.rename(A, RelPath("c"), expect=old)
    staged = root.stage(RelPath("c"), expect=moved)
    assert root.unstage(RelPath("c")).same_file(staged)
    name = root.trash(RelPath("c"), expect=staged)
    root.untrash(name, A)
    assert contents(root) == {A: [b"a"], B: [b"b"]}


def test_an_error_of_the_disk_during_the_exchange_names_the_path(tmp_path: Path) -> None:
    class Failing(Renames):
        def call(self, source: Spot, target: Spot, flags: int) -> None:
            if flags == EXCHANGE:
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            super().call(source, target, flags)

    root = Root.at(tmp_path, renames=Failing())
    old = user_writes(root, A, b"old")
    with pytest.raises(ItemError, match="folder/a: the disk failed") as failed:
        place(root, A, b"new", Unchanged(old))
    assert failed.value.path == A
    assert contents(root) == {A: [b"old"]}
