"""Start in the background, ask to stop, kill: with real processes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import small_daemon
from support.processes import eventually
from syncd.errors import FatalError, SyncdError
from syncd.runtime import background
from syncd.runtime.background import Terminal, foreground_command
from syncd.runtime.lock import LockHeld, StateLock, boot_id, find_holder, start_ticks


class Shell:
    """A terminal that keeps what is printed, and the state folder of one daemon, which is dead afterwards."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.out: list[str] = []
        self.err: list[str] = []
        self.terminal = Terminal(out=self.out.append, err=self.err.append)

    def start(self, *words: str, timeout_s: float = 20) -> int:
        command = [sys.executable, small_daemon.__file__, str(self.state), *words]
        environ = {**os.environ, "WATCHDOG_USEC": "1", "NOTIFY_SOCKET": "/nowhere"}  # as inside some other unit
        return background.start(
            command,
            state_dir=self.state,
            log_file=self.state / "syncd.log",
            terminal=self.terminal,
            environ=environ,
            timeout_s=timeout_s,
        )

    def stop(self, timeout_s: float = 20) -> int:
        return background.stop(self.state, terminal=self.terminal, timeout_s=timeout_s)

    def kill(self) -> int:
        return background.kill(self.state, terminal=self.terminal)

    def output(self) -> str:
        return (self.state / "syncd.err").read_text()

    def pid(self) -> int:
        holder = find_holder(self.state)
        assert holder is not None
        return holder.pid


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    shell = Shell(tmp_path)
    yield shell
    holder = find_holder(shell.state)
    if holder is not None and holder.pid != os.getpid():
        os.kill(holder.pid, signal.SIGKILL)


def test_a_start_returns_when_it_is_ready_and_names_pid_and_log(shell: Shell) -> None:
    assert shell.start() == 0
    assert shell.out == [f"syncd runs in the background, pid {shell.pid()}, log {shell.state / 'syncd.log'}"]
    assert os.getsid(shell.pid()) == shell.pid()
    eventually(lambda: "daemon.ready" in shell.output(), within=5, what=shell.output)
    assert shell.stop() == 0


def test_a_start_that_fails_shows_the_childs_words_and_returns_its_code(shell: Shell) -> None:
    assert shell.start("broken") == 78
    assert shell.err == ["syncd: pair.logs.local: no such folder (make it)"]
    assert shell.out == []


def test_a_second_start_says_who_runs_and_leaves_it_alone(shell: Shell) -> None:
    shell.start()
    lines = {"daemon.ready", "working"}  # both come after READY=1, in either order, and nothing does after them
    eventually(lambda: lines <= set(shell.output().splitlines()), within=10, what=shell.output)
    said = shell.output()
    with pytest.raises(LockHeld, match=str(shell.pid())):
        shell.start()
    assert shell.output() == said
    assert shell.stop() == 0


def test_a_start_that_is_never_ready_is_ended(shell: Shell) -> None:
    with pytest.raises(SyncdError, match="not ready"):
        shell.start("late", timeout_s=1)
    assert find_holder(shell.state) is None


def test_a_state_folder_that_cannot_be_made_is_said(shell: Shell) -> None:
    shell.state.write_text("a file")
    with pytest.raises(SyncdError, match="--state-dir"):
        shell.start()


def test_a_stop_waits_for_the_end(shell: Shell) -> None:
    shell.start()
    pid = shell.pid()
    assert shell.stop() == 0
    assert start_ticks(pid) is None
    assert shell.out[-1] == f"syncd (pid {pid}) is stopped"
    assert "closed" in shell.output()


def test_a_stop_that_takes_too_long_says_so_and_a_second_one_hastens_it(shell: Shell) -> None:
    shell.start("stubborn")
    eventually(lambda: "working" in shell.output(), within=10, what=shell.output)
    assert shell.stop(timeout_s=0.3) == 10
    assert "--kill" in shell.err[-1]
    assert shell.stop() == 0


def test_a_kill_ends_one_that_hears_nothing(shell: Shell) -> None:
    shell.start("deaf")
    pid = shell.pid()
    assert shell.stop(timeout_s=0.3) == 10
    os.kill(pid, signal.SIGSTOP)
    assert shell.kill() == 0
    assert start_ticks(pid) is None
    assert shell.out[-1] == f"syncd (pid {pid}) is killed"
    assert find_holder(shell.state) is None


@pytest.mark.parametrize("verb", ["stop", "kill"])
def test_nothing_running_is_said_and_is_three(shell: Shell, verb: str) -> None:
    assert getattr(shell, verb)() == 3
    assert shell.err == [f"no syncd runs on the state folder {shell.state}"]


@pytest.mark.parametrize("verb", ["stop", "kill"])
def test_a_dead_holders_pid_that_somebody_else_has_now_is_not_touched(shell: Shell, verb: str) -> None:
    """The lock is free, and the pid in its file is alive: it must be another's."""
    shell.state.mkdir()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander:
        content = {"pid": bystander.pid, "started_at": 0, "started_ticks": 1, "boot": boot_id(), "host": "h"}
        (shell.state / "lock").write_text(json.dumps(content))
        assert getattr(shell, verb)() == 3
        assert bystander.poll() is None
        bystander.kill()


@pytest.mark.parametrize("verb", ["stop", "kill"])
@pytest.mark.parametrize("lie", [{"started_ticks": 1}, {"boot": "another"}])
def test_a_lock_whose_pid_has_another_start_time_is_refused(shell: Shell, verb: str, lie: dict[str, object]) -> None:
    shell.state.mkdir()
    with (
        StateLock(shell.state),
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as bystander,
    ):
        ticks = start_ticks(bystander.pid)
        content = {"pid": bystander.pid, "started_at": 0, "started_ticks": ticks, "boot": boot_id(), "host": "h", **lie}
        (shell.state / "lock").write_text(json.dumps(content))
        with pytest.raises(FatalError, match="Nothing was signalled"):
            getattr(shell, verb)()
        assert bystander.poll() is None
        bystander.kill()


def test_the_foreground_command_is_the_same_without_daemon_and_with_a_log(tmp_path: Path) -> None:
    command = foreground_command(["--daemon", "--config", "x", "-v"], state_dir=tmp_path)
    assert command == [sys.executable, "-m", "syncd", "--config", "x", "-v", "--log-file", str(tmp_path / "syncd.log")]
    assert foreground_command(["--log-file=y", "--daemon"], state_dir=tmp_path)[3:] == ["--log-file=y"]


def test_an_interrupted_start_leaves_nothing_behind(shell: Shell, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\nfrom syncd.runtime import background\n"
        "state = Path(sys.argv[1])\n"
        "background.start(sys.argv[2:], state_dir=state, log_file=state / 'syncd.log')\n"
    )
    argv = [
        sys.executable,
        "-c",
        code,
        str(shell.state),
        sys.executable,
        small_daemon.__file__,
        str(shell.state),
        "late",
    ]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, text=True) as starter:
        eventually(lambda: shell.state.exists() and find_holder(shell.state), within=10, what="the child has the lock")
        pid = shell.pid()
        starter.send_signal(signal.SIGINT)
        _, err = starter.communicate(timeout=30)
    assert re.search("KeyboardInterrupt", err)
    began = time.monotonic()
    eventually(lambda: start_ticks(pid) is None, within=10, what="the child is gone")
    assert time.monotonic() - began < 10
