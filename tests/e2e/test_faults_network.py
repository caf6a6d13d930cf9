"""Networks and endpoints that fail: every fault against every kind of work at once, in one daemon.

Nobody hangs or crashes, a person is told what and where, nothing is concluded from what was not seen, nothing wrong
gets a final name; afterwards all comes right by itself, what is there is not sent again, and no version was lost.
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config

from support.archiver_host import AT_ONCE
from support.churn import digests
from support.daemon_process import Answer, Host, objects, run
from support.moto import MotoServer
from support.processes import eventually
from support.proxy import Fault, Proxy
from support.safekeeping import Versions, files_in, stored

MakeHost = Callable[..., Host]

WITHIN = 120.0
PARTS = 66 << 20  # goes in three parts

PAIR = 'settle = "0s"\nkeep_versions = "all"\ndeletes = "propagate"\nmax_delete = "off"\ninterval = "2s"\n'
CLEANS = f'mode = "upload"\ncleanup = true\n{PAIR}'


class World:
    """One daemon with a pair both ways, a pair that cleans and a batch, all of them behind one proxy."""

    def __init__(self, folder: Path, server: MotoServer, proxy: Proxy) -> None:
        self.server = server
        self.proxy = proxy
        self.client = server.client(config=Config(response_checksum_validation="when_required"))  # reads the spoilt
        self.bucket = server.new_bucket(f"net-{os.urandom(6).hex()}")
        self.versions = Versions()
        self.cleaned, self.batch = folder / "cleaned", folder / "batch"
        (self.batch / self.bucket).mkdir(parents=True)
        self.cleaned.mkdir()
        more = (
            f'[[pair]]\nname = "cleans"\nlocal = "{self.cleaned}"\nremote = "s3://{self.bucket}/c/"\n{CLEANS}\n'
            f'[[batch]]\nname = "small"\nroot = "{self.batch}"\n{AT_ONCE}'
        )
        remote = f"s3://{self.bucket}/p/"
        self.host = Host(
            folder / "host", proxy.endpoint, remote=remote, mode="bidirectional", pair=PAIR, more=more, s3="retries = 1"
        )

    def prepare(self, name: str) -> None:
        """What is in step before the fault: a file that will go, and one that will be replaced."""
        for each in ("goes", "changes"):
            self.host.write(f"{name}/{each}", self._made(f"{name}/{each} (first)"))
        there = {"goes", "changes"}
        eventually(lambda: set(self.there(name)) == there, within=WITHIN, what=self.host.log.read_text, every=0.2)
        self.rest()

    def rest(self) -> None:
        """Wait for a pass that has nothing to do: what was sent is recorded."""
        seen = len(self.host.events("cycle.finished"))
        eventually(
            lambda: len(self.host.events("cycle.finished")) >= seen + 6,
            within=WITHIN,
            what=self.host.log.read_text,
            every=0.2,
        )

    def work(self, name: str) -> Callable[[], bool]:
        """Something of everything: up, over, down, a deletion, cleanup, archiver. Returns whether all is done."""
        up = self._made(f"{name}/new")
        changed = self._made(f"{name}/changes (second)")
        down = self._made(f"{name}/comes")
        self.server.client().put_object(Bucket=self.bucket, Key=f"p/{name}/comes", Body=down)
        self.host.write(f"{name}/new", up)
        self.host.write(f"{name}/changes", changed, age_s=30)
        (self.host.root / name / "goes").unlink()
        cleaned = self._made(f"cleaned {name}")
        (self.cleaned / name).write_bytes(cleaned)
        archived = self.batch / self.bucket / name
        archived.mkdir()
        (archived / "x.log").write_bytes(self._made(f"archived {name}"))

        def done() -> bool:
            both = {"new": up, "changes": changed, "comes": down}
            here = files_in(self.host.root / name)
            if here != both or self.there(name) != both or list(self.cleaned.glob("[!.]*")):
                return False
            proven = stored(self.client, self.bucket, "c/")
            return proven.get(name) == cleaned and not dict(digests(self.batch / self.bucket))

        return done

    def there(self, name: str) -> dict[str, bytes]:
        """The objects of the pair that works both ways."""
        return stored(self.client, self.bucket, f"p/{name}/")

    def puts(self, name: str, mark: int) -> Counter[str]:
        """How often each key of that name was stored since, as the server saw it."""
        kinds = {"PUT", "COMPLETE"}
        log = [(path, status) for kind, path, status in self.server.log(mark) if kind in kinds and name in path]
        return Counter(path for path, status in log if status < 300 and ".syncd" not in path)

    def lost(self) -> list[str]:
        """The versions that are nowhere."""
        folders = [self.host.root, self.cleaned, self.batch]
        return self.versions.lost(folders, self.client, self.bucket)

    def told(self, *names: str) -> list[dict[str, Any]]:
        """The events of these names."""
        return [event for name in names for event in self.host.events(name)]

    def _made(self, name: str) -> bytes:
        return self.versions.made(name, f"{name}: ".encode() + random.Random(name).randbytes(40_000))


@contextmanager
def a_world(folder: Path, server: MotoServer) -> Iterator[World]:
    with Proxy(server.port) as proxy:
        world = World(folder, server, proxy)
        world.host.start()
        try:
            yield world
        finally:
            world.host.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One kind of fault. `{}` in a target is the name of the work. `told`: the events that must tell of it, in words.

    `lasts`: until we end it; else it ends by itself. `again`: what was sent may rightly go a second time.
    """

    name: str
    faults: tuple[Fault, ...]
    told: tuple[str, ...] = ()
    words: str = ""
    lasts: bool = False
    again: bool = False


MINE = "/{}"
ROWS = (
    Row(name="late", faults=(Fault(delay_s=0.4),), lasts=True),
    Row(name="slow", faults=(Fault(method="PUT", target=MINE, rate=60_000),)),
    Row(name="reset-up", faults=(Fault(method="PUT", target=MINE, reset_up_at=20_000, times=3),)),
    Row(name="reset-down", faults=(Fault(method="GET", target=MINE, reset_down_at=20_000, times=1),)),
    Row(name="short", faults=(Fault(method="GET", target=MINE, end_down_at=20_000, times=2),)),
    Row(
        name="flipped-down",
        faults=(Fault(method="GET", target="/{}/comes", flip_down_at=20_000, times=1),),
        told=("transfer.corrupted",),
        words="the ETag is not the MD5 of the bytes",
    ),
    Row(
        name="flipped-up",
        faults=(Fault(method="PUT", target="/{}/new", flip_up_at=20_000, times=1),),
        told=("transfer.corrupted",),
        words="the ETag is not the MD5 of what was sent",
        again=True,
    ),
    Row(
        name="error-in-200",
        faults=(Fault(method="PUT", target=MINE, answer=(200, "InternalError"), times=8),),
        told=("transfer.failed", "archive.failed", "endpoint.lost"),
    ),
    Row(
        name="unanswered",
        faults=(
            Fault(method="PUT", target="/p/{}/new$", drop_answer=True, times=2),
            Fault(method="PUT", target="/p/{}/changes$", drop_answer=True, times=2),
            Fault(method="PUT", target=r"/p/\.syncd/trash/", drop_answer=True, times=1),
            Fault(method="DELETE", target="/p/{}/goes", drop_answer=True, times=1),
            Fault(method="PUT", target=r"/{}/[^/]*\.tar", drop_answer=True, times=2),
            Fault(method="PUT", target="/c/{}$", drop_answer=True, times=2),
        ),
    ),
)


def test_every_fault_against_every_kind_of_work(s3: MotoServer, tmp_path: Path) -> None:
    with a_world(tmp_path, s3) as world:
        for row in ROWS:
            endure(world, row)
        assert world.host.stop(within=60) == 0
        assert not world.host.events("worker.crashed")
        assert world.lost() == []


def endure(world: World, row: Row) -> None:
    """The fault while there is something of everything to do, until all of it is done."""
    world.prepare(row.name)
    told, mark = len(world.told(*row.told)), world.server.mark()
    for fault in row.faults:
        world.proxy.add(_aimed(fault, row.name))
    done = world.work(row.name)
    eventually(done, within=WITHIN, what=lambda: f"{row.name}\n{world.host.log.read_text()}", every=0.3)
    world.proxy.mend()
    fresh = world.told(*row.told)[told:]
    assert not row.told or any(row.words in str(event) for event in fresh), (row.name, fresh)
    assert world.lost() == [], row.name
    twice = {path: count for path, count in world.puts(row.name, mark).items() if count > 1}
    assert row.again or not twice, f"{row.name}: sent again what was there: {twice}"
    copies = [key for key in world.there(row.name) if ".conflict-" in key]
    assert not copies, f"{row.name}: {copies}"


def _aimed(fault: Fault, name: str) -> Fault:
    return replace(fault, target=fault.target.replace("{}", re.escape(name)))


STORMS = {
    "refused": (None, "unreachable", "endpoint.lost", "the connection was refused"),
    "broken": (Fault(answer=(500, "InternalError")), "unreachable", "endpoint.lost", "the store failed with 500"),
    "throttled": (Fault(answer=(503, "SlowDown")), "throttled", "endpoint.lost", "the store asks to go slower"),
    "expired": (Fault(answer=(400, "ExpiredToken")), "auth-expired", "credentials.expired", "have expired"),
}


def test_a_storm_is_said_once_for_each_section_and_ends_by_itself(s3: MotoServer, tmp_path: Path) -> None:
    with a_world(tmp_path, s3) as world:
        for name, (fault, state, event, words) in STORMS.items():
            world.prepare(name)
            told, mark = len(world.host.events(event)), s3.mark()
            if fault is None:
                world.proxy.refuse()
            else:
                world.proxy.add(fault)
            done = world.work(name)
            world.host.until(state, within=WITHIN)
            if fault:  # it goes on for some passes more
                several_passes(world.proxy)
            assert world.host.status()["health"] == "degraded"
            fresh = [row for row in world.host.events(event)[told:] if "repeated" not in row]
            assert Counter(row["pair"] for row in fresh if row["pair"] == "logs") == {"logs": 1}, fresh
            assert max(Counter(row["pair"] for row in fresh).values()) == 1, fresh
            assert all(words in row["error"] and row.keys() >= {"hint"} for row in fresh if fault is None), fresh
            assert any(words in row["error"] for row in fresh), fresh
            if fault is None:
                world.proxy.listen()
            world.proxy.mend()
            eventually(done, within=WITHIN, what=world.host.log.read_text, every=0.3)
            world.host.until("idle", within=WITHIN)
            assert max(world.puts(name, mark).values()) == 1
            assert world.lost() == []
        assert not world.host.events("worker.crashed")
        assert world.host.stop(within=60) == 0


def several_passes(proxy: Proxy) -> None:
    """Wait until listings were asked for some times more."""
    seen = proxy.count("GET", "list-type")
    eventually(lambda: proxy.count("GET", "list-type") >= seen + 4, within=WITHIN, what="no retry", every=0.2)


# --- a black hole -------------------------------------------------------------------------------------------------


def hasty(host: Host, *words: str) -> Answer:
    """One full cycle of the real program, which waits two seconds for an answer instead of a minute."""
    order = {"trail": os.devnull, "patches": {"syncd.s3.connect.READ_TIMEOUT_S": 2}}
    argv = [sys.executable, "-m", "support.killed_daemon", json.dumps(order), "--config", host.config, "--once", *words]
    return run(argv, env={"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}, within=WITHIN)


def test_an_endpoint_that_never_answers_ends_the_cycle_in_words_and_costs_nothing(
    s3: MotoServer, bucket: str, proxy: Proxy, make_host: MakeHost
) -> None:
    host = make_host(proxy.endpoint, pair=PAIR, s3="retries = 0")
    host.write("before.gz", b"before")
    assert hasty(host).code == 0
    host.write("amid.gz", b"amid")
    proxy.add(Fault(hole=True))
    lost = hasty(host)
    assert lost.code == 5, lost.said
    assert "no answer" in lost.said or "timed out" in lost.said, lost.said
    assert (host.root / "amid.gz").read_bytes() == b"amid"
    proxy.mend()
    assert hasty(host).code == 0
    assert objects(s3, bucket) == {"before.gz": b"before", "amid.gz": b"amid"}


def test_one_request_that_is_never_answered_holds_up_no_other_file(
    s3: MotoServer, bucket: str, proxy: Proxy, make_host: MakeHost
) -> None:
    host = make_host(proxy.endpoint, pair=PAIR, s3="retries = 0")
    names = [f"{number}.gz" for number in range(6)]
    for name in names:
        host.write(name, name.encode())
    assert hasty(host, "--dry-run").code == 0
    proxy.add(Fault(method="PUT", target="/p/3.gz", hole=True))
    part = hasty(host)
    assert part.code in {4, 5}, part.said
    assert "3.gz" in part.said
    assert set(objects(s3, bucket)) == set(names) - {"3.gz"}
    proxy.mend()
    assert hasty(host).code == 0
    assert objects(s3, bucket) == {name: name.encode() for name in names}


# --- listings -----------------------------------------------------------------------------------------------------


def no_token(body: bytes) -> bytes:
    """It is truncated, and says not where it goes on."""
    return re.sub(rb"<NextContinuationToken>.*?</NextContinuationToken>", b"", body)


SECOND_PAGE = r"list-type=2.*continuation-token|continuation-token.*list-type=2"
LISTINGS = {
    "500": Fault(answer=(500, "InternalError")),
    "503": Fault(answer=(503, "SlowDown")),
    "an error in 200": Fault(answer=(200, "InternalError")),
    "ends early": Fault(end_down_at=300),
    "reset": Fault(reset_down_at=300),
    "half an XML": Fault(rewrite=lambda body: body[: len(body) // 2]),
    "another document": Fault(rewrite=lambda body: b"<html><body>hello</body></html>"),
    "the first page again": Fault(begin_anew=True),
    "no token": Fault(rewrite=no_token),
}


def test_a_listing_that_fails_on_a_later_page_decides_nothing(
    s3: MotoServer, bucket: str, proxy: Proxy, make_host: MakeHost
) -> None:
    proxy.page_size = 3
    host = make_host(proxy.endpoint, mode="bidirectional", pair=f"{PAIR}watch = false\n", s3="retries = 0")
    content = {f"{number}.gz": b"%d" % number for number in range(8)}
    for name, body in content.items():
        host.write(name, body)
    host.start()
    eventually(lambda: objects(s3, bucket) == content, within=WITHIN, what=host.log.read_text, every=0.2)
    host.until("idle")
    for name, fault in LISTINGS.items():
        met = proxy.count("GET", SECOND_PAGE)
        proxy.add(replace(fault, method="GET", target=SECOND_PAGE))
        host.ctl("force-sync")
        eventually(lambda: proxy.count("GET", SECOND_PAGE) > met, within=WITHIN, what=name)  # noqa: B023
        eventually(lambda: host.pair()["last_error"], within=WITHIN, what=name, every=0.2)
        proxy.mend()
        host.ctl("force-sync")
        host.until("idle", within=WITHIN)
        eventually(lambda: not host.pair()["last_error"], within=WITHIN, what=name, every=0.2)
        assert objects(s3, bucket) == content, name
        assert {path.name: path.read_bytes() for path in host.root.glob("*.gz")} == content, name
    assert not host.events("worker.crashed")
    assert host.stop(within=60) == 0


# --- multipart ----------------------------------------------------------------------------------------------------


def test_a_token_that_expires_amid_an_upload_in_parts_pauses_with_one_line_and_the_upload_arrives(
    s3: MotoServer, bucket: str, proxy: Proxy, make_host: MakeHost
) -> None:
    host = make_host(proxy.endpoint, pair=PAIR)
    body = random.Random(1).randbytes(PARTS)
    gate = proxy.add(Fault(method="PUT", target="partNumber=2", hold_up_at=1 << 20, times=1))
    host.write("big.gz", body)
    host.start()
    gate.wait_reached(within=60)
    proxy.add(Fault(answer=(400, "ExpiredToken")))
    gate.open()
    row = host.until("auth-expired", within=WITHIN)
    assert "the credentials have expired" in row["last_error"]
    eventually(lambda: proxy.count("GET", "list-type") >= 3, within=WITHIN, what="it is not tried again")
    assert len([event for event in host.events("credentials.expired") if "repeated" not in event]) == 1
    assert not objects(s3, bucket)
    proxy.mend()
    eventually(lambda: objects(s3, bucket) == {"big.gz": body}, within=WITHIN, what=host.log.read_text, every=0.3)
    host.until("idle", within=WITHIN)
    assert not host.events("worker.crashed")
    assert host.stop(within=60) == 0
    assert host.once().code == 0  # what could not be dropped while the credentials were void is dropped now
    assert not s3.client().list_multipart_uploads(Bucket=bucket).get("Uploads")


@pytest.mark.parametrize("fault", ["error in 200", "unanswered"])
def test_a_completion_that_fails_in_its_answer_is_done_once(
    s3: MotoServer, bucket: str, proxy: Proxy, make_host: MakeHost, fault: str
) -> None:
    host = make_host(proxy.endpoint, mode="bidirectional", pair=PAIR)
    body = random.Random(2).randbytes(PARTS)
    host.write("big.gz", body)
    unanswered = fault == "unanswered"
    answer = None if unanswered else (200, "InternalError")
    proxy.add(Fault(method="POST", target=r"big\.gz\?uploadId", drop_answer=unanswered, answer=answer, times=1))
    host.start()
    eventually(lambda: objects(s3, bucket) == {"big.gz": body}, within=WITHIN, what=host.log.read_text, every=0.3)
    assert host.ctl("force-sync", "--wait", "--timeout", "60").code == 0
    assert objects(s3, bucket) == {"big.gz": body}
    assert not s3.client().list_multipart_uploads(Bucket=bucket).get("Uploads")
    assert not host.events("worker.crashed")
    assert host.stop(within=60) == 0
