"""What the terminal can show: its width, colours and characters."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple, TextIO

PLAIN_WIDTH = 80
NARROWEST = 40
SGR = {"red": "31", "yellow": "33", "green": "32", "bold": "1", "dim": "2"}
EIGHTHS = " ▏▎▍▌▋▊▉█"


class Look(NamedTuple):
    """How to draw. `blocks` False: only characters that every terminal has."""

    width: int = PLAIN_WIDTH
    colour: bool = False
    blocks: bool = True

    def paint(self, text: str, tone: str) -> str:
        """The text in a tone of SGR, where colours are wanted."""
        return f"\x1b[{SGR[tone]}m{text}\x1b[0m" if self.colour and tone and text else text

    def bar(self, share: float, cells: int) -> str:
        """A progress bar of exactly so many cells."""
        share = min(1.0, max(0.0, share))
        if not self.blocks:
            full = int(share * cells)
            return "#" * full + "." * (cells - full)
        eighths = int(share * cells * 8)
        full, part = divmod(eighths, 8)
        text = "█" * full + (EIGHTHS[part] if part else "")
        return text + " " * (cells - len(text))

    def plain(self, text: str) -> str:
        """The text as this terminal can show it."""
        return text if self.blocks else text.translate(ASCII)


ASCII = str.maketrans({"·": "/", "↑": "^", "↓": "v", "…": "~", "≈": "~", "→": ">"})


def look_of(out: TextIO, environ: Mapping[str, str], *, no_color: bool) -> Look:
    """What `out` can show."""
    terminal = out.isatty()
    return Look(
        width=_width(out, environ) if terminal else PLAIN_WIDTH,
        colour=terminal and not no_color and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb",
        blocks="utf" in (out.encoding or "").lower(),
    )


def _width(out: TextIO, environ: Mapping[str, str]) -> int:
    try:
        wide = int(environ.get("COLUMNS", "0")) or os.get_terminal_size(out.fileno()).columns
    except (ValueError, OSError):
        wide = 0
    return max(NARROWEST, wide or PLAIN_WIDTH)


def height_of(out: TextIO) -> int | None:
    """The terminal's lines; None where nobody knows."""
    try:
        return os.get_terminal_size(out.fileno()).lines or None
    except (ValueError, OSError):
        return None
