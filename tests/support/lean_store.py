"""The store of one bucket on the lean plane, to a server of a few lines."""

from __future__ import annotations

from typing import Any

from support.wire_server import Server
from syncd.config.types import S3
from syncd.ports import Capabilities
from syncd.s3.lean import LeanObjects
from syncd.s3.planes import Planes
from syncd.s3.wired import Surroundings


def lean_store(server: Server, *, retries: int = 0, around: Surroundings | None = None) -> LeanObjects:
    """What the engine would have of that server; nothing is waited for between two attempts."""
    origin = server.origin
    settings = S3(endpoint_url=f"{origin.scheme}://{origin.host}:{origin.port}", retries=retries)
    surroundings: Any = around or Surroundings(rest=lambda _: False)
    store = Planes.to(settings, surroundings).store("bucket", Capabilities(stores_checksum=True))
    assert isinstance(store, LeanObjects)
    return store
