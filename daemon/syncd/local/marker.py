"""The root's marker `.syncd/root.json`: who this root is, and how far its removals have come."""

from __future__ import annotations

import errno
import json
import os
import stat

from syncd import __version__
from syncd.core.paths import OURS
from syncd.errors import PairHalted
from syncd.local.anchor import Anchor
from syncd.local.renameat2 import Renames
from syncd.local.spot import Spot, let_go
from syncd.local.temporary import partial_file
from syncd.local.translate import printable, words
from syncd.ports import Marker

NAME = f"{OURS}/root.json"

_NOTE = "do not delete: syncd knows this folder by it, and removes nothing where it is missing or from the past"
_LIMIT = 64 * 1024
_HINT = "bring it back from a backup, or remove it to start over: both sides are then united, nothing is deleted"
_UNWRITABLE = {errno.EACCES, errno.EPERM, errno.EROFS}


def read_marker(anchor: Anchor) -> Marker | None:
    """The marker, None where there is none. PairHalted where it is there and cannot be read or understood."""
    try:
        fd = anchor.open(NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unreadable(anchor, words(error)[0]) from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise _unreadable(anchor, "it is no regular file")
        text = os.read(fd, _LIMIT)
    except OSError as error:
        raise _unreadable(anchor, words(error)[0]) from error
    finally:
        let_go(fd)
    return _parse(anchor, text)


def _parse(anchor: Anchor, text: bytes) -> Marker:
    try:
        fields = json.loads(text)
        uuid, generation = fields["uuid"], fields["generation"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise _unreadable(anchor, "it is garbled") from error
    if not (isinstance(uuid, str) and uuid and type(generation) is int and generation >= 0):
        raise _unreadable(anchor, "it is garbled")
    return Marker(uuid, generation)


def _unreadable(anchor: Anchor, reason: str) -> PairHalted:
    return PairHalted(f"the marker {printable(str(anchor.path / NAME))} cannot be read: {reason}", hint=_HINT)


def write_marker(anchor: Anchor, renames: Renames, marker: Marker) -> bool:
    """Replace the marker whole and durably. False where the root may not be written; OSError for the rest."""
    fields = {
        "uuid": marker.uuid,
        "generation": marker.generation,
        "made_by": f"syncd/{__version__}",
        "note": _NOTE,
    }
    try:
        with anchor.ours("tmp") as tmp, anchor.folder(OURS) as home:
            _replace(tmp, Spot(home, "root.json"), renames, json.dumps(fields, indent=1).encode() + b"\n")
    except OSError as error:
        if error.errno in _UNWRITABLE:
            return False
        raise
    return True


def _replace(tmp: int, target: Spot, renames: Renames, text: bytes) -> None:
    with partial_file(tmp) as partial:
        partial.write(text)
        partial.finish(mtime_ns=None)
        renames.take(partial.spot, target)
        target.sync()
