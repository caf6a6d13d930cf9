"""The trash: where what was displaced is kept, under names that sort by time."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from datetime import datetime, timezone

from syncd.core.model import LocalStat
from syncd.core.paths import MAX_COMPONENT, OURS, base_name
from syncd.errors import ItemError
from syncd.local.spot import Spot

FOLDER = "trash"


def trash_name(path: str, now: float) -> str:
    """`<UTC time>-<random>-<base name>`, cut at a character where 255 bytes ask for it. Never the same twice."""
    moment = datetime.fromtimestamp(now, timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    head = f"{moment}-{secrets.token_hex(8)}-"
    room = MAX_COMPONENT - len(head)
    return head + base_name(path).encode("utf-8")[:room].decode("utf-8", "ignore")


def own_name(name: str) -> str:
    """The name, if it can be one directly in a folder of ours. ItemError else."""
    if not name or name in {".", ".."} or "/" in name or "\0" in name:
        raise ItemError(name, f"{name!r} is no name in a folder of ours", hint="use a name as `trash list` shows it")
    return name


def trashed_path(name: str) -> str:
    """Where that is below the root. ItemError where it is no name of ours."""
    return f"{OURS}/{FOLDER}/{own_name(name)}"


def listed(folder: int) -> Iterator[tuple[str, LocalStat]]:
    """Every regular file of a folder of ours, oldest name first. One that vanishes meanwhile is left out."""
    for name in sorted(os.listdir(folder)):
        seen = Spot(folder, name).look()
        if seen is not None:
            yield name, seen
