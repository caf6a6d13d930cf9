"""Local roots that are missing, no folders, not ours to read or write, or one inside the other."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from support.anybody import as_anybody
from support.daemon_process import Host, objects
from support.moto import MotoServer
from support.processes import eventually

MakeHost = Callable[..., Host]


def other_pair(host: Host, bucket: str) -> None:
    """A second, healthy pair with one file."""
    root = host.folder / "other"
    root.mkdir()
    (root / "b.gz").write_bytes(b"b")
    host.configure(more=f'[[pair]]\nname = "other"\nlocal = "{root}"\nremote = "s3://{bucket}/other/"\nmode = "upload"')


def test_a_missing_root_halts_its_pair_and_the_other_one_moves(
    s3: MotoServer, bucket: str, make_host: MakeHost
) -> None:
    host = make_host(s3.endpoint)
    host.root.rmdir()
    other_pair(host, bucket)
    answer = host.once()
    assert answer.code == 7
    assert f"the root {host.root} is missing" in answer.err
    assert "mount it or create it; nothing is deleted meanwhile" in answer.err
    assert objects(s3, bucket, "other/") == {"b.gz": b"b"}
    assert not host.root.exists()


def test_a_root_that_is_a_file_halts_its_pair(s3: MotoServer, make_host: MakeHost) -> None:
    host = make_host(s3.endpoint)
    host.root.rmdir()
    host.root.write_bytes(b"mine")
    answer = host.once()
    assert answer.code == 7
    assert "is not a folder" in answer.err
    assert "point `local` at a folder" in answer.err
    assert host.root.read_bytes() == b"mine"


def test_a_root_that_may_not_be_read_halts_its_pair(s3: MotoServer, bucket: str, make_host: MakeHost) -> None:
    host = make_host(s3.endpoint)
    host.write("a.gz", b"a")
    other_pair(host, bucket)
    host.root.chmod(0)
    try:
        answer = host.once(before=as_anybody())
    finally:
        host.root.chmod(0o755)
    assert answer.code == 7
    assert "may not be read" in answer.err
    assert "let the daemon's user read and enter the folder" in answer.err
    assert objects(s3, bucket, "other/") == {"b.gz": b"b"}


def test_a_root_that_may_not_be_written_goes_up_and_is_refused_where_we_would_have_to_write(
    s3: MotoServer, bucket: str, make_host: MakeHost
) -> None:
    host = make_host(s3.endpoint)
    host.write("a.gz", b"a")
    host.root.chmod(0o555)
    try:
        assert host.once(before=as_anybody()).code == 0
        again = host.once(before=as_anybody())
        host.configure(mode="bidirectional")
        refused = host.once(before=as_anybody())
    finally:
        host.root.chmod(0o755)
    assert again.code == 0
    assert objects(s3, bucket) == {"a.gz": b"a"}
    assert sorted(os.listdir(host.root)) == ["a.gz"]
    assert refused.code == 7
    assert "cannot be written, and this pair writes there" in refused.err
    assert "give the daemon's user the right to write" in refused.err


def test_files_and_folders_that_may_not_be_read_are_named_and_the_rest_goes_up(
    s3: MotoServer, bucket: str, make_host: MakeHost
) -> None:
    host = make_host(s3.endpoint, pair='deletes = "propagate"')
    for name in ("a.gz", "closed/b.gz", "secret.gz", "z.gz"):
        host.write(name, name.encode())
    assert host.once().code == 0
    host.write("more.gz", b"more")
    secret = host.write("secret.gz", b"changed")
    secret.chmod(0)
    (host.root / "closed").chmod(0)
    try:
        answer = host.once(before=as_anybody())
    finally:
        (host.root / "closed").chmod(0o755)
        secret.chmod(0o644)
    assert answer.code == 4, answer.said
    assert "secret.gz" in answer.err
    assert "closed" in answer.err
    assert "permission denied" in answer.err
    assert "let the daemon's user read" in answer.err
    assert objects(s3, bucket) == {
        "a.gz": b"a.gz",
        "closed/b.gz": b"closed/b.gz",
        "secret.gz": b"secret.gz",
        "z.gz": b"z.gz",
        "more.gz": b"more",
    }
    assert host.once().code == 0
    assert objects(s3, bucket)["secret.gz"] == b"changed"


def test_roots_one_inside_the_other_are_refused_with_both_names(make_host: MakeHost, s3: MotoServer) -> None:
    host = make_host(s3.endpoint)
    host.configure(more=f'[[pair]]\nname = "in"\nlocal = "{host.root}/sub"\nremote = "s3://elsewhere/q/"')
    answer = host.once()
    assert answer.code == 78
    assert f"{host.root}/sub lies inside {host.root}" in answer.err
    assert "local roots must be apart" in answer.err


def test_a_root_that_holds_the_state_folder_is_refused(make_host: MakeHost, s3: MotoServer) -> None:
    host = make_host(s3.endpoint)
    host.state = host.root / "state"
    host.configure()
    answer = host.once()
    assert answer.code == 78
    assert "daemon.state_dir" in answer.err
    assert "keep the state folder out of local roots" in answer.err
    assert not host.state.exists()


def test_a_root_that_goes_away_under_a_running_daemon_deletes_nothing_and_is_taken_up_when_it_is_back(
    s3: MotoServer, bucket: str, make_host: MakeHost
) -> None:
    host = make_host(s3.endpoint, mode="bidirectional", pair='interval = "1s"\ndeletes = "propagate"\nsettle = "100ms"')
    files = {f"{n}.gz": b"%d" % n for n in range(5)}
    for name, body in files.items():
        host.write(name, body)
    host.start()
    eventually(lambda: objects(s3, bucket) == files, within=20, what=host.log.read_text)
    away = host.folder / "away"
    host.root.rename(away)
    row = host.until("halted")
    assert "is missing" in row["last_error"]
    assert host.ctl("status").code == 7
    host.root.mkdir()  # the mount point alone: it looks as if all were deleted
    host.ctl("force-sync")
    eventually(lambda: "not the root" in (host.pair()["last_error"] or ""), within=20, what=lambda: str(host.pair()))
    assert objects(s3, bucket) == files
    shutil.rmtree(host.root)
    away.rename(host.root)
    host.ctl("force-sync")
    host.until("idle", within=30)
    (host.root / "new.gz").write_bytes(b"new")
    eventually(lambda: objects(s3, bucket) == {**files, "new.gz": b"new"}, within=20, what=host.log.read_text)
    assert {name: (host.root / name).read_bytes() for name in files} == files
    assert not host.events("worker.crashed")
    assert host.stop() == 0


def test_a_folder_of_the_state_that_cannot_be_made_is_refused(
    make_host: MakeHost, s3: MotoServer, tmp_path: Path
) -> None:
    host = make_host(s3.endpoint)
    (tmp_path / "file").write_bytes(b"")
    answer = host.once("--state-dir", tmp_path / "file" / "state")
    assert answer.code == 78
    assert "cannot be made" in answer.err
    assert "--state-dir DIR" in answer.err
