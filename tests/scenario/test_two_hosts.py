"""Two hosts on one prefix: they end with the same tree, stop writing, and lose nothing on the way."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from support.site import AGO, Run, Site

ROUNDS = 6


def settle(*hosts: Site) -> list[Run]:
    """Run the hosts in turn until a whole round writes and moves nothing; its runs. Fails when that never comes."""
    for _ in range(ROUNDS):
        runs = [host.once() for host in hosts]
        if not any(run.writes or run.requests["GET"] for run in runs):
            return runs
    raise AssertionError(f"still moving after {ROUNDS} rounds: {[run.log for run in runs]}")


def met(a: Site, b: Site) -> None:
    """Each has what the other had, and knows it."""
    assert {a.once().code, b.once().code} <= {0, 4}


@pytest.mark.parametrize("policy", ["newer", "local", "remote", "keep-both"])
def test_edits_on_both_hosts_end_in_one_tree_and_nobody_echoes(site: Callable[..., Site], policy: str) -> None:
    a, b = (site(name, mode="bidirectional", conflict=policy, keep_versions="all") for name in "ab")
    a.write("both", b"base", mtime=AGO)
    a.write("only-a", b"a")
    b.write("only-b", b"b")
    b.write("met", b"met by b", mtime=AGO)
    a.write("met", b"met by a", mtime=AGO + 9)
    met(a, b)
    a.once()
    a.write("both", b"edit of a", mtime=AGO + 50)
    b.write("both", b"edit of b!", mtime=AGO + 60)

    settle(a, b)

    assert a.tree() == b.tree() == a.objects()
    kept = [*a.tree().values(), *a.trash(), *b.trash(), *a.aside()]
    assert {b"edit of a", b"edit of b!", b"met by a", b"met by b", b"a", b"b"} <= set(kept)


def test_newer_decides_alike_whichever_host_meets_the_conflict(site: Callable[..., Site]) -> None:
    for prefix, first in (("ab/", "a"), ("ba/", "b")):
        hosts = {
            name: site(f"{prefix[:2]}{name}", mode="bidirectional", conflict="newer", prefix=prefix) for name in "ab"
        }
        hosts["a"].write("x", b"older", mtime=AGO)
        hosts["b"].write("x", b"newer", mtime=AGO + 1)
        order = [hosts.pop(first), *hosts.values()]

        settle(*order)

        assert order[0].tree() == order[1].tree() == order[0].objects() == {"x": b"newer"}


@pytest.mark.parametrize("deletes", ["keep", "leave", "propagate"])
def test_a_deletion_and_a_rename_settle(site: Callable[..., Site], deletes: str) -> None:
    a, b = (site(name, mode="bidirectional", deletes=deletes) for name in "ab")
    for name in ("stays", "goes", "moves"):
        a.write(name, name.encode(), mtime=AGO)
    met(a, b)
    a.remove("goes")
    (b.root / "moves").rename(b.root / "moved")

    settle(a, b)

    if deletes == "propagate":
        assert a.tree() == b.tree() == a.objects() == {"stays": b"stays", "moved": b"moves"}
        assert b.trash() + a.trash() == [b"goes", b"moves"]
    else:
        assert {"stays", "goes", "moves", "moved"} == set(a.objects())
    if deletes == "keep":
        assert a.tree() == b.tree() == a.objects()


def test_a_deletion_on_one_host_never_beats_an_edit_on_the_other(site: Callable[..., Site]) -> None:
    a, b = (site(name, mode="bidirectional", deletes="propagate") for name in "ab")
    a.write("x", b"first", mtime=AGO)
    met(a, b)
    a.remove("x")
    b.write("x", b"edited")
    for host in (a, b):  # a deletes the object, b's edit brings it back
        host.once()

    settle(a, b)

    assert a.tree() == b.tree() == a.objects() == {"x": b"edited"}


def test_an_edit_that_arrives_first_survives_the_deletion(site: Callable[..., Site]) -> None:
    a, b = (site(name, mode="bidirectional", deletes="propagate") for name in "ab")
    a.write("x", b"first", mtime=AGO)
    met(a, b)
    a.remove("x")
    b.write("x", b"edited")
    b.once()

    settle(a, b)

    assert a.tree() == b.tree() == a.objects() == {"x": b"edited"}


def test_two_upload_hosts_on_one_key_stop_writing(site: Callable[..., Site]) -> None:
    for policy in ("newer", "keep-both"):
        a, b = (site(f"{policy}-{n}", mode="upload", conflict=policy, prefix=f"{policy}/") for n in "ab")
        a.write("x", b"of a", mtime=AGO)
        b.write("x", b"of b", mtime=AGO + 1)

        settle(a, b)

        assert {b"of a", b"of b"} <= {*a.objects().values(), *a.aside()}


def test_the_same_file_on_two_hosts_is_sent_once(site: Callable[..., Site]) -> None:
    a, b = site("a", mode="bidirectional"), site("b", mode="bidirectional")
    a.write("x", b"same", mtime=AGO)
    b.write("x", b"same", mtime=AGO + 5)

    first, second = a.once(), b.once()

    assert [kind for kind, _ in [*first.writes, *second.writes]] == ["PUT"]
    assert (b.root / "x").stat().st_mtime == AGO + 5


def test_an_uploading_and_a_downloading_host_make_a_mirror(site: Callable[..., Site]) -> None:
    a = site("a", mode="upload", deletes="propagate")
    b = site("b", mode="download", deletes="propagate")
    for name in "xyz":
        a.write(name, name.encode())
    met(a, b)
    a.remove("x")
    a.write("y", b"edited")
    a.write("new", b"new")

    settle(a, b)

    assert a.tree() == b.tree() == a.objects() == {"y": b"edited", "z": b"z", "new": b"new"}
    assert b.trash() == [b"x"]
