"""Tables that fit the terminal. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from synctl.screen import Look
from synctl.words import columns, fit, pad

Cell = str | tuple[str, str]
"""Printable text, or text and the tone to paint it in."""


FIRST_CELLS = 8
"""What is left of the first column at least, where it is longer."""


def table(heads: Sequence[str], rows: Sequence[Sequence[Cell]], look: Look, *, drop: Sequence[str] = ()) -> list[str]:
    """Lines with aligned columns, heads first.

    Where it is too wide, gaps shrink, then the first column is cut, then those headed as in `drop` are left out.
    """
    texts = [[cell if isinstance(cell, str) else cell[0] for cell in row] for row in rows]
    widths = [max(columns(line[index]) for line in [list(heads), *texts]) for index in range(len(heads))]
    gap = 3
    while gap > 1 and sum(widths) + gap * (len(widths) - 1) > look.width:
        gap -= 1
    over = sum(widths) + gap * (len(widths) - 1) - look.width
    if over > 0 and widths[0] - over < FIRST_CELLS and drop:
        kept = [index for index, head in enumerate(heads) if head != drop[0]]
        fewer = [[row[index] for index in kept] for row in rows]
        return table([heads[index] for index in kept], fewer, look, drop=drop[1:])
    if over > 0:
        widths[0] = max(min(widths[0], FIRST_CELLS), widths[0] - over)
    lines = [_line([pad(fit(head, width), width) for head, width in zip(heads, widths)], gap)]
    for row, line in zip(rows, texts):
        cells = [pad(fit(text, width), width) for text, width in zip(line, widths)]
        painted = [
            text if isinstance(cell, str) or not cell[1] else look.paint(text.rstrip(), cell[1]) + _blanks(text)
            for text, cell in zip(cells, row)
        ]
        lines.append(_line(painted, gap))
    return [look.plain(line) for line in lines]


def _blanks(text: str) -> str:
    return " " * (len(text) - len(text.rstrip()))


def _line(cells: Sequence[str], gap: int) -> str:
    return (" " * gap).join(cells).rstrip()
