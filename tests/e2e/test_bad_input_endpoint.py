"""Endpoints, buckets and credentials that are wrong, slow or away: said clearly, nothing lost, the others go on."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import boto3
import pytest

from support.daemon_process import Host, objects
from support.moto import MotoServer
from support.processes import eventually
from support.proxy import Fault, Proxy

MakeHost = Callable[..., Host]

DAY_S = 86400.0


def other_pair(host: Host, bucket: str, *, more: str = "") -> Path:
    """A second, healthy pair; returns its root."""
    root = host.folder / "other"
    root.mkdir()
    host.configure(
        more=f'[[pair]]\nname = "other"\nlocal = "{root}"\nremote = "s3://{bucket}/other/"\nmode = "upload"\n{more}'
    )
    return root


# --- what --once says -----------------------------------------------------------------------------------------


def test_a_missing_bucket_is_named_and_the_other_pair_still_moves(
    s3: MotoServer, bucket: str, make_host: MakeHost
) -> None:
    host = make_host(s3.endpoint, remote="s3://nonesuch/p/")
    host.write("a.gz", b"a")
    (other_pair(host, bucket) / "b.gz").write_bytes(b"b")
    answer = host.once()
    assert answer.code == 1
    assert "the bucket nonesuch does not exist" in answer.err
    assert "create it or fix remote in [[pair]]" in answer.err
    assert objects(s3, bucket, "") == {"other/b.gz": b"b"}
    assert (host.root / "a.gz").read_bytes() == b"a"


def test_an_unknown_profile_is_a_matter_of_configuration_and_the_other_pair_still_moves(
    s3: MotoServer, bucket: str, make_host: MakeHost
) -> None:
    host = make_host(s3.endpoint, pair='profile = "ghost"')
    host.write("a.gz", b"a")
    (other_pair(host, bucket) / "b.gz").write_bytes(b"b")
    answer = host.once()
    assert answer.code == 78
    assert "the profile ghost is not in the AWS configuration" in answer.err
    assert "check profile in [s3]" in answer.err
    assert objects(s3, bucket, "") == {"other/b.gz": b"b"}


def test_a_daemon_with_an_unknown_profile_halts_that_pair_alone_says_it_once_and_goes_on_when_it_is_there(
    s3: MotoServer, bucket: str, make_host: MakeHost, tmp_path: Path
) -> None:
    profiles = tmp_path / "aws-config"
    profiles.write_text("")
    host = make_host(s3.endpoint, pair='profile = "ghost"\ninterval = "2s"', env={"AWS_CONFIG_FILE": str(profiles)})
    host.write("a.gz", b"a")
    (other_pair(host, bucket) / "b.gz").write_bytes(b"b")
    host.start()
    host.until("halted")
    eventually(lambda: objects(s3, bucket, "") == {"other/b.gz": b"b"}, within=10, what="the other pair stood still")
    status = host.ctl("status")
    assert status.code == 7
    assert "the profile ghost is not in the AWS configuration" in " ".join(status.out.split())
    profiles.write_text("[profile ghost]\naws_access_key_id = testing\naws_secret_access_key = testing\n")
    eventually(lambda: objects(s3, bucket) == {"a.gz": b"a"}, within=20, what=host.log.read_text)
    host.until("idle")
    assert len(host.events("pair.halted")) == 1
    assert not host.events("worker.crashed")
    assert host.stop() == 0


def test_no_credentials_is_said_once_by_a_daemon_that_does_not_crash(s3: MotoServer, make_host: MakeHost) -> None:
    nothing = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
    host = make_host(s3.endpoint, env=nothing)
    host.write("a.gz", b"a")
    answer = host.once()
    assert answer.code == 1
    assert "no credentials were found" in answer.err
    assert "AWS_PROFILE" in answer.err
    host.start()
    host.until("unreachable")
    assert len(host.events("endpoint.lost")) == 1
    assert not host.events("worker.crashed")
    assert host.stop() == 0


@pytest.fixture(scope="module")
def guarded() -> Iterator[tuple[MotoServer, dict[str, dict[str, str]]]]:
    """A moto that checks signatures and policies, and credentials by what is wrong with them."""
    with MotoServer() as server:
        server.new_bucket("vault")
        iam = boto3.client(
            "iam",
            endpoint_url=server.endpoint,
            region_name="us-east-1",
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )
        iam.create_user(UserName="nobody")
        key = iam.create_access_key(UserName="nobody")["AccessKey"]
        allowance = urllib.request.Request(
            f"{server.endpoint}/moto-api/reset-auth", data=b"0", headers={"Content-Type": "text/plain"}
        )
        urllib.request.urlopen(allowance, timeout=10).close()
        known = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
        yield (
            server,
            {
                "forbidden": known,
                "secret": {**known, "AWS_SECRET_ACCESS_KEY": "x" * 40},
                "key": {"AWS_ACCESS_KEY_ID": "AKIAUNKNOWN", "AWS_SECRET_ACCESS_KEY": "x" * 40},
            },
        )


@pytest.mark.parametrize(
    ("wrong", "what", "remedy"),
    [
        ("forbidden", "access is denied", "check the policy of the user and of the bucket"),
        ("secret", "the secret key is wrong", "check AWS_PROFILE, the profile of [s3] or the access key"),
        ("key", "the access key is not known there", "check AWS_PROFILE, the profile of [s3] or the access key"),
    ],
)
def test_wrong_credentials_and_a_forbidden_bucket_say_which_it_is(
    guarded: tuple[MotoServer, dict[str, dict[str, str]]], make_host: MakeHost, wrong: str, what: str, remedy: str
) -> None:
    server, credentials = guarded
    host = make_host(server.endpoint, remote="s3://vault/p/")
    host.write("a.gz", b"a")
    answer = host.once(env=credentials[wrong])
    assert answer.code == 1
    assert what in answer.err
    assert remedy in answer.err
    assert (host.root / "a.gz").read_bytes() == b"a"


def test_expired_credentials_are_temporary(proxy: Proxy, make_host: MakeHost) -> None:
    host = make_host(proxy.endpoint)
    proxy.add(Fault(answer=(400, "ExpiredToken")))
    host.write("a.gz", b"a")
    answer = host.once()
    assert answer.code == 5
    assert "the credentials have expired" in answer.err
    assert "sign in again" in answer.err


@pytest.mark.parametrize(
    ("endpoint", "what", "remedy"),
    [
        ("http://127.0.0.1:1", "the connection was refused", "the port of endpoint_url right?"),
        ("http://no.such.invalid", "the host name is not known", "check endpoint_url and DNS"),
    ],
)
def test_an_endpoint_that_is_not_there_is_temporary(make_host: MakeHost, endpoint: str, what: str, remedy: str) -> None:
    host = make_host(endpoint)
    host.write("a.gz", b"a")
    answer = host.once()
    assert answer.code == 5
    assert what in answer.err
    assert remedy in answer.err


def test_an_endpoint_that_is_no_url_is_a_matter_of_configuration(make_host: MakeHost) -> None:
    answer = make_host("127.0.0.1:9000").once()
    assert answer.code == 78
    assert "endpoint_url" in answer.err
    assert "http://" in answer.err


class WebSite(BaseHTTPRequestHandler):
    """Answers everything with a page."""

    def _page(self) -> None:
        body = b"<!doctype html><title>It works</title><p>hello"
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body if self.command != "HEAD" else b"")

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = _page

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def test_an_endpoint_that_is_a_web_site_is_recognised_as_none(make_host: MakeHost) -> None:
    with HTTPServer(("127.0.0.1", 0), WebSite) as site:
        Thread(target=site.serve_forever, daemon=True).start()
        host = make_host(f"http://127.0.0.1:{site.server_port}")
        host.write("a.gz", b"a")
        answer = host.once()
        site.shutdown()
    assert answer.code in {1, 5}, answer.said
    assert "is endpoint_url an S3 endpoint?" in answer.err
    assert (host.root / "a.gz").read_bytes() == b"a"


def test_a_slow_network_only_takes_longer(s3: MotoServer, bucket: str, proxy: Proxy, make_host: MakeHost) -> None:
    host = make_host(proxy.endpoint)
    content = {f"{n}.gz": bytes([n]) * 70_000 for n in range(4)}
    for name, body in content.items():
        host.write(name, body)
    proxy.add(Fault(method="PUT", target=r"/p/\d\.gz", rate=100_000, delay_s=0.3))
    assert host.once().code == 0
    assert objects(s3, bucket) == content


# --- clocks ---------------------------------------------------------------------------------------------------


def test_a_clock_wrong_by_a_day_is_said_and_does_not_decide(
    s3: MotoServer, bucket: str, proxy: Proxy, make_host: MakeHost
) -> None:
    proxy.add(Fault(date_shift_s=DAY_S))
    host = make_host(proxy.endpoint, mode="bidirectional", pair='conflict = "newer"')
    host.write("a.gz", b"first")
    s3.client().put_object(Bucket=bucket, Key="p/b.gz", Body=b"b")
    answer = host.once()
    assert answer.code == 0
    skew = next(row for row in map(json.loads, answer.err.splitlines()[:-1]) if row.get("event") == "clock.skewed")
    assert abs(skew["seconds"] - DAY_S) < 60
    host.write("a.gz", b"second", age_s=10)
    assert host.once().code == 0
    assert objects(s3, bucket) == {"a.gz": b"second", "b.gz": b"b"}
    assert (host.root / "b.gz").read_bytes() == b"b"


def test_a_server_that_refuses_our_clock_says_which_clock_to_set(proxy: Proxy, make_host: MakeHost) -> None:
    proxy.add(Fault(answer=(403, "RequestTimeTooSkewed")))
    host = make_host(proxy.endpoint)
    host.write("a.gz", b"a")
    answer = host.once()
    assert answer.code == 1
    assert "the request's time is not the server's" in answer.err
    assert "set this host's clock (timedatectl, chrony)" in answer.err


# --- away, and back -------------------------------------------------------------------------------------------


def test_an_endpoint_that_is_down_at_start_and_again_later_is_said_once_each_time_and_found_again(
    s3: MotoServer, bucket: str, proxy: Proxy, make_host: MakeHost
) -> None:
    proxy.refuse()
    host = make_host(proxy.endpoint, pair='interval = "2s"')
    host.write("a.gz", b"a")
    host.start()
    row = host.until("unreachable")
    assert "the connection was refused" in row["last_error"]
    status = host.status()
    assert status["health"] == "degraded"
    assert any("the connection was refused" in reason for reason in status["health_reasons"])
    shown = host.ctl("status")
    assert shown.code == 6
    assert "no full pass has succeeded yet" in shown.out
    proxy.listen()
    eventually(lambda: objects(s3, bucket) == {"a.gz": b"a"}, within=30, what=host.log.read_text)
    assert host.until("idle")["last_error"] is None
    assert len(host.events("endpoint.lost")) == 1
    assert len(host.events("endpoint.found")) == 1

    proxy.refuse()
    new = {f"n{n}.gz": b"n%d" % n for n in range(20)}
    for name, body in new.items():
        (host.root / name).write_bytes(body)
    eventually(lambda: host.pair()["pending_files"] == 20, within=20, what=lambda: str(host.pair()), every=0.2)
    row = host.until("unreachable")
    assert row["oldest_unprotected_seconds"] > 0
    proxy.listen()
    expected = {"a.gz": b"a", **new}
    eventually(lambda: objects(s3, bucket) == expected, within=30, what=host.log.read_text)
    assert host.until("idle")["pending_files"] == 0
    assert len([row for row in host.events("endpoint.lost") if "repeated" not in row]) == 2
    assert len(host.events("endpoint.found")) == 2
    assert host.status()["health"] == "ok"
    assert not host.events("worker.crashed")
    assert host.stop() == 0


def test_an_endpoint_that_goes_down_in_the_middle_of_a_cycle_fails_it_and_the_next_one_finishes_it(
    s3: MotoServer, bucket: str, proxy: Proxy, make_host: MakeHost
) -> None:
    host = make_host(proxy.endpoint)
    content = {f"{n:02}.gz": b"%d" % n for n in range(40)}
    for name, body in content.items():
        host.write(name, body)
    proxy.add(Fault(method="PUT", target=r"/p/0\d\.gz", times=5))  # so many pass
    proxy.add(Fault(method="PUT", target=r"/p/\d\d\.gz", reset_up_at=1))
    answer = host.once()
    assert answer.code in {4, 5}, answer.said
    assert "the connection" in answer.err
    some = objects(s3, bucket)
    assert 0 < len(some) < 40
    proxy.mend()
    assert host.once().code == 0
    assert objects(s3, bucket) == content
