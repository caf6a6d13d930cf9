"""The table as it was promised, transcribed by hand from the document and compared cell by cell."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import pytest

from support.table import POLICIES, decisions, under
from syncd.core.model import Mode
from syncd.core.reconcile import Cell, Local, Policy, Remote, Same
from syncd.core.rules import RULES, Do, Rule

# Transcribed by hand from the document of promises, a row for each row of it; the words of a cell are those of
# MEANS below. Where a cell depends on more than the mode, it names the choices. Columns: bidirectional, upload,
# download. U unchanged, M changed or created, D deleted, C cleaned, A never there or a remembered absence,
# L left alone before (the table's M whose ETag was seen), S staged by a cleaning.

Entry = str | dict[str, str]

TABLE: dict[str, tuple[Entry, Entry, Entry]] = {
    "U/U": ("nothing", "nothing", "nothing"),
    "M/U": ("upload", "upload", "diverged"),
    "U/M": ("download", "superseded", "download"),
    "M/M": (
        {"local": "take ours", "remote": "take theirs", "keep-both": "keep both"},
        {"local": "take ours", "remote": "store ours aside", "keep-both": "store ours aside"},
        {"local": "diverged", "remote": "take theirs", "keep-both": "keep both"},
    ),
    "D/U": (
        {"keep": "restore down", "leave": "nothing", "propagate": "delete there"},
        {"keep": "nothing", "leave": "nothing", "propagate": "delete there"},
        {"keep": "restore down", "leave": "nothing", "propagate": "download"},
    ),
    "U/D": (
        {"keep": "restore up", "leave": "nothing", "propagate": "delete here"},
        {"keep": "restore up", "leave": "nothing", "propagate": "nothing"},
        {"keep": "nothing", "leave": "nothing", "propagate": "delete here"},
    ),
    "D/D": ("drop", "drop", "drop"),
    "D/M": ("download", "drop", "download"),
    "M/D": ("upload", "upload", "diverged"),
    "C/U": ("nothing", "nothing", "nothing"),
    "C/M": ("download", "nothing", "download"),
    "C/D": ("drop and warn", "drop and warn", "drop and warn"),
    # one side only
    "M/A": ("upload", "upload", "nothing"),
    "A/M": ("download", "nothing", "download"),
    # a remembered absence
    "A/U": ("nothing", "nothing", "nothing"),
    "U/A": ("nothing", "nothing", "nothing"),
    "A/D": ("drop", "drop", "drop"),
    "D/A": ("drop", "drop", "drop"),
    "A/A": ("drop", "drop", "drop"),
    "C/A": ("drop and warn", "drop and warn", "drop and warn"),
    # a change that was left alone is M, and stays left where it was this mode that left it
    "U/L": ("download", "superseded", "download"),
    "M/L": (
        {"local": "take ours", "remote": "take theirs", "keep-both": "keep both"},
        {"local": "take ours", "remote": "store ours aside", "keep-both": "store ours aside"},
        {"local": "diverged", "newer": "diverged", "remote": "take theirs", "keep-both": "keep both"},
    ),
    "D/L": ("download", "drop", "download"),
    "C/L": ("download", "nothing", "download"),
    "A/L": ("download", "nothing", "download"),
    # staged: looked at again and unlinked a cycle later; its object changed or gone: brought back
    "S/U": ("finish cleaning", "finish cleaning", "bring back"),
    "S/M": ("bring back", "bring back", "bring back"),
    "S/L": ("bring back", "bring back", "bring back"),
    "S/D": ("bring back", "bring back", "bring back"),
    "S/A": ("bring back", "bring back", "bring back"),
}

MEANS: dict[str, Callable[[Rule], bool]] = {
    "nothing": lambda r: r.do in {Do.NOTHING, Do.REMEMBER_LOCAL, Do.REMEMBER_REMOTE} and not r.shown_as,
    "adopt": lambda r: r.do is Do.ADOPT,
    "upload": lambda r: r.do is Do.UPLOAD and not r.conflict and not r.displaces and not r.restores,
    "upload displacing": lambda r: r.do is Do.UPLOAD and not r.conflict and r.displaces,
    "download": lambda r: r.do is Do.DOWNLOAD and not r.conflict and not r.restores,
    "restore up": lambda r: r.do is Do.UPLOAD and r.restores,
    "restore down": lambda r: r.do is Do.DOWNLOAD and r.restores,
    "diverged": lambda r: r.do in {Do.NOTHING, Do.MARK_DIVERGED} and r.shown_as == "diverged",
    "superseded": lambda r: r.do in {Do.NOTHING, Do.MARK_SUPERSEDED} and r.shown_as == "superseded",
    "take ours": lambda r: r.do is Do.UPLOAD and r.conflict and r.displaces and r.winner == "local",
    "take theirs": lambda r: r.do is Do.DOWNLOAD and r.conflict and r.displaces and r.winner == "remote",
    "keep both": lambda r: r.do is Do.KEEP_BOTH and r.conflict,
    "store ours aside": lambda r: r.do is Do.STORE_CONFLICT and r.conflict and r.shown_as == "superseded",
    "delete there": lambda r: r.do is Do.DELETE_REMOTE and r.displaces,
    "delete here": lambda r: r.do is Do.TRASH_LOCAL,
    "drop": lambda r: r.do is Do.DROP and not r.last_copy,
    "drop and warn": lambda r: r.do is Do.DROP and r.last_copy,
    "clean": lambda r: r.do is Do.CLEAN,
    "finish cleaning": lambda r: r.do is Do.FINISH_CLEANING,
    "bring back": lambda r: r.do is Do.UNSTAGE,
    "record cleaned": lambda r: r.do is Do.RECORD_CLEANED,
    "held": lambda r: r.do is Do.NOTHING and r.shown_as == "archived",
}

NEEDS_THE_OBJECT = {
    *("download", "restore down", "take theirs", "keep both"),  # it is read
    *("take ours", "upload displacing", "delete there"),  # it is copied aside
}

LETTER = {
    Local.UNCHANGED: "U",
    Local.MODIFIED: "M",
    Local.DELETED: "D",
    Local.CLEANED: "C",
    Local.ABSENT: "A",
    Local.STAGED: "S",
}
LETTER_THERE = {
    Remote.UNCHANGED: "U",
    Remote.MODIFIED: "M",
    Remote.SEEN: "L",
    Remote.DELETED: "D",
    Remote.ABSENT: "A",
}
COLUMN = {Mode.BIDIRECTIONAL: 0, Mode.UPLOAD: 1, Mode.DOWNLOAD: 2}


def promised(here: Cell, policy: Policy) -> str:
    """What the document promises for a cell: its row, then its prose."""
    row = f"{LETTER[here.local]}/{LETTER_THERE[here.remote]}"
    entry = TABLE[row][COLUMN[policy.mode]]
    word = entry if isinstance(entry, str) else _choice(entry, here, policy)
    word = _refined(row, word, here, policy)
    return "held" if here.archived and word in NEEDS_THE_OBJECT else word


def _choice(entry: dict[str, str], here: Cell, policy: Policy) -> str:
    if policy.deletes.value in entry:
        return entry[policy.deletes.value]
    if policy.conflict.value in entry:
        return entry[policy.conflict.value]
    return entry["local" if here.local_wins else "remote"]


def _refined(row: str, word: str, here: Cell, policy: Policy) -> str:
    cleans = policy.cleanup and policy.mode is not Mode.DOWNLOAD  # cleanup with mode download is exit 78
    settled_before = row in {"M/L", "U/L"} and word in {"diverged", "superseded"} and policy.mode is not Mode.UPLOAD
    still_left = settled_before or (row == "U/L" and policy.mode is Mode.UPLOAD)
    if row in {"U/M", "M/U", "M/M", "U/L", "M/L"} and here.same is not Same.DIFFERENT and not still_left:
        return "adopt"  # both same digest: adopt, no transfer, everywhere
    if row == "M/U" and word == "upload" and here.after_cleaning:
        return "upload displacing"  # new content under a Cleaned key displaces the object first
    if row == "U/U":
        return "clean" if cleans and here.cleanable else "adopt" if here.cleaning or here.refreshed else word
    if row == "C/U" and (here.cleaning or here.refreshed):
        return "record cleaned"  # the cleaning is over, or the record takes the new ETag
    if row in {"A/M", "A/L"} and here.ours and cleans:
        return "record cleaned"  # with the record lost, an object of our host id counts as Cleaned
    if word in {"restore up", "restore down"} and here.restored:
        return "nothing"  # keep undoes a deletion at most once
    if word == "delete there" and not policy.can_delete:
        return "nothing"  # propagate is off where the endpoint honours no conditional delete
    if word == "finish cleaning" and not cleans:
        return "bring back"
    return word


def test_the_transcription_has_every_row() -> None:
    assert TABLE.keys() == {f"{a}/{b}" for a, b in product(LETTER.values(), LETTER_THERE.values())}


def test_the_words_of_the_transcription_are_of_one_kind_each() -> None:
    """Every rule is what exactly one word means: the comparison below can tell them apart."""
    for rule in RULES.values():
        assert len([word for word, means in MEANS.items() if means(rule)]) == 1, rule.id


@pytest.mark.parametrize("mode", list(Mode))
def test_every_cell_is_as_promised(mode: Mode) -> None:
    numbers = under(lambda policy: policy.mode is mode)
    wrong: list[str] = []
    for here, rules in decisions():
        for number in numbers:
            word = promised(here, POLICIES[number])
            if not MEANS[word](rules[number]):
                wrong.append(f"promised {word}, decided {rules[number].id}: {here} {POLICIES[number]}")
        if len(wrong) > 10:
            break
    assert not wrong, "\n".join(wrong[:10])
