"""What halts deletions and overwrites until a person has decided, and what goes on meanwhile."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest

from support.processes import eventually
from support.site import AGO, Site


def filled(host: Site, count: int, *, prefix: str = "f") -> Site:
    for number in range(count):
        host.write(f"{prefix}{number:02}", b"%d" % number, mtime=AGO)
    assert host.once().code == 0
    return host


def names(*numbers: int) -> list[str]:
    return [f"f{number:02}" for number in numbers]


def test_max_delete_as_a_count_halts_and_new_files_still_go_up(site: Callable[..., Site]) -> None:
    host = filled(site(mode="bidirectional", deletes="propagate", max_delete=2), 6)
    host.remove(*names(0, 1, 2))
    host.write("new", b"new")
    host.put("new-there", b"new there")

    run = host.once()

    assert run.code == 7, run.said
    assert run.writes == [("PUT", f"{host.bucket}/new")]
    assert len(host.objects()) == 8
    assert "new-there" in host.tree()
    assert run.report["status"] == "partial"
    assert "3 files would be deleted" in run.said
    assert "--accept" in run.said


def test_a_halt_stops_overwrites_too(site: Callable[..., Site]) -> None:
    host = filled(site(mode="bidirectional", deletes="propagate", max_delete=1), 6)
    host.remove(*names(0, 1))
    host.write("f05", b"edited here")
    host.put("f04", b"edited there")

    run = host.once()

    assert run.code == 7
    assert not run.writes
    assert host.tree()["f04"] == b"4"
    assert host.objects()["f05"] == b"5"


def test_deletions_within_the_count_go_through(site: Callable[..., Site]) -> None:
    host = filled(site(mode="bidirectional", deletes="propagate", max_delete=3), 6)
    host.remove(*names(0, 1, 2))

    assert host.once().code == 0

    assert set(host.objects()) == set(names(3, 4, 5))


@pytest.mark.parametrize(("gone", "code"), [(19, 0), (20, 7)])
def test_max_delete_as_a_share_counts_from_twenty_deletions_on(site: Callable[..., Site], gone: int, code: int) -> None:
    host = filled(site(mode="download", deletes="propagate"), 0)
    for number in range(25):
        host.put(f"f{number:02}", b"x")
    host.once()
    host.delete(*names(*range(gone)))

    run = host.once()

    assert run.code == code, run.said
    assert len(host.tree()) == (25 - gone if code == 0 else 25)


def test_max_delete_an_hour_counts_what_went_before(site: Callable[..., Site]) -> None:
    host = filled(site(mode="upload", deletes="propagate", max_delete="3/h"), 6)
    host.remove(*names(0, 1))
    assert host.once().code == 0
    host.remove(*names(2, 3))

    run = host.once()

    assert run.code == 7, run.said
    assert len(host.objects()) == 4


def test_renames_do_not_count_where_the_store_copies_them_and_never_lose_the_content(
    site: Callable[..., Site],
) -> None:
    host = filled(site(mode="bidirectional", deletes="propagate", max_delete=1), 4)
    for name in names(0, 1, 2):
        (host.root / name).rename(host.root / f"moved-{name}")

    host.once()

    assert {f"moved-{name}" for name in names(0, 1, 2)} <= set(host.objects())


@pytest.mark.parametrize("mode", ["bidirectional", "upload"])
def test_an_emptied_root_halts(site: Callable[..., Site], mode: str) -> None:
    host = filled(site(mode=mode, deletes="propagate", max_delete="off"), 6)
    host.remove(*names(*range(6)))

    run = host.once()

    assert run.code == 7, run.said
    assert "empty" in run.said
    assert len(host.objects()) == 6


@pytest.mark.parametrize("mode", ["bidirectional", "download"])
def test_an_emptied_prefix_halts(site: Callable[..., Site], mode: str) -> None:
    host = filled(site(mode="bidirectional", deletes="propagate", max_delete="off"), 6)
    host.keys["mode"] = mode
    host.delete(*names(*range(6)))

    run = host.once()

    assert run.code == 7, run.said
    assert "empty" in run.said
    assert len(host.tree()) == 6
    assert not host.trash()


@pytest.mark.parametrize("mode", ["upload", "bidirectional", "download"])
def test_a_root_without_its_marker_halts_whole_and_says_what_to_do(site: Callable[..., Site], mode: str) -> None:
    host = filled(site(mode="bidirectional", deletes="propagate", max_delete="off"), 3)
    host.keys["mode"] = mode
    host.root.rename(host.home / "unmounted")
    host.root.mkdir()
    host.write("on-the-bare-mount-point", b"x")

    run = host.once()

    assert run.code == 7, run.said
    assert not run.writes
    assert "mount" in run.said
    assert "--accept root-" in run.said
    assert host.tree() == {"on-the-bare-mount-point": b"x"}
    assert run.report["status"] == "failed"
    shutil.rmtree(host.root)
    (host.home / "unmounted").rename(host.root)
    assert host.once().code == 0


def test_another_root_in_its_place_halts(site: Callable[..., Site]) -> None:
    host = filled(site("host", mode="bidirectional", deletes="propagate", prefix="1/"), 3)
    other = filled(site("other", mode="bidirectional", prefix="2/"), 1)
    host.root.rename(host.home / "away")
    other.root.rename(host.root)

    run = host.once()

    assert run.code == 7, run.said
    assert not run.writes
    assert len(host.objects()) == 3


def test_a_missing_root_halts_an_upload(site: Callable[..., Site]) -> None:
    host = filled(site(mode="upload", deletes="propagate", max_delete="off"), 3)
    host.root.rename(host.home / "away")

    run = host.once()

    assert run.code == 7, run.said
    assert not run.writes
    assert len(host.objects()) == 3


def test_a_missing_root_halts_a_pair_that_had_one_before_and_is_not_made_anew(site: Callable[..., Site]) -> None:
    host = filled(site(mode="bidirectional", deletes="propagate", max_delete="off"), 3)
    host.root.rename(host.home / "away")

    run = host.once()

    assert run.code == 7, run.said
    assert not run.writes
    assert len(host.objects()) == 3


def test_a_halt_lasts_over_runs_until_the_files_are_back(site: Callable[..., Site]) -> None:
    host = filled(site(mode="bidirectional", deletes="propagate", max_delete=1), 4)
    bodies = {name: (host.root / name).read_bytes() for name in names(0, 1)}
    host.remove(*bodies)
    assert [host.once().code for _ in range(2)] == [7, 7]
    for name, body in bodies.items():
        host.write(name, body, mtime=AGO)

    assert host.once().code == 0

    assert len(host.objects()) == 4


def test_accepting_runs_exactly_the_halted_plan_and_a_newer_deletion_is_guarded_again(
    site: Callable[..., Site],
) -> None:
    host = filled(site(mode="bidirectional", deletes="propagate", max_delete=1, interval="1h", watch=False), 8)
    host.remove(*names(0, 1, 2))
    with host.daemon():
        eventually(lambda: host.status()["halted_plan_id"], within=20, what="halted")
        plan = host.status()["halted_plan_id"]
        assert host.synctl("resume", "logs", "--accept", "0" * 12).code != 0
        host.remove(*names(3, 4))

        accepted = host.synctl("resume", "logs", "--accept", plan)

        assert accepted.code == 0, accepted.said
        eventually(lambda: "f00" not in host.listed(), within=20, what="accepted")
        eventually(lambda: host.status()["halted_plan_id"] not in {plan, None}, within=20, what="halted anew")
        assert set(host.objects()) == set(names(3, 4, 5, 6, 7))
        assert host.status()["state"] == "halted"
        assert host.aside() == [b"0", b"1", b"2"]


def test_a_plan_accepted_for_a_deletion_does_not_cover_the_same_path_deleted_anew(site: Callable[..., Site]) -> None:
    host = filled(site(mode="bidirectional", deletes="propagate", max_delete=1, interval="1h", watch=False), 6)
    host.remove(*names(0, 1))
    with host.daemon():
        eventually(lambda: host.status()["halted_plan_id"], within=20, what="halted")
        host.put("f00", b"edited meanwhile")
        host.synctl("resume", "logs", "--accept", host.status()["halted_plan_id"])
        eventually(lambda: "f01" not in host.listed(), within=20, what="accepted")
        eventually(lambda: host.tree().get("f00") == b"edited meanwhile", within=20, what="came down")
    assert host.objects()["f00"] == b"edited meanwhile"


def test_a_replaced_root_that_is_accepted_is_united_and_nothing_is_deleted(site: Callable[..., Site]) -> None:
    host = filled(site(mode="bidirectional", deletes="propagate", max_delete="off", interval="1h"), 3)
    host.root.rename(host.home / "away")
    host.root.mkdir()
    host.write("fresh", b"fresh")
    with host.daemon():
        eventually(lambda: host.status()["state"] == "halted", within=20, what="halted")
        plan = host.status()["halted_plan_id"]
        assert host.synctl("resume", "logs", "--accept", plan).code == 0
        eventually(lambda: len(host.tree()) == 4, within=20, what="united")
        eventually(lambda: "fresh" in host.listed(), within=20, what="united")
    assert host.tree() == host.objects()
    assert set(host.tree()) == {"fresh", *names(0, 1, 2)}
