"""The stores that the contract is held against: each test gets an empty bucket of each of them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from support.fake_store import EVERYTHING, FakeObjects
from support.moto import MotoServer
from support.rclone import RcloneServer
from support.subjects import STORES, Subject, params
from syncd.config.types import S3
from syncd.ports import Capabilities
from syncd.s3.connect import connect
from syncd.s3.gateway import Boto3Objects
from syncd.s3.probe import probe


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


@pytest.fixture(params=params(STORES))
def subject(request: pytest.FixtureRequest, signed_in: Any, new_bucket: Any) -> Subject:
    """Every store in turn, used as its own probe found it."""
    if request.param == "fake":
        return Subject(name="fake", objects=FakeObjects(), capabilities=EVERYTHING)
    server = request.getfixturevalue(request.param)
    client, bucket = signed_in(server), new_bucket(server)
    if request.param not in SEEN:
        SEEN[request.param] = probe(client, bucket, "")
    seen = SEEN[request.param]
    objects = Boto3Objects(client, bucket, checksum="crc64nvme", capabilities=seen)
    return Subject(name=request.param, objects=objects, capabilities=seen)


@pytest.fixture(params=params(name for name in STORES if name != "fake"))
def server(request: pytest.FixtureRequest) -> Any:
    """Every store that is spoken to over HTTP."""
    return request.getfixturevalue(request.param)
