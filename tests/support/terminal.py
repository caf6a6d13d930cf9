"""A real terminal for a program under test: what it wrote there, byte for byte."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

from support.hostile import harm_in

OURS = re.compile(r"\x1b\[(?:0|1|2|31|32|33|34|35|36)?m|\x1b\[K|\x1b\[2K|\r(?=[\n\r\x1b]|$)")
"""What our programs may tell a terminal: a colour of ours, the end of a line, a progress line drawn anew."""


def on_terminal(argv: Sequence[str], *, env: Mapping[str, str] | None = None, within: float = 60.0) -> tuple[int, str]:
    """Run a program on a terminal of its own. Its exit code, and both streams as the terminal got them."""
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(
            argv, stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, "TERM": "xterm", **(env or {})}
        ) as child:
            os.close(theirs)
            theirs = -1
            said = _read(ours, time.monotonic() + within)
            return child.wait(timeout=10), said.decode("utf-8", "surrogateescape")
    finally:
        os.close(ours)
        if theirs >= 0:
            os.close(theirs)


def _read(fd: int, until: float) -> bytes:
    said = b""
    with suppress(OSError):  # EIO: the program has ended
        while True:
            ready, _, _ = select.select([fd], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise AssertionError(f"it does not end; so far {said[-500:]!r}")
            piece = os.read(fd, 65536)
            if not piece:
                break
            said += piece
    return said


def harm_on_terminal(said: str) -> list[str]:
    """What steers the terminal and is none of ours."""
    return harm_in(OURS.sub("", said))
