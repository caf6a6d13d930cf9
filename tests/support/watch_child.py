"""A process that watches the folder it is given and prints each hint and its mode as a JSON line, until stdin ends.

The optional second argument lowers a limit of the user namespace it runs in first: `max_inotify_watches=3`.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

from syncd.local.watch import HotEvent, Watch


class Silent:
    """Events to nowhere: what is told is what the sink hears."""

    def emit(self, event: str, **fields: object) -> None:
        """Drop it."""


def say(**fields: object) -> None:
    """Print one JSON line at once."""
    print(json.dumps(fields), flush=True)


def told(event: HotEvent) -> None:
    """Print one hint."""
    say(hint=type(event).__name__, **dataclasses.asdict(event))


def main(root: str, limit: str = "") -> None:
    """Watch until stdin is closed, then stop."""
    if limit:
        key, _, value = limit.partition("=")
        Path("/proc/sys/user", key).write_text(value)
    watch = Watch(Path(root), told, events=Silent())
    watch.start()
    say(mode=watch.mode.value)
    for _ in sys.stdin:
        say(mode=watch.mode.value)
    watch.stop()
    say(mode=watch.mode.value)


if __name__ == "__main__":
    main(*sys.argv[1:])
