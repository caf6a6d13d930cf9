"""The methods of the archiver on the wire: who may, what comes in pages, what is told on the way."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.control_socket import Raw, serve
from support.stub_daemon import ARCHIVE_ROW, FOUND_ROW, StubDaemon, found_answer, reindexed_answer, restored_answer
from syncd.control.methods import METHODS, ROWS_IN_ONE


@pytest.fixture
def daemon() -> StubDaemon:
    return StubDaemon()


@pytest.fixture
def client(daemon: StubDaemon) -> Iterator[Raw]:
    with tempfile.TemporaryDirectory(prefix="sc") as name, serve(daemon, Path(name)) as server:
        with Raw(server.path) as client:
            yield client


def replies(client: Raw, method: str, **parameters: Any) -> list[dict[str, Any]]:
    client.send(f"io.syncd.{method}", parameters=parameters, more=True)
    found = []
    while True:
        reply = client.reply()
        assert reply is not None
        assert "error" not in reply, reply
        found.append(reply["parameters"])
        if not reply.get("continues"):
            return found


def test_looking_is_for_readers_and_restoring_for_those_who_may_change() -> None:
    assert {name: METHODS[name].changes for name in METHODS if name.startswith("Archive")} == {
        "ArchiveFind": False,
        "ArchiveList": False,
        "ArchiveRestore": True,
        "ArchiveReindex": True,
    }


def test_what_was_found_comes_with_who_knew_it(client: Raw, daemon: StubDaemon) -> None:
    assert client.call("io.syncd.ArchiveFind", pattern="*.log") == {"parameters": found_answer()}
    assert daemon.archives.asked == [("find", "*.log", False, None, 1000)]


def test_every_word_of_a_search_is_handed_on(client: Raw, daemon: StubDaemon) -> None:
    client.call("io.syncd.ArchiveFind", pattern="*.log", all=True, source="manifests", limit=3)
    assert daemon.archives.asked == [("find", "*.log", True, "manifests", 3)]


def test_a_source_that_is_none_is_refused(client: Raw) -> None:
    reply = client.call("io.syncd.ArchiveFind", pattern="*.log", source="rumour")
    assert reply is not None
    assert reply["error"] == "io.syncd.BadRequest"


def test_many_rows_come_in_pages_and_the_last_one_ends_the_answer(client: Raw, daemon: StubDaemon) -> None:
    rows = [{**FOUND_ROW, "key": f"run-1/{number}.log"} for number in range(5000)]
    daemon.archives.found = found_answer(rows=rows)
    told = replies(client, "ArchiveFind", pattern="*.log")
    assert len(told) > 3
    assert [row for reply in told for row in reply["rows"]] == rows
    assert [reply.get("exit_code") for reply in told] == [None] * (len(told) - 1) + [0]


def test_progress_comes_before_the_answer(client: Raw, daemon: StubDaemon) -> None:
    daemon.archives.progress_rows = [{"doing": "reading manifests", "archives": 3}]
    told = replies(client, "ArchiveRestore", keys=["*.log"], to="/back")
    assert told == [{"progress": {"doing": "reading manifests", "archives": 3}}, restored_answer()]


def test_archives_are_listed(client: Raw, daemon: StubDaemon) -> None:
    reply = client.call("io.syncd.ArchiveList", place="lab", limit=7)
    assert reply is not None
    assert reply["parameters"]["archives"] == [ARCHIVE_ROW]
    assert daemon.archives.asked == [("listing", "lab", 7)]


def test_the_files_of_an_archive_are_listed(client: Raw, daemon: StubDaemon) -> None:
    daemon.archives.listed = found_answer()
    assert client.call("io.syncd.ArchiveList", place="lab/a.tar") == {"parameters": found_answer()}


def test_a_restore_is_asked_for_with_all_its_words(client: Raw, daemon: StubDaemon) -> None:
    client.call("io.syncd.ArchiveRestore", keys=["a", "b"], to="/back", view="1:2:/", all=True, source="index")
    assert daemon.archives.asked == [("restore", ["a", "b"], "/back", "1:2:/", True, "index")]


def test_a_restore_answers_in_one_message_whoever_asks_so(client: Raw, daemon: StubDaemon) -> None:
    row = restored_answer()["rows"][0]
    daemon.archives.restored = restored_answer(rows=[{**row, "name": "x" * 1000}] * 5000, restored=5000)
    reply = client.call("io.syncd.ArchiveRestore", keys=["*"], to="/back")
    assert reply is not None
    assert (len(reply["parameters"]["rows"]), reply["parameters"]["restored"]) == (ROWS_IN_ONE, 5000)


def test_a_reindex_answers_with_its_counts(client: Raw, daemon: StubDaemon) -> None:
    assert client.call("io.syncd.ArchiveReindex", batch="small") == {"parameters": reindexed_answer()}
    assert daemon.archives.asked == [("reindex", "small", None)]
