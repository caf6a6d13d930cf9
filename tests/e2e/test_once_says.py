"""What a person reads of a run that could not be done: one sentence, wherever standard error goes."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from support.daemon_process import SYNCD, Host
from support.moto import CREDENTIALS, MotoServer
from support.proxy import Proxy

MakeHost = Callable[..., Host]


def sentences(err: str) -> list[str]:
    """The lines that are for people: those of the log are JSON off a terminal."""
    return [line for line in err.splitlines() if not line.startswith("{")]


def on_terminal(host: Host, *words: str) -> tuple[int, str]:
    """Run `syncd --once` with standard error on a terminal: its exit code and what was shown there."""
    ours, theirs = pty.openpty()
    command = [*SYNCD, "--config", str(host.config), "--once", *words]
    env = {**os.environ, **CREDENTIALS, "TERM": "dumb"}
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=env) as child:
        os.close(theirs)
        shown = b""
        try:
            while piece := os.read(ours, 65536):
                shown += piece
        except OSError:  # the other end is closed
            pass
        finally:
            os.close(ours)
        return child.wait(60), shown.decode()


def test_a_missing_bucket_is_one_sentence_beside_the_log(s3: MotoServer, make_host: MakeHost) -> None:
    host = make_host(s3.endpoint, remote="s3://nonesuch/p/")
    answer = host.once()
    assert (answer.code, answer.out) == (1, "")
    (said,) = sentences(answer.err)
    assert said.startswith("logs: ")
    assert f"the bucket nonesuch does not exist on {s3.endpoint}" in said
    assert "create it or fix remote in [[pair]]" in said


def test_a_lost_endpoint_is_one_sentence_beside_the_log_and_beside_a_log_file(
    proxy: Proxy, make_host: MakeHost, tmp_path: Path
) -> None:
    proxy.refuse()
    host = make_host(proxy.endpoint, s3="retries = 0")
    for words in ((), ("--log-file", tmp_path / "log")):
        answer = host.once(*words)
        assert answer.code == 5
        (said,) = sentences(answer.err)
        assert said.startswith("logs: ")
        assert proxy.endpoint in said
        assert said.endswith(")"), "what to do stands at its end"


def test_a_missing_root_is_one_sentence_and_a_dry_run_says_it_too(s3: MotoServer, make_host: MakeHost) -> None:
    host = make_host(s3.endpoint)
    host.root.rmdir()
    for words in ((), ("--dry-run",)):
        answer = host.once(*words)
        assert answer.code == 7
        (said,) = sentences(answer.err)
        assert said.startswith("logs: ")
        assert str(host.root) in said


@pytest.mark.parametrize("level", ["warning", "error"])
def test_on_a_terminal_it_is_said_once_whatever_the_log_shows(s3: MotoServer, make_host: MakeHost, level: str) -> None:
    host = make_host(s3.endpoint, remote="s3://nonesuch/p/")
    host.config.write_text(host.config.read_text().replace("[daemon]", f'[daemon]\nlog_level = "{level}"'))
    code, shown = on_terminal(host)
    assert code == 1
    assert shown.count("the bucket nonesuch does not exist") == 1, shown
    assert shown.count("create it or fix remote in [[pair]]") == 1, shown
