"""Names that cannot be, and files that are none: each is reported, the rest is synced, nothing is deleted for them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable

import pytest

from support.site import AGO, Run, Site

ODD_KEYS = ("x//y", "/y", "folder/", "up/../../../escaped", "./here", "n" * 256, "ü" * 128)
CONTROLS = "\t\x01\x1b\x7f\u2028\ufeff"


def well(run: Run, *said: str) -> None:
    for word in said:
        assert word in run.said, run.said


def test_keys_that_cannot_be_files_are_reported_and_left_alone(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional", deletes="propagate", prefix="p/")
    odd = dict.fromkeys(ODD_KEYS, b"odd")
    for key in odd:
        host.put(key, b"odd")
    host.put("fine", b"fine")
    host.write("mine", b"mine")

    for _ in range(2):
        run = host.once()
        assert run.code == 0, run.said
        assert run.said.count("unrepresentable") == len(odd)

    assert host.tree() == {"fine": b"fine", "mine": b"mine"}
    assert host.objects() == {**odd, "fine": b"fine", "mine": b"mine"}
    assert not list(host.home.rglob("escaped"))


def test_control_characters_in_keys_come_down_or_are_reported_and_print_harmlessly(
    site: Callable[..., Site],
) -> None:
    host = site(mode="bidirectional", deletes="propagate")
    odd = [f"a{char}b" for char in CONTROLS]
    for key in (*odd, "fine"):
        host.put(key, b"odd")

    for run in (host.plan(), host.once("-v"), host.once()):
        assert run.code == 0, run.said
        assert not set(CONTROLS) & set(run.said)
        assert not set(CONTROLS) & set(run.out.replace("\t", ""))

    assert {"fine"} <= set(host.tree()) <= {*odd, "fine"}
    assert set(host.objects()) == {*odd, "fine"}


@pytest.mark.parametrize("mode", ["download", "bidirectional"])
def test_a_key_beside_keys_below_it_loses_neither_and_does_not_stop_the_rest(
    site: Callable[..., Site], mode: str
) -> None:
    host = site(mode=mode, deletes="propagate")
    everything = {"a": b"file", "a/b": b"below", "z": b"rest"}
    for path, body in everything.items():
        host.put(path, body)

    codes = [host.once().code for _ in range(3)]

    assert host.objects() == everything
    assert host.tree()["z"] == b"rest"
    assert ("a" in host.tree()) != ("a/b" in host.tree())
    assert codes[1:] == [0, 0]


def test_a_folder_here_in_the_way_of_an_object_is_left_alone(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional", deletes="propagate")
    host.write("a/b", b"below")
    host.put("a", b"file")
    host.put("z", b"rest")

    for _ in range(3):
        host.once()

    assert host.tree() == {"a/b": b"below", "z": b"rest"}
    assert host.objects() == {"a": b"file", "a/b": b"below", "z": b"rest"}


def test_a_name_in_invalid_utf8_is_reported_and_left_alone(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional", deletes="propagate")
    host.write(b"broken-\xff", b"odd")
    host.write(b"folder-\xfe/in", b"odd")
    host.write("fine", b"fine")

    for _ in range(2):
        run = host.once()
        assert run.code == 0, run.said
        assert "unrepresentable" in run.said

    assert host.objects() == {"fine": b"fine"}
    assert len(host.tree()) == 3


def test_symlinks_and_fifos_are_reported_once_and_never_followed(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional", deletes="propagate")
    (host.home / "outside").mkdir()
    (host.home / "outside" / "secret").write_bytes(b"secret")
    (host.root / "link").symlink_to(host.home / "outside" / "secret")
    (host.root / "folder").symlink_to(host.home / "outside")
    os.mkfifo(host.root / "pipe")
    host.write("fine", b"fine")

    run = host.once()

    assert run.code == 0, run.said
    well(run, "link", "folder", "pipe")
    assert host.objects() == {"fine": b"fine"}


@pytest.mark.parametrize("mode", ["download", "bidirectional"])
def test_an_object_below_a_symlinked_folder_never_leaves_the_root(site: Callable[..., Site], mode: str) -> None:
    host = site(mode=mode)
    (host.home / "outside").mkdir()
    (host.root / "folder").symlink_to(host.home / "outside")
    host.put("folder/escaped", b"x")
    host.put("fine", b"fine")

    host.once()

    assert not list((host.home / "outside").iterdir())
    assert host.tree() == {"fine": b"fine"}


@pytest.mark.parametrize("becomes", ["symlink", "dangling", "fifo"])
def test_a_synced_file_that_becomes_something_else_is_no_deletion(site: Callable[..., Site], becomes: str) -> None:
    host = site(mode="bidirectional", deletes="propagate")
    host.write("a", b"a", mtime=AGO)
    host.write("folder/b", b"b", mtime=AGO)
    host.once()
    for path in ("a", "folder"):
        target = host.root / path
        target.rename(host.home / path)
        if becomes == "fifo":
            os.mkfifo(target)
        else:
            target.symlink_to(host.home / path if becomes == "symlink" else host.home / "nowhere")

    run = host.once()

    assert run.code == 0, run.said
    assert not run.writes
    assert host.objects() == {"a": b"a", "folder/b": b"b"}


# --- what may not be read or written ---

BOUND = """
import ctypes, os, sys
for right in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: by these root reads and writes whatever it likes
    ctypes.CDLL(None).prctl(24, right, 0, 0, 0)  # PR_CAPBSET_DROP; refused where there is nothing to drop
os.execv(sys.argv[1], sys.argv[1:])
"""


def bound_by_modes(host: Site) -> Run:
    """`--once` by a process that the modes of files hold for, root too."""
    report = host.home / "report.json"
    report.unlink(missing_ok=True)
    syncd = [sys.executable, "-m", "syncd", "--config", str(host.configured()), "--once", "--report", str(report)]
    return host.run([sys.executable, "-c", BOUND, *syncd], report)


def test_an_unreadable_file_is_reported_fails_the_run_and_the_rest_goes_up(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional", deletes="propagate")
    host.write("locked", b"locked").chmod(0)
    host.write("fine", b"fine")

    run = bound_by_modes(host)

    assert run.code == 4, run.said
    well(run, "locked", "denied")
    assert host.objects() == {"fine": b"fine"}
    assert run.report["status"] == "partial"
    (host.root / "locked").chmod(0o600)
    assert bound_by_modes(host).code == 0
    assert host.objects() == {"fine": b"fine", "locked": b"locked"}


def test_a_folder_that_becomes_unreadable_is_reported_fails_the_run_and_deletes_nothing(
    site: Callable[..., Site],
) -> None:
    host = site(mode="bidirectional", deletes="propagate")
    host.write("folder/a", b"a", mtime=AGO)
    host.write("fine", b"fine")
    assert bound_by_modes(host).code == 0
    (host.root / "folder").chmod(0)
    host.write("new", b"new")

    run = bound_by_modes(host)

    (host.root / "folder").chmod(0o755)
    well(run, "folder", "denied")
    assert host.objects() == {"folder/a": b"a", "fine": b"fine", "new": b"new"}
    assert run.code == 4, run.said


def test_a_root_that_may_not_be_written_uploads_and_removes_nothing(site: Callable[..., Site]) -> None:
    host = site(mode="upload", deletes="propagate", cleanup=True)
    host.write("a", b"a", mtime=AGO)
    host.write("b", b"b", mtime=AGO)
    host.root.chmod(0o555)
    for _ in range(3):
        run = bound_by_modes(host)
        assert host.objects() == {"a": b"a", "b": b"b"}, run.said
    host.root.chmod(0o755)
    host.remove("a")
    host.root.chmod(0o555)

    bound_by_modes(host)

    assert host.objects() == {"a": b"a", "b": b"b"}
    assert host.tree() == {"b": b"b"}
    host.root.chmod(0o755)


def test_a_root_that_may_not_be_written_halts_a_download(site: Callable[..., Site]) -> None:
    host = site(mode="download")
    host.put("a", b"a")
    host.root.chmod(0o555)

    run = bound_by_modes(host)

    host.root.chmod(0o755)
    assert run.code == 7, run.said
    assert "written" in run.said


def test_our_own_folder_is_never_synced_at_any_depth(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional")
    host.write("deep/.syncd/x", b"x")
    host.put(".syncd/y", b"y")
    host.put("deep/er/.syncd/z", b"z")
    host.write(".syncd-not/ours", b"ours")

    assert host.once().code == 0

    assert host.tree() == host.objects() == {".syncd-not/ours": b"ours"}
    assert not (host.root / "deep" / "er").exists()
    shutil.rmtree(host.root / "deep")


def test_a_folder_that_other_hosts_replaced_by_a_file_gives_way_once_it_is_empty(site: Callable[..., Site]) -> None:
    a, b = (site(name, mode="bidirectional", deletes="propagate") for name in "ab")
    a.write("x/in", b"in", mtime=AGO)
    a.once()
    b.once()
    a.remove("x/in")
    (a.root / "x").rmdir()
    a.write("x", b"now a file")
    a.once()

    for _ in range(3):
        run = b.once()

    assert run.code == 0, run.said
    assert a.tree() == b.tree() == a.objects() == {"x": b"now a file"}
