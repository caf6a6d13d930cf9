"""How checksums are written beside an object."""

from __future__ import annotations

import base64

from syncd.ports import MARK, Checksums, Hashes


def crc64nvme_text(value: int) -> str:
    """`CRC64NVME:base64` of the eight bytes, big-endian, as S3 shows it."""
    return "CRC64NVME:" + base64.b64encode(value.to_bytes(8, "big")).decode()


def checksums(hashes: Hashes) -> Checksums:
    """What we know of a body before it is sent."""
    return Checksums(md5=hashes.md5, sha256=hashes.sha256, crc64nvme=hashes.crc64nvme)


def agrees(answer: str | None, hashes: Hashes) -> bool:
    """Whether the checksum of the store's answer is ours of the whole content."""
    algorithm, _, value = (answer or "").partition(":")
    match algorithm:
        case "CRC64NVME" if hashes.crc64nvme is not None:
            return answer == crc64nvme_text(hashes.crc64nvme)
        case "SHA256" if hashes.sha256 is not None:
            return value == base64.b64encode(hashes.sha256).decode()
        case _:
            return False


def disagrees(answer: str | None, hashes: Hashes) -> bool:
    """Whether the checksum of the store's answer is another than ours. One that we cannot compare does not."""
    if answer is None or "-" in answer.rpartition(":")[2]:
        return False
    algorithm = answer.partition(":")[0]
    known = {"CRC64NVME": hashes.crc64nvme, "SHA256": hashes.sha256}.get(algorithm)
    return known is not None and not agrees(answer, hashes)


def crc64nvme_of(hashes: Hashes, size: int, start: int, length: int) -> int | None:
    """The CRC64NVME of a range of a file of that size, from the marks of the one read; None where there are none."""
    from awscrt.checksums import combine_crc64nvme  # 10 MB of library: only where it is wanted

    before, after = _crc_until(hashes, size, start), _crc_until(hashes, size, start + length)
    if before is None or after is None:
        return None
    return after ^ int(combine_crc64nvme(before, 0, length))  # what comes before it moved on by `length` bytes


def _crc_until(hashes: Hashes, size: int, at: int) -> int | None:
    if at in {0, size}:
        return hashes.crc64nvme if at else 0
    place, odd = divmod(at, MARK)
    return None if odd or place > len(hashes.marks) else hashes.marks[place - 1]
