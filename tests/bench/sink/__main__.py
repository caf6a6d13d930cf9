"""`python -m bench.sink`: the sink, until it is ended. Says `listening on URL` when it is."""

from __future__ import annotations

import argparse
import gc
import os
import signal
import ssl
import sys
from pathlib import Path

from bench.sink.answers import Answers
from bench.sink.counts import Counts
from bench.sink.own import plant
from bench.sink.pattern import Pattern
from bench.sink.serving import Loop, listening
from bench.sink.shared import SharedShelf
from bench.sink.shelf import Shelf


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench.sink", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--delay-ms", type=float, default=0.0, help="before each answer")
    parser.add_argument("--tls", action="store_true", help="with a certificate of an authority of its own")
    parser.add_argument("--ca-file", type=Path, default=Path("sink-ca.pem"), help="where that authority is written")
    parser.add_argument(
        "--plant", action="append", default=[], metavar="BUCKET/PREFIX,COUNT,SIZE", help="objects to be there"
    )
    return parser


def certified(host: str, ca_file: Path) -> ssl.SSLContext:
    """A context with a fresh certificate for the host; whom to trust for it is written to the file."""
    import trustme

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host, "localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(ca_file))
    return context


def main() -> int:
    """Fork the processes and wait for the end."""
    chosen = arguments().parse_args()
    tls = certified(chosen.host, chosen.ca_file) if chosen.tls else None
    doors = [listening(chosen.host, chosen.port)]
    port = doors[0].getsockname()[1]
    doors += [listening(chosen.host, port) for _ in range(1, chosen.processes)]
    counts = Counts(chosen.processes)
    shelf = SharedShelf() if chosen.processes > 1 else Shelf()
    answers = Answers(shelf, Pattern(), counts)
    for planted in chosen.plant:
        place, count, size = planted.rsplit(",", 2)
        bucket, _, prefix = place.partition("/")
        plant(answers, bucket, prefix, int(count), int(size))
    gc.freeze()
    gc.disable()  # nothing here makes cycles that would matter
    print(f"listening on {'https' if tls else 'http'}://{chosen.host}:{port}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    number = 0
    for number in range(chosen.processes - 1, 0, -1):
        if os.fork() == 0:
            break
        number = 0
    if isinstance(shelf, SharedShelf):
        shelf.forked(number + 1)
    counts.forked(number)
    if number:
        _end_with_parent()
    Loop(doors[number], answers, tls=tls, delay_s=chosen.delay_ms / 1000).serve()
    return 0


def _end_with_parent() -> None:
    """SIGTERM when the first process is gone (PR_SET_PDEATHSIG)."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
