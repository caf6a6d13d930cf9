"""The cyclic garbage collector, told what kind of program this is."""

from __future__ import annotations

import gc

YOUNG, MIDDLE, OLD = 50_000, 20, 20


def collect_seldom(*, long: bool) -> None:
    """Call once everything is imported and wired: what is there now stays, and is not looked through again.

    Until then nothing need be collected at all (see `syncd.__main__`), and by who is soon through not then either:
    it is a megabyte, for as much time as half a hundred files take. `long`: who runs for days has it back.

    A pass makes some fifty objects a file, none of them a cycle. By default they are searched for cycles at every
    700th, together with all that the program has ever loaded: a fifth of the CPU of an upload of small files.
    """
    if long:
        gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)
    gc.enable()
