"""A disk that fails when told: a FUSE pass-through whose n-th write, fsync or rename gives ENOSPC, EIO or whatever.

Run as a program it is that file system: `faulty_disk.py BACKING MOUNT RULES HITS`. It reads RULES anew whenever that
file is replaced, and writes a line to HITS for each call that it let fail, so that a test knows that its fault was met.
Renames keep their flags (RENAME_EXCHANGE, RENAME_NOREPLACE) and files their inodes, so that nothing but the faults
tells it from the disk below.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import re
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from support.processes import Process, eventually

CALLS = (
    *("getattr", "readdir", "open", "create", "read", "write", "fsync", "flush", "truncate", "chmod", "utimens"),
    *("mkdir", "rmdir", "unlink", "rename", "statfs", "fsyncdir"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskFault:
    """Calls of that kind on paths that match fail with `error`: so many of them after the first `skip`."""

    call: str
    path: str = ""  # a regular expression, searched for in the path below the mount
    error: int = errno.EIO
    skip: int = 0
    times: int = 1_000_000


class FaultyDisk:
    """Mounted at `path` before `below`, another folder. Use as a context manager, as root."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "mounted"
        self.below = folder / "below"
        self._rules = folder / "rules"
        self._hits = folder / "hits"
        self._log = folder / "log"
        for each in (folder, self.path, self.below):
            each.mkdir(exist_ok=True)
        self._process: Process | None = None

    def __enter__(self) -> FaultyDisk:
        self.fail()
        self._hits.touch()
        argv = [sys.executable, "-m", "support.faulty_disk", self.below, self.path, self._rules, self._hits]
        tests = Path(__file__).resolve().parent.parent
        self._process = Process(argv, log=self._log, env={"PYTHONPATH": str(tests), "FUSE_LIBRARY_NAME": "fuse3"})
        eventually(lambda: os.path.ismount(self.path), within=20, what=self._process.said)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process is not None
        subprocess.run(["umount", "-l", self.path], check=False)
        self._process.stop()

    def fail(self, *faults: DiskFault) -> None:
        """From now on these and no others; the first that matches a call counts. Without any it is sound."""
        assert all(fault.call in CALLS for fault in faults)
        fresh = self._rules.with_suffix(".new")
        fresh.write_text(json.dumps([asdict(fault) for fault in faults]))
        os.replace(fresh, self._rules)

    def mend(self) -> None:
        """No more faults."""
        self.fail()

    def hits(self, call: str = "") -> int:
        """How many calls (of that kind) it let fail so far."""
        return sum(not call or line.split()[0] == call for line in self._hits.read_text().splitlines())


# --- the file system ------------------------------------------------------------------------------------------


class Rules:
    """The faults as they are told now."""

    def __init__(self, path: str, hits: str) -> None:
        self._path = path
        self._hits = os.open(hits, os.O_WRONLY | os.O_APPEND)
        self._lock = threading.Lock()
        self._seen = 0
        self._rows: list[dict[str, Any]] = []

    def check(self, call: str, path: str) -> None:
        """Raise OSError where this call is to fail."""
        with self._lock:
            self._read()
            for row in self._rows:
                if row["call"] != call or not re.search(row["path"], path):
                    continue
                row["met"] = row.get("met", 0) + 1
                if row["skip"] < row["met"] <= row["skip"] + row["times"]:
                    os.write(self._hits, f"{call} {path!a} {row['error']}\n".encode())
                    raise OSError(row["error"], os.strerror(row["error"]))
                return

    def _read(self) -> None:
        seen = os.stat(self._path).st_ino
        if seen != self._seen:
            with open(self._path, encoding="utf-8") as file:
                self._rows = json.load(file)
                self._seen = os.fstat(file.fileno()).st_ino


def serve(below: str, mount: str, rules: Rules) -> None:
    """Be the file system until it is unmounted."""
    import mfusepy

    libc = ctypes.CDLL(None, use_errno=True)

    class Fuse(mfusepy.FUSE):  # type: ignore[misc]  # the library has no types of its own here
        """Renames with their flags."""

        def rename_fuse_3(self, old: bytes, new: bytes, flags: int) -> int:
            renamed: int = self.operations.rename_with(os.fsdecode(old), os.fsdecode(new), flags)
            return renamed

    class Passing(mfusepy.Operations):  # type: ignore[misc]
        """Every call goes to the folder below, unless it is to fail."""

        use_ns = True

        def _at(self, call: str, path: str) -> str:
            rules.check(call, path)
            return below + path

        def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
            seen = os.lstat(self._at("getattr", path)) if fh is None else self._open(path, fh)
            names = ("st_mode", "st_ino", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks")
            shown = {name: getattr(seen, name) for name in names}
            return shown | {f"st_{which}time": getattr(seen, f"st_{which}time_ns") for which in "amc"}

        def _open(self, path: str, fh: int) -> os.stat_result:
            rules.check("getattr", path)
            return os.fstat(fh)

        def readdir(self, path: str, fh: int) -> list[tuple[str, dict[str, int], int]]:
            with os.scandir(self._at("readdir", path)) as entries:
                seen = [(entry.name, entry.stat(follow_symlinks=False)) for entry in entries]
            shown = [(name, {"st_ino": stat.st_ino, "st_mode": stat.st_mode}, 0) for name, stat in seen]
            return [(".", {"st_ino": 1}, 0), ("..", {"st_ino": 1}, 0), *shown]  # an inode of 0 would hide the name

        def open(self, path: str, flags: int) -> int:
            return os.open(self._at("open", path), flags & ~os.O_CREAT)

        def create(self, path: str, mode: int, fi: object = None) -> int:
            return os.open(self._at("create", path), os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

        def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
            rules.check("read", path)
            return os.pread(fh, size, offset)

        def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
            rules.check("write", path)
            return os.pwrite(fh, data, offset)

        def truncate(self, path: str, length: int, fh: int | None = None) -> None:
            os.truncate(self._at("truncate", path) if fh is None else fh, length)

        def fsync(self, path: str, datasync: int, fh: int) -> None:
            rules.check("fsync", path)
            os.fsync(fh)

        def flush(self, path: str, fh: int) -> None:
            rules.check("flush", path)

        def release(self, path: str, fh: int) -> None:
            os.close(fh)

        def fsyncdir(self, path: str, datasync: int, fh: int) -> None:
            rules.check("fsyncdir", path)

        def chmod(self, path: str, mode: int) -> None:
            os.chmod(self._at("chmod", path), mode)

        def chown(self, path: str, uid: int, gid: int) -> None:
            os.chown(below + path, uid, gid, follow_symlinks=False)

        def utimens(self, path: str, times: tuple[int, int] | None = None) -> None:
            os.utime(self._at("utimens", path), ns=times, follow_symlinks=False)

        def mkdir(self, path: str, mode: int) -> None:
            os.mkdir(self._at("mkdir", path), mode)

        def rmdir(self, path: str) -> None:
            os.rmdir(self._at("rmdir", path))

        def unlink(self, path: str) -> None:
            os.unlink(self._at("unlink", path))

        def readlink(self, path: str) -> str:
            return os.readlink(below + path)

        def symlink(self, target: str, source: str) -> None:
            os.symlink(source, below + target)

        def link(self, target: str, source: str) -> None:
            os.link(below + source, below + target)

        def rename(self, old: str, new: str) -> None:
            """Never called: `Fuse` brings the flags."""

        def rename_with(self, old: str, new: str, flags: int) -> int:
            source, target = self._at("rename", old), below + new
            result = libc.renameat2(-100, os.fsencode(source), -100, os.fsencode(target), ctypes.c_uint(flags))
            if result != 0:
                raise OSError(ctypes.get_errno(), "renameat2")
            return 0

        def statfs(self, path: str) -> dict[str, int]:
            seen = os.statvfs(self._at("statfs", path))
            names = ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_favail")
            return {name: getattr(seen, name) for name in (*names, "f_namemax")}

    # every look is at the disk: what the kernel remembers would hide a fault
    forget = {"attr_timeout": 0, "entry_timeout": 0, "negative_timeout": 0, "direct_io": True}
    with suppress(KeyboardInterrupt):
        Fuse(Passing(), mount, foreground=True, allow_other=True, default_permissions=True, use_ino=True, **forget)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], Rules(sys.argv[3], sys.argv[4]))
