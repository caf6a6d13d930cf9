"""A bar is held against what was measured, and what did not arrive is not measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import trees
from bench.bars import Bar, judged, ratio
from bench.measure import Middle, Run, medians
from bench.rows import ROWS
from bench.trees import Shape


def middle(client: str, variant: str = "defaults", *, wall_s: float = 1.0, cpu_s: float = 1.0) -> Middle:
    return Middle(client=client, variant=variant, runs=3, wall_s=wall_s, cpu_s=cpu_s, peak_mib=50.0)


def run(client: str, wall_s: float, *, wrong: str = "") -> Run:
    return Run(
        client=client,
        variant="defaults",
        round=0,
        wall_s=wall_s,
        cpu_s=wall_s,
        peak_mib=1,
        server_cpu_s=0,
        wrong=wrong,
    )


def times(limit: float) -> Bar:
    return Bar(metric="wall_s", limit=limit, against=("rclone",), times=True)


MIDDLES = [
    middle("syncd", wall_s=0.6, cpu_s=0.6),
    middle("s5cmd", wall_s=1.5, cpu_s=2.0),
    middle("s5cmd", "tuned", wall_s=1.0, cpu_s=3.0),
    middle("rclone", wall_s=2.0, cpu_s=1.0),
]


@pytest.mark.parametrize(
    ("bar", "what", "value", "verdict"),
    [
        (ratio("wall_s", 0.7), "wall of s5cmd tuned", 0.6, "ok"),
        (ratio("wall_s", 0.5), "wall of s5cmd tuned", 0.6, "short"),
        (ratio("cpu_s", 0.6), "CPU of rclone defaults", 0.6, "ok"),
        (Bar(metric="peak_mib", limit=64, unit="MiB"), "RSS, MiB", 50.0, "ok"),
        (Bar(metric="peak_mib", limit=40, unit="MiB"), "RSS, MiB", 50.0, "short"),
        (Bar(metric="p50, ms", limit=50), "p50, ms", 70.0, "short"),
        (Bar(metric="HEAD a pass", limit=0), "HEAD a pass", None, "absent"),
        (ratio("wall_s", 0.7, ("aws",)), "wall of aws", None, "absent"),
        (times(2), "rclone defaults's wall of ours", 3.333, "ok"),
        (times(4), "rclone defaults's wall of ours", 3.333, "short"),
    ],
)
def test_the_better_of_the_peers_counts(bar: Bar, what: str, value: float | None, verdict: str) -> None:
    (found,) = judged([bar], MIDDLES, {"p50, ms": 70.0})
    assert (found.what, found.value, found.verdict) == (what, value, verdict)


def test_a_run_whose_files_did_not_arrive_is_not_counted() -> None:
    runs = [run("s5cmd", 3.0), run("s5cmd", 0.1, wrong="4 missing"), run("s5cmd", 1.0), run("s5cmd", 2.0)]
    (found,) = medians(runs)
    assert (found.runs, found.wall_s) == (3, 2.0)
    assert medians([run("s5cmd", 0.1, wrong="4 missing")]) == []


def test_what_did_not_arrive_as_it_was_is_told(tmp_path: Path) -> None:
    tree = trees.make(tmp_path / "tree", Shape(count=3, size=5000))
    assert trees.difference(trees.sums_of(tree.root), tree.sums) == ""
    file = tree.root / "part-0000" / "file-000001.bin"
    body = bytearray(file.read_bytes())
    body[4999] ^= 1
    file.write_bytes(body)
    (tree.root / "part-0000" / "file-000002.bin").unlink()
    (tree.root / "more").write_bytes(b"")
    (tree.root / trees.OURS).mkdir()
    (tree.root / trees.OURS / "root").write_bytes(b"ours")
    assert trees.difference(trees.sums_of(tree.root), tree.sums) == "1 missing, 1 too many, 1 of other bytes, of 3"


def test_rows_have_names_of_their_own() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
