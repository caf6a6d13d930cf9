"""`synctl archive` against a served stub: what is asked, what is printed where, and the exit code."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from support.control_socket import serve
from support.stub_daemon import FOUND_ROW, StubDaemon, found_answer, reindexed_answer, restored_answer
from syncd.errors import RemoteError, RemoteKind
from synctl.__main__ import main
from synctl.arguments import LATER, verb_names
from synctl.verbs_archive import view_of


class Ran(NamedTuple):
    """How one command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def daemon() -> StubDaemon:
    return StubDaemon()


@pytest.fixture
def run(daemon: StubDaemon, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    with tempfile.TemporaryDirectory(prefix="sc") as name, serve(daemon, Path(name)) as server:

        def run(*words: str) -> Ran:
            code = main(["--socket", str(server.path), "archive", *words])
            return Ran(code, *capsys.readouterr())

        yield run


def test_find_prints_what_was_found(run: Run, daemon: StubDaemon) -> None:
    ran = run("find", "*.log", "--all", "--limit", "7")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[1].startswith("lab/run-1/a.log ")
    assert daemon.archives.asked == [("find", "*.log", True, None, 7)]


def test_nothing_found_is_exit_1_with_a_sentence(run: Run, daemon: StubDaemon) -> None:
    daemon.archives.found = found_answer(rows=[], source=None, exit_code=1)
    assert run("find", "nope") == (1, "", "synctl: nothing archived matches nope\n")


def test_a_forgotten_bucket_is_thought_of(run: Run, daemon: StubDaemon) -> None:
    daemon.archives.found = found_answer(rows=[], source=None, exit_code=1)
    said = run("find", "run-1/a*").err
    assert said == (
        "synctl: nothing archived matches run-1/a* (a pattern begins with its bucket: '*/run-1/a*' asks all of them)\n"
    )


def test_nothing_found_is_still_json(run: Run, daemon: StubDaemon) -> None:
    daemon.archives.found = found_answer(rows=[], source=None, exit_code=1)
    ran = run("find", "nope", "--json")
    assert ran.code == 1
    assert json.loads(ran.out) == {"schema_version": 1, **daemon.archives.found}


def test_what_could_not_be_looked_at_goes_to_standard_error(run: Run, daemon: StubDaemon) -> None:
    daemon.archives.found = found_answer(problems=["bucket lab: it is away"], exit_code=4)
    ran = run("find", "*.log")
    assert (ran.code, ran.err) == (4, "synctl: bucket lab: it is away\n")


def test_what_is_beyond_the_limit_is_said(run: Run, daemon: StubDaemon) -> None:
    daemon.archives.found = found_answer(more=True)
    assert run("find", "*.log").err == "synctl: there are more than these: --limit N shows them\n"


def test_pages_add_up_in_json(run: Run, daemon: StubDaemon) -> None:
    rows = [{**FOUND_ROW, "key": f"{number}.log"} for number in range(3000)]
    daemon.archives.found = found_answer(rows=rows)
    assert json.loads(run("find", "*.log", "--json").out)["rows"] == rows


def test_ls_lists_archives_or_their_files(run: Run, daemon: StubDaemon) -> None:
    assert "01932f0a-0000-7000-8000-000000000001.tar   102 kB   40" in run("ls").out
    daemon.archives.listed = found_answer()
    assert run("ls", "lab/a.tar").out.startswith("KEY               SIZE")
    assert [asked[1] for asked in daemon.archives.asked] == [None, "lab/a.tar"]


def test_restore_sends_the_folder_of_the_caller_and_how_it_sees_it(
    run: Run, daemon: StubDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = run("restore", "lab/a", "s3://lab/b")
    seen = tmp_path.stat()
    view = f"{seen.st_dev}:{seen.st_ino}:{tmp_path}"
    assert ran.out == "1 file restored to /back (1.2 kB)\n  /back/lab/run-1/a.log\n"
    assert daemon.archives.asked == [("restore", ["lab/a", "s3://lab/b"], str(tmp_path), view, False, None)]


def test_restore_to_a_folder_that_is_not_there_yet(
    run: Run, daemon: StubDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run("restore", "lab/a", "--to", "some/where", "--all", "--source", "manifests")
    (_, _, to, view, versions, source) = daemon.archives.asked[0]
    assert (to, versions, source) == (str(tmp_path / "some/where"), True, "manifests")
    assert view == view_of(str(tmp_path))


def test_a_folder_nobody_may_look_into_is_told_by_its_parent(tmp_path: Path) -> None:
    assert view_of(str(tmp_path / "x" / "y")) == view_of(str(tmp_path))
    assert view_of("/") == f"{os.stat('/').st_dev}:{os.stat('/').st_ino}:/"


def test_some_files_failed_is_exit_4(run: Run, daemon: StubDaemon) -> None:
    row = {"name": "lab/b", "path": None, "outcome": "failed", "size": 1, "reason": "it is gone"}
    daemon.archives.restored = restored_answer(rows=[row], restored=0, failed=1, exit_code=4)
    assert run("restore", "lab/b") == (4, "1 file failed:\n  lab/b: it is gone\n", "")


def test_reindex_counts(run: Run, daemon: StubDaemon) -> None:
    daemon.archives.reindexed = reindexed_answer(documents=1204, archives=9)
    assert run("reindex", "small", "--bucket", "lab").out == "1,204 files of 9 archives indexed\n"
    assert daemon.archives.asked == [("reindex", "small", "lab")]


def test_progress_is_no_part_of_an_answer(run: Run, daemon: StubDaemon) -> None:
    daemon.archives.progress_rows = [{"doing": "listing lab"}]
    ran = run("reindex", "--json")
    assert (ran.err, json.loads(ran.out)) == ("", {"schema_version": 1, **reindexed_answer()})


def test_an_endpoint_that_is_away_is_exit_5(run: Run, daemon: StubDaemon) -> None:
    daemon.archives.error = RemoteError(RemoteKind.UNAVAILABLE, "nobody answers", hint="wait")
    assert run("find", "x") == (5, "", "synctl: nobody answers (wait)\n")


@pytest.mark.parametrize("words", [[], ["dance"], ["find"], ["restore"], ["find", "a", "--source", "rumour"]])
def test_wrong_usage_is_exit_2(run: Run, words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(*words)
    assert ended.value.code == 2


def test_archive_is_a_verb_of_now_and_completed() -> None:
    assert "archive" not in LATER
    assert {"find", "ls", "restore", "reindex", "--to", "--all", "--bucket", "--source"} <= set(verb_names()["archive"])
