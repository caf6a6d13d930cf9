"""The database is gone, or from the past: both sides are united, and nothing is deleted or sent twice."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.site import AGO, Site

FILES = {"a": b"first", "b": b"second", "deep/c": b""}


def filled(host: Site) -> Site:
    for path, body in FILES.items():
        host.write(path, body, mtime=AGO)
    assert host.once().code == 0
    return host


@pytest.mark.parametrize("mode", ["upload", "bidirectional"])
def test_a_lost_database_costs_no_transfer_of_equal_files(site: Callable[..., Site], mode: str) -> None:
    host = filled(site(mode=mode, deletes="propagate"))
    host.lose_database()

    run = host.once()

    assert run.code == 0, run.said
    assert not run.writes
    assert run.requests["HEAD"] <= 8  # one a file, and the probe's
    assert host.tree() == host.objects() == FILES
    assert host.once().requests == {"LIST": 1}


def test_a_lost_database_deletes_nothing_and_brings_back_what_only_one_side_has(site: Callable[..., Site]) -> None:
    host = filled(site(mode="bidirectional", deletes="propagate"))
    host.remove("a")
    host.delete("b")
    host.lose_database()

    run = host.once()

    assert run.code == 0, run.said
    assert host.tree() == host.objects() == FILES
    assert not host.trash()


def test_a_lost_database_after_an_edit_is_a_conflict_that_loses_nothing(site: Callable[..., Site]) -> None:
    host = filled(site(mode="bidirectional", conflict="newer"))
    host.write("a", b"edited here", mtime=AGO + 100)
    host.lose_database()

    host.once()

    assert host.objects()["a"] == b"edited here"
    assert host.aside() == [b"first"]


def test_a_database_restored_from_before_a_deletion_deletes_nothing(site: Callable[..., Site]) -> None:
    host = filled(site(mode="bidirectional", deletes="propagate"))
    old = host.copy_database()
    host.remove("a")
    host.once()
    assert "a" not in host.objects()
    host.write("a", b"first", mtime=AGO)  # made again, and sent
    host.once()
    assert "a" in host.objects()
    host.remove("b")  # now the old record would call this one a deletion
    host.restore_database(old)

    run = host.once()

    assert run.code == 0, run.said
    assert "older" in run.said
    assert host.tree() == host.objects() == FILES
    assert [kind for kind, _ in run.writes] == []


def test_a_database_restored_from_before_new_files_keeps_them(site: Callable[..., Site]) -> None:
    host = filled(site(mode="bidirectional", deletes="propagate"))
    old = host.copy_database()
    host.write("new", b"new")
    host.write("a", b"edited")
    host.put("theirs", b"theirs")
    host.once()
    host.remove("new")
    host.restore_database(old)

    run = host.once()

    assert run.code == 0, run.said
    assert host.tree() == host.objects() == {**FILES, "a": b"edited", "new": b"new", "theirs": b"theirs"}


def test_a_database_restored_from_before_a_cleaning_does_not_call_the_files_deleted(
    site: Callable[..., Site],
) -> None:
    host = site(mode="bidirectional", deletes="propagate", cleanup=True)
    host.write("a", b"first", mtime=AGO)
    host.once()
    old = host.copy_database()
    for _ in range(3):
        host.once()
    assert host.tree() == {}
    host.restore_database(old)

    for _ in range(2):
        run = host.once()
        assert run.code == 0, run.said

    assert host.objects() == {"a": b"first"}
    assert host.tree() == {}


@pytest.mark.parametrize("change", ["bucket", "prefix"])
def test_another_remote_starts_with_a_union(site: Callable[..., Site], versioned_bucket: str, change: str) -> None:
    host = filled(site(mode="bidirectional", deletes="propagate"))
    setattr(host, change, versioned_bucket if change == "bucket" else "elsewhere/")
    host.put("theirs", b"theirs")

    run = host.once()

    assert run.code == 0, run.said
    assert host.tree() == host.objects() == {**FILES, "theirs": b"theirs"}


def test_a_copy_of_a_root_with_its_marker_on_another_state_folder_is_united(site: Callable[..., Site]) -> None:
    import shutil

    host, copy = filled(site("host", mode="bidirectional")), site("copy", mode="bidirectional", deletes="propagate")
    shutil.rmtree(copy.root)
    shutil.copytree(host.root, copy.root)
    copy.remove("a")

    run = copy.once()

    assert run.code == 0, run.said
    assert copy.tree() == copy.objects() == FILES


def test_a_database_of_junk_is_refused_and_touches_nothing(site: Callable[..., Site]) -> None:
    host = filled(site(mode="bidirectional", deletes="propagate"))
    (host.state / "syncd.db").write_bytes(b"this is no database" * 1000)
    for more in host.state.glob("syncd.db-*"):
        more.unlink()

    run = host.once()

    assert run.code == 1, run.said
    assert not run.log
    assert "database" in run.said
