"""Hostile names from both sides through the real programs, on a real terminal and a pipe; nothing leaves the root."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.daemon_process import SYNCD, SYNCTL, Host
from support.hostile import NAMES, harm_in
from support.moto import MotoServer
from support.terminal import harm_on_terminal, on_terminal

MakeHost = Callable[..., Host]

NO_FILES = [
    "../out.gz", "a/../../out.gz", "/abs.gz", "a//b.gz", "./dot.gz", "a/./b.gz", "a/..", "..", ".", "a/",
    ".syncd/evil.gz", "a/.syncd/evil.gz", ".syncd/root.json", ".syncd/tmp/x", "n" * 256, "d/" + "n" * 300 + "/x.gz",
]  # fmt: skip
"""Keys that no file here may come of, or that are ours."""
DEEP = "/".join(["d"] * 400) + "/deep.gz"
BROKEN = [b"bad-\xff\xfe.gz", b"\x9b31mraw-c1.gz", b"half-\xe2\x82.gz"]
"""File names that are no UTF-8."""
MOTO_CANNOT = {"a newline"}
"""moto answers 404 for a key with a newline; such names are tried from the side of the files."""


def below(root: Path) -> dict[str, bytes]:
    """Every file by path, ours left out."""
    files = (file for file in root.rglob("*") if file.is_file() and ".syncd" not in file.relative_to(root).parts)
    return {str(file.relative_to(root)): file.read_bytes() for file in files}


def everything_but(root: Path, folder: Path) -> set[str]:
    """Names of what lies beside the root."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if root not in (path, *path.parents)}


@pytest.mark.parametrize("kept", ["openat2", "components"])
def test_no_key_of_a_bucket_leaves_the_root(
    s3: MotoServer, bucket: str, make_host: MakeHost, tmp_path: Path, kept: str
) -> None:
    client = s3.client()
    good = {name: kind.encode() for kind, name in NAMES.items() if kind not in MOTO_CANNOT} | {DEEP: b"deep"}
    for key, body in {**good, **dict.fromkeys(NO_FILES, b"never here")}.items():
        client.put_object(Bucket=bucket, Key=f"p/{key}", Body=body)
    env = {}
    if kept == "components":  # a kernel without openat2, as far as this process can tell
        (tmp_path / "sitecustomize.py").write_text(
            "import syncd.local.openat2 as beneath\nbeneath.available = lambda: False\n"
        )
        env = {"PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    host = make_host(s3.endpoint, mode="download", env=env)
    (outside := tmp_path / "outside").mkdir()
    (outside / "x.gz").write_bytes(b"precious")
    (host.root / "link").symlink_to(outside)
    client.put_object(Bucket=bucket, Key="p/link/x.gz", Body=b"never there")
    client.put_object(Bucket=bucket, Key="p/link/new.gz", Body=b"never there")
    before = everything_but(host.root, tmp_path)
    answer = host.once()
    assert answer.code in {0, 4}, answer.said
    got = below(host.root)
    assert {name: got[name] for name in good} == good
    assert set(got) - set(good) <= {"link/x.gz"}  # the file outside, seen through the link
    assert (outside / "x.gz").read_bytes() == b"precious"
    made = everything_but(host.root, tmp_path) - before
    assert {path for path in made if not path.startswith("host0/state")} == set()
    assert harm_in(answer.said) == []
    assert all(json.loads(line) for line in answer.err.splitlines() if line.startswith("{"))


def test_hostile_file_names_steer_no_terminal_and_forge_no_line(
    s3: MotoServer, bucket: str, make_host: MakeHost
) -> None:
    host = make_host(s3.endpoint, mode="bidirectional", pair='deletes = "propagate"\nmax_delete = "off"')
    for name in NAMES.values():
        host.write(name, b"x")
    for raw in BROKEN:
        Path(os.fsdecode(os.fsencode(host.root) + b"/" + raw)).write_bytes(b"broken")
    once = [*SYNCD, "--config", str(host.config), "--once"]
    env = {**host.env, "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    said = ""
    for more in (["--dry-run"], [], ["--log-file", str(host.folder / "console.log"), "-v"]):
        code, shown = on_terminal([*once, *more], env=env)
        assert code in {0, 4}, shown
        if more == ["--dry-run"]:  # a table whose columns are parted by tabs: three in a row, so none is of a name
            assert {line.count("\t") for line in shown.splitlines() if "\t" in line} == {3}
            shown = shown.replace("\t", " ")
        said += shown
        for name in list(NAMES.values())[:4]:
            if (host.root / name).exists() and not more:
                (host.root / name).write_bytes(b"changed here")
                s3.client().put_object(Bucket=bucket, Key="p/" + NAMES["a colour"], Body=b"changed there")
    assert "forged line" in said  # it was shown
    assert harm_on_terminal(said) == []
    assert not any(line.startswith("logs: forged") for line in said.splitlines())
    log = (host.folder / "console.log").read_text()
    assert harm_in(log) == []


def test_hostile_names_come_back_exactly_from_every_json_form(s3: MotoServer, make_host: MakeHost) -> None:
    host = make_host(s3.endpoint, mode="upload", pair='interval = "1h"')
    names = [name for kind, name in NAMES.items() if kind not in MOTO_CANNOT]
    for name in names:
        host.write(name, b"x")
    host.start("-v")
    assert host.ctl("force-sync", "logs", "--wait", "--timeout", "30s").code == 0
    told = json.loads(host.ctl("history", "--json").out)["rows"]
    assert {row["path"] for row in told} == set(names)
    assert {row["path"] for row in host.events("transfer.finished")} >= set(names)
    for name in ("a colour", "a reversed end", "a flag", "a title"):
        path = str(host.root / NAMES[name])
        explained = json.loads(host.ctl("explain", "--json", path).out)
        assert explained["path"] == NAMES[name]
        _, shown = on_terminal([*SYNCTL, "--socket", str(host.socket), "explain", path], env=host.env)
        assert harm_on_terminal(shown) == []
    for verb in ("history", "plan", "status", "doctor"):
        _, shown = on_terminal([*SYNCTL, "--socket", str(host.socket), verb], env=host.env)
        assert harm_on_terminal(shown) == []


@pytest.mark.parametrize("value", ["a\x1b[2Jb", "a\u202eb", "\x9bc", "a\u200bb"], ids=["esc", "bidi", "c1", "zero"])
def test_a_hostile_configuration_is_refused_in_words_that_are_harmless(tmp_path: Path, value: str) -> None:
    file = tmp_path / f"evil{value}.toml"
    lines = [
        "[[pair]]",
        f"name = {json.dumps(value)}",
        f"local = {json.dumps('/' + value)}",
        f"{json.dumps(value)} = 1",
    ]
    file.write_text("\n".join(lines) + "\n")
    code, shown = on_terminal([sys.executable, "-m", "syncd", "--config", str(file), "--check-config"])
    assert code == 78
    assert harm_on_terminal(shown) == []
    _, shown = on_terminal([sys.executable, "-m", "syncd", "--config", str(tmp_path / value), "--check-config"])
    assert harm_on_terminal(shown) == []
    for program in ("syncd", "synctl"):
        for word in (f"--{value}", value):
            _, shown = on_terminal([sys.executable, "-m", program, word])
            assert harm_on_terminal(shown) == []
