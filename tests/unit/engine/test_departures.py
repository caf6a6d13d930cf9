"""Proven files go together; whichever is not as it was seen goes the long way, or stays."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from support.fake_store import FakeObjects
from support.trash_host import TrashHost, trash_host
from syncd.core.model import LocalStat, LocalState, Mode, ObjectFacts, ProofKind
from syncd.core.paths import RelPath
from syncd.engine.cycle import Cycle
from syncd.engine.lane import LARGEST
from syncd.engine.lookout import FRESH_S
from syncd.engine.report import CycleReport
from syncd.errors import FatalError, ItemError, Stale
from syncd.lifecycle.stop import Stop
from syncd.local.cleaning import staged_name
from syncd.local.root import Root
from syncd.ports import Awaited, Commit

NAMES = [f"{number % 3}/{number:02}" for number in range(20)]
ONE = RelPath("1/07")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which steps were run the long way."""
    seen: list[str] = []
    run = Cycle._run_claimed

    def noting(self: Cycle, step: object) -> bool:
        seen.append(step.path)  # type: ignore[attr-defined]
        return run(self, step)  # type: ignore[arg-type]

    monkeypatch.setattr(Cycle, "_run_claimed", noting)
    return seen


@pytest.fixture
def host(tmp_path: Path) -> Iterator[TrashHost]:
    """A pair that cleans, all of its files on S3."""
    with trash_host(tmp_path, mode=Mode.UPLOAD, cleanup=True) as made:
        for name in NAMES:
            made.write(name, name.encode())
        run(made)
        made.bucket.requests.clear()
        yield made


def run(host: TrashHost, *, stop: Stop | None = None) -> CycleReport:
    return host.threaded_pass(stop=stop)


def here(host: TrashHost) -> list[str]:
    """The files that are at their paths."""
    return sorted(name for name in NAMES if (host.root / name).exists())


def staged(host: TrashHost) -> list[str]:
    """Those that are on their way out."""
    return sorted(name for name in NAMES if host.context.tree.staged(RelPath(name)) is not None)


def states(host: TrashHost) -> dict[str, LocalState]:
    rows = {name: host.context.records.get(RelPath(name)) for name in NAMES}
    return {name: row.local for name, row in rows.items() if row is not None}


def but(*names: str) -> list[str]:
    return sorted(set(NAMES) - set(names))


def whole(host: TrashHost) -> None:
    """What was written is on S3, or here, in the words that the row has for it."""
    there = host.bucket.contents()
    assert all(there[f"p/{name}"] == name.encode() for name in NAMES if name not in here(host))
    assert all(state is LocalState.CLEANING for name, state in states(host).items() if name in staged(host))


def test_they_go_together_in_two_passes_each_by_a_look_of_its_own(host: TrashHost, alone: list[str]) -> None:
    report = run(host)
    assert (here(host), staged(host)) == ([], sorted(NAMES))
    assert set(states(host).values()) == {LocalState.CLEANING}
    assert host.bucket.requests["head"] == len(NAMES)
    whole(host)
    report = run(host)
    assert report.counts["cleaned"] == len(NAMES)
    assert (here(host), staged(host)) == ([], [])
    assert set(states(host).values()) == {LocalState.CLEANED}
    assert host.bucket.requests["head"] == 2 * len(NAMES)
    assert alone == []
    whole(host)


@pytest.mark.parametrize("half", [1, 2])
def test_what_somebody_has_open_stays_and_keeps_no_other(host: TrashHost, half: int) -> None:
    with (host.root / ONE).open("rb"):
        for _ in range(half):
            run(host)
        assert here(host) == [ONE]
        assert staged(host) == (but(ONE) if half == 1 else [])
    run(host)
    run(host)
    assert (here(host), staged(host)) == ([], [])
    whole(host)


def test_a_staged_file_that_somebody_has_open_stays(host: TrashHost) -> None:
    run(host)
    at = next((host.root / ".syncd/cleaning").glob(staged_name(ONE)))
    with at.open("rb"):
        run(host)
        assert staged(host) == [ONE]
    run(host)
    assert staged(host) == []
    whole(host)


@pytest.mark.parametrize("proof", [ProofKind.CHECKSUM, ProofKind.ETAG])
@pytest.mark.parametrize("half", [1, 2])
def test_an_object_that_became_another_keeps_its_file(host: TrashHost, half: int, proof: ProofKind) -> None:
    """At the first look of the group: after the listing, before its own look."""
    record = host.context.records.get(ONE)
    assert record is not None
    host.context.records.commit(Commit(path=ONE, expect_seq=record.seq, put=replace(record, proof=proof))).result(10)
    if half == 2:
        run(host)
    host.bucket.intervene("head", lambda: host.bucket.plant(f"p/{ONE}", b"another's"))
    run(host)
    assert ONE in here(host) + staged(host)
    assert (staged(host), here(host)) == ((but(ONE), [ONE]) if half == 1 else ([ONE], []))
    run(host)
    assert here(host) == [ONE]
    assert (host.root / ONE).read_bytes() == ONE.encode()


@pytest.mark.parametrize("half", [1, 2])
def test_a_look_that_grew_old_is_taken_again(host: TrashHost, alone: list[str], half: int) -> None:
    if half == 2:
        run(host)

    def slow() -> None:
        host.clock.seconds += FRESH_S * 2

    host.bucket.intervene("head", slow)
    run(host)
    assert alone != []
    assert (here(host), staged(host)) == ([], sorted(NAMES) if half == 1 else [])
    whole(host)


@pytest.mark.parametrize("half", [1, 2])
def test_a_row_that_changed_meanwhile_keeps_its_file(host: TrashHost, half: int) -> None:
    """As where the audit takes a proof back while others are cleaned."""
    if half == 2:
        run(host)

    def changed() -> None:
        record = host.context.records.get(ONE)
        assert record is not None
        refuted = replace(record, proof=ProofKind.UNPROVEN)
        host.context.records.commit(Commit(path=ONE, expect_seq=record.seq, put=refuted)).result(10)

    host.bucket.intervene("head", changed)
    run(host)
    assert (here(host), staged(host)) == (([ONE], but(ONE)) if half == 1 else ([], [ONE]))


def test_what_somebody_has_open_costs_one_look_a_pass(host: TrashHost, alone: list[str]) -> None:
    with (host.root / ONE).open("rb"):
        run(host)
        assert host.bucket.requests["head"] == len(NAMES)
        host.bucket.requests.clear()
        report = run(host)
        assert host.bucket.requests["head"] == len(NAMES)
        assert [outcome.reason for outcome in report.unfinished if outcome.step.path == ONE] == ["open elsewhere"]
    assert alone == []


class Waiting(FakeObjects):
    """A store by a plane that asks and waits in one."""

    def start_head(self, key: str) -> Awaited[ObjectFacts | None]:
        return Awaited(partial(self.head, key))


class Prompt(FakeObjects):
    """A store whose answers are there at once."""

    def start_head(self, key: str) -> Awaited[ObjectFacts | None]:
        answer = self.head(key)
        return Awaited(lambda: answer, lambda: True, under_way=True)


@pytest.mark.parametrize("store", [Waiting, Prompt])
def test_whoever_answers_is_asked_once_for_each(tmp_path: Path, alone: list[str], store: type[FakeObjects]) -> None:
    with trash_host(tmp_path, mode=Mode.UPLOAD, cleanup=True, bucket=store()) as host:
        for name in NAMES:
            host.write(name, name.encode())
        run(host)
        host.bucket.requests.clear()
        for _ in range(2):
            run(host)
        assert (here(host), staged(host)) == ([], [])
        assert host.bucket.requests["head"] == 2 * len(NAMES)
        assert alone == ([] if store is Prompt else [*sorted(NAMES), *sorted(NAMES)])


def test_requests_that_are_slow_to_leave_let_no_look_grow_old(tmp_path: Path) -> None:
    class Slowed(FakeObjects):
        def start_head(self, key: str) -> Awaited[ObjectFacts | None]:
            host.clock.seconds += FRESH_S / 3
            return super().start_head(key)

    with trash_host(tmp_path, mode=Mode.UPLOAD, cleanup=True, bucket=Slowed()) as host:
        for name in NAMES:
            host.write(name, name.encode())
        run(host)
        host.bucket.requests.clear()
        run(host)
        assert (here(host), staged(host)) == ([], sorted(NAMES))
        assert host.bucket.requests["head"] == len(NAMES)


def test_what_was_meant_and_waited_long_is_looked_at_again(host: TrashHost, alone: list[str]) -> None:
    """Its group's slowest answer came late: somebody may have it open by now."""
    waits = iter([0.0] * 6 + [FRESH_S * 2])

    def slow() -> None:
        host.clock.seconds += next(waits, 0.0)
        host.bucket.intervene("head", slow)

    host.bucket.intervene("head", slow)
    run(host)
    assert len(alone) == 4
    assert (here(host), staged(host)) == ([], sorted(NAMES))


def test_their_looks_go_together(host: TrashHost, monkeypatch: pytest.MonkeyPatch) -> None:
    by_themselves: list[object] = []
    monkeypatch.setattr(Cycle, "_look", lambda self, path, *_: by_themselves.append(path))
    for _ in range(2):
        run(host)
    assert by_themselves == []
    assert (here(host), staged(host)) == ([], [])


@pytest.mark.parametrize("when", ["head", "settle"])
@pytest.mark.parametrize("half", [1, 2])
def test_a_database_that_fails_ends_the_pass(
    host: TrashHost, monkeypatch: pytest.MonkeyPatch, half: int, when: str
) -> None:
    """It is told, nobody waits for ever, and what was going is where its row has it."""
    if half == 2:
        run(host)
    closing = host.database.close
    if when == "head":
        host.bucket.intervene("head", lambda: host.bucket.intervene("head", closing))
    else:
        monkeypatch.setattr(Root, "settle_staged", lambda *_: closing())
        if half == 2:
            monkeypatch.setattr(Root, "remove", lambda *_: closing())
    ended: list[BaseException] = []

    def pass_() -> None:
        try:
            run(host)
        except FatalError as error:
            ended.append(error)

    thread = threading.Thread(target=pass_, daemon=True)
    thread.start()
    thread.join(30)
    assert not thread.is_alive(), "it waits for ever"
    assert len(ended) == 1
    assert all(host.context.claims.take(RelPath(name)) for name in NAMES)


def test_what_has_to_be_read_back_is(host: TrashHost, alone: list[str]) -> None:
    record = host.context.records.get(ONE)
    assert record is not None
    unproven = replace(record, proof=ProofKind.NONE)
    host.context.records.commit(Commit(path=ONE, expect_seq=record.seq, put=unproven)).result(10)
    run(host)
    assert host.bucket.requests["get"] == 1
    assert alone == [ONE]
    run(host)
    assert (here(host), staged(host)) == ([], [])
    record = host.context.records.get(ONE)
    assert record is not None
    assert record.proof is ProofKind.READBACK


@pytest.mark.parametrize("half", [1, 2])
def test_a_stop_lets_the_others_be(host: TrashHost, half: int) -> None:
    if half == 2:
        run(host)
    stop = Stop()

    def at_look(number: int) -> None:
        if number == 7:  # the last of four that go together: all are asked for, and none has gone
            stop.drain()
        host.bucket.intervene("head", lambda: at_look(number + 1))

    host.bucket.intervene("head", lambda: at_look(1))
    assert run(host, stop=stop).stopped
    assert len(here(host) if half == 1 else staged(host)) == len(NAMES) - 3
    assert all(host.context.claims.take(RelPath(name)) for name in NAMES)
    for name in NAMES:
        host.context.claims.release(RelPath(name))
    whole(host)
    run(host)
    run(host)
    assert (here(host), staged(host)) == ([], [])


def test_large_files_go_alone(host: TrashHost, alone: list[str]) -> None:
    host.write("large", b"x" * (LARGEST + 1))
    for _ in range(3):
        run(host)
    assert alone == ["large", "large"]
    assert not (host.root / "large").exists()


@pytest.mark.parametrize("last", [False, True])
def test_the_names_of_a_folder_are_made_to_last_once_for_a_group(
    host: TrashHost, monkeypatch: pytest.MonkeyPatch, last: bool
) -> None:
    """Also where its last file is not staged after all."""
    calls: list[str] = []
    stage, settle = Root.stage, Root.settle_staged

    def staging(self: Root, path: RelPath, *, expect: LocalStat, durable: bool = True) -> LocalStat:
        if not last and path.endswith("9"):
            raise Stale(path)
        calls.append(path)
        return stage(self, path, expect=expect, durable=durable)

    def settling(self: Root, path: RelPath) -> None:
        calls.append(path[0])
        settle(self, path)

    monkeypatch.setattr(Root, "stage", staging)
    monkeypatch.setattr(Root, "settle_staged", settling)
    run(host)
    for folder in "012":
        of = [call for call in calls if call.startswith(folder)]
        assert of[-1] == folder, "nothing is staged after it"
    assert calls.count("1") < len([call for call in calls if call.startswith("1/")])


def test_what_fails_by_itself_is_said_and_stays(host: TrashHost, monkeypatch: pytest.MonkeyPatch) -> None:
    remove = Root.remove

    def failing(self: Root, allowed: object) -> None:
        if getattr(allowed, "path", "") == ONE:
            raise ItemError(ONE, "it may not be removed")
        remove(self, allowed)  # type: ignore[arg-type]

    run(host)
    monkeypatch.setattr(Root, "remove", failing)
    report = run(host)
    assert [outcome.step.path for outcome in report.unfinished] == [ONE]
    assert staged(host) == [ONE]
    assert states(host)[ONE] is LocalState.CLEANING
