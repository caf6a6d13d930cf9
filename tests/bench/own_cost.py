"""What the sink itself costs: it runs on the cores that its clients run on."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass
from urllib.parse import urlsplit

from bench.bars import Bar, judged
from bench.servers import Sink, cpu_s
from bench.world import Result, World

BODY = b"x" * (10 << 10)
THREADS = 2
HEAD = (
    "PUT /own/{} HTTP/1.1\r\nHost: sink\r\nContent-Length: {}\r\nx-amz-content-sha256: UNSIGNED-PAYLOAD\r\n"
    "Authorization: AWS4-HMAC-SHA256 Credential=bench/20261127/us-east-1/s3/aws4_request, SignedHeaders=host, "
    "Signature=0000\r\nIf-None-Match: *\r\n{}\r\n"
)
META = "".join(f"x-amz-meta-said-{number}: a value of some length\r\n" for number in range(9))


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkCost:
    """Small PUTs with nine lines of metadata from two bare sockets."""

    name: str = "sink"

    def run(self, world: World) -> Result:
        count = 4_000 if world.quick else 40_000
        with world.serving("sink", "http") as sink:
            assert isinstance(sink, Sink)
            world.tell(f"{count:,} PUTs")
            before = cpu_s(sink.pid)
            senders = [
                threading.Thread(target=_send, args=(sink, range(first, count, THREADS))) for first in range(THREADS)
            ]
            for sender in senders:
                sender.start()
            for sender in senders:
                sender.join()
            used_s, held = cpu_s(sink.pid) - before, len(sink.held("own", ""))
        figures = {"CPU for a PUT of 10 KiB, us": round(used_s / count * 1e6, 1)}
        return Result(
            name=self.name,
            title="the sink's own cost",
            server="sink",
            transport="http",
            settings={"count": count, "size": len(BODY), "connections": THREADS},
            figures=figures,
            verdicts=judged((Bar(metric="CPU for a PUT of 10 KiB, us", limit=60),), [], figures),
            notes=[] if held == count else [f"{held} of {count} arrived"],
        )


def _send(sink: Sink, numbers: range) -> None:
    address = urlsplit(sink.url)
    with socket.create_connection((address.hostname or "", address.port or 0)) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for number in numbers:
            sock.sendall(HEAD.format(number, len(BODY), META).encode() + BODY)
            assert sock.recv(4096).startswith(b"HTTP/1.1 200 ")
