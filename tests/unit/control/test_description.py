"""The description of the interface, the table of methods and the stub's answers say the same."""

from __future__ import annotations

import pytest
from varlink.scanner import Interface, _Array, _Enum, _Error, _Maybe, _Method

from support.stub_daemon import (
    ARCHIVE_ROW,
    PLAN_ROW,
    VERIFIED_ROW,
    VERIFIED_SUMMARY,
    VERIFY_PROGRESS,
    StubDaemon,
    found_answer,
    pair_row,
    reindexed_answer,
    restored_answer,
    status_row,
)
from syncd.control.methods import METHODS
from syncd.control.requests import Parameter
from syncwire import names
from syncwire.descriptions import descriptions

DESCRIBED = Interface(descriptions()[names.INTERFACE])
TYPES = {str: "", float: 0.0, int: 0, bool: False}


def takes(method: _Method) -> dict[str, tuple[type, bool]]:
    found = {}
    for name, type_ in method.in_type.fields.items():
        optional = isinstance(type_, _Maybe)
        kind = type(type_.element_type if optional else type_)
        found[name] = (list if kind is _Array else kind, not optional)
    return found


def test_the_description_has_exactly_the_methods_of_the_table() -> None:
    described = {member.name for member in DESCRIBED.members.values() if isinstance(member, _Method)}
    assert described == set(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_each_method_takes_what_the_description_says(name: str) -> None:
    table: dict[str, Parameter] = dict(METHODS[name].takes)
    said = takes(DESCRIBED.get_method(name))
    assert {key: (value.type, value.required) for key, value in table.items()} == said
    assert list(table) == list(said)


def test_what_changes_something_says_so_in_its_description() -> None:
    said = {
        member.name
        for member in DESCRIBED.members.values()
        if isinstance(member, _Method) and member.doc.strip().startswith("Changes.")
    }
    assert said == {name for name, method in METHODS.items() if method.changes}


def test_every_error_name_is_described() -> None:
    described = {f"{names.INTERFACE}.{m.name}" for m in DESCRIBED.members.values() if isinstance(m, _Error)}
    ours = {value for value in vars(names).values() if isinstance(value, str) and value.startswith("io.syncd.")}
    assert described == ours


def test_there_is_no_enumeration_as_it_could_have_no_hyphen() -> None:
    def types(of: object) -> list[object]:
        fields = getattr(of, "fields", None)
        inner = list(fields.values()) if isinstance(fields, dict) else []
        inner += [of.element_type] if hasattr(of, "element_type") else []
        return [of, *(found for each in inner for found in types(each))]

    parts = [
        getattr(m, key)
        for m in DESCRIBED.members.values()
        for key in ("type", "in_type", "out_type")
        if hasattr(m, key)
    ]
    assert parts
    assert not [found for part in parts for found in types(part) if isinstance(found, _Enum)]


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        (
            "Status",
            status_row(transfers=[{"pair": "logs", "path": "a", "direction": "up", "done_bytes": 1, "total_bytes": 2}]),
        ),
        ("Plan", {"rows": [PLAN_ROW]}),
        ("Verify", {**VERIFIED_SUMMARY, "seed": "9f3c", "rows": [VERIFIED_ROW], "progress": VERIFY_PROGRESS}),
        ("Explain", StubDaemon().explain("a/one.gz")),
        ("Reload", StubDaemon().reload()),
        ("Version", StubDaemon().version()),
        ("ArchiveFind", found_answer(progress={"doing": "reading manifests", "archives": 3})),
        ("ArchiveList", {**found_answer(), "archives": [ARCHIVE_ROW]}),
        ("ArchiveRestore", restored_answer(progress={"doing": "restoring", "files": 3, "bytes": 9, "failed": 1})),
        ("ArchiveReindex", reindexed_answer(problems=["bucket lab: no"])),
        (
            "ForceSync",
            {
                "cycles": [pair_row()["last_cycle"]],
                "missing": [{"pair": "p", "path": "a", "reason": "r"}],
                "exit_code": 4,
            },
        ),
    ],
)
def test_no_field_of_an_answer_is_left_out_of_the_description(method: str, answer: dict[str, object]) -> None:
    described = DESCRIBED.get_method(method).out_type

    def without_nulls(value: object) -> object:
        if isinstance(value, dict):
            return {key: without_nulls(each) for key, each in value.items() if each is not None}
        return [without_nulls(each) for each in value] if isinstance(value, list) else value

    assert DESCRIBED.filter_params("reply", described, False, answer, None) == without_nulls(answer)
