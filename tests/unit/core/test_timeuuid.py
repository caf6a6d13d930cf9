"""Names of archives: UUIDs that sort by time."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.timeuuid import is_time_uuid, time_uuid, uuid_ms

RFC_9562 = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f"  # its appendix A.6
RANDOM = (0xCC3 << 64 | 0x18C4DC0C0C07398F).to_bytes(10, "big")

_milliseconds = st.integers(0, 2**48 - 1)
_randomness = st.binary(min_size=10, max_size=10)


def test_the_example_of_the_rfc_is_made() -> None:
    assert time_uuid(0x017F22E279B0, RANDOM) == RFC_9562
    assert uuid_ms(RFC_9562) == 0x017F22E279B0


@given(_milliseconds, _randomness)
def test_each_is_a_uuid_of_version_7_that_tells_its_time(now_ms: int, randomness: bytes) -> None:
    text = time_uuid(now_ms, randomness)
    assert is_time_uuid(text)
    assert str(uuid.UUID(text)) == text
    assert (uuid.UUID(text).version, uuid.UUID(text).variant) == (7, uuid.RFC_4122)
    assert uuid_ms(text) == now_ms


@given(_milliseconds, _milliseconds, _randomness, _randomness)
def test_text_sorts_by_time(one: int, other: int, these: bytes, those: bytes) -> None:
    if one < other:
        assert time_uuid(one, these) < time_uuid(other, those)


@given(_randomness, _randomness)
def test_74_random_bits_tell_those_of_one_millisecond_apart(these: bytes, those: bytes) -> None:
    kept = (1 << 76) - 1 - (0b11 << 62)
    alike = int.from_bytes(these, "big") & kept == int.from_bytes(those, "big") & kept
    assert (time_uuid(1, these) == time_uuid(1, those)) == alike


@pytest.mark.parametrize(("now_ms", "counted"), [(-5, 0), (2**48, 2**48 - 1), (2**70, 2**48 - 1)])
def test_a_wrong_clock_still_makes_one(now_ms: int, counted: int) -> None:
    text = time_uuid(now_ms, bytes(10))
    assert is_time_uuid(text)
    assert uuid_ms(text) == counted


@pytest.mark.parametrize("count", [0, 9, 11, 16])
def test_another_number_of_random_bytes_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="10 random bytes"):
        time_uuid(1, bytes(count))


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", RFC_9562[:-1], f"{RFC_9562}0", f"{RFC_9562}\n", f" {RFC_9562}", RFC_9562.upper()),
        *(RFC_9562.replace("-", ""), f"{{{RFC_9562}}}", f"urn:uuid:{RFC_9562}", RFC_9562.replace("-", "_")),
        *(str(uuid.UUID(int=0)), "017f22e2-79b0-4cc3-98c4-dc0c0c07398f", "017f22e2-79b0-7cc3-d8c4-dc0c0c07398f"),
        *("../../../etc/passwd", "017f22e2-79b0-7cc3-98c4-dc0c0c07398\u0660"),
    ],
)
def test_anything_else_is_none(text: str) -> None:
    assert not is_time_uuid(text)
