"""Archives as tar: any tar reads them, and every offset is where the bytes are."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Context, Decimal
from itertools import product
from pathlib import Path
from unicodedata import is_normalized, normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.members import NOW_NS, ODD_NAMES, UUID, manifest, paths
from syncd.archive.tarball import GATHERED, RECORD, Packed, Tail, TarWriter, header
from syncd.core.archive import Member
from syncd.core.batching import Candidate, sealed_size
from syncd.core.manifest import dump, find_pointer, load, manifest_member_name
from syncd.core.model import LocalStat
from syncd.core.paths import RelPath, parse_relpath

MADE_S = 0x018F3B5C7A10 // 1000  # what UUID says
WIDE = Context(prec=60)
NAMES_AT_A_LIMIT = [
    *("x" * 99, "x" * 100, "x" * 101, "x" * 99 + "/y", "x" * 100 + "/y", "d/" * 49 + "yy", "d/" * 50 + "y"),
    *("é" * 50, "é" * 51, "x" * 98 + "é", "x" * 99 + "é", "/".join(["n" * 250] * 4), "k" * 20 + "/" + "d/" * 501 + "e"),
]
TARS = [tuple(words) for words in (["tar"], ["bsdtar"], ["busybox", "tar"]) if shutil.which(words[0])]
EMPTY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file to be packed."""

    path: RelPath
    content: bytes = b"abc"
    mtime_ns: int = NOW_NS
    mode: int = 0o640
    uid: int = 1000
    gid: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """An archive in memory, with what its writer said."""

    data: bytes
    packed: list[Packed]
    tail: Tail

    def content(self, packed: Packed) -> bytes:
        return self.data[packed.offset : packed.offset + packed.size]


def add(writer: TarWriter, file: File) -> Packed:
    pieces = [file.content[at : at + 1000] for at in range(0, len(file.content), 1000)]
    return writer.add(file.path, len(file.content), file.mtime_ns, file.mode, file.uid, file.gid, pieces)


def seal(*files: File, told: bytes | None = None) -> Sealed:
    """Pack them as the archiver does; `told` instead of their manifest."""
    written: list[bytes] = []
    writer = TarWriter(written.append)
    packed = [add(writer, file) for file in files]
    tail = writer.finish(lambda: described(files, packed) if told is None else told, UUID)
    return Sealed(data=b"".join(written), packed=packed, tail=tail)


def described(files: tuple[File, ...], packed: list[Packed]) -> bytes:
    members = (
        Member(
            path=file.path,
            offset=one.offset,
            size=one.size,
            sha256=one.sha256,
            mtime_ns=file.mtime_ns,
            mode=file.mode,
            uid=file.uid,
            gid=file.gid,
        )
        for file, one in zip(files, packed)
    )
    return dump(manifest(*members, folder=""))


def named(*names: str) -> list[File]:
    return [File(path=parse_relpath(name), content=name.encode()) for name in names]


def read(data: bytes) -> list[tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:", encoding="utf-8", errors="strict") as tar:
        return tar.getmembers()


contents = st.binary(max_size=3000) | st.sampled_from([0, 1, 511, 512, 513, 70_000]).map(lambda size: b"x" * size)
files = st.builds(
    File,
    path=paths,
    content=contents,
    mtime_ns=st.integers(0, 2**63) | st.integers(-(2**90), 2**90),
    mode=st.integers(0, 0o7777),
    uid=st.integers(0, 2**32 - 1) | st.sampled_from([0, 8**7 - 1, 8**7]),
    gid=st.integers(0, 2**32 - 1) | st.sampled_from([0, 8**7 - 1, 8**7]),
)
several = st.lists(files, max_size=5, unique_by=lambda file: file.path)


# --- what is written is what is read ------------------------------------------------------------------------------


@given(several)
def test_every_member_comes_back_whole(found: list[File]) -> None:
    sealed = seal(*found)
    *members, last = read(sealed.data)
    assert [(one.name, one.size, one.mode, one.uid, one.gid, one.uname, one.gname, one.isreg()) for one in members] == [
        (file.path, len(file.content), file.mode, file.uid, file.gid, "", "", True) for file in found
    ]
    assert [mtime_ns(one) for one in members] == [file.mtime_ns for file in found]
    assert last.name == manifest_member_name(UUID)


def mtime_ns(member: tarfile.TarInfo) -> int:
    """The mtime to the nanosecond, of which tarfile makes a float."""
    whole, _, fraction = member.pax_headers.get("mtime", str(int(member.mtime))).partition(".")
    sign = -1 if whole.startswith("-") else 1
    return sign * (abs(int(whole)) * 10**9 + int(fraction.ljust(9, "0")))


@given(several)
def test_the_bytes_lie_where_the_writer_said(found: list[File]) -> None:
    sealed = seal(*found)
    for file, packed, member in zip(found, sealed.packed, read(sealed.data)):
        assert sealed.content(packed) == file.content
        assert packed.offset == member.offset_data
        assert packed == Packed(
            offset=packed.offset,
            size=len(file.content),
            sha256=hashlib.sha256(file.content).hexdigest(),
            void=False,
            grew=False,
        )


@given(several)
def test_the_last_block_leads_to_the_manifest(found: list[File]) -> None:
    sealed = seal(*found)
    pointer = find_pointer(sealed.data[-RECORD:])
    assert pointer is not None
    assert sealed.tail == Tail(manifest_offset=pointer.offset, manifest_size=pointer.size, size=len(sealed.data))
    told = sealed.data[pointer.offset : pointer.offset + pointer.size]
    assert hashlib.sha256(told).hexdigest() == pointer.sha256
    assert [(one.path, one.offset, one.sha256) for one in load(told).members] == [
        (file.path, packed.offset, packed.sha256) for file, packed in zip(found, sealed.packed)
    ]


@given(several)
def test_it_takes_no_more_room_than_was_reckoned(found: list[File]) -> None:
    stats = [LocalStat(len(file.content), file.mtime_ns, file.mtime_ns, 7) for file in found]
    candidates = [Candidate(path=file.path, stat=stat) for file, stat in zip(found, stats)]
    assert len(seal(*found).data) <= sealed_size(candidates)


@pytest.mark.parametrize("blocks", range(21))
def test_the_end_mark_and_the_pointer_fill_the_last_record(blocks: int) -> None:
    sealed = seal(told=b"m" * (512 * blocks))
    end = sealed.tail.manifest_offset + sealed.tail.manifest_size
    assert len(sealed.data) % RECORD == 0
    assert sealed.data[end:-512] == bytes(len(sealed.data) - 512 - end)
    assert 1024 <= len(sealed.data) - 512 - end < 1024 + RECORD
    assert find_pointer(sealed.data) is not None


def test_the_manifest_is_told_its_time_by_the_archives_name() -> None:
    (last,) = read(seal().data)
    assert (last.mtime, last.mode, last.uid, last.gid) == (MADE_S, 0o644, 0, 0)


def test_an_archive_in_an_archive_does_not_show_its_pointer() -> None:
    inner = seal(*named("a"), told=b"inner").data
    outer = seal(File(path=parse_relpath("inner.tar"), content=inner), told=b"outer")
    pointer = find_pointer(outer.data)
    assert pointer is not None
    assert outer.data[pointer.offset :].startswith(b"outer")


def test_a_manifest_may_be_bytes_as_well() -> None:
    written: list[bytes] = []
    tail = TarWriter(written.append).finish(b"told", UUID)
    assert b"".join(written)[tail.manifest_offset :][: tail.manifest_size] == b"told"


# --- headers ------------------------------------------------------------------------------------------------------


@given(files, st.integers(0, 2**63) | st.sampled_from([0, 8**11 - 1, 8**11]))
def test_a_header_is_the_standard_librarys_to_the_byte(file: File, size: int) -> None:
    file = replace(file, path=parse_relpath(normalize("NFC", file.path)))
    told = header(file.path, size, file.mtime_ns, file.mode, file.uid, file.gid)
    assert told == by_tarfile(file, size)


@pytest.mark.parametrize("mtime_ns", [0, 1, -1, 10**9, NOW_NS, (8**11 - 1) * 10**9, 8**11 * 10**9, 10**29])
def test_a_header_at_a_limit_is_the_standard_librarys_too(mtime_ns: int) -> None:
    composed = [name for name in (*NAMES_AT_A_LIMIT, *ODD_NAMES) if is_normalized("NFC", name)]
    for name, owner, size in product(composed, (0, 8**7 - 1, 8**7, 2**32 - 1), (8**11 - 1, 8**11)):
        file = File(path=parse_relpath(name), mtime_ns=mtime_ns, uid=owner, gid=owner)
        assert header(name, size, mtime_ns, file.mode, owner, owner) == by_tarfile(file, size)


def by_tarfile(file: File, size: int) -> bytes:
    """The header by Python's own tarfile, to which a time with a fraction is told as text."""
    plain = tarfile.TarInfo(file.path)
    plain.size, plain.mode, plain.uid, plain.gid = size, file.mode, file.uid, file.gid
    plain.mtime, fraction = divmod(file.mtime_ns, 10**9)
    if fraction or not 0 <= plain.mtime < 8**11:
        text = f"{Decimal(file.mtime_ns).scaleb(-9, WIDE):f}"
        plain.pax_headers = {"mtime": text if fraction else text.partition(".")[0]}
    return plain.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict")


@pytest.mark.parametrize(
    "name", ["e\u0301", "e\u0301" * 33, "d" * 155 + "/" + "e\u0301" * 33 + "x", "d" * 99 + "/e\u0301"]
)
def test_a_name_that_unicode_would_compose_stands_in_no_pax_record(name: str) -> None:
    told = header(name, 0, 0, 0o644, 0, 0)
    assert len(told) == 512
    assert tarfile.TarInfo.frombuf(told, "utf-8", "strict").name == name


@pytest.mark.parametrize("name", ["e\u0301" * 34, "d" * 156 + "/" + "e\u0301" * 33, "d/" * 128 + "e\u0301" * 33])
def test_only_where_it_is_too_long_for_a_plain_header_it_does(name: str) -> None:
    assert f" path={name}\n".encode() in header(name, 0, 0, 0o644, 0, 0)


@pytest.mark.parametrize("size", [8**11 - 1, 8**11, 1 << 40, (1 << 63) - 1])
def test_a_member_may_be_of_any_size(size: int) -> None:
    with tarfile.open(fileobj=io.BytesIO(header("d/a", size, NOW_NS, 0o644, 0, 0)), mode="r:") as tar:
        first = tar.firstmember  # type: ignore[attr-defined]
        assert (first.name, first.size) == ("d/a", size)


def test_file_type_bits_are_no_mode() -> None:
    assert header("a", 0, 0, 0o100644, 0, 0) == header("a", 0, 0, 0o644, 0, 0)
    assert header("é", 0, 0, 0o100644, 0, 0) == header("é", 0, 0, 0o644, 0, 0)


# --- files that change while they are read ------------------------------------------------------------------------


def test_a_file_that_shrank_is_void_and_padded_and_those_behind_it_are_whole() -> None:
    written: list[bytes] = []
    writer = TarWriter(written.append)
    void = writer.add("a", 200_000, NOW_NS, 0o644, 0, 0, [b"abc", b"", b"de"])
    whole = writer.add("b", 3, NOW_NS, 0o644, 0, 0, [b"xyz"])
    writer.finish(b"{}", UUID)
    data = b"".join(written)
    padded = b"abcde".ljust(200_000, b"\0")
    assert (void.void, void.grew, void.sha256) == (True, False, hashlib.sha256(padded).hexdigest())
    assert data[void.offset :][:200_000] == padded
    assert data[whole.offset :][:3] == b"xyz"
    assert [(one.name, one.size) for one in read(data)[:2]] == [("a", 200_000), ("b", 3)]


def test_a_file_that_vanished_is_void() -> None:
    packed = TarWriter(len).add("a", 5, NOW_NS, 0o644, 0, 0, [])
    assert (packed.void, packed.sha256) == (True, hashlib.sha256(bytes(5)).hexdigest())


@pytest.mark.parametrize("pieces", [[b"abcd"], [b"abc", b"d"], [b"ab", b"", b"cd", b"e"], [b"abc", b"", b"d"]])
def test_what_a_file_grew_by_is_left_out(pieces: list[bytes]) -> None:
    written: list[bytes] = []
    writer = TarWriter(written.append)
    packed = writer.add("a", 3, NOW_NS, 0o644, 0, 0, pieces)
    writer.finish(b"{}", UUID)
    assert b"".join(written)[packed.offset :][:5] == b"abc\0\0"
    assert (packed.grew, packed.void, packed.sha256) == (True, False, hashlib.sha256(b"abc").hexdigest())


def test_an_empty_file_that_grew_is_empty() -> None:
    packed = TarWriter(len).add("a", 0, NOW_NS, 0o644, 0, 0, [b"x"])
    assert (packed.grew, packed.sha256) == (True, EMPTY)


def test_a_file_that_grows_for_ever_is_read_to_its_size_and_no_further() -> None:
    given_out = []

    def pieces() -> Iterator[bytes]:
        while True:
            given_out.append(1)
            yield b"x" * 100

    assert TarWriter(len).add("a", 250, NOW_NS, 0o644, 0, 0, pieces()).grew
    assert len(given_out) == 3


def test_a_sparse_file_is_its_bytes(tmp_path: Path) -> None:
    file = tmp_path / "sparse"
    with file.open("wb") as opened:
        opened.truncate(300_000)
        opened.seek(200_000)
        opened.write(b"x")
    content = file.read_bytes()
    sealed = seal(File(path=parse_relpath("sparse"), content=content))
    assert sealed.content(sealed.packed[0]) == content


# --- errors -------------------------------------------------------------------------------------------------------


def torn() -> Iterator[bytes]:
    yield b"ab"
    raise OSError("the disk under the file failed")


def full(piece: bytes) -> None:
    raise OSError(28, "No space left on device")


def test_an_error_while_reading_goes_through_and_the_archive_is_never_finished() -> None:
    written: list[bytes] = []
    writer = TarWriter(written.append)
    with pytest.raises(OSError, match="failed"):
        writer.add("a", 3, NOW_NS, 0o644, 0, 0, torn())
    with pytest.raises(ValueError, match="broken off within a member"):
        writer.add("b", 0, NOW_NS, 0o644, 0, 0, [])
    with pytest.raises(ValueError, match="broken off within a member"):
        writer.finish(b"{}", UUID)
    assert find_pointer(b"".join(written)) is None


def test_an_error_while_writing_goes_through_and_the_archive_is_never_finished() -> None:
    writer = TarWriter(full)
    with pytest.raises(OSError, match="No space left"):
        writer.add("a", GATHERED, NOW_NS, 0o644, 0, 0, [bytes(GATHERED)])
    with pytest.raises(ValueError, match="broken off"):
        writer.finish(b"{}", UUID)


def test_an_error_in_the_last_write_leaves_it_unfinished() -> None:
    writer = TarWriter(full)
    with pytest.raises(OSError, match="No space left"):
        writer.finish(b"{}", UUID)
    with pytest.raises(ValueError, match="broken off"):
        writer.finish(b"{}", UUID)


def test_a_finished_archive_takes_nothing_more() -> None:
    writer = TarWriter(len)
    writer.finish(b"{}", UUID)
    with pytest.raises(ValueError, match="finished"):
        writer.add("a", 0, NOW_NS, 0o644, 0, 0, [])
    with pytest.raises(ValueError, match="finished"):
        writer.finish(b"{}", UUID)


# --- as a stream --------------------------------------------------------------------------------------------------


def test_small_members_are_handed_on_together_and_large_ones_at_once() -> None:
    sizes: list[int] = []
    writer = TarWriter(lambda piece: sizes.append(len(piece)))
    for number in range(1000):
        add(writer, File(path=parse_relpath(f"d/{number}"), content=bytes(2048)))
    assert writer.position == 1000 * (512 + 2048)
    assert len(sizes) == writer.position // GATHERED
    writer.add("large", 4 << 20, NOW_NS, 0o644, 0, 0, (bytes(1 << 20) for _ in range(4)))
    tail = writer.finish(b"{}", UUID)
    assert max(sizes) < (1 << 20) + 2 * GATHERED
    assert sum(sizes) == tail.size == writer.position


# --- other people's tar -------------------------------------------------------------------------------------------


def run(words: tuple[str, ...], *more: str, data: bytes) -> bytes:
    """What that tar says on stdout; nothing on stderr, and no complaint."""
    utf8 = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run([*words, *more], input=data, capture_output=True, timeout=60, check=False, env=utf8)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def wild() -> list[File]:
    """Names, modes and times that hurt: each is a file that tar writes to disk."""
    long = "/".join(["long" * 60] * 4)
    return [
        *named(*(f"odd/{name}" for name in ODD_NAMES), "top", f"{long}/{'n' * 59}", "é" * 120 + "/x"),
        *named("x" * 100, "y" * 101, "d/" * 50 + "y", "d/" * 49 + "yy", "p" * 155 + "/" + "q" * 100),
        *named("e\u0301" * 33, "é" * 33, "d" * 155 + "/" + "e\u0301" * 33, "d" * 155 + "/" + "é" * 33),
        File(path=parse_relpath("mode/all"), mode=0o777, content=b""),
        File(path=parse_relpath("mode/secret"), mode=0o400),
        File(path=parse_relpath("time/whole"), mtime_ns=1_700_000_000 * 10**9),
        File(path=parse_relpath("time/nanosecond"), mtime_ns=1_700_000_000 * 10**9 + 1),
        File(path=parse_relpath("time/epoch"), mtime_ns=0, content=b"x" * 512),
        File(path=parse_relpath("owner/large"), uid=2**32 - 2, gid=2**32 - 2, content=b"x" * 513),
    ]


@pytest.mark.parametrize("words", TARS, ids=" ".join)
def test_it_is_listed(words: tuple[str, ...]) -> None:
    plain = [file for file in wild() if file.path.isascii() and file.path.isprintable() and "\\" not in file.path]
    listed = run(words, "-tf", "-", data=seal(*plain).data).decode().splitlines()
    assert listed == [*(file.path for file in plain), manifest_member_name(UUID)]


@pytest.mark.parametrize("words", [words for words in TARS if words != ("busybox", "tar")], ids=" ".join)
def test_it_is_extracted_name_by_name_and_byte_by_byte(words: tuple[str, ...], tmp_path: Path) -> None:
    found = wild()
    run(words, "-xpf", "-", "--no-same-owner", "-C", str(tmp_path), data=seal(*found).data)
    for file in found:
        there = tmp_path / file.path
        assert there.read_bytes() == file.content
        assert there.stat().st_mtime_ns == file.mtime_ns
        assert there.stat().st_mode & 0o7777 == file.mode
    names = {str(Path(folder, name).relative_to(tmp_path)) for folder, _, inner in os.walk(tmp_path) for name in inner}
    assert names == {*(file.path for file in found), manifest_member_name(UUID)}


@pytest.mark.root
@pytest.mark.parametrize("words", [words for words in TARS if words != ("busybox", "tar")], ids=" ".join)
def test_owners_come_back_by_number(words: tuple[str, ...], tmp_path: Path) -> None:
    found = [File(path=parse_relpath("a"), uid=1234, gid=5678), File(path=parse_relpath("b"), uid=3_000_000, gid=0)]
    run(words, "-xpf", "-", "-C", str(tmp_path), data=seal(*found).data)
    assert [((tmp_path / file.path).stat().st_uid, (tmp_path / file.path).stat().st_gid) for file in found] == [
        (file.uid, file.gid) for file in found
    ]


def test_ten_thousand_members_are_listed_in_order() -> None:
    found = [
        File(path=parse_relpath(f"d/{number:05}"), content=b"", mtime_ns=NOW_NS + number) for number in range(10_000)
    ]
    sealed = seal(*found)
    listed = run(("tar",), "-tf", "-", data=sealed.data).decode().splitlines()
    assert listed == [*(file.path for file in found), manifest_member_name(UUID)]
