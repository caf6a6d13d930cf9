"""`config show` prints what holds, and what it prints means the same."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from syncd.config.document import parse_document
from syncd.config.parse import parse
from syncd.config.show import show, toml
from syncd.config.types import S3, Config, Daemon, MaxDelete, Pair
from syncd.core.model import ConflictPolicy, Deletes, HashType, KeepVersions, Mode

RICH = Config(
    daemon=Daemon(state_dir=Path("/var/lib/syncd"), socket=Path("/run/syncd/control"), log_level="debug"),
    s3=S3(region="eu-west-1", concurrency=8, part_size=64 << 20, retries=0, acl="private"),
    pairs=(
        Pair(
            name="logs",
            local=Path('/srv/a "quoted" \\ ünicode\t'.strip()),
            bucket="bucket",
            prefix="h/x/",
            s3=S3(region="eu-west-1", concurrency=None, part_size=64 << 20, retries=0, acl="private"),
            mode=Mode.UPLOAD,
            include=("*.gz", "a/**", "[\\]"),
            exclude=("tmp/",),
            interval=timedelta(minutes=90, milliseconds=5),
            settle=timedelta(0),
            hash=HashType.MD5,
            cleanup=True,
            conflict=ConflictPolicy.KEEP_BOTH,
            deletes=Deletes.PROPAGATE,
            keep_versions=KeepVersions.ALL,
            max_delete=MaxDelete(share=0.05, count=7, per_hour=500),
            watch=False,
        ),
        Pair(
            name="buckets",
            local=Path("/srv/b"),
            bucket="",
            prefix="",
            s3=S3(region="eu-west-1", endpoint_url="http://h:9000", addressing="path", storage_class="HOT"),
            mode=Mode.UPLOAD,
            layout="buckets",
            max_delete=MaxDelete(share=None),
        ),
    ),
)


def test_what_is_shown_reads_as_the_same_configuration() -> None:
    text = show(dataclasses.replace(RICH, source="x.toml", notices=("one\ntwo",)))
    assert parse(parse_document(text.encode(), "shown"), hostname="elsewhere") == RICH


def test_where_it_comes_from_and_the_notices_stand_in_comments() -> None:
    text = show(Config(source="/etc/syncd/syncd.toml", notices=("ignored: X",)))
    assert text.startswith("# from /etc/syncd/syncd.toml\n# ignored: X\n[daemon]\n")


def test_a_pair_shows_only_its_own_keys_of_s3() -> None:
    first, second = show(RICH).split("[[pair]]")[1:]
    assert 'concurrency = "auto"' in first
    assert "region" not in first
    assert 'endpoint_url = "http://h:9000"' in second


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_toml(text: str) -> None:
    assert parse_document(f"x = {toml(text)}".encode(), "t") == {"x": text}
