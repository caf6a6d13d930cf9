"""The lean client trusts whom botocore would trust, and says why it does not trust another."""

from __future__ import annotations

import datetime
import io
import ipaddress
import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from support.scripted import Said, Scripted
from syncd.config.types import S3
from syncd.errors import ConfigError, RemoteError, RemoteKind
from syncd.ports import Capabilities, Checksums, ObjectHeaders, Unchecked
from syncd.s3.planes import Planes
from syncd.s3.wired import Surroundings

NOW = datetime.datetime.now(datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
OK = Said(headers={"ETag": '"e"'})


def certificate(folder: Path, *, address: str = "127.0.0.1", until: datetime.datetime = NOW + DAY) -> Path:
    """A certificate that vouches for itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a store")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - 9 * DAY)
        .not_valid_after(until)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


def serving(path: Path, *answers: Said) -> Scripted:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return Scripted(*answers, tls=context)


def put(endpoint: str) -> Any:
    store = Planes.to(S3(endpoint_url=endpoint, retries=0), Surroundings()).store("bucket", Capabilities())
    assert store.detour == ""
    return store.put("k", io.BytesIO(b"x"), 1, expect=Unchecked(), headers=ObjectHeaders(), sums=Checksums())


@pytest.fixture(autouse=True)
def _signed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_an_authority_of_ones_own_is_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    path = certificate(tmp_path)
    monkeypatch.setenv(variable, str(path))
    with serving(path, OK) as server:
        assert put(server.endpoint).etag == "e"
        assert server.asked[0].headers["x-amz-content-sha256"] == "UNSIGNED-PAYLOAD"


@pytest.mark.parametrize(
    ("wrong", "trusted", "reason"),
    [
        ({}, False, "self-signed|self signed"),
        ({"address": "127.0.0.2"}, True, "IP address mismatch"),
        ({"until": NOW - DAY}, True, "expired"),
    ],
    ids=["unknown", "of another host", "expired"],
)
def test_a_certificate_that_is_not_to_be_trusted_is_refused_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, Any], trusted: bool, reason: str
) -> None:
    path = certificate(tmp_path, **wrong)
    if trusted:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(path))
    with serving(path, OK) as server:
        with pytest.raises(RemoteError, match=reason) as refused:
            put(server.endpoint)
        assert server.asked == []
    assert refused.value.kind is RemoteKind.UNAVAILABLE
    assert "AWS_CA_BUNDLE" in refused.value.hint


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
@pytest.mark.parametrize("content", [None, b"junk", b""], ids=["missing", "junk", "empty"])
def test_authorities_that_cannot_be_read_are_an_error_of_the_configuration_that_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, content: bytes | None
) -> None:
    trusted = tmp_path / "authorities.pem"
    if content is not None:
        trusted.write_bytes(content)
    monkeypatch.setenv(variable, str(trusted))
    with serving(certificate(tmp_path), OK) as server:
        with pytest.raises(ConfigError) as unusable:
            put(server.endpoint)
        assert server.asked == []
    assert str(trusted) in unusable.value.problems[0]
    assert variable in unusable.value.hint
