"""Without systemd: start in the background, ask to stop, kill. Exit codes are those of the command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from socket import AF_UNIX, SOCK_DGRAM, socket
from typing import IO

from syncd.errors import FatalError, SyncdError
from syncd.runtime.lock import Holder, LockHeld, find_holder
from syncd.runtime.process import OtherProcess, Vanished

LOG_NAME = "syncd.log"
ERROR_NAME = "syncd.err"

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_NOT_RUNNING = 3
EXIT_TIMED_OUT = 10

START_SECONDS = 60.0
STOP_SECONDS = 120.0
KILL_SECONDS = 10.0
SLICE_SECONDS = 0.1

_MANAGER_VARIABLES = frozenset({"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "JOURNAL_STREAM"})

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """Where the answer (`out`) and messages (`err`) go, a line at a time."""

    out: Say = print
    err: Say = field(default=lambda line: print(line, file=sys.stderr))


def foreground_command(argv: Sequence[str], *, state_dir: Path) -> list[str]:
    """The command that does in the foreground what `argv` (without the program) asks for with `--daemon`.

    It logs to `state_dir/syncd.log` where argv names no file.
    """
    rest = [word for word in argv if word != "--daemon"]
    named = any(word == "--log-file" or word.startswith("--log-file=") for word in rest)
    log = [] if named else ["--log-file", str(state_dir / LOG_NAME)]
    return [sys.executable, "-m", "syncd", *rest, *log]


def start(
    command: Sequence[str],
    *,
    state_dir: Path,
    log_file: Path,
    terminal: Terminal | None = None,
    environ: Mapping[str, str] | None = None,
    timeout_s: float = START_SECONDS,
) -> int:
    """Start the command in a session of its own, wait until it says READY=1, print its pid and its log.

    Returns 0; where it ended before, its exit code, with what it wrote on standard error. Raises LockHeld where one
    runs already, SyncdError where it is not ready in time (it may ask for more by EXTEND_TIMEOUT_USEC): it is stopped.
    """
    terminal = terminal or Terminal()
    _make_folder(state_dir)
    if (holder := find_holder(state_dir)) is not None:
        raise LockHeld(state_dir, holder)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="syncd-"))
        listener = stack.enter_context(socket(AF_UNIX, SOCK_DGRAM))
        listener.bind(f"{folder}/notify")
        errors = stack.enter_context(_error_file(state_dir / ERROR_NAME))
        process = _spawn(command, os.environ if environ is None else environ, f"{folder}/notify", errors)
        try:
            code = _wait_ready(process, listener, timeout_s)
        except BaseException:  # an interrupt: what was half started goes with us
            _end(process)
            raise
        if code is None:
            process.returncode = 0  # it outlives us: not ours to wait for
            terminal.out(f"syncd runs in the background, pid {process.pid}, log {log_file}")
            return EXIT_OK
        errors.seek(0)
        terminal.err(errors.read().decode("utf-8", "backslashreplace").rstrip() or f"syncd ended with exit code {code}")
        return code


def stop(state_dir: Path, *, terminal: Terminal | None = None, timeout_s: float = STOP_SECONDS) -> int:
    """Ask the daemon of this state folder to drain and stop, and wait for its end.

    Returns 0; 3 where none runs; 10 where it still drains after the time. Raises SyncdError where it cannot be asked.
    """
    late = (
        f"syncd still finishes what is under way after {timeout_s:g} s; "
        "ask again to drop that (nothing is lost), or use --kill"
    )
    return _signal(state_dir, signal.SIGTERM, "stopped", late, EXIT_TIMED_OUT, terminal or Terminal(), timeout_s)


def kill(state_dir: Path, *, terminal: Terminal | None = None, timeout_s: float = KILL_SECONDS) -> int:
    """Kill a daemon that is stuck: the process that holds the lock and has the start time written there, no other.

    Returns 0; 3 where none runs; 1 where it does not die (it hangs in the kernel). Raises SyncdError.
    """
    late = f"it was killed but has not ended after {timeout_s:g} s: it hangs in the kernel, often on a dead mount"
    return _signal(state_dir, signal.SIGKILL, "killed", late, EXIT_FAILED, terminal or Terminal(), timeout_s)


def _signal(
    state_dir: Path, number: signal.Signals, done: str, late: str, late_code: int, terminal: Terminal, timeout_s: float
) -> int:
    holder = find_holder(state_dir)
    if holder is None:
        terminal.err(f"no syncd runs on the state folder {state_dir}")
        return EXIT_NOT_RUNNING
    try:
        process = OtherProcess(_verified(holder, state_dir))
    except Vanished:
        terminal.out(f"syncd (pid {holder.pid}) has just ended by itself")
        return EXIT_OK
    with ExitStack() as stack:
        stack.callback(process.close)
        try:
            process.send(number)
        except Vanished:
            terminal.out(f"syncd (pid {holder.pid}) has just ended by itself")
            return EXIT_OK
        if not process.wait(timeout_s):
            terminal.err(f"pid {holder.pid}: {late}")
            return late_code
    terminal.out(f"syncd (pid {holder.pid}) is {done}")
    return EXIT_OK


def _verified(holder: Holder, state_dir: Path) -> Holder:
    """The holder, if it is a process of this machine with the start time that the lock names."""
    if holder.runs_here() or find_holder(state_dir) is None:  # gone since: OtherProcess will see it
        return holder
    raise FatalError(
        f"the state folder {state_dir} is held by {holder}, which is no process that can be seen here",
        hint="it runs on another host or in a container: stop it there. Nothing was signalled",
    )


def _wait_ready(process: subprocess.Popen[bytes], listener: socket, timeout_s: float) -> int | None:
    """None when it is ready, else the exit code; a child that takes too long is ended."""
    until = time.monotonic() + timeout_s
    listener.settimeout(SLICE_SECONDS)
    while time.monotonic() < until:
        try:
            said = listener.recv(4096).decode("utf-8", "replace").splitlines()
        except TimeoutError:
            if (code := process.poll()) is not None:
                return code if code > 0 else EXIT_FAILED
            continue
        if "READY=1" in said:
            return None
        more = [line.partition("=")[2] for line in said if line.startswith("EXTEND_TIMEOUT_USEC=")]
        if more and more[0].isdigit():
            until = max(until, time.monotonic() + int(more[0]) / 1_000_000)
    _end(process)
    raise SyncdError(
        f"syncd was not ready within {timeout_s:g} s and was stopped",
        hint="run it without --daemon to see where it hangs",
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(KILL_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(KILL_SECONDS)


def _make_folder(state_dir: Path) -> None:
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SyncdError(
            f"the state folder {state_dir} cannot be made: {error.strerror}", hint="choose another with --state-dir"
        ) from error


def _error_file(path: Path) -> IO[bytes]:
    """What the child writes before its log is open, and the interpreter's last words. Anew at each start."""
    try:
        return open(path, "w+b", opener=_private)
    except OSError as error:
        raise SyncdError(f"{path} cannot be written: {error.strerror}", hint="choose another --state-dir") from error


def _spawn(
    command: Sequence[str], environ: Mapping[str, str], notify: str, output: IO[bytes]
) -> subprocess.Popen[bytes]:
    kept = {name: value for name, value in environ.items() if name not in _MANAGER_VARIABLES}
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        env={**kept, "NOTIFY_SOCKET": notify},
        start_new_session=True,
    )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_APPEND, 0o600)
