"""Manifests: written the same each time, and read without believing a word."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from support.members import NOW_NS, SHA256, UUID, manifest, member, paths
from syncd.core.manifest import (
    LONGEST_FOLDER,
    BadManifest,
    Pointer,
    archive_key,
    dump,
    find_pointer,
    load,
    manifest_key,
    manifest_member_name,
    nanoseconds,
    pointer_block,
    rfc3339,
)
from syncd.core.paths import MAX_KEY, RelPath, Unrepresentable, parse_relpath

POINTER = Pointer(offset=81920, size=4711, sha256=SHA256)
LARGE = 2**63 - 1

_long = st.integers(0, LARGE)
_text = st.text(st.characters(exclude_categories=["Cs"]))
seconds = st.floats(2**23, 2**34)  # from April 1970 on; a float's steps are a nanosecond and more there


@st.composite
def manifests(draw: st.DrawFn) -> Any:
    """Any manifest that the archiver may write."""
    folder = draw(paths.filter(lambda path: len(path.encode()) <= LONGEST_FOLDER) | st.just(""))
    names = draw(st.lists(paths, max_size=5, unique=True))
    wholes = [f"{folder}/{name}" if folder else name for name in names]
    assume(all(len(whole.encode()) <= MAX_KEY for whole in wholes))
    members = [
        dataclasses.replace(
            member(whole, offset=draw(_long), size=draw(_long), mtime_ns=draw(st.integers(-(2**90), 2**90))),
            mode=draw(st.integers(0, 0o7777)),
            uid=draw(st.integers(0, 2**32 - 1)),
            gid=draw(st.integers(0, 2**32 - 1)),
            void=draw(st.booleans()),
        )
        for whole in wholes
    ]
    made = manifest(*members, folder=folder, created_at=draw(seconds))
    return dataclasses.replace(made, host=draw(_text), software=draw(_text), url=draw(_text))


# --- written ----------------------------------------------------------------------------------------------------


def test_it_looks_so() -> None:
    whole = manifest(
        member("d/a", offset=1536, size=3, mtime_ns=NOW_NS + 123_000_000), member("d/é\n", void=True), created_at=1.75e9
    )
    assert dump(whole).decode() == (
        '{"schema_version": 1, "software": "syncd/0.3.0", "created_at": "2025-06-15T15:06:40Z", "host": "lt-07", '
        f'"archive": {{"uuid": "{UUID}", "bucket": "photos", "key": "d/{UUID}.tar", '
        f'"url": "https://s3.example/photos/d/{UUID}.tar"}}, "members": [\n'
        f'{{"key": "d/a", "offset": 1536, "size": 3, "sha256": "{SHA256}", "mtime": "2025-06-15T15:06:40.123Z", '
        '"mtime_ns": 1750000000123000000, "mode": 416, "uid": 1000, "gid": 100},\n'
        f'{{"key": "d/é\\n", "offset": 1536, "size": 3, "sha256": "{SHA256}", "mtime": "2025-06-15T15:06:40Z", '
        '"mtime_ns": 1750000000000000000, "mode": 416, "uid": 1000, "gid": 100, "void": true}\n'
        "]}\n"
    )


@given(manifests())
def test_what_is_written_is_read_back(whole: Any) -> None:
    data = dump(whole)
    again = load(data)
    assert again == whole
    assert dump(again) == data


@given(manifests())
def test_there_is_one_line_for_each_member(whole: Any) -> None:
    data = dump(whole)
    assert data.count(b"\n") == (len(whole.members) + 2 if whole.members else 1)
    assert data.endswith(b"\n")
    assert [row["key"] for row in json.loads(data)["members"]] == [one.path for one in whole.members]


def test_a_host_whose_name_is_no_text_is_named_nevertheless() -> None:
    whole = dataclasses.replace(manifest(), host="lt\udcff")
    assert load(dump(whole)).host == "lt?"


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (1_500_000_000, "1970-01-01T00:00:01.5Z"),
        (1_000_000_010, "1970-01-01T00:00:01.00000001Z"),
        (10**10 * 10**9, "2286-11-20T17:46:40Z"),
        (10**40, "9999-12-31T23:59:59Z"),
        (-(10**40), "0001-01-01T00:00:00Z"),
    ],
)
def test_times_are_rfc_3339(ns: int, text: str) -> None:
    assert rfc3339(ns) == text


@given(seconds)
def test_seconds_survive_their_nanoseconds(created_at: float) -> None:
    assert nanoseconds(created_at) / 10**9 == created_at


# --- names ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "archive", "beside"),
    [("", f"{UUID}.tar", f"{UUID}.manifest.json"), ("a/b", f"a/b/{UUID}.tar", f"a/b/{UUID}.manifest.json")],
)
def test_archive_and_manifest_lie_in_the_key_folder(folder: str, archive: str, beside: str) -> None:
    assert archive_key(folder, UUID) == archive
    assert manifest_key(archive_key(folder, UUID)) == beside


def test_the_manifest_in_the_archive_is_nobodys_file() -> None:
    assert manifest_member_name(UUID) == f".syncd/manifest-{UUID}.json"


def test_the_longest_folder_leaves_room_for_every_key_of_ours() -> None:
    bucket, folder = "b" * 63, "/".join(["f" * 100] * 9)
    assert len(folder) <= LONGEST_FOLDER
    folder += "f" * (LONGEST_FOLDER - len(folder))
    beside = manifest_key(archive_key(folder, UUID))
    assert len(parse_relpath(f"{bucket}/{beside}")) == MAX_KEY
    with pytest.raises(Unrepresentable):
        parse_relpath(f"{bucket}/{folder}f{beside.removeprefix(folder)}")


# --- the pointer -------------------------------------------------------------------------------------------------


def test_a_pointer_is_one_line_of_a_block() -> None:
    line = f"syncd-manifest 1 offset=81920 size=4711 sha256={SHA256}\n"
    assert pointer_block(POINTER) == line.encode().ljust(512, b"\0")


@given(_long, _long, st.integers(0, 2**256 - 1), st.binary(max_size=2000))
def test_a_pointer_is_found_whatever_stands_before_it(offset: int, size: int, number: int, before: bytes) -> None:
    pointer = Pointer(offset=offset, size=size, sha256=f"{number:064x}")
    assert len(pointer_block(pointer)) == 512
    assert find_pointer(before + pointer_block(pointer)) == pointer


def test_only_the_last_block_counts_for_the_others_may_be_a_files() -> None:
    other = Pointer(offset=1, size=2, sha256=SHA256)
    assert find_pointer(pointer_block(other) + pointer_block(POINTER)) == POINTER
    assert find_pointer(pointer_block(other) + bytes(512)) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda block: block[1:],
        lambda block: b"",
        lambda block: block[:-1] + b"x",
        lambda block: block.replace(b"\n", b" "),
        lambda block: block.replace(b"manifest 1", b"manifest 2"),
        lambda block: block.replace(b"offset=81920", b"offset=-8192"),
        lambda block: block.replace(b"offset=81920", b"offset=08192"),
        lambda block: block.replace(b"offset=8", b"offset= "),
        lambda block: block.replace(b"abcdef", b"ABCDEF"),
        lambda block: block.replace(b"size=4711", b"size=" + b"9" * 20)[:512],
        lambda block: b" " + block[:-1],
        lambda block: bytes(512),
    ],
)
def test_anything_else_points_nowhere(change: Callable[[bytes], bytes]) -> None:
    assert find_pointer(change(pointer_block(POINTER))) is None


@given(st.binary(max_size=11000))
def test_no_bytes_make_the_search_fail(tail: bytes) -> None:
    assert find_pointer(tail) is None


# --- read --------------------------------------------------------------------------------------------------------


def document() -> Any:
    return json.loads(dump(manifest(member("d/a"), member("d/b"))))


def changed(way: tuple[str | int, ...], value: object) -> bytes:
    """A good manifest but for one value."""
    whole = here = document()
    for step in way[:-1]:
        here = here[step]
    here[way[-1]] = value
    return json.dumps(whole).encode()


def said(data: bytes) -> str:
    with pytest.raises(BadManifest) as caught:
        load(data)
    return str(caught.value)


WRONG = [
    (("schema_version",), 2, "schema_version: 2 is newer than the 1 that this version reads: use a newer syncd"),
    (("schema_version",), "1", "schema_version: '1' is no whole number"),
    (("schema_version",), True, "schema_version: 'True' is no whole number"),
    (("schema_version",), 0, "schema_version: 0 is not from 1 to 9223372036854775807"),
    (("software",), 3, "software: is no string"),
    (("host",), "\ud800", "host: is no valid Unicode"),
    (("created_at",), 1750000000, "created_at: is no string"),
    (("created_at",), "yesterday", "created_at: 'yesterday' is no time such as 2026-01-15T14:30:17Z"),
    (
        ("created_at",),
        "2026-02-30T00:00:00Z",
        "created_at: '2026-02-30T00:00:00Z' is no time such as 2026-01-15T14:30:17Z",
    ),
    (("created_at",), "2026-01-15T14:30:17+01:00", "created_at: '2026-01-15T14:30:17+01:00' is no time such as "),
    (("archive",), [], "archive: is no JSON object"),
    (("archive", "uuid"), "../../x", "archive.uuid: '../../x' is no UUID of version 7 in lower case"),
    (("archive", "key"), "../x", "archive.key: '../x': the component '..' would lead elsewhere"),
    (("archive", "key"), "d/x.tar", f"archive.key: 'd/x.tar' is not named {UUID}.tar"),
    (("archive", "bucket"), "a/b", "archive.bucket: 'a/b' is no name of a bucket"),
    (("archive", "bucket"), "..", "archive.bucket: '..': the component '..' would lead elsewhere"),
    (("archive", "url"), None, "archive.url: is no string"),
    (("members",), {}, "members: is no array"),
    (("members", 1), "d/b", "members[1]: is no JSON object"),
    (("members", 1, "key"), "/etc/passwd", "members[1].key: '/etc/passwd': an empty component"),
    (("members", 1, "key"), "d/../../x", "members[1].key: 'd/../../x': the component '..' would lead elsewhere"),
    (("members", 1, "key"), "d/a\0", "members[1].key: 'd/a\\x00': a NUL byte cannot be in a file name"),
    (("members", 1, "key"), "d/\udc80", "members[1].key: 'd/\\udc80': the name is not valid UTF-8"),
    (("members", 1, "key"), "e/b", "members[1].key: 'e/b' does not lie in the archive's folder 'd'"),
    (("members", 1, "key"), "d", "members[1].key: 'd' does not lie in the archive's folder 'd'"),
    (("members", 1, "key"), "d/.syncd/root.json", "members[1].key: 'd/.syncd/root.json' lies in syncd's own folder"),
    (("members", 1, "key"), "d/a", "members[1].key: 'd/a' is there twice"),
    (("members", 1, "key"), 7, "members[1].key: is no string"),
    (("members", 1, "offset"), -1, "members[1].offset: -1 is not from 0 to 9223372036854775807"),
    (("members", 1, "offset"), 2**63, "members[1].offset: 9223372036854775808 is not from 0 to 9223372036854775807"),
    (("members", 1, "offset"), 1536.0, "members[1].offset: '1536.0' is no whole number"),
    (("members", 1, "size"), None, "members[1].size: 'None' is no whole number"),
    (("members", 1, "sha256"), "abc", "members[1].sha256: 'abc' is not 64 hexadecimal digits in lower case"),
    (("members", 1, "sha256"), SHA256.upper(), f"members[1].sha256: '{SHA256.upper()}' is not 64 hexadecimal digits"),
    (("members", 1, "mtime_ns"), "now", "members[1].mtime_ns: 'now' is no whole number"),
    (("members", 1, "mode"), 0o10000, "members[1].mode: 4096 is not from 0 to 4095"),
    (("members", 1, "uid"), 2**32, "members[1].uid: 4294967296 is not from 0 to 4294967295"),
    (("members", 1, "gid"), -1, "members[1].gid: -1 is not from 0 to 4294967295"),
    (("members", 1, "void"), "yes", "members[1].void: is neither true nor false"),
]


@pytest.mark.parametrize(("way", "value", "words"), WRONG)
def test_a_wrong_value_is_refused_with_its_place(way: tuple[str | int, ...], value: object, words: str) -> None:
    assert said(changed(way, value)).startswith(words)


@pytest.mark.parametrize(
    ("way", "words"),
    [
        *(((name,), f"{name}: is missing") for name in document()),
        *((("archive", name), f"archive.{name}: is missing") for name in document()["archive"]),
        *(
            (("members", 1, name), f"members[1].{name}: is missing")
            for name in document()["members"][1]
            if name != "mtime"
        ),
    ],
)
def test_a_value_that_is_missing_is_named(way: tuple[str | int, ...], words: str) -> None:
    whole = here = document()
    for step in way[:-1]:
        here = here[step]
    del here[way[-1]]
    assert said(json.dumps(whole).encode()) == words


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "manifest: it is not JSON: Expecting value"),
        (b"[]", "manifest: is no JSON object"),
        (b'{"a": \xff}', "manifest: it is not UTF-8 at byte 6"),
        ("{}".encode("utf-16"), "manifest: it is not UTF-8 at byte 0"),
        (b"[" * 200_000, "manifest: it is nested too deeply"),
        (b'{"schema_version": ' + b"1" * 10_000 + b"}", "manifest: it is not JSON: "),
        (dump(manifest(member()))[:-9], "manifest: it is not JSON: "),
    ],
)
def test_what_is_no_manifest_is_refused_in_words(data: bytes, words: str) -> None:
    assert said(data).startswith(words)


def test_what_a_later_version_adds_is_ignored_and_what_is_for_people_too() -> None:
    whole = document()
    whole["note"] = whole["archive"]["class"] = whole["members"][0]["mtime"] = {"any": "thing"}
    assert load(json.dumps(whole).encode()) == manifest(member("d/a"), member("d/b"))


def test_two_normal_forms_are_two_members() -> None:
    whole = manifest(member("d/é"), member("d/e\u0301"))
    assert load(dump(whole)) == whole


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner), max_leaves=4
)


@given(st.sampled_from([way for way, _, _ in WRONG]), _json)
def test_any_value_anywhere_is_read_or_refused_and_never_leads_outside(
    way: tuple[str | int, ...], value: object
) -> None:
    try:
        whole = load(changed(way, value))
    except BadManifest:
        return
    named: list[RelPath] = [whole.key, *(one.path for one in whole.members)]
    assert [parse_relpath(path) for path in named] == named


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_and_nothing_else(data: bytes) -> None:
    assert said(data)
