"""User metadata on the bucket (INTERFACE.md): what is written beside an object, and what is believed when read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from syncd.core.model import Digest, HashType

MAX_BYTES = 2048
"""What S3 takes of names and values together."""

SACRIFICED = ("original-filename", "source-host", "upload-time", "synced-by")
"""What is left out, in this order, where everything does not fit: nothing is decided by these."""

_NS = 1_000_000_000
_HEX = {HashType.SHA256: 64, HashType.MD5: 32}
_MTIME = re.compile(r"(-?)(\d{1,11})(?:\.(\d{1,18}))?\Z", re.ASCII)
_S3CMD_MTIME = re.compile(r"(?:\A|/)mtime:(\d{1,11})(?:/|\Z)", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What an object's metadata says of it, parsed; what cannot be true is absent and `lying` is set."""

    digest: Digest | None = None
    mtime_ns: int | None = None
    host_id: str | None = None
    host_name: str | None = None
    operation_id: str | None = None
    lying: bool = False


def parse_mtime(text: str) -> int | None:
    """Nanoseconds of a decimal number of seconds, digits past nanoseconds cut; None where it is no such number."""
    found = _MTIME.match(text.strip())
    if found is None:
        return None
    sign, seconds, decimals = found.groups()
    size = int(seconds) * _NS + int((decimals or "0")[:9].ljust(9, "0"))
    return -size if sign else size


def encoded(metadata: Mapping[str, str], *, limit: int = MAX_BYTES) -> dict[str, str]:
    """As it is sent: ASCII, percent-encoded where it must be, and within `limit` bytes.

    Values of SACRIFICED go first where it does not fit, then the longest of the others.
    """
    together = "|".join(("", *metadata.values(), ""))  # in one look, which nearly always is enough
    stands = together.isascii() and together.isprintable() and not any(odd in together for odd in ("%", "| ", " |"))
    sent = {name.lower(): value if stands else _encoded_value(value) for name, value in metadata.items()}
    if _length(sent) > limit:
        longest = sorted((name for name in sent if name not in SACRIFICED), key=lambda name: -len(sent[name]))
        for name in (*SACRIFICED, *longest):
            sent.pop(name, None)
            if _length(sent) <= limit:
                break
    return sent


def essential(metadata: Mapping[str, str]) -> dict[str, str]:
    """Without what nothing is decided by: for a store that refused the whole."""
    return {name: value for name, value in metadata.items() if name not in SACRIFICED}


def decoded(value: str) -> str:
    """The text of a value that was read. One that somebody else wrote comes back as it can be read."""
    return unquote(value, errors="replace")


def claims(metadata: Mapping[str, str], *, size: int) -> Claims:
    """What the metadata of an object of `size` bytes says. Names are read case-insensitively."""
    read = {name.lower(): value for name, value in metadata.items()}
    digest, false_hash = _digest(read)
    false_size = "file-size" in read and read["file-size"].strip() != str(size)
    return Claims(
        digest=None if false_size else digest,
        mtime_ns=_mtime(read),
        host_id=_text(read, "source-host-id"),
        host_name=_text(read, "source-host"),
        operation_id=_text(read, "syncd-op"),
        lying=false_size or false_hash,
    )


def _encoded_value(value: str) -> str:
    """Printable ASCII as it stands; `%`, spaces at either end and all else as %XX of its UTF-8 bytes."""
    if value.isascii() and value.isprintable() and "%" not in value and value[:1] != " " and value[-1:] != " ":
        return value
    inner = len(value) - len(value.lstrip(" ")), len(value.rstrip(" "))
    return "".join(
        char
        if ("!" <= char <= "~" and char != "%") or (char == " " and inner[0] <= at < inner[1])
        else "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogateescape"))
        for at, char in enumerate(value)
    )


def _length(metadata: Mapping[str, str]) -> int:
    return sum(len(name) + len(value) for name, value in metadata.items())


def _digest(read: Mapping[str, str]) -> tuple[Digest | None, bool]:
    """The digest and whether what stands there is impossible. A type that we do not know is nobody's lie."""
    hex_digits = read.get("file-hash", "").strip().lower()
    if not hex_digits:
        return None, False
    try:
        type = HashType(read.get("hash-type", "").strip().lower())
    except ValueError:
        return None, False
    if len(hex_digits) != _HEX[type] or not set(hex_digits) <= set("0123456789abcdef"):
        return None, True
    return Digest(type, hex_digits), False


def _mtime(read: Mapping[str, str]) -> int | None:
    """Ours and rclone's `mtime`, else the one within s3cmd's attributes."""
    if "mtime" in read:
        return parse_mtime(decoded(read["mtime"]))
    found = _S3CMD_MTIME.search(decoded(read.get("s3cmd-attrs", "")))
    return int(found.group(1)) * _NS if found else None


def _text(read: Mapping[str, str], name: str) -> str | None:
    value = read.get(name)
    return decoded(value) if value else None
