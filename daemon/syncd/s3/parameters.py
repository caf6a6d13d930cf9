"""From our nouns to the parameters of boto3's calls."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from typing_extensions import assert_never

from syncd.core.model import ETag
from syncd.ports import Absent, Capabilities, Checksums, Matches, ObjectHeaders, RemoteExpect, Unchecked
from syncd.s3 import metadata
from syncd.s3.facts import crc64nvme_base64

Parameters = dict[str, Any]

HEADERS = {
    "IfMatch": "if-match",
    "IfNoneMatch": "if-none-match",
    "Range": "range",
    "StorageClass": "x-amz-storage-class",
    "ACL": "x-amz-acl",
    "ContentType": "content-type",
    "ContentMD5": "content-md5",
    "ChecksumAlgorithm": "x-amz-sdk-checksum-algorithm",
    "ChecksumCRC64NVME": "x-amz-checksum-crc64nvme",
    "ChecksumSHA256": "x-amz-checksum-sha256",
    "ChecksumCRC32": "x-amz-checksum-crc32",
    "ChecksumMode": "x-amz-checksum-mode",
}
"""The headers that boto3 makes of the parameters that we give it."""


def quoted(etag: ETag) -> str:
    """As HTTP wants it."""
    return f'"{etag}"'


def matching(etag: ETag, capabilities: Capabilities) -> str:
    """As this store wants it in If-Match."""
    return quoted(etag) if capabilities.quoted_if_match else etag


def condition(expect: RemoteExpect, capabilities: Capabilities) -> Parameters:
    """The precondition of a write."""
    match expect:
        case Absent():
            return {"IfNoneMatch": "*"}
        case Matches(etag):
            return {"IfMatch": matching(etag, capabilities)}
        case Unchecked():
            return {}
        case _:
            assert_never(expect)


def described(headers: ObjectHeaders, *, whole: bool = True) -> Parameters:
    """What is written beside the bytes. `whole` False: only the metadata that something is decided by."""
    values: Mapping[str, str] = headers.metadata if whole else metadata.essential(headers.metadata)
    named = {
        "Metadata": metadata.encoded(values),
        "StorageClass": headers.storage_class,
        "ACL": headers.acl,
        "ContentType": headers.content_type,
    }
    return {name: value for name, value in named.items() if value}


def sums_of(sums: Checksums, *, checksum: str, capabilities: Capabilities) -> Parameters:
    """Checksums that are known already, so that botocore computes none and needs no trailer.

    A CRC64NVME only where the probe saw that the store keeps it; Content-MD5 is checked by every store.
    """
    parameters: Parameters = {}
    if checksum == "crc64nvme" and sums.crc64nvme is not None and capabilities.stores_checksum:
        parameters["ChecksumAlgorithm"] = "CRC64NVME"
        parameters["ChecksumCRC64NVME"] = crc64nvme_base64(sums.crc64nvme)
    elif checksum == "sha256" and sums.sha256 is not None:
        parameters["ChecksumAlgorithm"] = "SHA256"
        parameters["ChecksumSHA256"] = base64.b64encode(sums.sha256).decode("ascii")
    if sums.md5 is not None:
        parameters["ContentMD5"] = base64.b64encode(sums.md5).decode("ascii")
    return parameters


def byte_range(start: int, length: int | None) -> str:
    """The Range header of [start, start+length); "" for all of it."""
    if start < 0 or (length is not None and length <= 0):
        raise ValueError(f"no range: start {start}, length {length}")
    if start == 0 and length is None:
        return ""
    return f"bytes={start}-" if length is None else f"bytes={start}-{start + length - 1}"


def headers_of(parameters: Parameters) -> dict[str, str]:
    """Those parameters as boto3 would send them. KeyError where one of them has no header here."""
    sent = {HEADERS[name]: value for name, value in parameters.items() if name != "Metadata"}
    for name, value in parameters.get("Metadata", {}).items():
        sent[f"x-amz-meta-{name}"] = value
    return sent
