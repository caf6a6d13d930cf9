"""Write the generated parts of daemon/SEMANTICS.md: the table and the rules, as the core decides them.

python packaging/semantics.py            rewrite what stands between the markers
python packaging/semantics.py --check    change nothing; exit 1 where the document is stale
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from syncd.core.model import ConflictPolicy, Deletes, Mode
from syncd.core.reconcile import Cell, Local, Policy, Remote, Same, decide
from syncd.core.rules import RULES

DOCUMENT = Path(__file__).resolve().parents[1] / "daemon" / "SEMANTICS.md"

MODES = (Mode.BIDIRECTIONAL, Mode.UPLOAD, Mode.DOWNLOAD)

HERE = {
    Local.UNCHANGED: "unchanged",
    Local.MODIFIED: "changed or new",
    Local.DELETED: "deleted",
    Local.CLEANED: "cleaned",
    Local.STAGED: "staged",
    Local.ABSENT: "not there",
}
THERE = {
    Remote.UNCHANGED: "unchanged",
    Remote.MODIFIED: "changed or new",
    Remote.SEEN: "left before",
    Remote.DELETED: "deleted",
    Remote.ABSENT: "not there",
}

# What else can decide, one thing at a time: how it is said, the cell that has it, and the policy under which it counts.
MORE: tuple[tuple[str, dict[str, Any], dict[str, bool]], ...] = (
    ("the content is the same", {"same": Same.SAME}, {}),
    ("the content is the same by size and time only", {"same": Same.UNPROVEN}, {}),
    ("only the stat or the ETag moved", {"refreshed": True}, {}),
    ("this content came back once already", {"restored": True}, {}),
    ("the endpoint cannot delete without loss", {}, {"can_delete": False}),
    ("the pair cleans, and the file may be cleaned", {"cleanable": True}, {"cleanup": True}),
    ("the pair cleans", {}, {"cleanup": True}),
    ("the record says Cleaning", {"cleaning": True}, {}),
    ("the record says Cleaning or Cleaned", {"after_cleaning": True}, {}),
    ("the same content is back under a cleaned name", {"same": Same.SAME, "after_cleaning": True}, {}),
    ("the pair cleans, and no record but our host id", {"ours": True}, {"cleanup": True}),
    ("the object is archived", {"archived": True}, {}),
)


def choices(here: Cell, mode: Mode, **asked: bool) -> dict[str, str]:
    """The rules of one cell in one mode, by the setting that decides ("" where none does)."""

    def rule(deletes: Deletes = Deletes.KEEP, conflict: ConflictPolicy = ConflictPolicy.LOCAL) -> str:
        return decide(here, Policy(mode=mode, deletes=deletes, conflict=conflict, **asked)).id

    by_deletes = {deletes.value: rule(deletes=deletes) for deletes in Deletes}
    if len(set(by_deletes.values())) > 1:
        return by_deletes
    by_conflict = {
        "local wins": rule(conflict=ConflictPolicy.LOCAL),
        "remote wins": rule(conflict=ConflictPolicy.REMOTE),
        "keep-both": rule(conflict=ConflictPolicy.KEEP_BOTH),
    }
    return by_conflict if len(set(by_conflict.values())) > 1 else {"": rule()}


def said(chosen: dict[str, str]) -> str:
    """One cell in words: settings with one rule share its line."""
    by_rule: dict[str, list[str]] = {}
    for setting, rule in chosen.items():
        by_rule.setdefault(rule, []).append(setting)
    return "; ".join(
        f"{', '.join(settings)}: `{rule}`" if settings != [""] else f"`{rule}`" for rule, settings in by_rule.items()
    )


def table() -> Iterator[str]:
    """The rows by what became of each side."""
    yield "| here | on S3 | bidirectional | upload | download |"
    yield "| --- | --- | --- | --- | --- |"
    for local, remote in product(HERE, THERE):
        cells = [said(choices(Cell(local=local, remote=remote), mode)) for mode in MODES]
        yield f"| {HERE[local]} | {THERE[remote]} | {' | '.join(cells)} |"


def refinements() -> Iterator[str]:
    """The cells that another fact turns."""
    yield "| where | here, on S3 | bidirectional | upload | download |"
    yield "| --- | --- | --- | --- | --- |"
    for (why, flags, asked), local, remote in product(MORE, HERE, THERE):
        plain = Cell(local=local, remote=remote)
        turned = replace(plain, **flags)
        cells, moved = [], False
        for mode in MODES:
            before, after = choices(plain, mode), choices(turned, mode, **asked)
            if len(flags) + len(asked) > 1:  # only what neither of them does alone
                alone = [choices(replace(plain, **{name: value}), mode) for name, value in flags.items()]
                moved |= after not in [before, choices(plain, mode, **asked), *alone]
            else:
                moved |= before != after
            cells.append(said(after) if before != after else "as above")
        if moved:
            yield f"| {why} | {HERE[local]}, {THERE[remote]} | {' | '.join(cells)} |"


def rules() -> Iterator[str]:
    """Every rule with what is done and why."""
    yield "| rule | what is done | why |"
    yield "| --- | --- | --- |"
    for rule in RULES.values():
        done = rule.do.value + (", what it displaces is kept first" if rule.displaces else "")
        yield f"| `{rule.id}` | {done} | {rule.why} |"


PARTS = {"table": table, "refinements": refinements, "rules": rules}


def renewed(text: str) -> str:
    """The document with every generated part as the core has it now. ValueError where a marker is missing."""
    for name, part in PARTS.items():
        begin, end = f"<!-- generated: {name} -->\n", f"<!-- end of {name} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"{DOCUMENT.name} lacks the markers of {name}")
        text = before + begin + "\n".join(part()) + "\n" + end + after
    return text


def main(arguments: list[str]) -> int:
    """Rewrite or check; the exit code."""
    text = DOCUMENT.read_text(encoding="utf-8")
    fresh = renewed(text)
    if arguments == ["--check"]:
        if fresh != text:
            print(f"{DOCUMENT.name} is stale: run python packaging/semantics.py", file=sys.stderr)
        return int(fresh != text)
    DOCUMENT.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
