"""What the host gives: interpreter, libraries, state folder, lock, control socket, inotify's limits."""

from __future__ import annotations

import grp
import os
import platform
import pwd
import re
import shlex
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from syncd import __version__
from syncd.config.locate import Places
from syncd.ports import Clock
from syncd.runtime.finding import FAIL, INSTALL, WARN, Finding, looked
from syncd.runtime.lock import find_holder
from syncd.store.database import Database
from syncd.store.mounts import refuse_remote

OLDEST_PYTHON = (3, 10)
GROUP = "syncd"
GIB, MIB = 1 << 30, 1 << 20
SYSCTL = Path("/proc/sys/fs/inotify")
USUAL_WATCHES = 524_288
SPARE_WATCHES = 64
FEW_INODES = 10_000


def host_findings(
    places: Places, *, environ: Mapping[str, str], clock: Clock, database: Database | None
) -> Iterator[Finding]:
    """Every check of the host itself. `database`: the open one, where a daemon asks."""
    yield from looked("python", INSTALL, _python)
    yield from looked("libraries", INSTALL, _libraries)
    yield from looked("state folder", INSTALL, lambda: _state_folder(places.state_dir))
    if database is None:
        yield from looked("database", INSTALL, lambda: _database(places.state_dir, clock))
    yield from looked("lock", INSTALL, lambda: _lock(places.state_dir))
    yield from looked("socket", INSTALL, lambda: _socket(places.socket))
    if database is not None:
        yield from looked("watchdog", INSTALL, lambda: watchdog_findings(environ))


def inotify_findings(folders: int, pairs: int, *, whole: bool, sysctl: Path = SYSCTL) -> Iterator[Finding]:
    """Whether the kernel gives a watch for each folder, and an instance for each pair. `whole`: all were counted."""
    if not pairs:
        return
    watches, instances = (_limit(sysctl / name) for name in ("max_user_watches", "max_user_instances"))
    if watches is None or instances is None:
        yield _install("inotify", "this kernel has no inotify: changes are found by polling", level=WARN)
        return
    counted = f"{folders:,} folders" if whole else f"at least {folders:,} folders"
    if folders + SPARE_WATCHES > watches:
        yield _install(
            "inotify",
            f"{counted} to watch, and a user gets {watches:,} watches: the rest is found by polling",
            level=WARN,
            remedy=f"sudo sysctl -w fs.inotify.max_user_watches={max(USUAL_WATCHES, 2 * folders)}",
        )
    elif pairs > instances:
        yield _install(
            "inotify",
            f"{pairs} pairs to watch, and a user gets {instances} instances: the rest is found by polling",
            level=WARN,
            remedy=f"sudo sysctl -w fs.inotify.max_user_instances={max(1024, 2 * pairs)}",
        )
    else:
        yield _install("inotify", f"{counted} to watch, of {watches:,} watches that a user gets")


def watchdog_findings(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Whether systemd would notice a daemon that hangs. Of a process that systemd did not start there is nothing."""
    if not environ.get("INVOCATION_ID"):
        return
    patience = environ.get("WATCHDOG_USEC", "")
    if environ.get("NOTIFY_SOCKET") and patience.isdigit() and int(patience):
        yield _install("watchdog", f"systemd starts it anew after {int(patience) / 1e6:g} s of silence")
    else:
        yield _install(
            "watchdog",
            "systemd would not notice a daemon that hangs: the unit has no WatchdogSec, or is not Type=notify",
            level=WARN,
            remedy="systemctl cat syncd   # WatchdogSec and Type=notify are missing, or overridden",
        )


def whoami() -> str:
    """This process's user by name."""
    return user_name(os.geteuid())


def user_name(uid: int) -> str:
    """The user's name, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def space_finding(check: str, folder: Path) -> Finding:
    """How much room is left there, in bytes and in inodes."""
    about = os.statvfs(folder)
    free, inodes = about.f_bavail * about.f_frsize, about.f_favail
    counted = about.f_files > 0  # some file systems have no fixed number of them
    level = FAIL if free < 100 * MIB else WARN if free < GIB else ""
    message = f"{free / GIB:,.1f} GiB are free at {folder}"
    if counted and inodes < FEW_INODES:
        level = FAIL if inodes < FEW_INODES // 100 or level == FAIL else WARN
        message += f", and room for {inodes:,} more files (inodes)"
        return _install(check, message, level=level, remedy=f"df -i {shlex.quote(str(folder))}")
    if not level:
        return _install(check, message)
    return _install(check, message, level=level, remedy=f"df -h {shlex.quote(str(folder))}")


def _install(check: str, message: str, *, level: str = "ok", remedy: str = "") -> Finding:
    return Finding(check=check, kind=INSTALL, level=level, message=message, remedy=remedy)


def _python() -> Iterator[Finding]:
    message = f"syncd {__version__} on Python {platform.python_version()}, Linux {platform.release()}"
    if sys.version_info >= OLDEST_PYTHON:
        yield _install("python", message)
    else:
        yield _install("python", f"{message}: 3.10 is the oldest", level=FAIL, remedy="sudo apt install python3")


def _libraries() -> Iterator[Finding]:
    found, wrong = [], []
    for requirement in metadata.requires("syncd") or ():
        if ";" in requirement:  # an extra, or for another Python
            continue
        name = re.split(r"[<>=!~ \[]", requirement, maxsplit=1)[0]
        oldest = re.search(r">=\s*([\d.]+)", requirement)
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        found.append(f"{name} {version}")
        if oldest is not None and _numbers(version) < _numbers(oldest[1]):
            wrong.append(f"{name} {version} is older than {oldest[1]}")
    if wrong:
        remedy = f"{shlex.quote(sys.executable)} -m pip install --upgrade syncd"
        yield _install("libraries", ", ".join(wrong), level=FAIL, remedy=remedy)
    else:
        yield _install("libraries", ", ".join(found))


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)][:3]


def _state_folder(folder: Path) -> Iterator[Finding]:
    there = nearest(folder)
    if not os.access(there, os.W_OK | os.X_OK):
        yield _install(
            "state folder",
            f"{whoami()} may not write {there}",
            level=FAIL,
            remedy=f"sudo install -d -o {whoami()} -m 700 {shlex.quote(str(folder))}",
        )
        return
    refuse_remote(there)
    made = "" if there == folder else ", made at the first start"
    yield _install("state folder", f"{folder} is on a local disk and {whoami()} may write it{made}")
    yield space_finding("state folder", there)


def _database(folder: Path, clock: Clock) -> Iterator[Finding]:
    """SQLite tried where it will work: version, locks and write-ahead log, in a folder that goes again."""
    there = nearest(folder)
    if not os.access(there, os.W_OK | os.X_OK):  # said already
        return
    with tempfile.TemporaryDirectory(prefix="doctor-", dir=there) as trial:
        Database.open(Path(trial) / "trial.db", clock=clock).close()
    yield _install("database", "SQLite is new enough and keeps its write-ahead log there")


def _lock(folder: Path) -> Iterator[Finding]:
    holder = find_holder(folder)
    if holder is None:
        yield _install("lock", f"no daemon runs on {folder}")
    elif holder.runs_here():
        yield _install("lock", f"held by {holder}")
    else:
        yield _install(
            "lock",
            f"{folder} is held by {holder}, which cannot be seen here",
            level=WARN,
            remedy=f"sudo fuser -v {shlex.quote(str(folder / 'lock'))}",
        )


def _socket(path: Path) -> Iterator[Finding]:
    quoted = shlex.quote(str(path))
    try:
        seen = os.lstat(path)
    except FileNotFoundError:
        there = nearest(path.parent)
        if os.access(there, os.W_OK | os.X_OK):
            yield _install("socket", f"{path} can be made; {_group()}")
        else:
            remedy = f"sudo install -d -o {whoami()} {shlex.quote(str(path.parent))}"
            yield _install("socket", f"{whoami()} may not write {there}", level=FAIL, remedy=remedy)
        return
    mode = stat.S_IMODE(seen.st_mode)
    if not stat.S_ISSOCK(seen.st_mode):
        yield _install("socket", f"{path} is no socket", level=FAIL, remedy=f"mv {quoted} {quoted}.aside")
    elif mode & 0o007:
        message = f"{path} is open to everybody ({mode:04o})"
        yield _install("socket", message, level=WARN, remedy=f"chmod o= {quoted}")
    else:
        yield _install("socket", f"{path} ({mode:04o}, {user_name(seen.st_uid)}); {_group()}")


def _group() -> str:
    try:
        grp.getgrnam(GROUP)
    except KeyError:
        return f"there is no group {GROUP}, so only root and the daemon's user may ask"
    return f"the group {GROUP} may ask"


def _limit(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (FileNotFoundError, ValueError):
        return None


def nearest(path: Path) -> Path:
    """The path itself, or the nearest folder above it that is there."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
