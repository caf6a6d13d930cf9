"""Names that cannot be on the other side, and files with nothing in them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from support.daemon_process import Host, objects
from support.moto import MotoServer

MakeHost = Callable[..., Host]

IMPOSSIBLE = {
    "double slash": "x//y.gz",
    "leading slash": "/y.gz",
    "upwards": "../y.gz",
    "upwards inside": "x/../../y.gz",
    "dot": "x/./y.gz",
    "a folder marker": "x/",
    "a long name": "n" * 256 + ".gz",
    "a long folder": "n" * 300 + "/y.gz",
}


def tree(root: Path) -> dict[str, bytes]:
    """Every file below a root by its path, ours left out."""
    return {
        str(file.relative_to(root)): file.read_bytes()
        for file in root.rglob("*")
        if file.is_file() and ".syncd" not in file.parts
    }


@pytest.mark.parametrize("mode", ["download", "bidirectional"])
def test_keys_that_cannot_be_files_are_named_and_left_alone_and_the_others_come_down(
    s3: MotoServer, bucket: str, make_host: MakeHost, mode: str
) -> None:
    client = s3.client()
    good = {"a.gz": b"a", "x/b.gz": b"b", "strange \x01\x7f name\t.gz": b"c", "ü€.gz": b"d"}
    bad = dict.fromkeys(IMPOSSIBLE.values(), b"never here")
    for key, body in {**good, **bad}.items():
        client.put_object(Bucket=bucket, Key=f"p/{key}", Body=body)
    host = make_host(s3.endpoint, mode=mode)
    answer = host.once()
    assert answer.code == 0, answer.said
    assert tree(host.root) == good
    for key in bad:
        assert f'"path": "{key}"' in answer.err, key
    assert {entry.name for entry in host.folder.iterdir()} == {"hot", "state", "syncd.toml"}
    assert not (host.folder.parent / "y.gz").exists()
    again = host.once()
    assert again.code == 0
    assert objects(s3, bucket) == {**good, **bad}


def test_a_key_beside_a_folder_of_its_name_is_said_and_everything_else_comes_down(
    s3: MotoServer, bucket: str, make_host: MakeHost
) -> None:
    client = s3.client()
    for key in ("a", "a/b", "z.gz"):
        client.put_object(Bucket=bucket, Key=f"p/{key}", Body=key.encode())
    host = make_host(s3.endpoint, mode="bidirectional", pair='deletes = "propagate"')
    answer = host.once()
    came = tree(host.root)
    assert came in ({"a": b"a", "z.gz": b"z.gz"}, {"a/b": b"a/b", "z.gz": b"z.gz"}), answer.said
    # where one of them was there before the other was asked for, it is left alone; else putting it in place failed
    if answer.code == 0:
        assert '"kind": "unrepresentable"' in answer.err
    else:
        assert "`a` beside `a/b` cannot" in answer.err
        assert answer.code == 4
    again = host.once()
    assert again.code == 0
    assert '"kind": "unrepresentable"' in again.err
    assert objects(s3, bucket) == {"a": b"a", "a/b": b"a/b", "z.gz": b"z.gz"}
    assert tree(host.root) == came


@pytest.mark.parametrize("mode", ["upload", "bidirectional"])
def test_file_names_in_invalid_utf8_are_named_and_left_alone_and_the_others_go_up(
    s3: MotoServer, bucket: str, make_host: MakeHost, mode: str
) -> None:
    host = make_host(s3.endpoint, mode=mode)
    host.write("good.gz", b"good")
    root = os.fsencode(host.root)
    Path(os.fsdecode(root + b"/bad-\xff\xfe.gz")).write_bytes(b"bad")
    os.mkdir(root + b"/folder-\xe9")
    Path(os.fsdecode(root + b"/folder-\xe9/inside.gz")).write_bytes(b"inside")
    answer = host.once()
    assert answer.code == 0, answer.said
    assert objects(s3, bucket) == {"good.gz": b"good"}
    said = answer.err
    assert "file.skipped" in said
    assert r"\\xff\\xfe" in said or r"\udcff\udcfe" in said
    assert "UTF-8" in said
    assert host.once().code == 0
    assert sorted(os.listdir(root)) == sorted(
        [b"bad-\xff\xfe.gz", b"folder-\xe9", b"good.gz", *([b".syncd"] if (host.root / ".syncd").exists() else [])]
    )


def test_empty_files_go_up_and_come_down(s3: MotoServer, bucket: str, make_host: MakeHost) -> None:
    up = make_host(s3.endpoint)
    up.write("empty.gz", b"")
    up.write("folder/empty.gz", b"")
    assert up.once().code == 0
    assert objects(s3, bucket) == {"empty.gz": b"", "folder/empty.gz": b""}
    down = make_host(s3.endpoint, mode="download")
    assert down.once().code == 0
    assert tree(down.root) == {"empty.gz": b"", "folder/empty.gz": b""}
    mark = s3.mark()
    assert up.once().code == down.once().code == 0
    assert set(s3.requests(mark)) <= {"LIST"}
