"""Who looks at status or asks the doctor learns which way bytes go, and why they take the dear one."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from support.fake_store import FakeObjects
from syncd.runtime.plane import plane_of, said_of


def world(detour: str) -> Any:
    objects = FakeObjects()
    objects.detour = detour
    return SimpleNamespace(objects=objects)


def test_a_pair_that_is_not_open_has_no_plane_yet() -> None:
    assert plane_of([None]) == {"plane": None, "plane_reason": None}


def test_one_bucket_that_goes_by_boto3_speaks_for_all() -> None:
    assert plane_of([world(""), None]) == {"plane": "lean", "plane_reason": None}
    assert plane_of([world(""), world("a proxy")]) == {"plane": "boto3", "plane_reason": "a proxy"}


def test_the_doctor_says_it_in_words() -> None:
    assert said_of(world("").objects) == "over the lean client"
    assert said_of(world("a proxy").objects) == "by boto3: a proxy"
