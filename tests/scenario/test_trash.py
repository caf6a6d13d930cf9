"""trash_keep and cleanup_pressure, as an operator has them: the real program, a real server, real folders."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable

import pytest

from support.gaps import missing
from support.processes import eventually
from support.site import Site

BRIEFLY = "1ms"
"""By the time a run ends, what it displaced is older than that."""


def until(host: Site, wanted: Callable[[], bool]) -> None:
    """Run until it is so: the server's clock, which has its say, tells whole seconds."""
    eventually(lambda: host.once().code == 0 and wanted(), within=30, what="what expires stays")


def test_what_a_deletion_displaced_is_gone_from_the_trash_in_its_time(site: Callable[..., Site]) -> None:
    host = site(deletes="propagate")
    host.write("a", b"body")
    assert host.once().code == 0
    host.delete("a")
    assert host.once().code == 0
    assert host.trash() == [b"body"]  # for thirty days

    host.keys["trash_keep"] = BRIEFLY
    until(host, lambda: host.trash() == [])
    assert host.objects() == {}


def test_a_dry_run_and_a_halted_pair_expire_nothing(site: Callable[..., Site]) -> None:
    host = site(deletes="propagate")
    for name in ("a", "b"):
        host.write(name, name.encode())
    host.once()
    host.delete("a")
    host.once()
    assert host.trash() == [b"a"]

    host.keys["trash_keep"] = BRIEFLY
    assert host.plan().code == 0
    assert host.trash() == [b"a"]

    host.keys["max_delete"] = 0
    host.delete("b")
    assert host.once().code == 7
    assert host.trash() == [b"a"]


def test_a_copy_on_s3_goes_in_its_time_and_the_only_copy_of_a_loser_with_its_conflict(
    site: Callable[..., Site],
) -> None:
    host = site(conflict="local", deletes="propagate", trash_keep=BRIEFLY, interval="1h")
    host.write("lost", b"once agreed")
    host.write("deleted", b"deleted here")
    host.once()
    host.write("lost", b"written here, and longer")
    host.put("lost", b"written there")
    host.remove("deleted")
    until(host, lambda: host.aside() == [b"written there"])  # the time of both is over
    with host.daemon():
        eventually(lambda: host.status()["last_success_at"], within=30, what="no pass went through")
        (row,) = json.loads(host.synctl("trash", "list", "--json").out)["rows"]
        (conflict,) = json.loads(host.synctl("conflicts", "--json").out)["rows"]
        assert row["expires"] is None
        assert row["kept"] == f"kept: the only copy of what lost conflict {conflict['id']}"
        assert row["kept"] in host.synctl("trash", "list").out
        assert host.synctl("conflicts", "resolve", conflict["id"], "--keep", "local").code == 0
    until(host, lambda: host.aside() == [])
    assert host.objects() == {"lost": b"written here, and longer"}


def test_the_trash_of_a_lost_database_is_kept_and_can_be_listed_and_restored(site: Callable[..., Site]) -> None:
    host = site(deletes="propagate")
    host.write("a", b"nobody knows why")
    host.once()
    host.delete("a")
    host.once()
    host.lose_database()

    host.keys["trash_keep"] = BRIEFLY
    host.keys["trash_max"] = 1
    assert host.once().code == 0
    assert host.trash() == [b"nobody knows why"]
    with host.daemon():
        (row,) = json.loads(host.synctl("trash", "list", "--json").out)["rows"]
        assert host.synctl("trash", "restore", row["id"], "--to", "back").code == 0
    assert host.tree() == {"back": b"nobody knows why"}


SMALL_DISK = """
import json, os, subprocess, sys
from pathlib import Path
root, syncd = Path(sys.argv[1]), sys.argv[2:]
MIB = 1 << 20

def once():
    subprocess.run(syncd, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

def look():
    seen = os.statvfs(root)
    used = (seen.f_blocks - seen.f_bfree) * seen.f_frsize
    told.append({"here": sorted(p.name for p in root.iterdir() if p.is_file()), "used": used / MIB})

told = []
for number in range(8):
    (root / f"{number}.log").write_bytes(bytes([number]) * MIB)
    os.utime(root / f"{number}.log", (1_600_000_000 + number,) * 2)
once()
look()
while len(told) < 12 and not (told[-1]["used"] <= 5 and told[-1] == told[-2]):
    once()
    look()
print(json.dumps(told))
"""


@pytest.mark.root
def test_a_disk_that_fills_loses_its_oldest_proven_files_until_it_is_below_and_no_more(
    site: Callable[..., Site],
) -> None:
    host = site(mode="upload", cleanup=True, cleanup_after="1h", cleanup_pressure="50%")
    syncd = [sys.executable, "-m", "syncd", "--config", str(host.configured()), "--once"]
    script = 'mount -t tmpfs -o size=10m none "$1" && exec "$2" -c "$3" "$1" "${@:4}"'
    words = [str(host.root), sys.executable, SMALL_DISK, *syncd]
    run = host.run(["unshare", "-m", "bash", "-ec", script, "sh", *words])
    if run.code and "unshare" in run.said:
        missing("local mounts", "no mount namespaces here")
    assert run.code == 0, run.said

    told = json.loads(run.out)
    names = [f"{number}.log" for number in range(8)]
    assert told[0]["here"] == names
    assert told[-1]["here"] == names[-len(told[-1]["here"]) :], "the oldest went"
    assert told[-1]["used"] <= 5 < told[-1]["used"] + 1, "until it was below, and not one more"
    assert told[-2] == told[-1]
    assert sorted(host.objects()) == names


def test_a_kill_between_the_unlink_and_the_entry_leaves_neither_alone_for_good(
    site: Callable[..., Site],
) -> None:
    """The real program dies right after its first unlink; the next run drops the entry."""
    host = site(deletes="propagate")
    host.write("a", b"body")
    host.once()
    host.delete("a")
    host.once()
    host.keys["trash_keep"] = BRIEFLY
    code = (
        "import os, signal, sys\n"
        "from syncd.store.trash import Trash\n"
        "Trash.forget = lambda self, ids: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from syncd.__main__ import main\n"
        "main()\n"
    )
    words = [sys.executable, "-c", code, "--config", str(host.configured()), "--once"]
    eventually(lambda: host.run(words).code == -signal.SIGKILL, within=30, what="it never came to forget an entry")
    assert host.trash() == []
    with host.daemon():
        assert host.synctl("trash", "list").out == "The trash is empty.\n"
    assert host.once().code == 0
