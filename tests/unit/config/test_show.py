"""`config show` prints what holds, and what it prints means the same."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.config.document import parse_document
from syncd.config.parse import parse
from syncd.config.show import show, toml
from syncd.config.types import S3, Batch, Config, Daemon, Index, MaxDelete, Pair, Syslog
from syncd.core.model import ConflictPolicy, Deletes, HashType, KeepVersions, Mode
from syncd.errors import ConfigError

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
    batches=(
        Batch(
            name="small",
            root=Path("/srv/small"),
            s3=S3(region="eu-west-1", concurrency=8, part_size=64 << 20, retries=2, acl="private"),
            include=("*.json",),
            exclude=(".*",),
            max_size=10**9,
            max_files=500,
            min_files=1,
            max_age=timedelta(minutes=90),
            min_age=timedelta(0),
            settle=timedelta(milliseconds=250),
            interval=timedelta(seconds=7),
            spool=Path("/var/spool/syncd"),
            spool_max=5 << 40,
            streaming=True,
            manifest="fallback",
            manifest_bucket="manifests",
            index=Index(
                url="https://search:9200",
                index="mine",
                flavor="opensearch",
                username="syncd",
                password="hunter2 ünd so",
                ca_file=Path("/etc/ca.pem"),
                timeout=timedelta(seconds=9),
            ),
        ),
        Batch(
            name="plain",
            root=Path("/srv/plain"),
            s3=S3(region="eu-west-1", concurrency=8, part_size=64 << 20, retries=0, acl="private"),
            index=Index(api_key="aHVudGVyMg=="),
        ),
    ),
    syslog=Syslog(host="logs.example.com", port=6514, protocol="udp"),
)


def without_secrets(config: Config) -> Config:
    batches = (
        dataclasses.replace(batch, index=dataclasses.replace(batch.index, username="", password="", api_key=""))
        for batch in config.batches
    )
    return dataclasses.replace(config, batches=tuple(batches))


def test_what_is_shown_reads_as_the_same_configuration() -> None:
    rich = without_secrets(RICH)
    text = show(dataclasses.replace(rich, source="x.toml", notices=("one\ntwo",)))
    assert parse(parse_document(text.encode(), "shown"), hostname="elsewhere") == rich


def test_a_secret_is_shown_as_set_and_what_stands_for_it_is_refused_when_read_back() -> None:
    text = show(RICH)
    assert "hunter2" not in text
    assert "aHVudGVyMg" not in text
    assert [line for line in text.splitlines() if "***" in line] == ['password = "***"', 'api_key = "***"']
    with pytest.raises(ConfigError) as caught:
        parse(parse_document(text.encode(), "shown"), hostname="elsewhere")
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        'batch[0].elasticsearch.password (batch "small")',
        'batch[1].elasticsearch.api_key (batch "plain")',
    ]


def test_a_secret_does_not_stand_in_the_words_of_a_configuration() -> None:
    assert "hunter2" not in repr(RICH)
    assert "aHVudGVyMg" not in repr(RICH)


def test_a_batch_shows_only_its_own_keys_of_s3() -> None:
    first, second = show(RICH).split("[[batch]]")[1:]
    assert "retries = 2" in first
    assert "retries" not in second
    assert "region" not in first + second


def test_where_it_comes_from_and_the_notices_stand_in_comments() -> None:
    text = show(Config(source="/etc/syncd/syncd.toml", notices=("ignored: X",)))
    assert text.startswith("# from /etc/syncd/syncd.toml\n# ignored: X\n[daemon]\n")


def test_a_pair_shows_only_its_own_keys_of_s3() -> None:
    first, second = show(RICH).partition("[[batch]]")[0].split("[[pair]]")[1:]
    assert 'concurrency = "auto"' in first
    assert "region" not in first
    assert 'endpoint_url = "http://h:9000"' in second


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_toml(text: str) -> None:
    assert parse_document(f"x = {toml(text)}".encode(), "t") == {"x": text}
