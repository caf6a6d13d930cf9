"""The light look at what waits in a batch's folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.anybody import said_by_anybody
from syncd.core.filters import Filter
from syncd.lifecycle.stop import Stop
from syncd.workers.waiting import BREATH_EVERY, Waiting, look


def seen(root: Path, *buckets: str, include: tuple[str, ...] = (), stop: Stop | None = None) -> Waiting | None:
    return look(root, buckets, wants=Filter(include).wants, stop=stop or Stop(), moved=lambda: None)


def write(file: Path, size: int) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * size)
    return file


def test_it_adds_up_what_lies_below_the_folders(tmp_path: Path) -> None:
    first = write(tmp_path / "lab" / "a", 3)
    write(tmp_path / "lab" / "deep" / "er" / "b", 4)
    write(tmp_path / "other" / "c", 5)
    write(tmp_path / "not-asked" / "d", 6)
    assert seen(tmp_path, "lab", "other") == Waiting(files=3, bytes=12, since=first.stat().st_ctime)


def test_nothing_there_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    write(tmp_path / "file", 1)
    assert seen(tmp_path, "lab", "absent", "file") == Waiting()


def test_what_never_goes_is_not_counted(tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    write(lab / "a.log", 1)
    write(lab / "a.tmp", 10)
    write(lab / ".syncd" / "cleaning" / "staged.log", 100)
    write(lab / "deep" / ".syncd" / "b.log", 1000)
    write(tmp_path / "elsewhere" / "c.log", 10_000)
    (lab / "link.log").symlink_to(tmp_path / "elsewhere" / "c.log")
    (lab / "linked").symlink_to(tmp_path / "elsewhere")
    os.mkfifo(lab / "pipe.log")
    found = seen(tmp_path, "lab", include=("*.log",))
    assert found is not None
    assert (found.files, found.bytes) == (1, 1)


@pytest.mark.parametrize("name", [b"caf\xe9", b"new\nline", b"n" * 255])
def test_any_name_is_counted(tmp_path: Path, name: bytes) -> None:
    (tmp_path / "lab").mkdir()
    with open(os.fsencode(tmp_path / "lab") + b"/" + name, "wb"):
        pass
    found = seen(tmp_path, "lab")
    assert found is not None
    assert found.files == 1


AS_ANYBODY = """
import sys
from pathlib import Path
from syncd.lifecycle.stop import Stop
from syncd.workers.waiting import look
root = Path(sys.argv[1])
(root / "lab" / "shut").mkdir(parents=True)
(root / "lab" / "shut" / "a").write_bytes(b"1")
(root / "lab" / "b").write_bytes(b"22")
(root / "lab" / "shut").chmod(0)
found = look(root, ["lab"], wants=lambda _: True, stop=Stop(), moved=lambda: None)
(root / "lab" / "shut").chmod(0o700)
print(found.files, found.bytes)
"""


def test_a_folder_that_cannot_be_read_hides_no_other(tmp_path: Path) -> None:
    assert said_by_anybody(AS_ANYBODY, tmp_path / "theirs") == "1 2\n"


def test_it_breathes_and_ends_when_it_is_time_to_stop(tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    for number in range(BREATH_EVERY + 1):
        (tmp_path / "lab" / str(number)).touch()
    breaths: list[bool] = []
    stop = Stop()
    found = look(tmp_path, ["lab"], wants=lambda _: True, stop=stop, moved=lambda: breaths.append(True))
    assert found is not None
    assert (found.files, len(breaths)) == (BREATH_EVERY + 1, 1)
    stop.drain()
    assert look(tmp_path, ["lab"], wants=lambda _: True, stop=stop, moved=lambda: None) is None
