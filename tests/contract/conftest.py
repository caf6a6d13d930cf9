"""The stores that the contract is held against: each test gets an empty bucket of each of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.fake_store import EVERYTHING, FakeObjects
from support.moto import MotoServer
from support.rclone import RcloneServer
from support.subjects import PLANES, STORES, Subject, on_both_planes, params
from syncd.config.types import S3
from syncd.ports import Capabilities
from syncd.s3.connect import connect
from syncd.s3.planes import Planes
from syncd.s3.probe import probe
from syncd.s3.wired import Surroundings

MakeStore = Callable[..., Any]
VARIABLES = {"access_key": "AWS_ACCESS_KEY_ID", "secret_key": "AWS_SECRET_ACCESS_KEY"}


@pytest.fixture(scope="session")
def moto() -> Iterator[MotoServer]:
    with MotoServer() as server:
        yield server


@pytest.fixture(scope="session")
def rclone() -> Iterator[RcloneServer]:
    with RcloneServer() as server:
        yield server


@pytest.fixture
def signed_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """A client of ours for a server of the suite, with that server's credentials or others."""

    def client(server: Any, **credentials: str) -> Any:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", credentials.get("access_key", server.access_key))
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", credentials.get("secret_key", server.secret_key))
        return connect(S3(endpoint_url=server.endpoint, retries=0))

    return client


@pytest.fixture
def new_bucket() -> Callable[[Any], str]:
    """Make an empty bucket on a server of the suite."""

    def make(server: Any) -> str:
        name = f"bucket-{uuid.uuid4().hex[:12]}"
        server.client().create_bucket(Bucket=name)
        return name

    return make


SEEN: dict[str, Capabilities] = {}


@pytest.fixture
def made_for(monkeypatch: pytest.MonkeyPatch) -> MakeStore:
    """A bucket's store on one plane: of a server of the suite, with its credentials or others, or of any URL."""

    def make(
        server: Any,
        bucket: str,
        *,
        plane: str,
        checksum: str = "none",
        capabilities: Capabilities | None = None,
        **credentials: str,
    ) -> Any:
        for name in ("access_key", "secret_key"):
            given = credentials.get(name) or getattr(server, name, "testing")
            monkeypatch.setenv(VARIABLES[name], given)
        endpoint = server if isinstance(server, str) else server.endpoint
        settings = S3(endpoint_url=endpoint, retries=0, checksum=checksum, plane="auto" if plane == "lean" else plane)
        store = Planes.to(settings, Surroundings()).store(bucket, capabilities or Capabilities())
        assert type(store).__name__ == {"lean": "LeanObjects", "boto3": "Boto3Objects"}[plane]
        return store

    return make


@pytest.fixture(params=on_both_planes(STORES))
def subject(request: pytest.FixtureRequest, signed_in: Any, made_for: MakeStore, new_bucket: Any) -> Subject:
    """Every store in turn, on both planes, used as its own probe found it."""
    name, _, plane = request.param.partition("/")
    if name == "fake":
        return Subject(name=name, objects=FakeObjects(), capabilities=EVERYTHING)
    server = request.getfixturevalue(name)
    bucket = new_bucket(server)
    if name not in SEEN:
        SEEN[name] = probe(signed_in(server), bucket, "")
    seen = SEEN[name]
    objects = made_for(server, bucket, plane=plane, checksum="crc64nvme", capabilities=seen)
    return Subject(name=name, objects=objects, capabilities=seen)


@pytest.fixture(params=PLANES)
def plane(request: pytest.FixtureRequest) -> str:
    """Both ways to a store."""
    return str(request.param)


@pytest.fixture(params=params(name for name in STORES if name != "fake"))
def server(request: pytest.FixtureRequest) -> Any:
    """Every store that is spoken to over HTTP."""
    return request.getfixturevalue(request.param)
