"""What takes a real server to be seen: a wrong clock, bytes spoilt on their way."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable

import pytest

from support.ceph import CephServer
from support.daemon_process import Host
from support.gaps import missing
from support.proxy import Fault, Proxy
from support.safekeeping import stored

MakeHost = Callable[..., Host]


def fake_clock(words: str) -> tuple[str, ...]:
    """The words before a command that give it another clock."""
    if shutil.which("faketime") is None:
        missing("faketime", "needs apt: apt-get install -y --no-install-recommends faketime")
    return ("faketime", "-f", words)


@pytest.mark.ceph
def test_a_wrong_clock_is_refused_by_a_real_server_and_said_so(ceph: CephServer, make_host: MakeHost) -> None:
    bucket = ceph.new_bucket()
    host = make_host(
        ceph.endpoint,
        remote=f"s3://{bucket}/p/",
        env={"AWS_ACCESS_KEY_ID": ceph.access_key, "AWS_SECRET_ACCESS_KEY": ceph.secret_key},
    )
    host.write("a.gz", b"a")
    answer = host.once(before=fake_clock("-2h"))
    assert answer.code == 1, answer.said
    assert "the request's time is not the server's" in answer.err
    assert "set this host's clock" in answer.err
    assert host.once().code == 0


@pytest.mark.ceph
def test_a_real_server_refuses_what_was_spoilt_on_its_way_and_it_is_sent_again(
    ceph: CephServer, make_host: MakeHost
) -> None:
    bucket = ceph.new_bucket()
    with Proxy(ceph.port) as proxy:
        host = make_host(
            proxy.endpoint,
            remote=f"s3://{bucket}/p/",
            env={"AWS_ACCESS_KEY_ID": ceph.access_key, "AWS_SECRET_ACCESS_KEY": ceph.secret_key},
        )
        content = {"big.gz": random.Random(3).randbytes(1 << 20), "small.gz": b"small" * 100}
        for name, body in content.items():
            host.write(name, body)
        proxy.add(Fault(method="PUT", target=r"/p/.*\.gz", flip_up_at=100, times=2))
        answer = host.once()
        assert answer.code in {0, 4, 5}, answer.said
        there = stored(ceph.client(), bucket, "p/")
        assert there.items() <= content.items(), "spoilt bytes got a name"
        assert host.once().code == 0
        assert stored(ceph.client(), bucket, "p/") == content
