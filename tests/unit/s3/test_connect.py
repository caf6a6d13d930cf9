"""From `[s3]` to a client, and what is said where there is none."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from syncd import __version__
from syncd.config.types import S3
from syncd.errors import ConfigError, RemoteError, RemoteKind
from syncd.s3.connect import connect, is_aws


def test_importing_the_room_imports_no_boto3() -> None:
    program = (
        "import sys, syncd.s3, syncd.s3.connect, syncd.s3.gateway, syncd.s3.probe, syncd.s3.buckets;"
        "sys.exit(any(name.split('.')[0] in {'boto3', 'botocore', 'urllib3', 'awscrt'} for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 0


def test_settings_reach_the_client() -> None:
    client = connect(S3(endpoint_url="http://s3.test:9000", region="eu-west-1", retries=7, concurrency=20))
    config = client.meta.config
    assert (client.meta.endpoint_url, client.meta.region_name) == ("http://s3.test:9000", "eu-west-1")
    assert config.retries == {"mode": "standard", "total_max_attempts": 8}  # type: ignore[attr-defined]
    assert config.max_pool_connections >= 20  # type: ignore[attr-defined]
    assert (config.connect_timeout, config.read_timeout, config.tcp_keepalive) == (10, 60, True)  # type: ignore[attr-defined]
    assert f"syncd/{__version__}" in config.user_agent  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("url", "checksum", "expected"),
    [
        ("http://s3.test", "crc64nvme", ("when_required", "when_required")),
        ("", "crc64nvme", ("when_supported", "when_supported")),
        ("", "none", ("when_required", "when_supported")),
    ],
)
def test_off_aws_no_checksum_is_added_that_was_not_asked_for(
    url: str, checksum: str, expected: tuple[str, str]
) -> None:
    config = connect(S3(endpoint_url=url, checksum=checksum)).meta.config
    assert (config.request_checksum_calculation, config.response_checksum_validation) == expected  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("", True),
        ("https://s3.eu-west-1.amazonaws.com", True),
        ("https://bucket.vpce-1.s3.us-east-1.vpce.amazonaws.com", True),
        ("https://amazonaws.com.evil.test", False),
        ("http://127.0.0.1:9000", False),
    ],
)
def test_aws_is_told_by_its_host_names(url: str, expected: bool) -> None:
    assert is_aws(url) is expected


@pytest.mark.parametrize("url", ["localhost:9000", "ftp://host", "http://", "http://host:port", "http://[::1", "x"])
def test_a_url_that_is_none_is_a_matter_of_configuration(url: str) -> None:
    with pytest.raises(ConfigError, match=r"s3\.endpoint_url") as wrong:
        connect(S3(endpoint_url=url))
    assert "https://" in wrong.value.hint


def test_an_unknown_profile_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="the profile nobody is not") as wrong:
        connect(S3(profile="nobody"))
    assert "AWS_PROFILE" in wrong.value.hint
    monkeypatch.setenv("AWS_PROFILE", "nobody-either")
    with pytest.raises(ConfigError, match="named by AWS_PROFILE"):
        connect(S3())


def test_no_region_is_an_error_on_aws_alone() -> None:
    with pytest.raises(ConfigError, match="no region") as wrong:
        connect(S3(region=""))
    assert "AWS_REGION" in wrong.value.hint
    assert connect(S3(region="", endpoint_url="http://s3.test")).meta.region_name == "us-east-1"


def test_without_credentials_there_is_no_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(RemoteError, match="no credentials") as denied:
        connect(S3(endpoint_url="http://s3.test"))
    assert denied.value.kind is RemoteKind.DENIED
    assert "AWS_PROFILE" in denied.value.hint


def test_a_profile_gives_credentials_and_region(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    (tmp_path / "config").write_text(
        "[profile p]\nregion = eu-north-1\naws_access_key_id = a\naws_secret_access_key = b\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    assert connect(S3(profile="p", region="")).meta.region_name == "eu-north-1"
