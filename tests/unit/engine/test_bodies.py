"""What leaves: the sums of a body that an SDK reads as it likes, and the checksums that answers carry."""

from __future__ import annotations

import base64
import hashlib
import io

import pytest
from awscrt.checksums import crc64nvme
from hypothesis import given
from hypothesis import strategies as st

from syncd.engine.checksum import checksums, crc64nvme_of, crc64nvme_text, disagrees
from syncd.engine.watched import Watched
from syncd.errors import Stale
from syncd.lifecycle.stop import Stop
from syncd.local.digest import Digester
from syncd.ports import Checksums, Hashes

TYPES = frozenset({"sha256", "md5"})


def watched(body: bytes, advanced: list[int], stop: Stop | None = None) -> Watched:
    return Watched(io.BytesIO(body), len(body), lambda: Digester(TYPES), advanced.append, stop or Stop())


def sums(body: bytes) -> Hashes:
    return Hashes(sha256=hashlib.sha256(body).digest(), md5=hashlib.md5(body).digest())


@given(st.binary(max_size=200), st.lists(st.integers(1, 64), min_size=1, max_size=20))
def test_a_body_read_in_pieces_has_the_sums_of_the_whole(body: bytes, sizes: list[int]) -> None:
    advanced: list[int] = []
    out = watched(body, advanced)
    read = b"".join(out.read(size) for size in sizes) + out.read()
    assert read == body
    assert out.whole_hashes() == sums(body)
    assert sum(advanced) == len(body)


@given(st.binary(min_size=1, max_size=100), st.lists(st.tuples(st.integers(0, 100), st.integers(0, 40)), max_size=8))
def test_a_body_read_twice_in_any_way_never_has_wrong_sums(body: bytes, moves: list[tuple[int, int]]) -> None:
    """An SDK signs, sends, fails and sends again; it may also ask for the end to learn the length."""
    advanced: list[int] = []
    out = watched(body, advanced)
    for offset, size in moves:
        out.seek(min(offset, len(body)))
        out.read(size)
        assert out.whole_hashes() in {Hashes(), sums(body)}
    assert sum(advanced) <= len(body)  # progress never counts a byte twice
    out.seek(0)
    assert out.read() == body
    assert out.whole_hashes() == sums(body)


def test_half_a_pass_has_no_sums() -> None:
    out = watched(b"abcdef", [])
    out.read(3)
    assert out.whole_hashes() == Hashes()


def test_a_look_at_the_end_keeps_what_was_summed() -> None:
    out = watched(b"abcdef", [])
    out.read(3)
    assert out.seek(0, io.SEEK_END) == 6
    assert out.seek(3) == 3
    out.read()
    assert out.whole_hashes() == sums(b"abcdef")


def test_an_abandoned_transfer_ends_at_the_next_piece() -> None:
    stop = Stop()
    out = watched(b"abcdef", [], stop)
    out.read(1)
    stop.abandon()
    with pytest.raises(Stale):
        out.read(1)


# --- checksums ----------------------------------------------------------------------------------------------

BODY = b"some bytes"
KNOWN = Hashes(sha256=hashlib.sha256(BODY).digest(), md5=hashlib.md5(BODY).digest(), crc64nvme=crc64nvme(BODY))
SHA256_TEXT = "SHA256:" + base64.b64encode(hashlib.sha256(BODY).digest()).decode()


def test_crc64nvme_is_written_as_s3_shows_it() -> None:
    assert crc64nvme_text(0xAE8B14860A799888) == "CRC64NVME:rosUhgp5mIg="  # the check value of the algorithm
    assert crc64nvme_text(crc64nvme(b"123456789")) == "CRC64NVME:rosUhgp5mIg="
    assert crc64nvme_text(1) == "CRC64NVME:AAAAAAAAAAE="


def test_all_that_is_known_goes_with_the_body() -> None:
    assert checksums(KNOWN) == Checksums(md5=KNOWN.md5, sha256=KNOWN.sha256, crc64nvme=KNOWN.crc64nvme)


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        (crc64nvme_text(crc64nvme(BODY)), False),
        (crc64nvme_text(crc64nvme(b"other")), True),
        (SHA256_TEXT, False),
        ("SHA256:" + base64.b64encode(bytes(32)).decode(), True),
        ("SHA256:" + base64.b64encode(bytes(32)).decode() + "-3", False),  # composite: of the parts, not comparable
        ("CRC32:AAAAAA==", False),
        (None, False),
    ],
)
def test_an_answer_disagrees_only_where_it_can_be_compared(answer: str | None, wrong: bool) -> None:
    assert disagrees(answer, KNOWN) is wrong
    assert not disagrees(answer, Hashes())


@given(st.integers(min_value=1, max_value=200), st.integers(min_value=1, max_value=40))
def test_the_sum_of_a_range_follows_from_the_marks_of_one_read_or_is_not_known(size: int, piece: int) -> None:
    body = bytes(range(size))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("syncd.local.digest.MARK", 8)
        patch.setattr("syncd.engine.checksum.MARK", 8)
        digester = Digester({"crc64nvme"})
        for at in range(0, size, piece):
            digester.update(body[at : at + piece])
        seen = digester.result()
        for start in range(0, size, 4):
            length = min(24, size - start)
            told = crc64nvme_of(seen, size, start, length)
            assert told in {None, crc64nvme(body[start : start + length])}
            if piece in {1, 2, 4, 8} and start % 8 == 0:
                assert told is not None


def test_marks_are_no_part_of_what_hashes_are_equal_by() -> None:
    assert Hashes(crc64nvme=1, marks=(1,)) == Hashes(crc64nvme=1)
