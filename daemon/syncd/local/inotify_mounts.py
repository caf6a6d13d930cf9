"""Which file system a folder lives on, and whether inotify hears everything that is written there."""

from __future__ import annotations

import os
from pathlib import Path

_REMOTE = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "coda", "fuse", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs"}
    | {"nfs4", "ocfs2", "smb3", "smbfs", "vboxsf", "virtiofs", "vmhgfs"}
)


def file_system(folder: Path) -> str:
    """The type of the mounted file system that holds the folder, as /proc names it; "" where that cannot be told."""
    try:
        fd = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    except OSError:
        return ""
    try:
        return mounted_type(
            Path(f"/proc/self/fdinfo/{fd}").read_text(),
            Path("/proc/self/mountinfo").read_bytes().decode("utf-8", "replace"),
        )
    except OSError:
        return ""
    finally:
        os.close(fd)


def mounted_type(fdinfo: str, mountinfo: str) -> str:
    """Look the `mnt_id` of a descriptor up in the mount table."""
    ids = [line.split()[1] for line in fdinfo.splitlines() if line.startswith("mnt_id:")]
    for line in mountinfo.splitlines():
        if line.split(" ", 1)[:1] == ids[:1]:
            return line.partition(" - ")[2].split(" ", 1)[0]
    return ""


def hears_all(type: str) -> bool:
    """Whether every write to such a file system passes this kernel. False for network file systems and FUSE."""
    return type not in _REMOTE and not type.startswith("fuse.")
