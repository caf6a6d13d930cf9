"""Credentials that are looked up anew after a refusal, and not before, and not all the time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.credentials import Credentials

from support.moto import MotoServer
from support.proxy import Fault, Proxy
from syncd.config.types import S3
from syncd.errors import RemoteError
from syncd.s3.connect import connect
from syncd.s3.renewing import REST_S, RenewingCredentials


class Clockwork:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clockwork:
    return Clockwork()


def keys(*names: str) -> Iterator[Credentials]:
    return iter([Credentials(name, f"secret of {name}") for name in names])


def signed_with(credentials: RenewingCredentials) -> str:
    return str(credentials.get_frozen_credentials().access_key)


def test_what_is_not_refused_is_never_looked_up_again(clock: Clockwork) -> None:
    credentials = RenewingCredentials(Credentials("old", "x"), lambda: pytest.fail("looked up"), monotonic=clock)
    clock.now += 1e9
    assert signed_with(credentials) == "old"


def test_after_a_refusal_the_next_signature_is_by_what_is_found_then(clock: Clockwork) -> None:
    found = keys("new")
    credentials = RenewingCredentials(Credentials("old", "x"), lambda: next(found), monotonic=clock)
    credentials.refused()
    clock.now += REST_S
    assert signed_with(credentials) == "new"
    assert (credentials.access_key, credentials.secret_key, credentials.token) == ("new", "secret of new", None)
    assert signed_with(credentials) == "new"  # a second look-up would find nothing


def test_a_storm_of_refusals_costs_one_look_up_in_a_while(clock: Clockwork) -> None:
    found = keys("second", "third")
    credentials = RenewingCredentials(Credentials("first", "x"), lambda: next(found), monotonic=clock)
    for _ in range(100):
        credentials.refused()
        assert signed_with(credentials) == "second"
    clock.now += REST_S
    for _ in range(100):
        assert signed_with(credentials) == "third"
        credentials.refused()  # a third look-up would find nothing


def test_where_nothing_is_found_the_old_ones_stay_and_it_is_tried_again(clock: Clockwork) -> None:
    found = iter([None, Credentials("new", "x")])
    credentials = RenewingCredentials(Credentials("old", "x"), lambda: next(found), monotonic=clock)
    credentials.refused()
    clock.now += REST_S
    assert signed_with(credentials) == "old"
    clock.now += REST_S
    assert signed_with(credentials) == "new"


def test_a_client_whose_endpoint_refuses_reads_the_file_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "credentials"
    file.write_text("[p]\naws_access_key_id = OLDKEY\naws_secret_access_key = old\naws_session_token = old\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.fspath(file))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setattr("syncd.s3.renewing.REST_S", 0.0)
    with MotoServer() as server, Proxy(server.port) as proxy:
        client = connect(S3(endpoint_url=proxy.endpoint, region="us-east-1", profile="p", retries=0))
        seen: list[str] = []
        client.meta.events.register(
            "before-send.s3", lambda request, **_: seen.append(request.headers["Authorization"].decode())
        )
        client.list_buckets()
        file.write_text("[p]\naws_access_key_id = NEWKEY\naws_secret_access_key = new\n")
        client.list_buckets()  # nobody refused: it is not read
        proxy.add(Fault(answer=(400, "ExpiredToken"), times=1))
        with pytest.raises(client.exceptions.ClientError):
            client.list_buckets()
        client.list_buckets()
    assert ["OLDKEY" in line for line in seen] == [True, True, True, False]
    assert "NEWKEY" in seen[-1]


def test_no_credentials_at_all_are_an_error_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(RemoteError, match="no credentials"):
        connect(S3(endpoint_url="http://127.0.0.1:1", region="us-east-1"))
