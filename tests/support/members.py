"""Members, candidates and odd keys for tests of archives, as builders and as hypothesis strategies."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from syncd.core.archive import Member
from syncd.core.batching import Candidate
from syncd.core.manifest import Manifest, archive_key
from syncd.core.model import LocalStat
from syncd.core.paths import MAX_COMPONENT, MAX_KEY, RelPath, is_ours, parse_relpath

SHA256 = "0123456789abcdef" * 4
UUID = "018f3b5c-7a10-7abc-8def-0123456789ab"
NOW_NS = 1_750_000_000_000_000_000
SECOND_NS = 10**9

ODD_NAMES = (
    *(
        "a",
        "a b",
        " ",
        "-rf",
        "--help",
        "a\nb",
        "\n",
        "\t\r\x01\x7f",
        "é",
        "e\u0301",
        "🦀",
        "\u2028",
        "...",
        "\\n",
        '"',
    ),
    *("a" * 255, "é" * 127, "\x01" * 255, "@PaxHeader", "GNUSparseFile.0", "=", "12 path=x", "*", "[", "?"),
)


def _is_name(text: str) -> bool:
    return text not in {"", ".", "..", ".syncd"} and len(text.encode()) <= MAX_COMPONENT


names = st.one_of(
    st.sampled_from(ODD_NAMES),
    st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=80),
    st.text("ab.é", min_size=1, max_size=200),
).filter(_is_name)
paths = (
    st.lists(names, min_size=1, max_size=8)
    .map("/".join)
    .filter(lambda text: len(text.encode()) <= MAX_KEY and not is_ours(text))
    .map(parse_relpath)
)


def member(
    path: str = "d/a", *, offset: int = 1536, size: int = 3, mtime_ns: int = NOW_NS, void: bool = False
) -> Member:
    """One member, as `path` and numbers say."""
    return Member(
        path=parse_relpath(path),
        offset=offset,
        size=size,
        sha256=SHA256,
        mtime_ns=mtime_ns,
        mode=0o640,
        uid=1000,
        gid=100,
        void=void,
    )


def manifest(*members: Member, folder: str = "d", bucket: str = "photos", created_at: float = 1.75e9) -> Manifest:
    """The manifest of one archive in that folder."""
    key = archive_key(folder, UUID)
    return Manifest(
        software="syncd/0.3.0",
        created_at=created_at,
        host="lt-07",
        uuid=UUID,
        bucket=bucket,
        key=key,
        url=f"https://s3.example/{bucket}/{key}",
        members=members,
    )


def candidate(path: str, *, size: int = 100, age_s: float = 60, now_ns: int = NOW_NS) -> Candidate:
    """A file last touched so long before now."""
    touched = now_ns - round(age_s * SECOND_NS)
    return Candidate(path=parse_relpath(path), stat=LocalStat(size, touched, touched, 7))


def keys(members: Sequence[Candidate]) -> list[RelPath]:
    """Their paths, in their order."""
    return [one.path for one in members]
