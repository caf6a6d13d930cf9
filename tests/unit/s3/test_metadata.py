"""What is written beside an object, and what is believed of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.core.model import Digest, HashType
from syncd.engine.describe import mtime_text
from syncd.s3.metadata import MAX_BYTES, Claims, claims, decoded, encoded, essential
from syncd.s3.metadata import parse_mtime as parse

SHA = "ab" * 32


@given(st.integers(-(10**19), 10**19))
def test_a_time_comes_back_to_the_nanosecond(mtime_ns: int) -> None:
    assert parse(mtime_text(mtime_ns)) == mtime_ns


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("5", 5_000_000_000),
        ("5.5", 5_500_000_000),
        ("5.1234567899", 5_123_456_789),
        ("-0.500000000", -500_000_000),
        (" 5 ", 5_000_000_000),
        ("", None),
        ("5.", None),
        ("1e9", None),
        ("2024-01-15T14:30:17Z", None),
        ("٥", None),
        ("9" * 12, None),
    ],
)
def test_a_time_is_a_decimal_number_of_seconds_or_nothing(text: str, expected: int | None) -> None:
    assert parse(text) == expected


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_sent_as_printable_ascii_and_comes_back(text: str) -> None:
    sent = encoded({"k": text}, limit=10**6)["k"]
    assert sent == sent.strip()
    assert all(" " <= char <= "~" for char in sent)
    assert decoded(sent) == text


def test_ordinary_values_are_sent_as_they_are() -> None:
    assert encoded({"K": "latency 2026:11.jsonl.gz"}) == {"k": "latency 2026:11.jsonl.gz"}


def test_where_it_does_not_fit_the_file_name_goes_first_and_whole() -> None:
    sent = encoded({"original-filename": "é" * 200, "source-host": "h" * 100, "file-hash": "f" * 1000})
    assert sent == {"source-host": "h" * 100, "file-hash": "f" * 1000}


@given(st.dictionaries(st.text("abcdef-", max_size=20), st.text(max_size=900), max_size=8))
def test_what_is_sent_always_fits(values: dict[str, str]) -> None:
    printable = {name: value.encode("utf-8", "replace").decode() for name, value in values.items()}
    assert sum(len(name) + len(value) for name, value in encoded(printable).items()) <= MAX_BYTES


def test_the_essential_metadata_still_decides() -> None:
    assert essential({"original-filename": "x", "file-hash": SHA, "mtime": "1"}) == {"file-hash": SHA, "mtime": "1"}


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({}, Claims()),
        ({"FILE-HASH": SHA.upper(), "Hash-Type": "SHA256"}, Claims(digest=Digest(HashType.SHA256, SHA))),
        ({"file-hash": "ab" * 16, "hash-type": "md5"}, Claims(digest=Digest(HashType.MD5, "ab" * 16))),
        ({"file-hash": SHA, "hash-type": "md5"}, Claims(lying=True)),
        ({"file-hash": "zz" * 32, "hash-type": "sha256"}, Claims(lying=True)),
        ({"file-hash": SHA, "hash-type": "blake3"}, Claims()),
        ({"file-hash": SHA}, Claims()),
        ({"file-size": "7", "file-hash": SHA, "hash-type": "sha256"}, Claims(digest=Digest(HashType.SHA256, SHA))),
        ({"file-size": "8", "file-hash": SHA, "hash-type": "sha256", "mtime": "1"}, Claims(mtime_ns=10**9, lying=True)),
        ({"file-size": "seven"}, Claims(lying=True)),
        ({"source-host-id": "h%C3%B4st", "syncd-op": "op"}, Claims(host_id="hôst", operation_id="op")),
        ({"s3cmd-attrs": "atime:1/ctime:2/mtime:1700000000/uid:0"}, Claims(mtime_ns=1_700_000_000 * 10**9)),
        ({"s3cmd-attrs": "uid:0/gname:root"}, Claims()),
        ({"mtime": "yesterday"}, Claims()),
    ],
)
def test_what_is_read_is_believed_only_where_it_can_be_true(metadata: dict[str, str], expected: Claims) -> None:
    assert claims(metadata, size=7) == expected
