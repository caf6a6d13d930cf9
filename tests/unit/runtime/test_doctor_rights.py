"""What the doctor says of files of other owners, of room and of the watchdog: on real files, without capabilities."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from support.anybody import said_by_anybody
from syncd.runtime.check_host import space_finding, watchdog_findings

ALICE, BOB = 40001, 40002

LOOK = """
import json, sys
from pathlib import Path
from syncd.config.types import S3, Pair
from syncd.core.model import Mode
from syncd.lifecycle.clock import SystemClock
from syncd.runtime.check_root import root_findings, survey
root, mode, cleanup = Path(sys.argv[1]), Mode(sys.argv[2]), sys.argv[3] == "cleanup"
pair = Pair(name="logs", local=root, bucket="b", prefix="", s3=S3(), mode=mode, cleanup=cleanup)
rows = [finding.row for finding in root_findings(pair, survey(root, SystemClock()))]
print(json.dumps([row for row in rows if row["check"] == "logs files"]))
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a file of two owners, each readable by everybody."""
    for folder in (*tmp_path.parents, tmp_path):
        if folder.stat().st_uid == os.geteuid():
            folder.chmod(folder.stat().st_mode | 0o055)
    root = tmp_path / "hot"
    for name, owner in (("alice", ALICE), ("bob", BOB)):
        (root / name).mkdir(parents=True)
        (root / name / "a.log").write_bytes(b"x")
        (root / name / "a.log").chmod(0o644)
        os.chown(root / name / "a.log", owner, owner)
    return root


def rows(root: Path, mode: str = "upload", cleanup: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(said_by_anybody(LOOK, root, mode, cleanup))
    return found


@pytest.mark.root
def test_files_of_every_owner_that_may_be_read_are_one_line(root: Path) -> None:
    (row,) = rows(root)
    assert (row["level"], row["class"]) == ("ok", "install")
    assert str(ALICE) in row["message"]
    assert str(BOB) in row["message"]


@pytest.mark.root
def test_an_owner_whose_files_may_not_be_read_is_named_with_the_file_and_a_command(root: Path) -> None:
    (root / "bob" / "a.log").chmod(0o600)
    (row,) = rows(root)
    assert row["level"] == "fail"
    assert str(root / "bob" / "a.log") in row["message"]
    assert f"owner {BOB}, mode 0600" in row["message"]
    assert row["remedy"].startswith("sudo setfacl -R -m u:root:rX,d:u:root:rX /")
    assert row["remedy"].endswith(str(root))


@pytest.mark.root
def test_one_unreadable_file_is_found_beside_a_readable_one_of_the_same_owner(root: Path) -> None:
    (root / "alice" / "b.log").write_bytes(b"y")
    os.chown(root / "alice" / "b.log", ALICE, ALICE)
    (root / "alice" / "b.log").chmod(0o600)
    (row,) = rows(root)
    assert "b.log" in row["message"]


@pytest.mark.root
@pytest.mark.parametrize(
    ("mode", "cleanup", "level"), [("upload", "", "ok"), ("upload", "cleanup", "fail"), ("bidirectional", "", "fail")]
)
def test_a_folder_that_lets_nothing_out_counts_where_files_must_go(
    root: Path, mode: str, cleanup: str, level: str
) -> None:
    os.chown(root / "bob", BOB, BOB)
    (root / "bob").chmod(0o755)
    (row,) = rows(root, mode, cleanup)
    assert row["level"] == level
    if level == "fail":
        assert f"may not move {root / 'bob' / 'a.log'}" in row["message"]
        assert "rwX" in row["remedy"]


@pytest.mark.root
def test_a_sticky_folder_is_named_with_the_command_that_ends_it(root: Path) -> None:
    os.chown(root / "bob", BOB, BOB)
    (root / "bob").chmod(0o1777)
    os.chown(root / "bob" / "a.log", ALICE, ALICE)
    (row,) = rows(root, "upload", "cleanup")
    assert "is sticky" in row["message"]
    assert row["remedy"] == f"sudo chmod -t {root / 'bob'}"


def test_room_counts_in_inodes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(tmp_path)

    def about(files: int, left: int) -> None:
        fields = {name: getattr(real, name) for name in dir(real) if name.startswith("f_")}
        shown = type("Statvfs", (), {**fields, "f_bavail": 10**9, "f_frsize": 4096, "f_files": files, "f_favail": left})
        monkeypatch.setattr(os, "statvfs", lambda _: shown)

    about(10**6, 10**6)
    assert space_finding("x", tmp_path).level == "ok"
    about(10**6, 5_000)
    assert (space_finding("x", tmp_path).level, space_finding("x", tmp_path).remedy) == ("warn", f"df -i {tmp_path}")
    about(10**6, 5)
    assert space_finding("x", tmp_path).level == "fail"
    about(0, 0)  # a file system that makes inodes as it needs them
    assert space_finding("x", tmp_path).level == "ok"


@pytest.mark.parametrize(
    ("environ", "levels"),
    [
        ({}, []),
        ({"INVOCATION_ID": "x"}, ["warn"]),
        ({"INVOCATION_ID": "x", "NOTIFY_SOCKET": "/n"}, ["warn"]),
        ({"INVOCATION_ID": "x", "NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "60000000"}, ["ok"]),
    ],
)
def test_a_unit_without_a_watchdog_is_a_warning(environ: dict[str, str], levels: list[str]) -> None:
    assert [finding.level for finding in watchdog_findings(environ)] == levels
