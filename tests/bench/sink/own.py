"""The bench's own requests to the sink, below /.sink/: what it holds, what it counted, and what it shall hold."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote

from bench.sink.listing import Mirage
from bench.sink.pattern import BLOCK, STRIDE
from bench.sink.reply import Reply, error
from bench.sink.shelf import Held

if TYPE_CHECKING:
    from bench.sink.answers import Answers
    from bench.sink.request import Request

FOLDER = 1000
STAMP = 1_700_000_000


def answer(answers: Answers, request: Request) -> Reply:
    """GET contents?bucket=, counts, arrivals · POST plant?bucket=&prefix=&count=&size=, mirage?..., note, forget?..."""
    query = request.query
    match request.method, request.key:
        case "GET", "counts":
            return _json(answers.counts.all())
        case "GET", "contents":
            there = answers.shelf.bucket(query["bucket"]).objects
            rows = {key: [held.size, held.etag, held.crc] for key, held in there.items()}
            return _json(rows)
        case "POST", "plant":
            plant(answers, query["bucket"], query.get("prefix", ""), int(query["count"]), int(query["size"]))
            return Reply(200)
        case "POST", "mirage":  # of one process alone: LIST goes to whichever answers
            answers.mirages[query["bucket"]] = Mirage(query.get("prefix", ""), int(query["count"]))
            return Reply(200)
        case "POST", "note":  # of one process alone, too
            answers.arrivals = {}
            return Reply(200)
        case "GET", "arrivals":
            return _json(answers.arrivals)
        case "POST", "forget":
            answers.shelf.submit(("forget", query["bucket"]))
            return Reply(200)
    return error(404, "NoSuchKey")


def plant(answers: Answers, bucket: str, prefix: str, count: int, size: int) -> None:
    """Objects of seeded bytes, described as syncd describes what it puts: a thousand in a folder."""
    for number in range(count):
        salt = number * STRIDE % BLOCK
        md5, sha256, crc = answers.pattern.sums(salt, size)
        name = f"file-{number:06d}.bin"
        meta = described(name, size, sha256)
        held = Held(size, md5, crc, STAMP + number, meta, None if size else b"", salt)
        key = f"{prefix}part-{number // FOLDER:04d}/{name}"
        answers.shelf.submit(("put", bucket, key, tuple(held), "", False))


def described(name: str, size: int, sha256: str) -> bytes:
    """The lines of user metadata that say what an object is."""
    said = {
        "original-filename": name,
        "file-size": str(size),
        "file-hash": sha256,
        "hash-type": "sha256",
        "mtime": f"{STAMP}.000000000",
        "upload-time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(STAMP)),
        "source-host": "sink",
    }
    return "".join(f"x-amz-meta-{key}: {value}\r\n" for key, value in said.items()).encode()


def source(text: str) -> tuple[str, str]:
    """Bucket and key of a copy's source."""
    bucket, _, key = unquote(text.partition("?")[0]).lstrip("/").partition("/")
    return bucket, key


def _json(document: object) -> Reply:
    return Reply(200, b"Content-Type: application/json\r\n", json.dumps(document).encode())
