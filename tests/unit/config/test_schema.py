"""The table of keys, the types, etc/syncd.toml and the examples say the same."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from syncd.config.document import parse_document, read_document
from syncd.config.parse import parse
from syncd.config.schema import INDEX, INDEX_SECTION, KEYS, SECTIONS, keys_of
from syncd.config.types import S3, Batch, Config, Daemon, Index, Pair, Syslog
from syncd.core.model import ConflictPolicy, Deletes, KeepVersions, Mode

ETC = Path(__file__).parents[3] / "etc"
EXAMPLES = sorted((ETC / "examples").glob("*.toml"))
KEY_LINE = re.compile(r"(?:# )?(?P<key>[a-z0-9_]+ = .+?)\s+# (?P<why>\S.*)")
SECTION_LINE = re.compile(r"(?:# )?(?P<section>\[+[a-z0-9.]+\]+)")


def shown() -> dict[tuple[str, str], tuple[object, str]]:
    """What etc/syncd.toml shows: (section, key) -> (value, why)."""
    found: dict[tuple[str, str], tuple[object, str]] = {}
    section = ""
    for line in (ETC / "syncd.toml").read_text().splitlines():
        if match := SECTION_LINE.fullmatch(line):
            section = match["section"].strip("[]")
        elif match := KEY_LINE.fullmatch(line):
            ((key, value),) = parse_document(match["key"].encode(), "line").items()
            assert (section, key) not in found
            found[section, key] = (value, match["why"])
    return found


def uncommented() -> str:
    """etc/syncd.toml with every key and section in force."""
    lines = (ETC / "syncd.toml").read_text().splitlines()
    return "\n".join(
        line.removeprefix("# ") if KEY_LINE.fullmatch(line) or SECTION_LINE.fullmatch(line) else line for line in lines
    )


def test_etc_shows_exactly_the_keys_of_the_table_with_their_defaults_and_why() -> None:
    expected = {}
    for key in KEYS:
        if key.default is None:
            expected[key.section, key.name] = (key.example, f"required: {key.why}")
        else:
            expected[key.section, key.name] = (key.default, key.why)
    assert shown() == expected


def test_etc_as_it_is_shipped_sets_nothing() -> None:
    assert read_document(ETC / "syncd.toml") == {"daemon": {}, "s3": {}, "syslog": {}}


def test_etc_with_every_key_in_force_is_the_defaults() -> None:
    found = parse(parse_document(uncommented().encode(), "etc"), hostname="h")
    pair = Pair(name="logs", local=Path("/var/log/app"), bucket="bucket", prefix="h/", s3=S3())
    batch = Batch(name="small-files", root=Path("/srv/s3_buckets/batch"), s3=S3())
    assert found == Config(daemon=Daemon(), s3=S3(), pairs=(pair,), batches=(batch,), syslog=Syslog())


def test_every_field_of_the_types_has_its_key_and_the_other_way_round() -> None:
    fields = {
        kind: {field.name for field in dataclasses.fields(kind)} for kind in (Daemon, Syslog, S3, Pair, Batch, Index)
    }
    assert fields[Daemon] == set(keys_of("daemon"))
    assert fields[S3] == set(keys_of("s3"))
    assert fields[Pair] - {"bucket", "prefix", "s3"} | {"remote"} == set(keys_of("pair"))
    assert fields[Syslog] == set(keys_of("syslog"))
    assert fields[Batch] - {"index", "s3"} == set(keys_of("batch"))
    assert fields[Index] == set(keys_of(INDEX_SECTION))
    assert {key.section for key in KEYS} == {*SECTIONS, INDEX_SECTION}


@pytest.mark.parametrize("section", ["pair", "batch"])
def test_no_key_of_a_section_hides_one_of_s3(section: str) -> None:
    assert not {*keys_of(section), INDEX} & set(keys_of("s3"))


def test_what_is_written_nowhere_is_the_default_of_the_types() -> None:
    assert parse(
        {"pair": [{"name": "a", "local": "/a", "remote": "s3://bucket/"}], "batch": [{"name": "b", "root": "/b"}]},
        hostname="h",
    ) == Config(
        pairs=(Pair(name="a", local=Path("/a"), bucket="bucket", prefix="", s3=S3()),),
        batches=(Batch(name="b", root=Path("/b"), s3=S3()),),
    )


def test_every_default_reads_and_is_written_back() -> None:
    for key in KEYS:
        text = key.example if key.default is None else key.default
        value = key.kind.read(text)
        assert key.kind.read(key.kind.write(value)) == value


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_an_example_is_a_configuration(path: Path) -> None:
    found = parse(read_document(path), hostname="lt-07")
    assert found.pairs or found.batches


def example(name: str) -> Config:
    return parse(read_document(ETC / "examples" / f"{name}.toml"), hostname="lt-07")


def test_the_examples_of_pairs_mean_what_they_say() -> None:
    (down,), (up,), (both,) = (example(name).pairs for name in ("download-analysis", "load-test-host", "two-way"))
    assert (up.mode, up.cleanup, up.remote) == (Mode.UPLOAD, True, "s3://load-test-results/lt-07/")
    assert (down.mode, down.cleanup, down.conflict) == (Mode.DOWNLOAD, False, ConflictPolicy.REMOTE)
    assert (both.mode, both.conflict) == (Mode.BIDIRECTIONAL, ConflictPolicy.KEEP_BOTH)
    assert (both.deletes, both.keep_versions) == (Deletes.PROPAGATE, KeepVersions.ALL)


def test_the_example_of_a_batch_means_what_it_says() -> None:
    found = example("small-files")
    (batch,) = found.batches
    assert found.syslog.host == "logs.example.com"
    assert (batch.root, batch.max_size, batch.spool_max) == (Path("/srv/s3_buckets/batch"), 1 << 30, 4 << 30)
    assert (batch.manifest, batch.manifest_bucket) == ("fallback", "archive-manifests")
    assert (batch.index.url, batch.index.username) == ("https://search.example.com:9200", "syncd")
    assert batch.s3.storage_class == "STANDARD_IA"
