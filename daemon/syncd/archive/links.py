"""Where a person finds an object: as a link, and as s3://."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from syncd.config.types import S3

SAFE = "/~"


def link(s3: S3, bucket: str, key: str) -> str:
    """An address that a browser opens, if it is let in. Virtual-hosted on AWS and where the settings say so."""
    path = quote(key, safe=SAFE)
    if not s3.endpoint_url:
        return f"https://{bucket}.s3.{s3.region}.amazonaws.com/{path}"
    endpoint = s3.endpoint_url.rstrip("/")
    if s3.addressing == "virtual":
        parts = urlsplit(endpoint)
        return f"{parts.scheme}://{bucket}.{parts.netloc}{parts.path}/{path}"
    return f"{endpoint}/{bucket}/{path}"


def address(bucket: str, key: str) -> str:
    """As it is named in journals and by people."""
    return f"s3://{bucket}/{key}"
