"""What is known of one file on its three sides, and what happens next by which rule."""

from __future__ import annotations

from dataclasses import asdict
from enum import Enum
from typing import Any

from syncd.core.model import LocalStat, ObjectFacts, Record
from syncd.core.paths import RelPath
from syncd.engine.clearance import clearance_of
from syncd.engine.context import Context
from syncd.engine.observe import decide_step, listed_by_facts, sides_of
from syncd.engine.step import Step


def explain(context: Context, path: RelPath) -> dict[str, Any]:
    """Look at one path now. One HEAD; reads the file where its stat moved. Changes nothing."""
    wanted = context.wants(path)
    facts = context.objects.head(context.key(path))
    sides = sides_of(context, path, listed_by_facts(path, facts))
    answer: dict[str, Any] = {
        "pair": context.pair.name,
        "path": path,
        "key": context.key(path),
        "wanted": wanted,
        "local": None if sides.stat is None else sides.stat._asdict(),
        "remote": None if facts is None else _facts(facts),
        "record": None if sides.record is None else _record(sides.record),
    }
    if wanted:
        answer["next"] = row(context.pair.name, decide_step(context, path, sides, clearance_of(context)))
    else:
        answer["next"] = {"action": "nothing", "rule": "filtered", "reason": "include and exclude leave it out"}
    return answer


def row(pair: str, step: Step) -> dict[str, Any]:
    """One row of a plan."""
    return {
        "pair": pair,
        "path": step.path,
        "action": step.rule.do.value,
        "rule": step.rule.id,
        "reason": f"{step.rule.why}; {step.note}" if step.note else step.rule.why,
        "size": step.size,
    }


def _facts(facts: ObjectFacts) -> dict[str, Any]:
    return {name: _plain(value) for name, value in asdict(facts).items()}


def _record(record: Record) -> dict[str, Any]:
    return {name: _plain(value) for name, value in asdict(record).items() if name != "path"}


def _plain(value: Any) -> Any:
    if isinstance(value, LocalStat):
        return value._asdict()
    if isinstance(value, dict):
        return f"{_plain(value['type'])}:{value['hex']}" if set(value) == {"type", "hex"} else value
    return value.value if isinstance(value, Enum) else value
