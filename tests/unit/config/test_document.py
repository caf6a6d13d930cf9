"""The file itself: bytes, size, encoding, TOML."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.anybody import said_by_anybody
from syncd.config.document import parse_document, read_document
from syncd.errors import ConfigError


def refusal(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        read_document(path)
    assert len(caught.value.problems) == 1
    assert str(path) in caught.value.problems[0]
    return caught.value.problems[0]


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(b'\xef\xbb\xbf[s3]\r\nregion = "eu-west-1"\r\n')
    assert read_document(path) == {"s3": {"region": "eu-west-1"}}


def test_five_megabytes_are_refused_and_the_limit_is_named(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(b"# filler\n" * (5_000_000 // 9))
    assert "1 MiB" in refusal(path)


def test_one_mebibyte_is_still_read(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(b"#" * ((1 << 20) - 1) + b"\n")
    assert read_document(path) == {}


def test_not_utf8_is_refused_with_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(b"[s3]\nacl = '\xe9'\n")
    assert "byte 12 (line 2)" in refusal(path)


def test_the_byte_counts_the_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(b"\xef\xbb\xbf\xff")
    assert "byte 3 " in refusal(path)


def test_utf16_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes("[s3]".encode("utf-16"))
    assert "UTF-16" in refusal(path)


@pytest.mark.parametrize(
    ("text", "line"),
    [("[s3]\nregion = us", "line 2"), ("[s3]\n[s3]\n", "line 2"), ("a = 1\n\n[[", "line 3"), ("x = '''\n\n", "line 3")],
)
def test_what_is_no_toml_is_refused_with_the_line(text: str, line: str) -> None:
    with pytest.raises(ConfigError, match=rf"c\.toml: not valid TOML.*{line}"):
        parse_document(text.encode(), "c.toml")


@pytest.mark.parametrize("content", [b"x = " + b"[" * 100_000, b"x = " + b"9" * 100_000, b"x = 2024-99-99", b"\0"])
def test_hostile_content_is_a_problem_and_no_crash(content: bytes) -> None:
    with pytest.raises(ConfigError):
        parse_document(content, "c.toml")


def test_a_missing_file_and_a_folder_are_refused_with_the_reason(tmp_path: Path) -> None:
    assert "No such file" in refusal(tmp_path / "nowhere.toml")
    assert "directory" in refusal(tmp_path)


def test_an_unreadable_file_is_refused_with_the_reason(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.touch(mode=0)
    said = said_by_anybody(READ, path)
    assert str(path) in said
    assert "Permission denied" in said


READ = """
import sys
from pathlib import Path
from syncd.config.document import read_document
from syncd.errors import ConfigError
try:
    read_document(Path(sys.argv[1]))
except ConfigError as error:
    print(*error.problems)
"""
