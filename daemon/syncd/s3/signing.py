"""Signing a body without reading it twice: its SHA-256 is known, or TLS stands in for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

VERSION = "s3v4-known-payload"
"""The name under which the signer is known to botocore."""

OPERATIONS = ("PutObject", "UploadPart")


def sign_known_payloads(client: S3Client) -> None:
    """Let the client sign bodies that carry their `sha256_hex` with it, and others over TLS as UNSIGNED-PAYLOAD.

    botocore alone would read every body once more to hash it. Without TLS and without a known hash it still does.
    """
    _register()
    for operation in OPERATIONS:
        client.meta.events.register_first(f"choose-signer.s3.{operation}", _choose, unique_id=f"{VERSION}-{operation}")


def _choose(*, signature_version: Any, context: Any, **_: object) -> Any:
    """Ours in place of plain SigV4; everything else (unsigned, S3 Express, SigV4A, presigned) stays as it is."""
    ordinary = {None, "v4", "s3v4"}
    return VERSION if signature_version in ordinary and context.get("auth_type") in ordinary else None


def _register() -> None:
    from botocore.auth import AUTH_TYPE_MAPS, UNSIGNED_PAYLOAD, S3SigV4Auth

    class KnownPayloadAuth(S3SigV4Auth):
        """SigV4 whose payload hash comes with the body."""

        def payload(self, request: Any) -> str:
            """The hash that the body carries; else botocore's own, unless TLS protects a stream."""
            known: str = getattr(request.body, "sha256_hex", "")
            if known:
                request.body.signed = True
                return known
            if hasattr(request.body, "read") and request.url.startswith("https:"):
                return UNSIGNED_PAYLOAD
            return str(super().payload(request))

    AUTH_TYPE_MAPS.setdefault(VERSION, KnownPayloadAuth)
