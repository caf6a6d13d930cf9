"""Configuration files, sockets and state folders that are not what they should be."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from support.daemon_process import SYNCD, Host, objects, run
from support.moto import MotoServer

MakeHost = Callable[..., Host]


def test_a_configuration_of_5_mb_is_refused_at_once(make_host: MakeHost, s3: MotoServer) -> None:
    host = make_host(s3.endpoint)
    host.config.write_bytes(b"# a log by mistake\n" * 280_000)
    answer = host.syncd("--check-config")
    assert answer.code == 78
    assert "the limit is 1 MiB" in answer.err
    assert "is it the right file?" in answer.err


def test_an_empty_configuration_says_what_to_add(make_host: MakeHost, s3: MotoServer) -> None:
    host = make_host(s3.endpoint)
    host.config.write_bytes(b"")
    for words in (["--check-config"], ["--once"], []):
        answer = host.syncd(*words)
        assert answer.code == 78
        assert "nothing is configured: add a [[pair]] with name, local and remote" in answer.err


def test_a_configuration_that_begins_with_a_byte_order_mark_works(
    s3: MotoServer, bucket: str, make_host: MakeHost
) -> None:
    host = make_host(s3.endpoint)
    host.config.write_bytes(b"\xef\xbb\xbf" + host.config.read_bytes().replace(b"\n", b"\r\n"))
    host.write("a.gz", b"a")
    assert host.once().code == 0
    assert objects(s3, bucket) == {"a.gz": b"a"}


def test_a_configuration_that_is_not_there_or_a_folder_or_binary_is_named(make_host: MakeHost, s3: MotoServer) -> None:
    host = make_host(s3.endpoint)
    for content in (None, "folder", b"\x1f\x8b\x08\x00\xff\xfe"):
        host.config.unlink(missing_ok=True)
        if content == "folder":
            host.config.mkdir()
        elif isinstance(content, bytes):
            host.config.write_bytes(content)
        answer = host.syncd("--check-config")
        assert answer.code == 78, answer.said
        assert str(host.config) in answer.err
        assert "Traceback" not in answer.err
        if host.config.is_dir():
            host.config.rmdir()


def test_a_socket_path_that_is_too_long_is_refused_with_its_limit(make_host: MakeHost, s3: MotoServer) -> None:
    host = make_host(s3.endpoint)
    host.socket = host.state / ("s" * 120)
    host.configure()
    answer = host.syncd()
    assert answer.code == 78
    assert "a socket's path at most 107" in answer.err
    assert "--socket PATH" in answer.err


def test_a_stale_socket_is_replaced(make_host: MakeHost, s3: MotoServer) -> None:
    host = make_host(s3.endpoint)
    host.state.mkdir()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(host.socket))
    host.start()
    assert host.ctl("config", "show").code == 0
    assert host.stop() == 0
    assert host.ctl("config", "show").code == 3


def test_a_file_where_the_socket_should_be_is_not_removed(make_host: MakeHost, s3: MotoServer) -> None:
    host = make_host(s3.endpoint)
    host.state.mkdir()
    host.socket.write_bytes(b"mine")
    answer = host.syncd()
    assert answer.code in {1, 78}
    assert str(host.socket) in answer.err
    assert "Traceback" not in answer.err
    assert host.socket.read_bytes() == b"mine"


def test_a_socket_of_a_living_daemon_is_not_taken_over(make_host: MakeHost, s3: MotoServer) -> None:
    first, second = make_host(s3.endpoint), make_host(s3.endpoint)
    first.start()
    second.socket = first.socket
    second.configure()
    answer = second.syncd()
    assert answer.code in {1, 78}
    assert str(first.socket) in answer.err
    assert "Traceback" not in answer.err
    assert first.ctl("config", "show").code == 0


def test_a_second_daemon_on_one_state_folder_is_told_who_holds_it(make_host: MakeHost, s3: MotoServer) -> None:
    host = make_host(s3.endpoint)
    host.start()
    assert host.process is not None
    for words in ([], ["--once"], ["--daemon"]):
        answer = host.syncd(*words)
        assert answer.code == 1
        assert f"the state folder {host.state} is in use by syncd, pid {host.process.pid}" in answer.err
        assert "synctl stop" in answer.err
        assert "--state-dir" in answer.err
    assert host.ctl("config", "show").code == 0
    assert host.stop() == 0


def test_without_a_bucket_the_command_line_says_how_to_name_one(make_host: MakeHost, s3: MotoServer) -> None:
    host = make_host(s3.endpoint)
    answer = run([*SYNCD, "--once", "-l", host.root, "--state-dir", host.state])
    assert answer.code == 78
    assert "no bucket" in answer.err
    assert "name one with -b BUCKET or S3_BUCKET" in answer.err
    assert not os.path.exists(host.state)
