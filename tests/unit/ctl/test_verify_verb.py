"""`synctl verify` on a served stub: rows as rclone writes them, one sentence for all, JSON whole however it ends."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from support.control_socket import serve
from support.stub_daemon import VERIFIED_ROW, VERIFIED_SUMMARY, VERIFY_PROGRESS, StubDaemon
from syncd.errors import RemoteError, RemoteKind
from synctl import render_verify
from synctl.__main__ import main
from synctl.arguments import LATER, parse
from synctl.screen import Look

SAME = {**VERIFIED_ROW, "path": "a", "sign": "=", "finding": "same.recorded", "reason": "as recorded"}


class Ran(NamedTuple):
    """How one command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def daemon() -> StubDaemon:
    return StubDaemon(verified_rows=[SAME, VERIFIED_ROW])


@pytest.fixture
def run(daemon: StubDaemon, capsys: pytest.CaptureFixture[str]) -> Iterator[Run]:
    with tempfile.TemporaryDirectory(prefix="sc") as name, serve(daemon, Path(name)) as server:

        def run(*words: str) -> Ran:
            code = main(["--socket", str(server.path), "verify", *words])
            return Ran(code, *capsys.readouterr())

        yield run


def breaking_off(*rows: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from rows
    raise RemoteError(RemoteKind.UNAVAILABLE, "no connection")


def test_a_row_is_a_sign_and_a_path_and_a_reason_behind_a_tab() -> None:
    rows = [SAME, VERIFIED_ROW, {**VERIFIED_ROW, "path": "bad\nname\t", "sign": "!", "reason": "two\nlines"}]
    assert render_verify.render_rows(rows, Look(), several=False) == (
        "= a\n"
        "* a/one.gz\tS3 gives other bytes under the recorded ETag; the local file is good\n"
        "! bad\\nname\\t\ttwo\\nlines\n"
    )
    assert render_verify.render_rows([SAME], Look(), several=True) == "= logs: a\n"


def test_the_answer_is_rows_alone_and_the_summary_stands_beside(run: Run) -> None:
    assert run() == (
        4,
        "= a\n* a/one.gz\tS3 gives other bytes under the recorded ETag; the local file is good\n",
        "synctl: 1,204 paths by reading in 3 s, 1.2 MB read: "
        "1,203 the same (3 cleaned here, 2 by claim or size alone), 1 difference\n",
    )


def test_of_several_pairs_each_row_names_its_own(run: Run, daemon: StubDaemon) -> None:
    daemon.progress_rows = [{**VERIFY_PROGRESS, "pairs": 2}]
    assert run().out.startswith("= logs: a\n* logs: a/one.gz\t")


def test_the_summary_of_a_sample_names_its_seed() -> None:
    told = render_verify.summary({**VERIFIED_SUMMARY, "seed": "9f3c", "sample": 0.05, "errors": 2, "skipped": 1})
    assert ", a sample of 5 % (--seed 9f3c) in" in told
    assert told.endswith("1 difference, 1 skipped, 2 errors")


def test_progress_says_how_far_it_is_and_how_long_it_takes() -> None:
    assert render_verify.progress(VERIFY_PROGRESS) == "logs   40 of 1,204   48.0 kB read   1 difference   12 s left"


def test_a_problem_is_said_beside_the_answer(run: Run, daemon: StubDaemon) -> None:
    daemon.verified_summary["problems"] = ["small is a batch: its archives are not verified"]
    assert "synctl: small is a batch: its archives are not verified\n" in run().err


def test_json_is_one_object(run: Run) -> None:
    code, out, err = run("--json")
    answer = json.loads(out)
    assert (code, err) == (4, "")
    assert answer.pop("rows") == [SAME, VERIFIED_ROW]
    assert answer == {"schema_version": 1, **VERIFIED_SUMMARY, "complete": True}


@pytest.mark.parametrize("rows", [[], [SAME]])
def test_json_is_whole_where_the_endpoint_goes_away(run: Run, daemon: StubDaemon, rows: list[dict[str, Any]]) -> None:
    daemon.verified_rows = breaking_off(*rows)
    code, out, err = run("--json")
    assert code == 5
    assert json.loads(out) == {"schema_version": 1, "rows": [], "complete": False}
    assert err == "synctl: no connection\n"


def test_a_million_rows_come_in_pages_that_add_up(run: Run, daemon: StubDaemon) -> None:
    daemon.verified_rows = ({**SAME, "path": f"a/{number}"} for number in range(20_000))
    out = run("logs").out
    assert out.splitlines() == [f"= a/{number}" for number in range(20_000)]


def test_what_was_asked_for_is_passed_on(run: Run, daemon: StubDaemon) -> None:
    run("logs", "--path", "f", "--sample", "5%", "--seed", "s", "--download", "--differences")
    assert daemon.asked == [("logs", "f", 0.05, "s", True, True)]
    run()
    assert daemon.asked[1] == (None, None, 1.0, None, False, False)


@pytest.mark.parametrize("share", ["0", "0%", "101%", "1.5", "-5%", "many", "nan", ""])
def test_a_share_that_is_none_is_a_wrong_command_line(share: str) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["verify", f"--sample={share}"])
    assert ended.value.code == 2


def test_it_is_in_this_version() -> None:
    assert "verify" not in LATER
