"""Calls and their parameters, parsed."""

from __future__ import annotations

from typing import Any

import pytest

from syncd.control.port import BadRequest
from syncd.control.requests import Arguments, Call, InvalidParameter, Parameter, parse_call
from syncwire.framing import Junk

TAKES = {
    "name": Parameter(str, required=True),
    "path": Parameter(str),
    "timeout": Parameter(float),
    "limit": Parameter(int),
    "wait": Parameter(bool),
    "keys": Parameter(list),
}


def test_a_call_is_parsed_whole() -> None:
    message = {"method": "io.syncd.Plan", "parameters": {"pair": "logs"}, "more": True}
    assert parse_call(message) == Call(interface="io.syncd", method="Plan", parameters={"pair": "logs"}, more=True)


def test_null_parameters_are_none() -> None:
    assert parse_call({"method": "a.B", "parameters": None}).parameters == {}


@pytest.mark.parametrize("message", [{}, {"method": 3}, {"method": "a.B", "parameters": []}, {"method": None}])
def test_what_is_no_call_is_junk(message: dict[str, Any]) -> None:
    with pytest.raises(Junk):
        parse_call(message)


@pytest.mark.parametrize(
    ("given", "culprit"),
    [
        ({}, "name"),
        ({"name": None}, "name"),
        ({"name": 7}, "name"),
        ({"name": "a", "nmae": "b"}, "nmae"),
        ({"name": "a", "path": ["b"]}, "path"),
        ({"name": "a", "timeout": "3"}, "timeout"),
        ({"name": "a", "timeout": True}, "timeout"),
        ({"name": "a", "timeout": 10**400}, "timeout"),
        ({"name": "a", "limit": True}, "limit"),
        ({"name": "a", "limit": 1.5}, "limit"),
        ({"name": "a", "wait": 1}, "wait"),
        ({"name": "a", "keys": "b"}, "keys"),
        ({"name": "a", "keys": ["b", 7]}, "keys"),
        ({"name": "\ud800"}, "name"),
        ({"name": "a", "keys": ["b", "\udcff"]}, "keys"),
    ],
)
def test_a_wrong_parameter_is_named(given: dict[str, Any], culprit: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        Arguments(given, TAKES)
    assert caught.value.name == culprit


def test_right_parameters_have_their_values() -> None:
    arguments = Arguments({"name": "a", "timeout": 3, "limit": 7, "wait": True, "path": ""}, TAKES)
    values = (
        arguments.text("name"),
        arguments.text_or_none("path"),
        arguments.seconds("timeout"),
        arguments.count("limit", 100, 1000),
        arguments.flag("wait"),
    )
    assert values == ("a", None, 3.0, 7, True)


def test_absent_parameters_have_their_defaults() -> None:
    arguments = Arguments({"name": "a"}, TAKES)
    assert (arguments.seconds("timeout"), arguments.count("limit", 100, 1000), arguments.flag("wait")) == (
        None,
        100,
        False,
    )


@pytest.mark.parametrize("seconds", [-1, -0.5, 1e11, 2**63, float("inf"), float("nan")])
def test_a_duration_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(BadRequest):
        Arguments({"name": "a", "timeout": seconds}, TAKES).seconds("timeout")


@pytest.mark.parametrize("limit", [0, -1, 1001])
def test_a_count_out_of_range_is_refused(limit: int) -> None:
    with pytest.raises(BadRequest):
        Arguments({"name": "a", "limit": limit}, TAKES).count("limit", 100, 1000)


def test_a_word_is_one_of_those_allowed() -> None:
    assert Arguments({"name": "both"}, TAKES).word("name", ("local", "both")) == "both"
    with pytest.raises(BadRequest, match="one of: local, both"):
        Arguments({"name": "mine"}, TAKES).word("name", ("local", "both"))


def test_a_word_may_be_absent() -> None:
    assert Arguments({"name": "a"}, TAKES).word_or_none("path", ("local", "both")) is None
    with pytest.raises(BadRequest, match="one of: local, both"):
        Arguments({"name": "a", "path": "mine"}, TAKES).word_or_none("path", ("local", "both"))


def test_a_list_of_texts_is_not_empty() -> None:
    assert Arguments({"name": "a", "keys": ["b", "c"]}, TAKES).texts("keys") == ["b", "c"]
    with pytest.raises(BadRequest, match="keys is empty"):
        Arguments({"name": "a", "keys": []}, TAKES).texts("keys")


@pytest.mark.parametrize(
    ("text", "epoch"),
    [("1970-01-01T00:01:00Z", 60.0), ("1970-01-01T02:00:00+02:00", 0.0), ("1970-01-01T00:00:01", 1.0)],
)
def test_a_time_is_seconds_since_the_epoch(text: str, epoch: float) -> None:
    assert Arguments({"name": text}, TAKES).instant("name") == epoch


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(BadRequest, match="no time"):
        Arguments({"name": "yesterday"}, TAKES).instant("name")
