"""OS errors in our words: a path failed (ItemError), it is gone (Stale), or the root is lost (PairHalted)."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from syncd.errors import ItemError, PairHalted, Stale

_GONE = {errno.ENOENT, errno.ESTALE}

_WORDS: dict[int, tuple[str, str]] = {
    errno.ENOSPC: ("the disk is full", "free some space on this file system; the file is tried again"),
    errno.EDQUOT: ("the disk quota is used up", "free some space or raise the quota; the file is tried again"),
    errno.EACCES: ("permission denied", "let the daemon's user read the file and enter and write its folder"),
    errno.EPERM: ("not permitted", "see whether the file is immutable (lsattr) or belongs to another user"),
    errno.EROFS: ("the file system is read-only", "mount it read-write, or use mode = upload"),
    errno.EIO: ("the disk failed to read or write", "see dmesg, then check the disk"),
    errno.ENAMETOOLONG: ("the name is too long for this file system", "give the object a shorter name"),
    errno.EISDIR: (
        "a folder of that name is in the way",
        "a key `a` beside `a/b` cannot be a file: rename one of them",
    ),
    errno.ENOTDIR: (
        "a file stands where a folder is needed",
        "a key `a` beside `a/b` cannot be a file: rename one of them",
    ),
    errno.EXDEV: (
        "another file system is mounted on the way",
        "a mount below a root is another root: give it its own pair",
    ),
    errno.ELOOP: ("a symlink is in the way", "symlinks are never followed: put a real folder or file in its place"),
    errno.EMFILE: ("too many open files", "raise LimitNOFILE"),
    errno.ENFILE: ("too many open files on this host", "raise fs.file-max"),
    errno.EBUSY: ("the file is in use by the system", "it may be a mount point; unmount it"),
    errno.EINVAL: ("the file system refuses the name or the operation", "see `syncd --doctor`"),
    errno.EILSEQ: ("the file system refuses the characters of the name", "rename the object"),
    errno.EAGAIN: ("another program holds a lease on the file", "it is tried again"),
    errno.EMLINK: ("the file has too many links", "see `stat`"),
    errno.EEXIST: ("something else of that name is in the way", "move it aside: it is no regular file"),
    errno.ENOENT: ("it is not there", "it is looked at again"),
}


def printable(name: str) -> str:
    """The name as a person can read it: invalid bytes and control characters escaped."""
    if name.isprintable():
        return name
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def words(error: OSError) -> tuple[str, str]:
    """What happened and what to do, for an errno."""
    plain = error.strerror or (os.strerror(error.errno) if error.errno else "an unnamed error")
    return _WORDS.get(error.errno or 0, (plain, "look at the file, then try again"))


def item_error(path: str, error: OSError) -> ItemError:
    """One path failed for this reason."""
    message, hint = words(error)
    return ItemError(path, f"{printable(path)}: {message}", hint=hint)


@contextmanager
def translated(path: str) -> Iterator[None]:
    """Let OS errors out as ItemError, and as Stale where the path is gone."""
    try:
        yield
    except OSError as error:
        if error.errno in _GONE:
            raise Stale(f"{printable(path)} is gone") from error
        raise item_error(path, error) from error


def root_lost(path: str, error: OSError) -> PairHalted:
    """The root cannot be used for this reason."""
    match error.errno:
        case errno.ENOENT:
            message, hint = "is missing", "mount it or create it; nothing is deleted meanwhile"
        case errno.ENOTDIR:
            message, hint = "is not a folder", "point `local` at a folder"
        case errno.EACCES | errno.EPERM:
            message, hint = "may not be read", "let the daemon's user read and enter the folder"
        case errno.ESTALE | errno.ENOTCONN | errno.EIO:
            message, hint = "does not answer (stale or broken mount)", "mount it again"
        case _:
            what, hint = words(error)
            message = f"cannot be used: {what}"
    return PairHalted(f"the root {printable(path)} {message}", hint=hint)
