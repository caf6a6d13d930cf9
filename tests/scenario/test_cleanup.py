"""cleanup: a local file goes only once S3 is proven to hold it, a cycle later, and nothing else is ever removed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.site import AGO, Site


def cleaning(site: Callable[..., Site], name: str = "host", **keys: object) -> Site:
    return site(name, **{"mode": "upload", "cleanup": True, **keys})


def until_staged(host: Site) -> None:
    """`a` is proven and lies in the staging."""
    for _ in range(3):
        assert host.once().code == 0
        if host.staged():
            return
    raise AssertionError("never staged")


def until_cleaned(host: Site) -> None:
    """`a` is gone, as intended."""
    until_staged(host)
    assert host.once().code == 0
    assert not host.staged()
    assert host.tree() == {}


@contextmanager
def held_open(path: Path) -> Iterator[None]:
    """Another process has the file open for reading."""
    child = subprocess.Popen(
        [sys.executable, "-c", "import sys; f = open(sys.argv[1], 'rb'); print(flush=True); sys.stdin.read()", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    try:
        child.stdout.readline()
        yield
    finally:
        child.communicate()


@pytest.mark.parametrize("mode", ["upload", "bidirectional"])
def test_a_file_is_removed_a_cycle_after_it_was_proven_and_its_object_stays(
    site: Callable[..., Site], mode: str
) -> None:
    host = cleaning(site, mode=mode)
    host.write("a", b"body", mtime=AGO)

    assert host.once().code == 0
    assert [*host.tree().values(), *host.staged()] == [b"body"]  # not within the run that sent it
    until_cleaned(host)

    assert host.objects() == {"a": b"body"}
    for _ in range(2):
        run = host.once()
        assert run.requests == {"LIST": 1}
        assert host.tree() == {}


def test_a_large_file_without_an_md5_is_read_back_before_it_goes(site: Callable[..., Site]) -> None:
    host = cleaning(site)
    host.write("a", os.urandom(300_000), mtime=AGO)
    reads = 0
    for _ in range(3):
        reads += host.once().requests["GET"]

    assert host.tree() == {}
    assert not host.staged()
    assert reads >= 1


def test_an_object_that_is_not_ours_any_more_keeps_the_file(site: Callable[..., Site]) -> None:
    host = cleaning(site)
    host.write("a", b"body", mtime=AGO)
    host.once()
    host.put("a", b"BODY", Metadata=host.metadata("a"))

    for _ in range(3):
        host.once()

    assert host.tree() == {"a": b"body"}
    assert host.objects() == {"a": b"BODY"}


def test_a_staged_file_comes_back_and_goes_up_again_when_its_object_vanished(site: Callable[..., Site]) -> None:
    host = cleaning(site)
    host.write("a", b"body", mtime=AGO)
    until_staged(host)
    host.delete("a")

    host.once()
    host.once()

    assert host.objects() == {"a": b"body"}
    assert [*host.tree().values(), *host.staged(), *host.objects().values()].count(b"body") >= 1


@pytest.mark.parametrize("mode", ["upload", "bidirectional"])
def test_a_staged_file_comes_back_when_its_object_changed(site: Callable[..., Site], mode: str) -> None:
    host = cleaning(site, mode=mode)
    host.write("a", b"body", mtime=AGO)
    until_staged(host)
    host.put("a", b"theirs")

    for _ in range(3):
        host.once()

    assert not host.staged()
    assert host.objects() == {"a": b"theirs"}
    assert host.tree() == {"a": b"body" if mode == "upload" else b"theirs"}


def test_a_file_made_anew_while_the_old_one_is_staged_loses_neither(site: Callable[..., Site]) -> None:
    host = cleaning(site)
    host.write("a", b"body", mtime=AGO)
    until_staged(host)
    host.write("a", b"brand new")

    for _ in range(5):
        assert host.once().code == 0

    assert host.objects() == {"a": b"brand new"}
    assert host.aside() == [b"body"]
    assert host.tree() == {}


def test_a_file_made_anew_while_the_object_of_the_staged_one_is_gone_loses_neither(
    site: Callable[..., Site],
) -> None:
    host = cleaning(site)
    host.write("a", b"body", mtime=AGO)
    until_staged(host)
    host.write("a", b"brand new")
    host.delete("a")

    for _ in range(3):
        host.once()

    assert {b"body", b"brand new"} <= {*host.tree().values(), *host.objects().values(), *host.trash(), *host.staged()}


def test_new_content_under_a_cleaned_name_keeps_the_object_aside(site: Callable[..., Site]) -> None:
    host = cleaning(site)
    host.write("a", b"body", mtime=AGO)
    until_cleaned(host)
    host.write("a", b"brand new")

    assert host.once().code == 0

    assert host.objects() == {"a": b"brand new"}
    assert host.aside() == [b"body"]


def test_the_same_content_under_a_cleaned_name_stays(site: Callable[..., Site]) -> None:
    host = cleaning(site)
    host.write("a", b"body", mtime=AGO)
    until_cleaned(host)
    host.write("a", b"body")

    for _ in range(3):
        run = host.once()
        assert run.code == 0, run.said
        assert not run.writes

    assert host.tree() == {"a": b"body"}


def test_what_was_downloaded_is_never_cleaned(site: Callable[..., Site]) -> None:
    host = cleaning(site, mode="bidirectional")
    host.put("a", b"theirs")

    for _ in range(3):
        assert host.once().code == 0

    assert host.tree() == {"a": b"theirs"}
    assert not host.staged()


def test_what_both_sides_had_already_is_never_cleaned(site: Callable[..., Site]) -> None:
    host = cleaning(site)
    host.put("a", b"same")
    host.write("a", b"same", mtime=AGO)

    for _ in range(3):
        assert host.once().code == 0

    assert host.tree() == {"a": b"same"}


def test_an_edit_there_of_a_cleaned_file_comes_down_and_stays(site: Callable[..., Site]) -> None:
    host = cleaning(site, mode="bidirectional")
    host.write("a", b"body", mtime=AGO)
    until_cleaned(host)
    host.put("a", b"edited there")

    for _ in range(3):
        assert host.once().code == 0

    assert host.tree() == host.objects() == {"a": b"edited there"}


def test_upload_leaves_an_edit_there_of_a_cleaned_file(site: Callable[..., Site]) -> None:
    host = cleaning(site)
    host.write("a", b"body", mtime=AGO)
    until_cleaned(host)
    host.put("a", b"edited there")

    run = host.once()

    assert run.code == 0, run.said
    assert (host.tree(), host.objects()) == ({}, {"a": b"edited there"})


@pytest.mark.parametrize("deletes", ["keep", "propagate"])
def test_a_cleaned_file_is_no_deletion(site: Callable[..., Site], deletes: str) -> None:
    host = cleaning(site, mode="bidirectional", deletes=deletes)
    host.write("a", b"body", mtime=AGO)
    until_cleaned(host)

    host.keys["cleanup"] = False
    run = host.once()

    assert run.code == 0, run.said
    assert host.objects() == {"a": b"body"}
    assert not run.writes


def test_the_last_copy_deleted_there_is_warned_of(site: Callable[..., Site]) -> None:
    host = cleaning(site)
    host.write("a", b"body", mtime=AGO)
    until_cleaned(host)
    host.delete("a")

    run = host.once()

    assert run.code == 0, run.said
    assert "last" in run.said
    assert "a" not in host.tree()


def test_with_the_record_lost_an_object_of_this_host_counts_as_cleaned(site: Callable[..., Site]) -> None:
    host = cleaning(site, mode="bidirectional", deletes="propagate")
    host.write("a", b"body", mtime=AGO)
    until_cleaned(host)
    host.put("theirs", b"theirs")
    host.lose_database()

    for _ in range(2):
        run = host.once()
        assert run.code == 0, run.said

    assert host.tree() == {"theirs": b"theirs"}
    assert host.objects() == {"a": b"body", "theirs": b"theirs"}


def test_with_the_record_lost_a_staged_file_is_not_lost(site: Callable[..., Site]) -> None:
    host = cleaning(site, mode="bidirectional")
    host.write("a", b"body", mtime=AGO)
    until_staged(host)
    host.lose_database()
    host.delete("a")

    for _ in range(3):
        host.once()

    assert b"body" in [*host.tree().values(), *host.staged(), *host.trash(), *host.objects().values()]


def test_a_file_that_another_process_reads_is_not_cleaned(site: Callable[..., Site]) -> None:
    host = cleaning(site)
    path = host.write("a", b"body", mtime=AGO)
    with held_open(path):
        for _ in range(2):
            host.once()
        assert host.tree() == {"a": b"body"}

    until_cleaned(host)


def test_a_staged_file_that_another_process_reads_is_not_unlinked(site: Callable[..., Site]) -> None:
    host = cleaning(site)
    host.write("a", b"body", mtime=AGO)
    until_staged(host)
    (staged,) = (path for path in (host.root / ".syncd" / "cleaning").rglob("*") if path.is_file())
    with held_open(staged):
        host.once()
        assert host.staged() == [b"body"]

    assert host.once().code == 0
    assert not host.staged()


def test_cleanup_switched_off_while_a_file_is_staged_does_not_lose_it(site: Callable[..., Site]) -> None:
    host = cleaning(site)
    host.write("a", b"body", mtime=AGO)
    until_staged(host)
    host.keys["cleanup"] = False

    for _ in range(2):
        host.once()

    assert host.objects() == {"a": b"body"}


def test_cleanup_with_download_is_a_configuration_error(site: Callable[..., Site]) -> None:
    host = cleaning(site, mode="download")

    run = host.once()

    assert run.code == 78
    assert "cleanup" in run.said
    assert not run.log
