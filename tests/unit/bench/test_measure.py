"""Programs run in turn, as a whole, and one that fails is told of and not counted."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.clients import Command, Task
from bench.measure import in_turn, measured, medians

BUSY = "import os, time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    name: str
    argv: list[str]
    variant: str = "defaults"

    def command(self, task: Task) -> Command:
        raise NotImplementedError


def test_they_take_turns_and_what_fails_is_not_counted(tmp_path: Path) -> None:
    good, bad = (
        Program(name="good", argv=["true"]),
        Program(name="bad", argv=["sh", "-c", "echo no such bucket; exit 3"]),
    )
    checked: list[tuple[str, int]] = []

    def prepare(client: Program, round: int) -> tuple[Command, Callable[[], str]]:
        def check() -> str:
            checked.append((client.name, round))
            return ""

        return Command(argv=client.argv), check

    runs = in_turn([good, bad], 2, prepare, server_pid=os.getpid(), scratch=tmp_path, tell=str)  # type: ignore[arg-type]
    assert [(run.client, run.round) for run in runs] == [("good", 0), ("bad", 0), ("good", 1), ("bad", 1)]
    assert checked == [(run.client, run.round) for run in runs]
    assert all("ended with 3: no such bucket" in run.wrong for run in runs if run.client == "bad")
    assert [(one.client, one.runs) for one in medians(runs)] == [("good", 2)]


def test_the_cpu_of_children_counts(tmp_path: Path) -> None:
    argv = ["sh", "-c", f"'{sys.executable}' -c '{BUSY}'; true"]
    code, wall_s, used_s, peak_mib, _ = measured(Command(argv=argv), server_pid=os.getpid(), log=tmp_path / "log")
    assert code == 0
    assert 0.3 <= used_s <= wall_s + 0.2
    assert 1 < peak_mib < 200
