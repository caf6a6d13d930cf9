"""Both sides changed: who wins by which policy in which mode, and where the loser is found."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from support.site import AGO, Site

BASE, HERE, THERE = b"base", b"edited here", b"edited there!"
FAR_FUTURE = 4_000_000_000


def conflicting(host: Site, *, base: bool, mtime: float = AGO) -> Site:
    """Leave other content on each side of `notes.log`; with a base that both once agreed on, or without."""
    if base:
        host.write("notes.log", BASE, mtime=AGO - 100)
        host.put("notes.log", BASE)
        assert host.once().code == 0
    host.write("notes.log", HERE, mtime=mtime)
    host.put("notes.log", THERE)
    return host


def copy_name(body: bytes) -> str:
    return f"notes.conflict-{hashlib.sha256(body).hexdigest()[:12]}.log"


@pytest.mark.parametrize(("policy", "base"), [("local", True), ("newer", False)])
def test_both_ways_local_wins_and_the_object_is_kept_aside(site: Callable[..., Site], policy: str, base: bool) -> None:
    host = conflicting(site(mode="bidirectional", conflict=policy), base=base)
    if policy == "newer":
        host.put("notes.log", THERE, Metadata={"mtime": str(AGO - 5)})

    run = host.once()

    assert run.code == 4, run.said
    assert host.tree() == host.objects() == {"notes.log": HERE}
    assert host.aside() == [THERE]
    assert [kind for kind, _ in run.writes] == ["COPY", "PUT"]
    assert host.once().requests == {"LIST": 1}


@pytest.mark.parametrize(("policy", "base"), [("remote", True), ("newer", False)])
def test_both_ways_remote_wins_and_the_file_is_in_the_trash(site: Callable[..., Site], policy: str, base: bool) -> None:
    host = conflicting(site(mode="bidirectional", conflict=policy), base=base)

    run = host.once()

    assert run.code == 4, run.said
    assert host.tree() == host.objects() == {"notes.log": THERE}
    assert host.trash() == [HERE]
    assert not run.writes
    assert host.once().requests == {"LIST": 1}


@pytest.mark.parametrize("base", [True, False], ids=["edited", "met"])
def test_both_ways_keep_both_gives_the_file_a_conflict_name_that_is_synced(
    site: Callable[..., Site], base: bool
) -> None:
    host = conflicting(site(mode="bidirectional", conflict="keep-both"), base=base)

    assert host.once().code == 4
    assert host.once().code == 0

    assert host.tree() == host.objects() == {"notes.log": THERE, copy_name(HERE): HERE}
    assert host.once().requests == {"LIST": 1}


def test_a_local_file_from_the_future_does_not_win_by_that(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional", conflict="newer")
    conflicting(host, base=True, mtime=FAR_FUTURE)
    host.put("notes.log", THERE, Metadata={"mtime": str(FAR_FUTURE + 1)})

    host.once()

    # both clamp to about now; whoever wins, the loser is kept
    assert host.tree() == host.objects()
    assert sorted([*host.tree().values(), *host.trash(), *host.aside()]) == sorted([HERE, THERE])


def test_on_a_versioned_bucket_the_loser_is_the_previous_version(
    site: Callable[..., Site], versioned_bucket: str
) -> None:
    host = conflicting(site(mode="bidirectional", conflict="local", bucket=versioned_bucket), base=True)

    run = host.once()

    assert run.code == 4, run.said
    assert host.versions("notes.log") == [HERE, THERE, BASE]
    assert not host.aside()


def test_with_suspended_versions_the_loser_is_copied_aside(site: Callable[..., Site], versioned_bucket: str) -> None:
    host = site(mode="bidirectional", conflict="local", bucket=versioned_bucket)
    host.client.put_bucket_versioning(Bucket=versioned_bucket, VersioningConfiguration={"Status": "Suspended"})
    conflicting(host, base=True)

    host.once()

    assert host.aside() == [THERE]


# --- upload ---


@pytest.mark.parametrize("policy", ["local", "newer"])
def test_upload_local_wins_and_the_object_is_kept_aside(site: Callable[..., Site], policy: str) -> None:
    host = conflicting(site(mode="upload", conflict=policy), base=True)
    if policy == "newer":
        host.put("notes.log", THERE, Metadata={"mtime": str(AGO - 5)})

    assert host.once().code == 4

    assert host.objects() == host.tree() == {"notes.log": HERE}
    assert host.aside() == [THERE]
    assert host.once().requests == {"LIST": 1}


@pytest.mark.parametrize(("policy", "base"), [("remote", True), ("keep-both", False), ("newer", True)])
def test_upload_leaves_the_winning_object_and_stores_its_own_bytes_beside_it(
    site: Callable[..., Site], policy: str, base: bool
) -> None:
    host = conflicting(site(mode="upload", conflict=policy), base=base)

    assert host.once().code == 4

    assert host.objects() == {"notes.log": THERE, copy_name(HERE): HERE}
    assert host.tree() == {"notes.log": HERE}
    second = host.once()
    assert second.code == 0, second.said
    assert second.requests == {"LIST": 1}


def test_upload_stores_each_later_edit_beside_the_winning_object_too(site: Callable[..., Site]) -> None:
    host = conflicting(site(mode="upload", conflict="remote"), base=True)
    host.once()
    host.write("notes.log", b"once more")

    host.once()

    assert host.objects() == {
        "notes.log": THERE,
        copy_name(HERE): HERE,
        copy_name(b"once more"): b"once more",
    }
    assert host.once().requests == {"LIST": 1}


# --- download ---


@pytest.mark.parametrize(("policy", "base"), [("remote", True), ("newer", False)])
def test_download_remote_wins_and_the_file_is_in_the_trash(site: Callable[..., Site], policy: str, base: bool) -> None:
    host = conflicting(site(mode="download", conflict=policy), base=base)

    run = host.once()

    assert run.code == 4, run.said
    assert host.tree() == {"notes.log": THERE}
    assert host.trash() == [HERE]
    assert not run.writes


@pytest.mark.parametrize(("policy", "base"), [("local", True), ("newer", False)])
def test_download_local_wins_and_both_stay(site: Callable[..., Site], policy: str, base: bool) -> None:
    host = conflicting(site(mode="download", conflict=policy), base=base)
    if policy == "newer":
        host.put("notes.log", THERE, Metadata={"mtime": str(AGO - 5)})

    for _ in range(2):
        run = host.once()
        assert run.code == 0, run.said
        assert not run.writes
    assert run.requests == {"LIST": 1}
    assert (host.tree(), host.objects()) == ({"notes.log": HERE}, {"notes.log": THERE})


def test_download_keep_both_gives_the_file_its_conflict_name(site: Callable[..., Site]) -> None:
    host = conflicting(site(mode="download", conflict="keep-both"), base=True)

    assert host.once().code == 4

    assert host.tree() == {"notes.log": THERE, copy_name(HERE): HERE}
    second = host.once()
    assert second.code == 0
    assert not second.writes


# --- names ---


def test_the_same_conflict_met_twice_makes_the_same_copy(site: Callable[..., Site]) -> None:
    host = conflicting(site(mode="bidirectional", conflict="keep-both"), base=True)
    host.once()
    host.once()
    host.write("notes.log", HERE)
    host.put("notes.log", b"and again there")

    assert host.once().code == 4
    host.once()

    assert host.tree() == host.objects() == {"notes.log": b"and again there", copy_name(HERE): HERE}


def test_a_conflict_copy_of_a_name_of_255_bytes_fits(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional", conflict="keep-both")
    name = "ü" * 125 + "x.log"
    assert len(name.encode()) == 255
    host.write(name, HERE, mtime=AGO)
    host.put(name, THERE)

    host.once()
    host.once()

    assert host.tree() == host.objects()
    assert sorted(host.tree().values()) == sorted([HERE, THERE])
    assert max(len(path.encode()) for path in host.tree()) <= 255


def test_a_conflict_copy_shares_the_filters_of_its_original(site: Callable[..., Site]) -> None:
    host = conflicting(site(mode="bidirectional", conflict="keep-both", include=["notes.log"]), base=True)
    host.once()
    host.once()

    assert set(host.objects()) == {"notes.log", copy_name(HERE)}


def test_new_content_there_under_a_name_that_was_edited_here_is_never_lost_by_an_open_race(
    site: Callable[..., Site],
) -> None:
    """The object changes between two runs while each run settles one conflict."""
    host = conflicting(site(mode="bidirectional", conflict="local"), base=True)
    host.once()
    host.put("notes.log", b"third")
    host.write("notes.log", b"fourth")
    host.once()

    assert host.objects() == {"notes.log": b"fourth"}
    assert host.aside() == sorted([THERE, b"third"])


@pytest.mark.parametrize(
    ("policy", "live", "kept"), [("local", b"mine", THERE), ("remote", THERE, b"mine"), ("newer", b"mine", THERE)]
)
def test_an_edit_of_what_an_upload_pair_had_left_as_superseded_is_a_conflict(
    site: Callable[..., Site], policy: str, live: bytes, kept: bytes
) -> None:
    host = site(mode="upload", conflict=policy)
    host.write("notes.log", BASE, mtime=AGO)
    host.once()
    host.put("notes.log", THERE, Metadata={"mtime": str(AGO + 1)})
    host.once()
    host.write("notes.log", b"mine")

    assert host.once().code == 4

    assert host.objects()["notes.log"] == live
    assert kept in [*host.objects().values(), *host.aside()]
    assert host.once().requests == {"LIST": 1}


def test_a_conflict_copy_edited_on_both_sides_loses_neither(site: Callable[..., Site]) -> None:
    host = conflicting(site(mode="bidirectional", conflict="keep-both"), base=True)
    host.once()
    host.once()
    host.write(copy_name(HERE), b"copy edited here")
    host.put(copy_name(HERE), b"copy edited there!")

    for _ in range(3):
        host.once()

    assert host.tree() == host.objects()
    assert {b"copy edited here", b"copy edited there!", THERE} <= set(host.tree().values())
    assert host.once().requests == {"LIST": 1}


def test_an_object_in_an_archive_tier_is_not_deleted_for_a_file_that_is_gone(site: Callable[..., Site]) -> None:
    host = site(mode="bidirectional", deletes="propagate")
    host.write("cold", b"cold", mtime=AGO)
    host.once()
    host.client.copy_object(
        Bucket=host.bucket,
        Key="cold",
        CopySource={"Bucket": host.bucket, "Key": "cold"},
        StorageClass="GLACIER",
    )
    host.remove("cold")

    run = host.once()

    assert run.code == 0, run.said
    assert not run.writes
    assert "cold" in {row["Key"] for row in host.client.list_objects_v2(Bucket=host.bucket)["Contents"]}
