"""What the end-to-end tests share: one moto for all, buckets and hosts of their own, a proxy that makes trouble."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from support.daemon_process import Host
from support.moto import MotoServer
from support.proxy import Proxy


@pytest.fixture(scope="session")
def s3() -> Iterator[MotoServer]:
    """One moto server for the session."""
    with MotoServer() as server:
        yield server


@pytest.fixture
def bucket(s3: MotoServer) -> str:
    """An empty bucket that nobody else uses."""
    return s3.new_bucket(f"b-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def proxy(s3: MotoServer) -> Iterator[Proxy]:
    """A proxy before that server, harmless until told."""
    with Proxy(s3.port) as proxy:
        yield proxy


@pytest.fixture
def make_host(tmp_path: Path, bucket: str) -> Iterator[Callable[..., Host]]:
    """`make_host(endpoint, **parts)`: a host in a folder of its own, on `s3://BUCKET/p/` where no remote is named."""
    with ExitStack() as stack:
        made: list[Host] = []

        def make(endpoint: str, **parts: Any) -> Host:
            folder = tmp_path / f"host{len(made)}"
            host = Host(folder, endpoint, **{"remote": f"s3://{bucket}/p/", **parts})
            made.append(host)
            stack.callback(host.close)
            return host

        yield make
