"""The lean client takes what it speaks; for everything else boto3 does, and it is said why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from syncd.config.types import S3
from syncd.ports import Capabilities
from syncd.s3.connect import connect
from syncd.s3.plane import LEAN, Resolved, choose
from syncd.s3.planes import Planes
from syncd.s3.resolve import resolve
from syncd.s3.wired import Surroundings, address_of

PLAIN = Resolved(url="https://b.s3.eu-west-1.amazonaws.com", region="eu-west-1", service="s3", signature="s3v4")
EXPRESS = "logs--use1-az4--x-s3"
ACCESS_POINT = "arn:aws:s3:us-west-2:123456789012:accesspoint:mine"
MULTI_REGION = "arn:aws:s3::123456789012:accesspoint:mfzwi23gnjvgw.mrap"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")


def test_an_ordinary_bucket_goes_over_the_lean_client() -> None:
    assert choose("auto", "b", PLAIN) == LEAN


@pytest.mark.parametrize(
    ("bucket", "resolved", "why"),
    [
        ("b", replace(PLAIN, signature=""), "not signed"),
        ("b", replace(PLAIN, service="s3express"), "S3 Express"),
        ("b", replace(PLAIN, signature="v4-s3express"), "S3 Express"),
        (ACCESS_POINT, PLAIN, "ARN"),
        ("b", replace(PLAIN, signature="s3v4a", auth="v4a"), "v4a"),
        ("b", replace(PLAIN, auth="bearer"), "bearer"),
        ("b", replace(PLAIN, accelerated=True), "acceleration"),
        ("b", replace(PLAIN, proxy="https"), "https goes by a proxy"),
        ("b", replace(PLAIN, client_certificate=True), "client certificate"),
    ],
)
def test_what_it_does_not_speak_goes_by_boto3_with_the_reason(bucket: str, resolved: Resolved, why: str) -> None:
    choice = choose("auto", bucket, resolved)
    assert choice.name == "boto3"
    assert why in choice.reason


def test_boto3_can_be_asked_for() -> None:
    assert choose("boto3", "b", PLAIN).reason == "plane in [s3] says so"


@pytest.mark.parametrize(
    ("settings", "bucket", "url", "region"),
    [
        (S3(region="eu-west-1"), "logs", "https://logs.s3.eu-west-1.amazonaws.com", "eu-west-1"),
        (S3(region="eu-west-1"), "my.logs", "https://s3.eu-west-1.amazonaws.com/my.logs", "eu-west-1"),
        (S3(region="eu-west-1", addressing="path"), "logs", "https://s3.eu-west-1.amazonaws.com/logs", "eu-west-1"),
        (S3(endpoint_url="http://127.0.0.1:9000"), "logs", "http://127.0.0.1:9000/logs", "us-east-1"),
        (S3(endpoint_url="http://[::1]:9000"), "logs", "http://[::1]:9000/logs", "us-east-1"),
        (
            S3(endpoint_url="https://s3.example.com/base", addressing="virtual", region="x"),
            "logs",
            "https://logs.s3.example.com/base",
            "x",
        ),
    ],
)
def test_a_bucket_is_where_botocore_has_it(settings: S3, bucket: str, url: str, region: str) -> None:
    seen = resolve(connect(settings), bucket)
    assert (seen.url, seen.region, seen.service) == (url, region, "s3")
    assert choose("auto", bucket, seen) == LEAN


def test_fips_and_dual_stack_are_heeded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "true")
    monkeypatch.setenv("AWS_USE_DUALSTACK_ENDPOINT", "true")
    assert (
        resolve(connect(S3(region="us-west-2")), "logs").url == "https://logs.s3-fips.dualstack.us-west-2.amazonaws.com"
    )


def test_a_region_that_was_named_leads_to_its_own_host() -> None:
    client = connect(S3(region="us-east-1"))
    assert resolve(client, "logs", region="eu-central-1").url == "https://logs.s3.eu-central-1.amazonaws.com"
    assert resolve(client, "logs").region == "us-east-1"
    other = connect(S3(endpoint_url="http://127.0.0.1:9000"))
    there = resolve(other, "logs", region="eu-central-1")
    assert (there.url, there.region) == ("http://127.0.0.1:9000/logs", "eu-central-1")


@pytest.mark.parametrize(("bucket", "why"), [(EXPRESS, "S3 Express"), (ACCESS_POINT, "ARN"), (MULTI_REGION, "ARN")])
def test_buckets_of_another_kind_are_told_apart_without_a_request(bucket: str, why: str) -> None:
    store = Planes.to(S3(region="us-west-2"), Surroundings()).store(bucket, Capabilities())
    assert why in store.detour


@pytest.mark.parametrize(
    ("variables", "proxied"),
    [
        ({"HTTPS_PROXY": "http://127.0.0.1:1"}, True),
        ({"HTTP_PROXY": "http://127.0.0.1:1"}, False),
        ({"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "amazonaws.com"}, False),
    ],
)
def test_a_proxy_that_applies_takes_the_hot_path_to_boto3(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], proxied: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    store = Planes.to(S3(), Surroundings()).store("logs", Capabilities())
    assert store.detour == ("https goes by a proxy" if proxied else "")


def test_transfer_acceleration_of_the_profile_takes_it_there_too(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[default]\ns3 =\n  use_accelerate_endpoint = true\n")
    store = Planes.to(S3(addressing="auto"), Surroundings()).store("logs", Capabilities())
    assert store.detour == "transfer acceleration is on"


@pytest.mark.parametrize(
    ("url", "host", "port", "shown", "base"),
    [
        ("https://b.s3.amazonaws.com", "b.s3.amazonaws.com", 443, "b.s3.amazonaws.com", ""),
        ("https://s3.example.com:443/b", "s3.example.com", 443, "s3.example.com", "/b"),
        ("http://127.0.0.1:9000/b", "127.0.0.1", 9000, "127.0.0.1:9000", "/b"),
        ("http://[::1]:9000/b", "::1", 9000, "[::1]:9000", "/b"),
    ],
)
def test_an_address_names_its_host_as_http_does(url: str, host: str, port: int, shown: str, base: str) -> None:
    address = address_of(replace(PLAIN, url=url))
    assert (address.origin.host, address.origin.port, address.host, address.base) == (host, port, shown, base)
