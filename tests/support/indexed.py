"""Documents for tests of the index, an index of either flavor on a stub, and a certificate for it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from support.elastic_stub import ElasticStub
from support.members import UUID, manifest, member
from syncd.config.types import Index
from syncd.core.documents import documents
from syncd.core.manifest import archive_key
from syncd.index.open import open_index
from syncd.ports import ArchiveIndex, Document

PRODUCT = {"elasticsearch": "Elasticsearch", "opensearch": ""}


def some(count: int, *, archive: int = 0) -> list[Document]:
    """Documents of one archive with so many members."""
    return named(*(f"d/f{number:06}" for number in range(count)), archive=archive)


def named(*paths: str, bucket: str = "photos", archive: int = 0, created_at: float = 1.75e9) -> list[Document]:
    """Documents of an archive with members of these keys; another number is another archive."""
    uuid = f"{UUID[:-4]}{archive:04}"
    members = [member(path, offset=1024 * number) for number, path in enumerate(paths)]
    whole = manifest(*members, bucket=bucket, created_at=created_at)
    return list(documents(replace(whole, uuid=uuid, key=archive_key("d", uuid))))


@contextmanager
def index_on(stub: ElasticStub, flavor: str = "elasticsearch", **settings: Any) -> Iterator[ArchiveIndex]:
    """An index on that stub; closed at the end."""
    seconds = settings.pop("timeout_s", 10.0)
    given = {"url": stub.url, **settings}
    index = open_index(Index(flavor=flavor, timeout=timedelta(seconds=seconds), **given))
    assert index is not None
    try:
        yield index
    finally:
        index.close()


def certified(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context for 127.0.0.1 with a certificate that it signed itself, and the file to trust it by."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(timezone.utc)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "ca.pem", folder / "key.pem"
    certificate.write_bytes(built.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, private)
    return context, certificate
