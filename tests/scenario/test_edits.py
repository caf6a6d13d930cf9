"""Edits of files and objects that both sides knew."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from support.processes import eventually
from support.site import AGO, Site


def synced(host: Site, path: str = "a", body: bytes = b"first") -> Site:
    host.write(path, body, mtime=AGO)
    assert host.once().code == 0
    return host


@pytest.mark.parametrize("mode", ["upload", "bidirectional"])
def test_an_edit_here_goes_up_and_carries_its_precondition(site: Callable[..., Site], mode: str) -> None:
    host = synced(site(mode=mode))
    host.write("a", b"second")

    assert host.plan().rules == {"a": "upload.changed"}
    run = host.once()

    assert run.code == 0, run.said
    assert host.objects() == {"a": b"second"}
    assert run.requests == {"LIST": 1, "PUT": 1}
    assert host.once().requests == {"LIST": 1}
    assert not host.aside()


def test_an_edit_of_the_same_size_with_its_old_time_restored_is_seen(site: Callable[..., Site]) -> None:
    host = synced(site(mode="upload"), body=b"first")
    host.write("a", b"FIRST", mtime=AGO)

    host.once()

    assert host.objects() == {"a": b"FIRST"}


def test_a_new_file_moved_over_with_the_same_size_and_time_is_seen(site: Callable[..., Site]) -> None:
    host = synced(site(mode="upload"), body=b"first")
    host.write("b", b"FIRST", mtime=AGO).rename(host.root / "a")

    host.once()

    assert host.objects() == {"a": b"FIRST"}


@pytest.mark.parametrize(
    "change", [lambda path: os.utime(path), lambda path: path.chmod(0o600)], ids=["touch", "chmod"]
)
def test_a_change_of_the_stat_alone_sends_nothing(site: Callable[..., Site], change: Callable[..., None]) -> None:
    host = synced(site(mode="bidirectional"))
    change(host.root / "a")

    for _ in range(2):
        run = host.once()
        assert run.code == 0, run.said
        assert run.requests == {"LIST": 1}


def test_content_that_was_written_anew_here_is_kept_when_the_object_that_replaces_it_comes(
    site: Callable[..., Site],
) -> None:
    host = synced(site(mode="bidirectional"))
    (before,) = host.tree().values()
    host.write("a", before, mtime=AGO + 500)  # somebody went back to what the record holds
    host.put("a", b"second")

    run = host.once()

    assert run.code == 0, run.said
    assert host.tree() == {"a": b"second"}
    assert host.trash() == [before]


def test_an_edit_there_comes_down_and_replaces_the_file(site: Callable[..., Site]) -> None:
    host = synced(site(mode="bidirectional"))
    host.put("a", b"second")

    assert host.plan().rules == {"a": "download.changed"}
    run = host.once()

    assert run.code == 0, run.said
    assert host.tree() == {"a": b"second"}
    assert not run.writes
    assert not host.trash()
    assert host.once().requests == {"LIST": 1}


def test_upload_leaves_an_edit_there_and_does_not_ask_again(site: Callable[..., Site]) -> None:
    host = synced(site(mode="upload"))
    host.put("a", b"theirs")

    assert host.plan().rules == {"a": "superseded"}
    run = host.once()

    assert run.code == 0, run.said
    assert (host.tree(), host.objects()) == ({"a": b"first"}, {"a": b"theirs"})
    assert host.once().requests == {"LIST": 1}


def test_download_leaves_an_edit_here(site: Callable[..., Site]) -> None:
    host = site(mode="download")
    host.put("a", b"first")
    host.once()
    host.write("a", b"mine")

    assert host.plan().rules == {"a": "diverged"}
    for _ in range(2):
        run = host.once()
        assert run.code == 0, run.said
        assert not run.writes
    assert (host.tree(), host.objects()) == ({"a": b"mine"}, {"a": b"first"})


def test_both_sides_edited_alike_are_adopted_in_every_mode(site: Callable[..., Site]) -> None:
    for mode in ("upload", "download", "bidirectional"):
        host = site(mode, mode=mode, prefix=f"{mode}/")
        host.put("a", b"first")
        host.write("a", b"first")
        host.once()
        host.write("a", b"again")
        host.put("a", b"again")

        run = host.once()

        assert run.code == 0, run.said
        assert run.requests["GET"] == 0
        assert not run.writes
        assert host.once().requests == {"LIST": 1}


def test_a_change_that_an_upload_pair_left_comes_down_once_the_pair_works_both_ways(site: Callable[..., Site]) -> None:
    host = synced(site(mode="upload"))
    host.put("a", b"theirs")
    host.once()

    host.keys["mode"] = "bidirectional"
    assert host.once().code == 0

    assert host.tree() == host.objects() == {"a": b"theirs"}


def test_a_change_that_an_upload_pair_left_comes_down_once_the_pair_only_downloads(site: Callable[..., Site]) -> None:
    host = synced(site(mode="upload"))
    host.put("a", b"theirs")
    host.once()

    host.keys["mode"] = "download"
    assert host.once().code == 0

    assert host.tree() == host.objects() == {"a": b"theirs"}


@pytest.mark.parametrize("versioned", [False, True], ids=["plain", "versioned"])
def test_keep_versions_all_keeps_what_an_ordinary_edit_replaces(
    site: Callable[..., Site], bucket: str, versioned_bucket: str, versioned: bool
) -> None:
    where = versioned_bucket if versioned else bucket
    host = synced(site(mode="bidirectional", keep_versions="all", bucket=where), body=b"1")
    host.write("a", b"2")
    host.once()
    host.put("a", b"3")
    host.once()

    assert host.tree() == {"a": b"3"}
    assert host.trash() == [b"2"]
    if versioned:
        assert host.versions("a") == [b"3", b"2", b"1"]
        assert not host.aside()
    else:
        assert host.aside() == [b"1"]


def test_a_file_that_becomes_empty_and_one_that_becomes_full_are_edits(site: Callable[..., Site]) -> None:
    host = synced(site(mode="bidirectional"), body=b"full")
    host.write("b", b"")
    host.once()
    host.write("a", b"")
    host.write("b", b"full")

    host.once()

    assert host.objects() == {"a": b"", "b": b"full"}


def test_a_rename_leaves_one_object_under_the_new_name_where_deletions_propagate(site: Callable[..., Site]) -> None:
    host = synced(site(mode="bidirectional", deletes="propagate", max_delete="0"))
    (host.root / "a").rename(host.root / "b")

    run = host.once()

    assert run.code in {0, 7}, run.said
    assert host.objects()["b"] == b"first"


def test_a_file_that_is_open_for_writing_waits_and_the_others_go(site: Callable[..., Site]) -> None:
    host = site(mode="upload")
    host.write("done", b"done")
    with host.write("open", b"so far").open("ab"):
        run = host.once()
        assert run.code == 5, run.said
        assert host.objects() == {"done": b"done"}
        assert run.report["status"] == "partial"
    assert host.once().code == 0
    assert host.objects() == {"done": b"done", "open": b"so far"}


def test_a_file_that_is_open_for_writing_is_not_replaced_by_a_download(site: Callable[..., Site]) -> None:
    host = synced(site(mode="bidirectional"))
    host.put("a", b"theirs")
    with (host.root / "a").open("ab"):
        run = host.once()
        assert run.code == 5, run.said
        assert host.tree() == {"a": b"first"}
    assert host.once().code == 0
    assert host.tree() == {"a": b"theirs"}


def test_a_file_younger_than_settle_is_waited_for_within_the_run(site: Callable[..., Site]) -> None:
    host = site(mode="upload", settle="300ms")
    host.write("a", b"fresh")

    run = host.once()

    assert run.code == 0, run.said
    assert host.objects() == {"a": b"fresh"}


def test_an_object_that_changes_while_a_large_file_goes_up_in_parts_is_not_overwritten_unseen(
    site: Callable[..., Site],
) -> None:
    host = site(mode="bidirectional", conflict="local", s3={"part_size": "5MiB"})
    host.write("large", b"base", mtime=AGO)
    host.once()
    body = os.urandom(1 << 20) * 70
    host.write("large", body)
    since = host.server.mark()

    def meddle() -> None:
        eventually(lambda: host.server.requests(since)["PART"], within=30, what="a part", every=0.005)
        host.put("large", b"theirs, while ours was on its way")

    with ThreadPoolExecutor(1) as elsewhere:
        meddling = elsewhere.submit(meddle)
        first = host.once()
        meddling.result()
    host.once()

    assert first.requests["PART"] >= 14
    assert host.objects() == {"large": body}
    assert b"theirs, while ours was on its way" in host.aside()
