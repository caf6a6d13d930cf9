"""What the service manager hears, on a real datagram socket."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from support.recorded import HandClock, notify_socket
from syncd.lifecycle.clock import SystemClock
from syncd.lifecycle.notify import Notifier


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    return tmp_path / "notify"


def test_each_call_is_heard_as_its_assignment(address: Path) -> None:
    with notify_socket(address) as manager:
        notifier = Notifier(HandClock(12.5))
        notifier.ready("two pairs")
        notifier.status("11 files left")
        notifier.watchdog()
        notifier.reloading()
        notifier.extend_timeout(1.5)
        notifier.stopping()
        notifier.close()
        assert manager.heard == [
            *("READY=1", "STATUS=two pairs", "STATUS=11 files left", "WATCHDOG=1"),
            *("RELOADING=1", "MONOTONIC_USEC=12500000", "EXTEND_TIMEOUT_USEC=1500000", "STOPPING=1"),
        ]


def test_a_status_cannot_smuggle_an_assignment_and_keeps_its_letters(address: Path) -> None:
    with notify_socket(address) as manager:
        notifier = Notifier(HandClock())
        notifier.status("ü → 3 · €\nMAINPID=1\x1b")
        notifier.close()
        assert manager.heard == ["STATUS=ü → 3 · € MAINPID=1 "]


def test_a_name_that_is_no_unicode_does_not_silence_the_status(address: Path) -> None:
    with notify_socket(address) as manager:
        notifier = Notifier(HandClock())
        notifier.status("sending a\udcff")
        notifier.close()
        assert manager.heard == ["STATUS=sending a "]


def test_without_a_manager_every_call_does_nothing() -> None:
    notifier = Notifier(HandClock(), {})
    notifier.ready("x")
    notifier.watchdog()
    notifier.close()
    assert not notifier.enabled
    assert notifier.watchdog_interval is None


def test_a_manager_that_never_reads_holds_a_call_for_about_a_second_at_most(address: Path) -> None:
    took: list[float] = []

    def fill() -> None:
        while not took or took[-1] < 0.5:
            began = time.monotonic()
            notifier.status("x" * 4000)
            took.append(time.monotonic() - began)

    with notify_socket(address):
        notifier = Notifier(SystemClock())
        sender = threading.Thread(target=fill, daemon=True)
        sender.start()
        sender.join(20)
        assert not sender.is_alive()
    assert 0.5 <= took[-1] < 5
    notifier.status("to a manager that is gone")
    notifier.close()


@pytest.mark.parametrize(
    ("usec", "pid", "interval"),
    [
        ("30000000", "", 15.0),
        ("30000000", "own", 15.0),
        ("30000000", "1", None),
        ("0", "", None),
        ("", "", None),
        ("soon", "", None),
    ],
)
def test_the_watchdog_is_pinged_at_half_its_time_by_the_process_it_names(
    address: Path, usec: str, pid: str, interval: float | None
) -> None:
    environ = {
        "NOTIFY_SOCKET": str(address),
        "WATCHDOG_USEC": usec,
        "WATCHDOG_PID": str(os.getpid()) if pid == "own" else pid,
    }
    with notify_socket(address):
        notifier = Notifier(HandClock(), environ)
        assert notifier.watchdog_interval == interval
        notifier.close()


def test_an_abstract_socket_is_reached_from_another_process(tmp_path: Path) -> None:
    import socket

    name = f"syncd-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(f"\0{name}")
        manager.settimeout(10)
        code = (
            "from syncd.lifecycle.notify import Notifier\nfrom syncd.lifecycle.clock import SystemClock\n"
            "Notifier(SystemClock()).ready()"
        )
        subprocess.run([sys.executable, "-c", code], env={**os.environ, "NOTIFY_SOCKET": f"@{name}"}, check=True)
        assert manager.recv(100) == b"READY=1"
