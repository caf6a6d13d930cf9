"""The real program and the canary: no file goes before one of late has passed, and all the rest goes on."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from support.moto import MotoServer
from support.proxy import Fault, Proxy
from support.site import AGO, Site

CANARY = r"/\.syncd/canary/"
DAY_S = 86_400.0


@pytest.fixture
def proxy(server: MotoServer) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def host(site: Callable[..., Site], proxy: Proxy) -> Site:
    """A pair that cleans, with one file that is on S3 since a first run."""
    host = site("host", mode="upload", cleanup=True)
    host.s3.update(endpoint_url=proxy.endpoint, retries=0)
    host.write("a", b"body", mtime=AGO)
    return host


def age(host: Site, days: float) -> None:
    """The last canary passed so long ago."""
    with closing(sqlite3.connect(host.state / "syncd.db")) as database, database:
        database.execute("UPDATE capability SET probed_at = ?", (time.time() - days * DAY_S,))


def probed(host: Site) -> float:
    with closing(sqlite3.connect(host.state / "syncd.db")) as database:
        ((at,),) = database.execute("SELECT probed_at FROM capability").fetchall()
        return float(at)


def run_out(host: Site) -> str:
    """Runs enough to clean what may be; what was said."""
    said = ""
    for _ in range(2):
        run = host.once()
        assert run.code == 0, run.said
        said += run.said
    return said


def kept(host: Site) -> list[bytes]:
    return [*host.tree().values(), *host.staged()]


FAILURES = {
    "no answer": Fault(target=CANARY, answer=(503, "SlowDown")),
    "no right to write": Fault(method="PUT", target=CANARY, answer=(403, "AccessDenied")),
    "other bytes": Fault(method="GET", target=CANARY, flip_down_at=2),
}


@pytest.mark.parametrize("why", ["no answer", "no right to write"])
def test_nothing_is_cleaned_while_the_last_canary_is_too_old_and_it_is_once_one_passes(
    host: Site, proxy: Proxy, why: str
) -> None:
    assert host.once().code == 0
    age(host, days=3)
    proxy.add(FAILURES[why])
    host.write("b", b"another", mtime=AGO)

    said = run_out(host)

    assert sorted(kept(host)) == [b"another", b"body"]
    assert host.objects() == {"a": b"body", "b": b"another"}, "what is new goes up all the same"
    assert "endpoint.unproven" in said or "not proven" in said or "canary" in said
    proxy.mend()
    run_out(host)
    assert kept(host) == []
    assert host.objects() == {"a": b"body", "b": b"another"}


def test_other_bytes_that_come_back_stop_the_cleaning_at_once(host: Site, proxy: Proxy) -> None:
    assert host.once().code == 0
    age(host, days=1.01)
    proxy.add(FAILURES["other bytes"])
    run_out(host)
    assert kept(host) == [b"body"]
    age(host, days=0.1)
    run_out(host)
    assert kept(host) == [b"body"], "though the last one that passed is of today"
    proxy.mend()
    run_out(host)
    assert kept(host) == []


def test_a_canary_that_does_not_get_through_for_an_hour_holds_nothing_up(host: Site, proxy: Proxy) -> None:
    assert host.once().code == 0
    age(host, days=1.01)
    proxy.add(FAILURES["no answer"])
    run_out(host)
    assert kept(host) == []


def test_before_the_first_one_has_passed_nothing_is_entrusted_to_an_endpoint(host: Site, proxy: Proxy) -> None:
    proxy.add(FAILURES["other bytes"])
    run = host.once()
    assert run.code != 0
    assert "what is read is not what was put" in run.said
    assert host.tree() == {"a": b"body"}
    assert host.objects() == {}


def test_it_goes_again_when_a_day_is_over_and_not_before(host: Site, server: MotoServer) -> None:
    first = host.once()
    assert first.canary["PUT"] > 5
    age(host, days=0.9)
    assert not host.once().canary
    age(host, days=1)
    before = probed(host)
    again = host.once()
    assert again.canary["CREATE"] > 0
    assert probed(host) > before + DAY_S / 2
