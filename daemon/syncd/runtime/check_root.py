"""What a pair's local root is like: rights, file system, and whether open files can be seen in it."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from syncd.config.types import Pair
from syncd.core.model import Mode
from syncd.core.paths import OURS, RelPath, Unrepresentable, parse_relpath
from syncd.errors import ItemError, Stale
from syncd.local.root import Root
from syncd.local.translate import printable
from syncd.ports import Clock, Openness
from syncd.runtime.check_host import nearest, space_finding, user_name, whoami
from syncd.runtime.check_rights import may_move, may_read, rights_findings
from syncd.runtime.finding import FAIL, INSTALL, WARN, Finding, looked

WALK_S = 3.0
WALK_ENTRIES = 200_000
OWNERS = 8
FILES_ASKED = 2_000
"""So many files are asked for their owner."""
MOUNTINFO = Path("/proc/self/mountinfo")


@dataclass(slots=True)
class Survey:
    """What a bounded walk passed: folders, files by their owner, and whether it came to its end.

    `samples`: one readable file of each owner; `unreadable`, `fixed`: the first that may not be read, or not be moved
    out of its folder.
    """

    folders: int = 0
    samples: dict[int, RelPath] = field(default_factory=dict)
    unreadable: dict[int, Path] = field(default_factory=dict)
    fixed: dict[int, Path] = field(default_factory=dict)
    whole: bool = True


def survey(root: Path, clock: Clock, wants: Callable[[RelPath], bool] = lambda _: True) -> Survey:
    """Walk the folders of a root on its own file system, for a few seconds at most. `wants`: the pair's filters."""
    seen, until, entries = Survey(), clock.monotonic() + WALK_S, 0
    waiting, asked = [root], 0
    while waiting:
        folder = waiting.pop()
        seen.folders += 1
        for entry in _entries(folder):
            entries += 1
            if entry.is_dir(follow_symlinks=False):
                if entry.name != OURS and not os.path.ismount(entry.path):
                    waiting.append(Path(entry.path))
            elif asked < FILES_ASKED and entry.is_file(follow_symlinks=False):
                asked += 1
                _sample(root, entry, seen, wants)
        if waiting and (entries > WALK_ENTRIES or clock.monotonic() > until):
            seen.whole = False
            break
    return seen


def root_findings(pair: Pair, seen: Survey) -> Iterator[Finding]:
    """Every check of one pair's root."""
    name = f"{pair.name} root"
    yield from looked(name, INSTALL, lambda: _rights(pair, name))
    if not pair.local.is_dir():
        return
    if pair.mode is not Mode.UPLOAD and os.access(pair.local, os.W_OK):
        yield from looked(f"{pair.name} file system", INSTALL, lambda: _file_system(pair))
    yield from looked(
        f"{pair.name} files", INSTALL, lambda: rights_findings(pair, seen.samples, seen.unreadable, seen.fixed)
    )
    yield from open_file_findings(pair, seen)


def open_file_findings(pair: Pair, seen: Survey) -> Iterator[Finding]:
    """Whether it can be seen that a file is still open."""
    yield from looked(f"{pair.name} open files", INSTALL, lambda: _open_files(pair, seen))


def _finding(check: str, message: str, *, level: str = "ok", remedy: str = "") -> Finding:
    return Finding(check=check, kind=INSTALL, level=level, message=message, remedy=remedy)


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:  # unreadable or gone: a pass says so by itself
        return []


def _sample(root: Path, entry: os.DirEntry[str], seen: Survey, wants: Callable[[RelPath], bool]) -> None:
    try:
        owner = entry.stat(follow_symlinks=False).st_uid
        if len(seen.samples | seen.unreadable) >= OWNERS and owner not in seen.samples | seen.unreadable:
            return
        path = parse_relpath(os.path.relpath(entry.path, root))
        readable, wanted = may_read(entry.path), wants(path)
        if readable:
            seen.samples.setdefault(owner, path)
        elif wanted:
            seen.unreadable.setdefault(owner, Path(entry.path))
        if wanted and owner not in seen.fixed and not may_move(entry.path, owner):
            seen.fixed[owner] = Path(entry.path)
    except (FileNotFoundError, Unrepresentable):
        return


def _rights(pair: Pair, check: str) -> Iterator[Finding]:
    root, quoted = pair.local, shlex.quote(str(pair.local))
    if not root.exists() and pair.mode is not Mode.UPLOAD and os.access(nearest(root), os.W_OK | os.X_OK):
        yield _finding(check, f"{root} is made at the first start")
        return
    if not root.exists():
        remedy = f"sudo install -d -o {whoami()} {quoted}"
        yield _finding(check, f"{root} is missing, and nothing is synced until it is there", level=FAIL, remedy=remedy)
        return
    Root.at(root)  # says what else is wrong with it
    writable = os.access(root, os.W_OK | os.X_OK)
    remedy = f"sudo setfacl -m u:{whoami()}:rwx {quoted}"
    if not writable and (pair.mode is not Mode.UPLOAD or pair.cleanup):
        why = "this pair cleans there" if pair.mode is Mode.UPLOAD else "this pair writes there"
        yield _finding(check, f"{whoami()} may not write {root}, and {why}", level=FAIL, remedy=remedy)
    elif not writable:
        yield _finding(
            check, f"{whoami()} may not write {root}: uploads work, nothing is removed", level=WARN, remedy=remedy
        )
    else:
        yield _finding(check, f"{root} may be read and written, on {_device(root)}")


def _device(root: Path) -> str:
    """The file system and device of a folder, as the mount table has them."""
    number = os.stat(root).st_dev
    wanted = f"{os.major(number)}:{os.minor(number)}"
    for line in os.fsdecode(MOUNTINFO.read_bytes()).splitlines():
        left, _, right = line.partition(" - ")
        if left.split()[2] == wanted:
            type, source = right.split()[:2]
            return f"{type} ({printable(source)})"
    return f"device {wanted}"


def _file_system(pair: Pair) -> Iterator[Finding]:
    check, root = f"{pair.name} file system", Root.at(pair.local)
    if not root.can_exchange():
        yield _finding(
            check,
            "two files cannot be swapped in one step here (RENAME_EXCHANGE), so nothing may be replaced safely",
            level=FAIL,
            remedy=f'mode = "upload"   # in [[pair]] {pair.name}, or move its root to ext4 or xfs',
        )
    elif root.folds_names():
        yield _finding(
            check,
            "names that differ only in case or Unicode form are one file here: of two such keys one is left out",
            level=WARN,
            remedy=f"stat -f {shlex.quote(str(pair.local))}",
        )
    else:
        yield _finding(check, "files are replaced in one step, and every name is its own file")
    yield space_finding(check, pair.local)


def _open_files(pair: Pair, seen: Survey) -> Iterator[Finding]:
    """The look that decides whether a file is still being written, tried on one file of each owner."""
    check = f"{pair.name} open files"
    if not seen.samples:
        yield _finding(check, "no readable file is there yet to try it on")
        return
    root = Root.at(pair.local)
    told: dict[str, list[str]] = {}
    for owner, path in sorted(seen.samples.items()):
        way = _way(root, path)
        if way is not None:
            told.setdefault(way, []).append(user_name(owner))
    words = {"leases": "leases work", "psutil": "leases are refused, /proc shows them", "": "it cannot be seen"}
    said = "; ".join(f"{words[way]} (files of {', '.join(owners)})" for way, owners in sorted(told.items()))
    if "" not in told:
        yield _finding(check, said or "the files that were looked at are gone")
        return
    yield _finding(
        check,
        f"{said}: whether another program still writes them is then unknown, an upload waits for settle "
        f"({pair.settle.total_seconds():g} s), a removal for cleanup_blind_age",
        level=WARN,
        remedy="AmbientCapabilities=CAP_LEASE   # in [Service]: sudo systemctl edit syncd",
    )


def _way(root: Root, path: RelPath) -> str | None:
    """How it can be seen whether that file is open elsewhere: leases, psutil, "" not at all. None: it is gone."""
    try:
        with root.open(path) as file:
            if file.lease(for_writing=True) is not None:
                return "leases"
        return "" if root.open_elsewhere(path, for_writing=True) is Openness.UNKNOWN else "psutil"
    except Stale:
        return None
    except ItemError:
        return ""
