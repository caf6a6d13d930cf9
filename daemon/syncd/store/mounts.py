"""Which file system a folder lies on: SQLite's locks and shared memory need a local one."""

from __future__ import annotations

import os
from pathlib import Path

from syncd.errors import ConfigError

MOUNTINFO = Path("/proc/self/mountinfo")

_REMOTE = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "fuse", "fuseblk"})


def file_system_type(mountinfo: str, mount_id: int) -> str:
    """The type of the mount of that id ("ext4", "fuse.sshfs"), or "" where the table has none."""
    for line in mountinfo.splitlines():
        fields = line.split(" ")
        if fields[0] == str(mount_id) and "-" in fields:
            return fields[fields.index("-") + 1]
    return ""


def is_remote(type: str) -> bool:
    """Whether a file system of that type is no place for the database."""
    return type in _REMOTE or type.startswith("fuse.")


def refuse_remote(folder: Path, *, mountinfo: Path = MOUNTINFO) -> None:
    """Raise ConfigError where the folder is on NFS, CIFS or FUSE. Without a mount table nothing is refused."""
    try:
        type = file_system_type(os.fsdecode(mountinfo.read_bytes()), _mount_id(folder))
    except FileNotFoundError:
        return
    if is_remote(type):
        raise ConfigError(
            [f"daemon.state_dir: {folder} is on a {type} file system, where a database can be corrupted"],
            hint="choose a folder on a local disk",
        )


def _mount_id(folder: Path) -> int:
    # the kernel's own answer: no guessing by prefix, and right under bind mounts and symlinks
    descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        text = Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="ascii")
    finally:
        os.close(descriptor)
    return next((int(line[7:]) for line in text.splitlines() if line.startswith("mnt_id:")), -1)
