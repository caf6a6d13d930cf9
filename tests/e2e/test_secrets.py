"""Real programs with distinctive secrets, driven into every error: then everything that they left is searched."""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.checkpost import EXPIRED, UNSIGNED, CheckPost
from support.control_socket import Raw
from support.daemon_process import Answer, Host, run
from support.moto import MotoServer
from support.processes import eventually
from syncd import events

MakeHost = Callable[..., Host]

KEY = "AKIADISTINCTIVEKEY77"
SECRETS = {
    "secret key": "s3cr3tKeyDistinctive/aVeryLong+One==",
    "session token": "s3ss10nT0kenDistinctive/IQoJb3JpZ2luX2VjE==",
    "index password": "1nd3xPasswordDistinctive",
    "proxy password": "pr0xyPasswordDistinctive",
}
INDEX_KEY = "1nd3xApiKeyDistinctive=="


@pytest.fixture
def post(s3: MotoServer) -> Iterator[CheckPost]:
    with CheckPost(s3.port) as post:
        yield post


def by_environment(folder: Path) -> dict[str, str]:
    return {
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRETS["secret key"],
        "AWS_SESSION_TOKEN": SECRETS["session token"],
    }


def by_file(folder: Path) -> dict[str, str]:
    """No key in the environment, so that the file is looked at."""
    write_profile(folder / "aws", KEY, SECRETS["secret key"], SECRETS["session token"])
    return {"AWS_SHARED_CREDENTIALS_FILE": str(folder / "aws"), "AWS_PROFILE": "p"} | WITHOUT_KEYS


def by_program(folder: Path) -> dict[str, str]:
    answer = {"Version": 1, "AccessKeyId": KEY, "SecretAccessKey": SECRETS["secret key"]}
    (folder / "answer.json").write_text(json.dumps(answer | {"SessionToken": SECRETS["session token"]}))
    (folder / "config").write_text(f"[profile p]\ncredential_process = cat {folder}/answer.json\n")
    return {"AWS_CONFIG_FILE": str(folder / "config"), "AWS_PROFILE": "p"} | WITHOUT_KEYS


REFUSALS = (UNSIGNED, EXPIRED, (403, "InvalidAccessKeyId", f"The key {KEY} does not exist"), (500, "Broken", "y"))
WITHOUT_KEYS = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}


def write_profile(file: Path, key: str, secret: str, token: str) -> None:
    """As a tool that renews it does: beside, then over it."""
    lines = ["[p]", f"aws_access_key_id = {key}", f"aws_secret_access_key = {secret}", f"aws_session_token = {token}"]
    partial = file.with_name(f"{file.name}.partial")
    partial.write_text("\n".join(lines) + "\n")
    partial.rename(file)


def everything(folder: Path, process: Path | None, answers: list[Answer]) -> dict[str, bytes]:
    """All that can be read afterwards, by where it was."""
    found = {f"answer {index}": answer.said.encode() for index, answer in enumerate(answers)}
    for file in folder.rglob("*"):
        if file.is_file() and file.name not in {"aws", "answer.json", "syncd.toml"}:
            found[str(file.relative_to(folder))] = file.read_bytes()
    if process is not None:
        found["cmdline"] = (process / "cmdline").read_bytes()
    return found


def leaks(found: dict[str, bytes], secrets: dict[str, str]) -> list[str]:
    """Which secret stands where, whole or in the parts that a line break or an escape would leave of it."""
    return [
        f"{name} in {place}"
        for place, content in found.items()
        for name, secret in secrets.items()
        if secret.encode() in content or secret.rstrip("=").partition("/")[0].encode() in content
    ]


@pytest.mark.parametrize("source", [by_environment, by_file], ids=lambda source: source.__name__)
def test_no_secret_is_in_anything_that_the_programs_say_or_keep(
    post: CheckPost, bucket: str, make_host: MakeHost, tmp_path: Path, source: Callable[[Path], dict[str, str]]
) -> None:
    batch = tmp_path / "batch"
    (batch / bucket).mkdir(parents=True)
    login = (
        f'api_key = "{INDEX_KEY}"' if source is by_file else f'username = "u"\npassword = "{SECRETS["index password"]}"'
    )
    more = (
        f'[[pair]]\nname = "proxied"\nlocal = "{tmp_path}/proxied"\nremote = "s3://{bucket}/q/"\nmode = "download"\n'
        f'endpoint_url = "https://s3.example.invalid"\n'
        f'[[batch]]\nname = "small"\nroot = "{batch}"\nmin_files = 1\nmin_age = "0s"\n'
        f'[batch.elasticsearch]\nurl = "http://127.0.0.1:1"\n{login}\n'
    )
    proxy = {"HTTPS_PROXY": f"http://someone:{SECRETS['proxy password']}@127.0.0.1:1"}
    host = make_host(post.endpoint, more=more, pair='interval = "1s"', env={**source(tmp_path), **proxy})
    answers: list[Answer] = [host.syncd("--check-config")]
    host.write("one.gz", b"one")
    (batch / bucket / "small.log").write_bytes(b"small")
    host.start("-v", "--log-file", tmp_path / "daemon.log")
    eventually(lambda: host.ctl("history", "--json").out.count("one.gz"), within=30, what="nothing was uploaded")
    for refusal in REFUSALS:
        post.refusals[KEY] = refusal
        host.write(f"{refusal[1]}.gz", b"two")
        answers.append(host.ctl("force-sync", "logs", "--wait", "--timeout", "1s"))
        answers.append(host.ctl("status"))
    assert len(set(post.refused)) == 1
    answers += [host.ctl(verb) for verb in ("doctor", "plan")]
    with Raw(host.socket) as client:
        client.sock.settimeout(60)
        for method in ("Status", "Plan", "History", "Conflicts", "TrashList", "ConfigShow", "Doctor", "Version"):
            said = json.dumps(client.call(f"io.syncd.{method}"))
            answers.append(Answer(code=0, out=said, err=""))
        said = json.dumps(client.call("io.syncd.Explain", path=str(host.root / "one.gz")))
        answers.append(Answer(code=0, out=said, err=""))
    log = tmp_path / "daemon.log"
    eventually(lambda: events.INDEX_LOST.encode() in log.read_bytes(), within=180, what="the index was not asked")
    assert host.process is not None
    found = everything(tmp_path, Path("/proc") / str(host.process.pid), answers)
    host.stop()
    found |= everything(tmp_path, None, [*answers, host.once("--report", tmp_path / "r", "-v")])
    assert leaks(found, SECRETS | {"index key": INDEX_KEY}) == []
    assert any(b"AKIA" in content for content in found.values())  # that much a person may see, to know which it is
    assert len(found) > 25
    assert events.INDEX_LOST.encode() in found["daemon.log"]


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "log").write_text(f"x {SECRETS['session token']}")
    assert leaks(everything(tmp_path, None, []), SECRETS) == ["session token in log"]


# --- core dumps ------------------------------------------------------------------------------------------------------


def aborted_in(folder: Path, argv: list[str]) -> list[str]:
    """What stands in the folder of a process after SIGABRT, whose limits allow any core."""
    unlimited = ("env", "-C", str(folder), "prlimit", "--core=unlimited:unlimited")
    run([*unlimited, *argv], within=60)
    return sorted(os.listdir(folder))


@pytest.mark.root
def test_an_abort_leaves_no_core_of_the_daemon(s3: MotoServer, make_host: MakeHost, tmp_path: Path) -> None:
    folder = tmp_path / "cwd"
    folder.mkdir()
    host = make_host(s3.endpoint)
    host.start(before=("env", "-C", str(folder), "prlimit", "--core=unlimited:unlimited"))
    assert host.process is not None
    assert resource.prlimit(host.process.pid, resource.RLIMIT_CORE) == (1, 1)
    host.process.signal(signal.SIGABRT)
    assert host.process.wait(within=20) == -signal.SIGABRT
    assert os.listdir(folder) == []
    if not Path("/proc/sys/kernel/core_pattern").read_text().startswith(("|", "/")):  # else no file would tell
        control = [sys.executable, "-c", "import os; os.abort()"]
        assert [name for name in aborted_in(folder, control) if name.startswith("core")]


# --- expiry ----------------------------------------------------------------------------------------------------------


def warnings(host: Host, since: int) -> list[tuple[str, str]]:
    """(event, error) of every line at warning and above."""
    rows = host.events()[since:]
    return [(row["event"], row.get("error", "")) for row in rows if row["level"] in {"warning", "error", "critical"}]


@pytest.mark.parametrize("source", [by_file, by_program], ids=lambda source: source.__name__)
def test_expired_credentials_pause_with_one_line_and_new_ones_heal_a_running_daemon(
    post: CheckPost, s3: MotoServer, bucket: str, make_host: MakeHost, tmp_path: Path, source: Any
) -> None:
    host = make_host(post.endpoint, pair='interval = "1s"', env=source(tmp_path))
    host.write("before.gz", b"before")
    host.start()
    host.until_event(events.CYCLE_FINISHED)
    pid, since = host.status()["pid"], len(host.events())
    post.refusals[KEY] = EXPIRED
    host.until("auth-expired")
    for index in range(12):  # far more than end a pass, or a file for good
        host.write(f"waiting-{index}.gz", b"w")
    refused = len(post.refused)
    eventually(lambda: len(post.refused) > refused + 3, within=60, what="it does not try again")
    pair = host.until("auth-expired")  # seen from outside it is "scanning" for a moment, each time that it tries
    assert "expired" in pair["last_error"]
    assert pair["halted_plan_id"] is None
    said = warnings(host, since)
    assert len(said) == 1, said
    ((event, error),) = said
    assert event == events.CREDENTIALS_EXPIRED
    assert "the credentials have expired" in error
    renew(tmp_path, source)
    host.until_event(events.ENDPOINT_FOUND, within=60)
    done = host.ctl("force-sync", "logs", "--wait", "--timeout", "60s")
    assert done.code == 0, done.said
    keys = {row["Key"] for row in s3.client().list_objects_v2(Bucket=bucket, Prefix="p/")["Contents"]}
    assert {f"p/waiting-{index}.gz" for index in range(12)} <= keys
    assert host.pair()["counts"]["held"] == 0
    assert host.status()["pid"] == pid
    assert len(warnings(host, since)) == 1
    failed = [row for row in json.loads(host.ctl("history", "--json").out)["rows"] if row["result"] == "failed"]
    assert failed == []


def renew(folder: Path, source: Any) -> None:
    """As a person does, or a tool: the daemon is not told."""
    if source is by_file:
        write_profile(folder / "aws", "AKIARENEWED", "new", "new")
        return
    answer = {"Version": 1, "AccessKeyId": "AKIARENEWED", "SecretAccessKey": "new", "SessionToken": "new"}
    (folder / "answer.json").write_text(json.dumps(answer))
