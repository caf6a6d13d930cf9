"""Archived files and archives: whole texts."""

from __future__ import annotations

from support.stub_daemon import ARCHIVE_ROW, FOUND_ROW, found_answer, reindexed_answer, restored_answer
from synctl import render_archives
from synctl.screen import Look

LOOK = Look()


def test_found_files_with_their_archive_and_who_knew_them() -> None:
    rows = [FOUND_ROW, {**FOUND_ROW, "key": "evil\x1b[2J", "size": 5}]
    assert (
        render_archives.render_found(found_answer(rows=rows), LOOK)
        == """\
KEY               SIZE     MTIME                  ARCHIVE
lab/run-1/a.log   1.2 kB   2026-11-20T12:00:00Z   lab/run-1/01932f0a-0000-7000-8000-000000000001.tar
lab/evil\\x1b[2J   5 B      2026-11-20T12:00:00Z   lab/run-1/01932f0a-0000-7000-8000-000000000001.tar

2 files, 1.2 kB, by the records of this host
"""
    )


def test_the_index_and_the_manifests_are_named_as_such() -> None:
    told = [render_archives.render_found(found_answer(source=source), LOOK) for source in ("index", "manifests")]
    assert [text.splitlines()[-1] for text in told] == [
        "1 file, 1.2 kB, by the index",
        "1 file, 1.2 kB, by the manifests on S3",
    ]


def test_nothing_found_is_no_answer() -> None:
    assert render_archives.render_found(found_answer(rows=[], source=None), LOOK) == ""


def test_archives() -> None:
    rows = [ARCHIVE_ROW, {**ARCHIVE_ROW, "bucket": "b", "files": None, "bytes": None}]
    assert (
        render_archives.render_archives({"archives": rows, "source": "manifests"}, LOOK)
        == """\
KEY                                                  SIZE     FILES   CREATED
lab/run-1/01932f0a-0000-7000-8000-000000000001.tar   102 kB   40      2026-11-20T13:00:00Z
b/run-1/01932f0a-0000-7000-8000-000000000001.tar     102 kB   -       2026-11-20T13:00:00Z

2 archives, 205 kB, by the manifests on S3
"""
    )


def test_no_archives() -> None:
    assert render_archives.render_archives({"archives": []}, LOOK) == "No archives.\n"


def test_a_restored_file_is_named() -> None:
    assert (
        render_archives.render_restored(restored_answer(present=2), LOOK)
        == """\
1 file restored to /back, 2 there already (1.2 kB)
  /back/lab/run-1/a.log
"""
    )


def test_of_many_restored_files_the_failed_ones_are_named() -> None:
    row = restored_answer()["rows"][0]
    failed = [{**row, "name": "lab/b\n", "path": None, "outcome": "failed", "reason": "it is gone"}]
    answer = restored_answer(rows=[*[row] * 30, *failed], restored=1204, failed=3)
    assert (
        render_archives.render_restored(answer, LOOK)
        == """\
1,204 files restored to /back (1.2 kB)
3 files failed:
  lab/b\\n: it is gone
  … and 2 more
"""
    )


def test_an_index_that_was_told_again() -> None:
    assert render_archives.render_reindexed(reindexed_answer(), LOOK) == "40 files of 1 archive indexed\n"
    assert render_archives.render_reindexed(reindexed_answer(refused=2), LOOK).endswith(", 2 refused\n")


def test_progress_on_one_line() -> None:
    told = {"doing": "restoring", "files": 1204, "bytes": 2_000_000, "failed": 1}
    assert render_archives.progress(told) == "restoring   1,204 files   2.0 MB   1 failed"
    assert render_archives.progress({"doing": "listing lab"}) == "listing lab"
