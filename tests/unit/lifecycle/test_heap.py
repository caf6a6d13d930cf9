"""One heap for all threads, where the C library knows how."""

from __future__ import annotations

import ctypes
import re
import subprocess
import sys

import pytest

from syncd.lifecycle.heap import share_one_heap

HEAPS = """
import ctypes, threading
from syncd.lifecycle.heap import share_one_heap
if {shared}:
    assert share_one_heap()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
held = threading.Barrier(5)
def work():
    libc.malloc(1000)
    held.wait()
for _ in range(4):
    threading.Thread(target=work).start()
held.wait()
libc.malloc_stats()
"""


def heaps(*, shared: bool) -> int:
    """How many there are once four threads have asked for memory."""
    argv = [sys.executable, "-c", HEAPS.format(shared=shared)]
    said = subprocess.run(argv, capture_output=True, check=True, text=True).stderr
    return len(re.findall(r"^Arena \d+:", said, re.MULTILINE))


def test_threads_share_one_heap() -> None:
    assert heaps(shared=False) > 1
    assert heaps(shared=True) == 1


def test_a_library_that_does_not_know_how_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not share_one_heap()
