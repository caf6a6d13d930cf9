"""The small accounts of a pass: what was done, what waits, what is being worked on."""

from __future__ import annotations

import threading

from syncd.core import rules
from syncd.core.classify import Sides
from syncd.core.model import ETag, ListedObject
from syncd.core.paths import RelPath
from syncd.core.rules import RULES, Do, Rule
from syncd.engine.backlog import Backlog
from syncd.engine.claims import Claims
from syncd.engine.outcome import Outcome, Result
from syncd.engine.step import Step
from syncd.engine.tally import FAILURES_KEPT, Tally
from syncd.errors import ItemError

A, B, C = RelPath("a"), RelPath("b"), RelPath("c")


def outcome(rule: Rule, result: Result = Result.DONE, *, up: int = 0, down: int = 0) -> Outcome:
    error = ItemError("a", "no") if result is Result.FAILED else None
    step = Step(path=A, rule=rule, sides=Sides(None, None, None))
    return Outcome(step=step, result=result, bytes_up=up, bytes_down=down, error=error)


# --- tally --------------------------------------------------------------------------------------------------


def test_what_was_done_is_counted_by_what_it_was() -> None:
    tally = Tally()
    for rule in RULES.values():
        tally.add(outcome(rule))
    done = [rule.do for rule in RULES.values() if rule is not rules.REFRESH]
    assert tally.counts["uploaded"] == done.count(Do.UPLOAD) + done.count(Do.STORE_CONFLICT)
    assert tally.counts["downloaded"] == done.count(Do.DOWNLOAD) + done.count(Do.KEEP_BOTH)
    assert tally.counts["deleted"] == sum(rule.removes for rule in RULES.values())
    assert tally.counts["cleaned"] == 1
    assert tally.counts["adopted"] == done.count(Do.ADOPT)
    assert tally.counts["conflicts"] == sum(rule.conflict for rule in RULES.values())
    assert tally.unfinished == []


def test_a_refreshed_record_is_nobodys_news() -> None:
    tally = Tally()
    tally.add(outcome(rules.REFRESH))
    assert not tally.counts


def test_what_was_not_done_counts_as_nothing_but_that() -> None:
    tally = Tally()
    tally.add(outcome(rules.CONFLICT_LOCAL, Result.FAILED, up=3))
    tally.add(outcome(rules.UPLOAD_NEW, Result.STALE))
    tally.add(outcome(rules.UPLOAD_NEW, Result.WAITING))
    assert dict(tally.counts) == {"errors": 1, "waiting": 2}
    assert [each.result for each in tally.unfinished] == [Result.FAILED, Result.STALE, Result.WAITING]
    assert tally.bytes_up == 3  # they crossed the wire all the same


def test_what_a_pass_makes_of_the_objects_is_counted() -> None:
    tally = Tally()
    there = Sides(None, None, ListedObject(key="a", size=1, etag=ETag("e"), last_modified_s=0.0))
    tally.add(Outcome(step=Step(path=A, rule=rules.UPLOAD_CHANGED, sides=there), result=Result.DONE, bytes_up=1))
    assert tally.objects == 0
    tally.add(outcome(rules.UPLOAD_NEW, up=1))
    tally.add(outcome(rules.UPLOAD_NEW, Result.FAILED))
    assert tally.objects == 1
    (conflict,) = (rule for rule in RULES.values() if rule.do is Do.STORE_CONFLICT)
    tally.add(outcome(conflict))
    assert tally.objects == 1, "its copy was there already"
    tally.add(outcome(conflict, up=1))
    assert tally.objects == 2
    for rule in RULES.values():
        if rule.do is Do.DELETE_REMOTE:
            tally.add(outcome(rule))
    assert tally.objects == 2 - sum(rule.do is Do.DELETE_REMOTE for rule in RULES.values())


def test_what_is_left_alone_is_shown() -> None:
    tally = Tally()
    for rule in (rules.SUPERSEDED, rules.STILL_SUPERSEDED, rules.DIVERGED, rules.ARCHIVED):
        tally.add(outcome(rule))
    assert dict(tally.shown) == {"superseded": 2, "diverged": 1, "archived": 1}


def test_a_catastrophe_does_not_fill_the_memory() -> None:
    tally = Tally()
    for _ in range(FAILURES_KEPT + 5):
        tally.add(outcome(rules.UPLOAD_NEW, Result.FAILED))
    assert tally.counts["errors"] == FAILURES_KEPT + 5
    assert len(tally.unfinished) == FAILURES_KEPT


# --- backlog ------------------------------------------------------------------------------------------------


def test_the_first_note_keeps_the_time_and_the_last_one_the_state() -> None:
    backlog = Backlog()
    backlog.note(A, 5, 100.0, "writing")
    backlog.note(A, 6, 200.0, "failed", "no room")
    (waiting,) = backlog.snapshot()
    assert (waiting.size, waiting.since, waiting.state, waiting.reason) == (6, 100.0, "failed", "no room")


def test_what_is_done_waits_no_more_and_begins_anew_later() -> None:
    backlog = Backlog()
    backlog.note(A, 5, 100.0, "queued")
    backlog.done(A)
    backlog.done(B)  # never noted: no matter
    assert backlog.snapshot() == ()
    backlog.note(A, 5, 300.0, "queued")
    assert backlog.snapshot()[0].since == 300.0


def test_the_oldest_stands_first() -> None:
    backlog = Backlog()
    for path, since in ((B, 2.0), (A, 3.0), (C, 1.0)):
        backlog.note(path, 1, since, "queued")
    assert [waiting.path for waiting in backlog.snapshot()] == [C, B, A]


def test_a_full_pass_forgets_what_it_did_not_meet_but_nothing_younger_than_itself() -> None:
    backlog = Backlog()
    backlog.note(A, 1, 10.0, "writing")
    backlog.note(B, 1, 10.0, "writing")
    number = backlog.begin()
    backlog.note(C, 1, 60.0, "writing")
    backlog.meet(A)
    backlog.forget_unmet(number)
    assert {waiting.path: waiting.since for waiting in backlog.snapshot()} == {A: 10.0, C: 60.0}


def test_to_meet_a_path_that_does_not_wait_notes_nothing() -> None:
    backlog = Backlog()
    backlog.meet(A)
    assert backlog.snapshot() == ()


# --- claims -------------------------------------------------------------------------------------------------


def test_a_path_has_one_worker_at_a_time() -> None:
    claims = Claims()
    assert claims.take(A)
    assert not claims.take(A)
    assert claims.take(B)
    claims.release(A)
    claims.release(C)  # nobody had it: no matter
    assert claims.take(A)
    assert not claims.take(B)


def test_of_many_who_ask_at_once_one_gets_it() -> None:
    claims, barrier, got = Claims(), threading.Barrier(8), []

    def ask() -> None:
        for number in range(200):
            barrier.wait(10)
            if claims.take(RelPath(str(number))):
                got.append(number)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(got) == list(range(200))
