"""What every scenario shares: one server, a bucket of its own, and hosts to run the program on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from support.moto import MotoServer
from support.site import Site

NUMBERS = count(1)

MakeSite = Callable[..., Site]


@pytest.fixture(scope="session")
def server() -> Iterator[MotoServer]:
    """One S3 server for all scenarios; each takes buckets of its own."""
    with MotoServer() as running:
        yield running


@pytest.fixture
def bucket(server: MotoServer) -> str:
    """An empty bucket without versions."""
    return server.new_bucket(f"scenario-{next(NUMBERS)}")


@pytest.fixture
def versioned_bucket(server: MotoServer) -> str:
    """An empty bucket that keeps previous versions."""
    return server.new_bucket(f"scenario-{next(NUMBERS)}", versioned=True)


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Hundreds of short runs: each module is compiled once, also where the tests themselves write no bytecode."""
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path_factory.mktemp("bytecode"))}


@pytest.fixture
def site(tmp_path: Path, server: MotoServer, bucket: str, bytecode: dict[str, str]) -> MakeSite:
    """Make a host: `site("a", mode="upload")`. Hosts of one test share its bucket unless told otherwise."""

    def make(name: str = "host", *, bucket: str = bucket, **keys: Any) -> Site:
        host = Site(tmp_path / name, server, bucket, **keys)
        host.env.update(bytecode)
        return host

    return make
