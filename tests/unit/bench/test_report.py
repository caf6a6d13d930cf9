"""What was measured is read as it was measured."""

from __future__ import annotations

from pathlib import Path

from bench import report
from bench.bars import Verdict
from bench.measure import Middle
from bench.world import Result

ROW = Result(
    name="small-up",
    title="4 x 10 KiB up",
    server="sink",
    transport="http",
    medians=[Middle(client="syncd", variant="defaults", runs=2, wall_s=0.5, cpu_s=0.25, peak_mib=60)],
    figures={"files a second": 8.0},
    verdicts=[Verdict(what="wall of rclone tuned", value=0.4, limit=0.7, verdict="ok")],
)
GONE = Result(name="wire-up", title="over a wire", skipped="needs root")
DOCUMENT = {
    "schema_version": 1,
    "machine": {"at": "2026-11-27T01:00:00Z", "cores": 2, "processor": "P", "memory_mib": 1, "kernel": "6", "load": 0},
    "versions": {"syncd": "1", "s5cmd": "2"},
    "quick": True,
    "seconds": 3,
    "rows": [ROW.document(), GONE.document()],
}


def test_the_table_has_every_row_figure_and_bar() -> None:
    lines = report.table("x.json", DOCUMENT).splitlines()
    assert "| small-up | 4 x 10 KiB up | sink http | syncd defaults | 0.50 | 0.25 | 60 |" in lines
    assert "| small-up | files a second | 8 |" in lines
    assert "| wire-up | skipped | needs root |" in lines
    assert "| small-up | wall of rclone tuned | 0.4 | 0.7 | ok |" in lines


def test_the_page_keeps_what_stands_around_the_table(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n")
    for _ in range(2):
        report.into_page(page, tmp_path / "x.json", DOCUMENT)
    text = page.read_text()
    assert text.startswith(f"before\n{report.BEGIN}\nFrom [x.json]")
    assert text.endswith(f"\n{report.END}\nafter\n")
    assert (report.named_in(text), report.table_of(text)) == ("x.json", report.table("x.json", DOCUMENT))


def test_a_row_that_was_skipped_says_why() -> None:
    assert "skipped: needs root" in report.shown(GONE)
