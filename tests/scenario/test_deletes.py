"""A deletion on one side: kept (it comes back, once), left, or propagated with the displaced bytes kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.site import AGO, Site

BOTH = {"gone": b"gone", "stays": b"stays"}
STAYS = {"stays": b"stays"}


def in_step(host: Site) -> Site:
    """Both sides hold `gone` and `stays`, and the record says so."""
    for path, body in BOTH.items():
        host.write(path, body, mtime=AGO)
        host.put(path, body)
    assert host.once().code == 0
    return host


def deleted_here(host: Site) -> Site:
    in_step(host).remove("gone")
    return host


def deleted_there(host: Site) -> Site:
    in_step(host).delete("gone")
    return host


def still(host: Site) -> None:
    """The next run has nothing to do."""
    run = host.once()
    assert run.code == 0, run.said
    assert not run.writes
    assert run.requests["GET"] == 0


# --- keep ---


@pytest.mark.parametrize("mode", ["bidirectional", "download"])
def test_keep_brings_a_file_deleted_here_back_once(site: Callable[..., Site], mode: str) -> None:
    host = deleted_here(site(mode=mode, deletes="keep"))

    assert host.once().code == 0
    assert host.tree() == BOTH
    host.remove("gone")
    still(host)
    assert (host.tree(), host.objects()) == (STAYS, BOTH)
    still(host)


@pytest.mark.parametrize("mode", ["bidirectional", "upload"])
def test_keep_sends_an_object_deleted_there_up_again_once(site: Callable[..., Site], mode: str) -> None:
    host = deleted_there(site(mode=mode, deletes="keep"))

    assert host.once().code == 0
    assert host.objects() == BOTH
    host.delete("gone")
    still(host)
    assert (host.tree(), host.objects()) == (BOTH, STAYS)
    still(host)


def test_keep_brings_new_content_back_once_more(site: Callable[..., Site]) -> None:
    host = deleted_there(site(mode="bidirectional", deletes="keep"))
    host.once()
    host.write("gone", b"another content")
    host.once()
    host.delete("gone")

    host.once()

    assert host.objects() == {"gone": b"another content", "stays": b"stays"}


def test_keep_in_upload_leaves_the_object_of_a_file_deleted_here(site: Callable[..., Site]) -> None:
    host = deleted_here(site(mode="upload", deletes="keep"))

    still(host)

    assert (host.tree(), host.objects()) == (STAYS, BOTH)


def test_keep_in_download_leaves_the_file_of_an_object_deleted_there(site: Callable[..., Site]) -> None:
    host = deleted_there(site(mode="download", deletes="keep"))

    still(host)

    assert (host.tree(), host.objects()) == (BOTH, STAYS)


# --- leave ---


@pytest.mark.parametrize("mode", ["bidirectional", "upload", "download"])
def test_leave_does_nothing_about_a_file_deleted_here(site: Callable[..., Site], mode: str) -> None:
    host = deleted_here(site(mode=mode, deletes="leave"))

    still(host)
    still(host)

    assert (host.tree(), host.objects()) == (STAYS, BOTH)


@pytest.mark.parametrize("mode", ["bidirectional", "upload", "download"])
def test_leave_does_nothing_about_an_object_deleted_there(site: Callable[..., Site], mode: str) -> None:
    host = deleted_there(site(mode=mode, deletes="leave"))

    still(host)
    still(host)

    assert (host.tree(), host.objects()) == (BOTH, STAYS)


def test_what_is_created_after_a_remembered_absence_is_a_creation(site: Callable[..., Site]) -> None:
    here, there = site("here", mode="bidirectional", deletes="leave", prefix="1/"), None
    deleted_here(here).once()
    here.put("gone", b"new there")
    here.once()
    assert here.tree() == here.objects() == {"gone": b"new there", "stays": b"stays"}

    there = site("there", mode="bidirectional", deletes="leave", prefix="2/")
    deleted_there(there).once()
    there.write("gone", b"new here")
    there.once()
    assert there.tree() == there.objects() == {"gone": b"new here", "stays": b"stays"}


# --- propagate ---


@pytest.mark.parametrize("mode", ["bidirectional", "upload"])
def test_propagate_deletes_the_object_of_a_file_deleted_here_and_keeps_its_bytes_aside(
    site: Callable[..., Site], mode: str
) -> None:
    host = deleted_here(site(mode=mode, deletes="propagate"))

    run = host.once()

    assert run.code == 0, run.said
    assert [kind for kind, _ in run.writes] == ["COPY", "DELETE"]
    assert host.tree() == host.objects() == STAYS
    assert host.aside() == [b"gone"]
    still(host)


@pytest.mark.parametrize("mode", ["bidirectional", "download"])
def test_propagate_moves_the_file_of_an_object_deleted_there_to_the_trash(site: Callable[..., Site], mode: str) -> None:
    host = deleted_there(site(mode=mode, deletes="propagate"))

    run = host.once()

    assert run.code == 0, run.said
    assert not run.writes
    assert host.tree() == host.objects() == STAYS
    assert host.trash() == [b"gone"]
    still(host)


def test_propagate_on_a_versioned_bucket_leaves_the_version(site: Callable[..., Site], versioned_bucket: str) -> None:
    host = deleted_here(site(mode="upload", deletes="propagate", bucket=versioned_bucket))

    assert host.once().code == 0

    assert host.objects() == STAYS
    assert host.versions("gone") == [b"gone"]
    assert not host.aside()


def test_propagate_in_download_restores_a_file_deleted_here_each_time(site: Callable[..., Site]) -> None:
    host = deleted_here(site(mode="download", deletes="propagate"))

    for _ in range(2):
        assert host.once().code == 0
        assert host.tree() == BOTH
        host.remove("gone")


def test_propagate_in_upload_does_nothing_about_an_object_deleted_there(site: Callable[..., Site]) -> None:
    host = deleted_there(site(mode="upload", deletes="propagate"))

    still(host)

    assert (host.tree(), host.objects()) == (BOTH, STAYS)


# --- in every policy ---


@pytest.mark.parametrize("deletes", ["keep", "leave", "propagate"])
def test_a_deletion_here_never_beats_an_edit_there(site: Callable[..., Site], deletes: str) -> None:
    host = deleted_here(site(mode="bidirectional", deletes=deletes))
    host.put("gone", b"edited there")

    assert host.once().code == 0

    assert host.tree() == host.objects() == {"gone": b"edited there", "stays": b"stays"}


@pytest.mark.parametrize("deletes", ["keep", "propagate"])
def test_a_deletion_there_never_beats_an_edit_here(site: Callable[..., Site], deletes: str) -> None:
    host = deleted_there(site(mode="bidirectional", deletes=deletes))
    host.write("gone", b"edited here")

    assert host.once().code == 0

    assert host.tree() == host.objects() == {"gone": b"edited here", "stays": b"stays"}
    assert not host.trash()


def test_a_file_deleted_here_and_edited_there_is_forgotten_by_upload(site: Callable[..., Site]) -> None:
    host = deleted_here(site(mode="upload", deletes="propagate"))
    host.put("gone", b"edited there")

    still(host)

    assert host.objects() == {"gone": b"edited there", "stays": b"stays"}


def test_an_edit_here_of_what_is_gone_there_is_left_by_download(site: Callable[..., Site]) -> None:
    host = deleted_there(site(mode="download", deletes="propagate"))
    host.write("gone", b"edited here")

    still(host)

    assert host.tree() == {"gone": b"edited here", "stays": b"stays"}
    assert not host.trash()


def test_what_is_gone_on_both_sides_is_forgotten(site: Callable[..., Site]) -> None:
    host = deleted_here(site(mode="bidirectional", deletes="keep"))
    host.delete("gone")

    still(host)
    host.write("gone", b"gone", mtime=AGO)  # the same content again is a creation, not a restored file
    host.once()

    assert host.tree() == host.objects() == BOTH


def test_a_filtered_path_is_never_deleted_on_either_side(site: Callable[..., Site]) -> None:
    host = in_step(site(mode="bidirectional", deletes="propagate"))
    host.keys["exclude"] = ["gone"]
    host.remove("gone")
    still(host)
    assert host.objects() == BOTH
    host.write("gone", b"gone", mtime=AGO)
    host.delete("gone")
    still(host)

    assert host.tree() == BOTH


def test_a_folder_deleted_here_goes_whole(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional", deletes="propagate")
    for number in range(5):
        host.write(f"folder/{number}", b"%d" % number)
    host.write("other", b"other")
    host.once()
    host.remove(*(f"folder/{number}" for number in range(5)))
    (host.root / "folder").rmdir()

    host.once()

    assert host.objects() == {"other": b"other"}
    assert len(host.aside()) == 5


def test_a_file_in_the_place_of_a_folder_and_a_folder_in_the_place_of_a_file_are_synced(
    site: Callable[..., Site],
) -> None:
    host = site(mode="bidirectional", deletes="propagate")
    host.write("folder/in", b"in")
    host.write("file", b"file")
    host.once()
    host.remove("folder/in", "file")
    (host.root / "folder").rmdir()
    host.write("folder", b"now a file")
    host.write("file/in", b"now a folder")

    assert host.once().code == 0

    assert host.tree() == host.objects() == {"folder": b"now a file", "file/in": b"now a folder"}
    still(host)
