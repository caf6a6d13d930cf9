"""The whole daemon with a remote syslog beside its journal, and the secrets of its configuration out of sight."""

from __future__ import annotations

import time
from collections.abc import Callable

from support.daemon_process import Host
from support.moto import MotoServer
from support.processes import eventually, free_port
from support.syslog_server import SyslogServer

MakeHost = Callable[..., Host]


def syslog(port: int, protocol: str = "tcp") -> str:
    return f'[syslog]\nhost = "127.0.0.1"\nport = {port}\nprotocol = "{protocol}"\n'


def test_every_event_of_the_journal_reaches_the_server_too(make_host: MakeHost, s3: MotoServer) -> None:
    with SyslogServer() as server:
        host = make_host(s3.endpoint, more=syslog(server.port))
        host.write("a.gz", b"a")
        host.start("--verbose")
        host.until_event("transfer.finished")
        assert host.status()["syslog"]["server"] == f"tcp 127.0.0.1:{server.port}"
        assert host.stop() == 0
        eventually(lambda: "daemon.stopped" in server.events(), within=10, what="the last event came")
        assert server.events() == [row["event"] for row in host.events()]
        (sent,) = (one for one in server.messages() if one.event == "transfer.finished")
        assert (sent.fields["pair"], sent.fields["path"], sent.app) == ("logs", "a.gz", "syncd")


def test_one_cycle_tells_the_server_too(make_host: MakeHost, s3: MotoServer) -> None:
    with SyslogServer(udp=True) as server:
        host = make_host(s3.endpoint, more=syslog(server.port, "udp"))
        host.write("a.gz", b"a")
        assert host.once().code == 0
        eventually(lambda: "cycle.finished" in server.events(), within=10, what="it came")


def test_a_server_that_is_away_is_shown_and_holds_up_neither_work_nor_end(make_host: MakeHost, s3: MotoServer) -> None:
    port = free_port()
    host = make_host(s3.endpoint, more=syslog(port))
    host.write("a.gz", b"a")
    host.start()
    host.until_event("cycle.finished")
    host.until_event("syslog.lost")
    assert host.status()["health"] == "ok"
    assert f"syslog tcp 127.0.0.1:{port}   away: " in host.ctl("status").out
    with SyslogServer(port=port) as server:
        eventually(lambda: "daemon.ready" in server.events(), within=60, what="it caught up")
        host.until_event("syslog.found", within=60)
    began = time.monotonic()
    assert host.stop() == 0
    assert time.monotonic() - began < 10


def test_a_reload_brings_another_server(make_host: MakeHost, s3: MotoServer) -> None:
    with SyslogServer() as first, SyslogServer() as second:
        host = make_host(s3.endpoint, more=syslog(first.port))
        host.start()
        host.configure(more=syslog(second.port))
        answer = host.ctl("reload")
        assert answer.code == 0, answer.said
        assert "[syslog]" in answer.out
        assert host.stop() == 0
        eventually(lambda: "daemon.stopped" in second.events(), within=10, what="the second one hears the end")
        assert "daemon.ready" in first.events()
        assert "daemon.stopped" not in first.events()


def test_secrets_are_in_no_answer_and_in_no_log(make_host: MakeHost, s3: MotoServer) -> None:
    host = make_host(s3.endpoint)
    root = host.folder / "small"
    root.mkdir()
    host.configure(
        more=f'[[batch]]\nname = "small"\nroot = "{root}"\n[batch.elasticsearch]\nurl = "http://127.0.0.1:{free_port()}"\n'
        'username = "me"\npassword = "hunter2"\n'
    )
    host.config.chmod(0o644)
    said = host.syncd("--check-config").said
    assert "holds a secret and every user may read it" in said
    host.start()
    shown = host.ctl("config", "show")
    assert 'password = "***"' in shown.out
    for answer in (said, shown.said, host.ctl("status", "--json").said, host.ctl("doctor").said):
        assert "hunter2" not in answer
    assert host.stop() == 0
    assert "hunter2" not in host.log.read_text()
    host.config.write_text(host.config.read_text().replace('username = "me"', 'username = "hunter2:me"'))
    refused = host.syncd("--check-config")
    assert refused.code == 78
    assert "hunter2" not in refused.said
