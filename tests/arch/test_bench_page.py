"""No figure without its JSON: the table of docs/PERFORMANCE.md is the one that its file makes."""

from __future__ import annotations

import json

from bench import report
from support.source import CHECKOUT

PAGE = CHECKOUT / "docs" / "PERFORMANCE.md"
FOLDER = CHECKOUT / "docs" / "bench"


def test_the_table_is_the_one_of_its_file() -> None:
    page = PAGE.read_text(encoding="utf-8")
    name = report.named_in(page)
    assert name, "the page names no file"
    document = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    assert report.table_of(page) == report.table(name, document), "run make bench SAVE=1"


def test_every_file_has_its_picture_and_says_on_what_it_was_measured() -> None:
    files = sorted(FOLDER.glob("*.json"))
    assert files
    for file in files:
        document = json.loads(file.read_text(encoding="utf-8"))
        assert file.with_suffix(".png").exists(), file.name
        assert {"at", "cores", "processor", "kernel"} <= document["machine"].keys()
        assert {"syncd", "s5cmd", "rclone"} <= document["versions"].keys()
        assert document["rows"]


def test_no_run_in_the_page_lost_a_file() -> None:
    document = json.loads((FOLDER / report.named_in(PAGE.read_text(encoding="utf-8"))).read_text(encoding="utf-8"))
    wrong = [f"{row['name']}: {run['wrong']}" for row in document["rows"] for run in row["runs"] if run["wrong"]]
    assert not [one for one in wrong if "syncd" in one]
