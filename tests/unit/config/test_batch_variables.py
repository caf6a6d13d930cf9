"""The old batch tool's variables: one [[batch]], its index, remote syslog, beside a pair or alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from syncd.config.flags import Flags, PairFlags
from syncd.config.load import load
from syncd.config.types import S3, Batch, Config, Index, Syslog
from syncd.errors import ConfigError

CWD = Path("/home/me/work")
HOME = {"HOME": "/home/me"}
NO_FILE = Path("/nowhere/syncd.toml")


def run(
    environ: Mapping[str, str], flags: Flags | None = None, *, system_file: Path = NO_FILE, **pair: object
) -> Config:
    given = flags or Flags(pair=PairFlags(**pair))  # type: ignore[arg-type]
    return load(given, {**HOME, **environ}, hostname="lt-07", cwd=CWD, system_file=system_file)


def problems(environ: Mapping[str, str], flags: Flags | None = None, **pair: object) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        run(environ, flags, **pair)
    return caught.value.problems


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "syncd.toml"
    path.write_text(
        '[[batch]]\nname = "b"\nroot = "/srv/b"\nregion = "ap-south-1"\n[syslog]\nhost = "old"\nport = 99\n'
    )
    return path


def test_a_folder_of_buckets_is_one_batch_and_no_pair() -> None:
    found = run({"S3_BATCH_BUCKETS_FOLDER": "/srv/batch"})
    assert found.batches == (Batch(name="batch", root=Path("/srv/batch"), s3=S3()),)
    assert (found.pairs, found.notices, found.source) == ((), (), "flags and variables")


def test_every_variable_of_the_batch_arrives() -> None:
    found = run(
        {
            "S3_BATCH_BUCKETS_FOLDER": "~/in",
            "MAX_BATCH_SIZE_MB": "100",
            "MANIFEST_FALLBACK_BUCKET": "manifests",
            "ELASTICSEARCH_LOGS_HOST": "search.example.com",
            "ELASTICSEARCH_LOGS_PORT": "9201",
            "S3_STORAGE_CLASS": "GLACIER_IR",
            "AWS_REGION": "eu-west-1",
        }
    )
    s3 = S3(region="eu-west-1", storage_class="GLACIER_IR")
    assert found.batches == (
        Batch(
            name="batch",
            root=Path("/home/me/in"),
            s3=s3,
            max_size=100 << 20,
            manifest="fallback",
            manifest_bucket="manifests",
            index=Index(url="http://search.example.com:9201"),
        ),
    )
    assert found.pairs == ()


@pytest.mark.parametrize("name", ["MAX_BATCH_SIZE_MB", "MANIFEST_FALLBACK_BUCKET"])
def test_another_variable_of_the_family_finds_the_folder_below_the_home(name: str) -> None:
    (batch,) = run({name: "512"}).batches
    assert batch.root == Path("/home/me/s3_buckets/batch")


def test_without_a_home_the_folder_must_be_said() -> None:
    flags = Flags(state_dir=Path("/var/lib/syncd"))
    with pytest.raises(ConfigError) as caught:
        load(flags, {"MAX_BATCH_SIZE_MB": "5"}, hostname="h", cwd=CWD, system_file=NO_FILE)
    assert caught.value.problems == [
        "S3_BATCH_BUCKETS_FOLDER is not set and there is no HOME to find it in: say which folder"
    ]


def test_a_batch_larger_than_the_spool_brings_a_spool_that_holds_it() -> None:
    (batch,) = run({"MAX_BATCH_SIZE_MB": "8192"}).batches
    assert (batch.max_size, batch.spool_max) == (8 << 30, 8 << 30)


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        ("es", "", "http://es:9200"),
        ("es", "9300", "http://es:9300"),
        ("es:9300", "", "http://es:9300"),
        ("es:9300", "9300", "http://es:9300"),
        ("http://es", "", "http://es:9200"),
        ("https://es", "443", "https://es:443"),
        ("https://es:9300/search", "", "https://es:9300/search"),
        ("192.0.2.7", "", "http://192.0.2.7:9200"),
        ("2001:db8::7", "", "http://[2001:db8::7]:9200"),
        ("[2001:db8::7]", "9300", "http://[2001:db8::7]:9300"),
    ],
)
def test_the_indexs_url_with_a_scheme_or_without(host: str, port: str, url: str) -> None:
    environ = {"MAX_BATCH_SIZE_MB": "5", "ELASTICSEARCH_LOGS_HOST": host, "ELASTICSEARCH_LOGS_PORT": port}
    assert run(environ).batches[0].index.url == url


def test_credentials_in_the_indexs_url_become_keys_of_their_own() -> None:
    (batch,) = run({"MAX_BATCH_SIZE_MB": "5", "ELASTICSEARCH_LOGS_HOST": "https://me:a%2Fb@es"}).batches
    assert batch.index == Index(url="https://es:9200", username="me", password="a/b")


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"MAX_BATCH_SIZE_MB": "big"}, ["MAX_BATCH_SIZE_MB: ", "counts MiB"]),
        ({"MAX_BATCH_SIZE_MB": "0"}, ["MAX_BATCH_SIZE_MB: "]),
        ({"MANIFEST_FALLBACK_BUCKET": "No_Bucket"}, ["MANIFEST_FALLBACK_BUCKET: ", "no bucket name"]),
        ({"S3_BATCH_BUCKETS_FOLDER": "/srv/a\0b"}, ["S3_BATCH_BUCKETS_FOLDER: "]),
        ({"S3_BATCH_BUCKETS_FOLDER": "/home"}, ["daemon.state_dir: ", "S3_BATCH_BUCKETS_FOLDER"]),
        ({"ELASTICSEARCH_LOGS_HOST": "a b"}, ["ELASTICSEARCH_LOGS_HOST: "]),
        ({"ELASTICSEARCH_LOGS_HOST": "ftp://es"}, ["ELASTICSEARCH_LOGS_HOST: "]),
        ({"ELASTICSEARCH_LOGS_HOST": "es:1", "ELASTICSEARCH_LOGS_PORT": "2"}, ["ELASTICSEARCH_LOGS_PORT", "keep one"]),
        (
            {"ELASTICSEARCH_LOGS_HOST": "es", "ELASTICSEARCH_LOGS_PORT": "x"},
            ["ELASTICSEARCH_LOGS_PORT: ", "1 to 65535"],
        ),
        ({"ELASTICSEARCH_LOGS_PORT": "9200"}, ["ELASTICSEARCH_LOGS_PORT", "ELASTICSEARCH_LOGS_HOST"]),
        ({"RSYSLOG_HOST": "a b"}, ["RSYSLOG_HOST: "]),
        ({"RSYSLOG_HOST": "udp://logs"}, ["RSYSLOG_HOST: "]),
        ({"RSYSLOG_PORT": "syslog"}, ["RSYSLOG_PORT: ", "1 to 65535"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_wrong_variable_is_named(environ: dict[str, str], said: list[str]) -> None:
    found = problems({"S3_BATCH_BUCKETS_FOLDER": "/srv/batch", **environ})
    assert len(found) == 1
    for text in said:
        assert text in found[0]


@pytest.mark.parametrize(
    "host", ["https://me:hunter2@es:x", "https://me:hunter2@es /x", "me:hunter2@[es", "https://me:hunter2@"]
)
def test_a_password_in_a_wrong_url_is_not_repeated(host: str) -> None:
    found = problems({"MAX_BATCH_SIZE_MB": "5", "ELASTICSEARCH_LOGS_HOST": host})
    assert found
    assert "hunter2" not in str(found)


def test_a_pair_and_a_batch_of_variables_both_hold() -> None:
    found = run({"S3_SYNC_BUCKETS_FOLDER": "/srv/sync", "S3_BATCH_BUCKETS_FOLDER": "/srv/batch"})
    assert [(pair.name, pair.local) for pair in found.pairs] == [("buckets", Path("/srv/sync"))]
    assert [(batch.name, batch.root) for batch in found.batches] == [("batch", Path("/srv/batch"))]
    found = run({"MAX_BATCH_SIZE_MB": "5"}, bucket="bucket")
    assert [pair.bucket for pair in found.pairs] == ["bucket"]
    assert len(found.batches) == 1


def test_an_empty_folder_of_buckets_beside_a_batch_is_still_its_old_default() -> None:
    found = run({"S3_SYNC_BUCKETS_FOLDER": "", "MAX_BATCH_SIZE_MB": "5"})
    assert [one.local for one in found.pairs] == [Path("/home/me/s3_buckets/sync")]
    assert [one.root for one in found.batches] == [Path("/home/me/s3_buckets/batch")]


def test_the_folders_of_a_pair_and_a_batch_are_apart() -> None:
    found = problems({"S3_SYNC_BUCKETS_FOLDER": "/srv/s3", "S3_BATCH_BUCKETS_FOLDER": "/srv/s3/batch"})
    assert found == [
        "S3_BATCH_BUCKETS_FOLDER: /srv/s3/batch lies inside /srv/s3 of S3_SYNC_BUCKETS_FOLDER; "
        "local roots must be apart"
    ]


def test_a_batch_alone_takes_the_endpoint_and_region_of_flags_and_asks_for_no_bucket() -> None:
    found = run({"S3_BATCH_BUCKETS_FOLDER": "/srv/batch"}, region="eu-west-1", endpoint_url="http://127.0.0.1:9000")
    assert found.pairs == ()
    assert (found.batches[0].s3.region, found.batches[0].s3.endpoint_url) == ("eu-west-1", "http://127.0.0.1:9000")


def test_a_flag_that_needs_a_pair_asks_for_its_bucket() -> None:
    assert problems({"S3_BATCH_BUCKETS_FOLDER": "/srv/batch"}, cleanup=True)[0].startswith("no bucket")


def test_traits_of_a_pair_beside_a_batch_alone_are_named_in_one_notice() -> None:
    found = run({"S3_BATCH_BUCKETS_FOLDER": "/srv/batch", "HASH_TYPE": "md5", "CLEANUP_LOCAL": "1"})
    assert found.notices == ("ignored, because no pair is described: HASH_TYPE, CLEANUP_LOCAL",)


def test_an_index_without_a_batch_is_named_in_one_notice() -> None:
    found = run({"ELASTICSEARCH_LOGS_HOST": "es", "ELASTICSEARCH_LOGS_PORT": "9200"}, bucket="bucket")
    assert found.batches == ()
    assert found.notices == (
        "ignored, because no batch is described: ELASTICSEARCH_LOGS_HOST, ELASTICSEARCH_LOGS_PORT",
    )


def test_a_described_batch_leaves_the_systems_file_alone_and_says_so(file: Path) -> None:
    found = run({"S3_BATCH_BUCKETS_FOLDER": "/srv/batch"}, system_file=file)
    assert found.source == "flags and variables"
    assert found.notices == (
        f"{file} is not read, because a batch is described by S3_BATCH_BUCKETS_FOLDER; --config reads it",
    )


def test_index_and_syslog_alone_leave_the_systems_file_in_force(file: Path) -> None:
    found = run({"ELASTICSEARCH_LOGS_HOST": "es", "RSYSLOG_HOST": "new"}, system_file=file)
    assert found.source == str(file)
    assert found.batches[0].index == Index()
    assert found.syslog == Syslog(host="new", port=99)
    assert found.notices == ("ignored, because a file describes pairs and batches: ELASTICSEARCH_LOGS_HOST",)


def test_remote_syslog_comes_by_variables() -> None:
    assert run({"RSYSLOG_HOST": "2001:db8::7"}, bucket="bucket").syslog == Syslog(host="2001:db8::7")
    assert run({"RSYSLOG_HOST": "logs", "RSYSLOG_PORT": "6514"}, bucket="bucket").syslog == Syslog(
        host="logs", port=6514
    )


def test_batch_variables_beside_a_file_are_named_in_one_notice(file: Path) -> None:
    found = run({"S3_BATCH_BUCKETS_FOLDER": "/x", "MAX_BATCH_SIZE_MB": "5"}, Flags(config=file))
    assert found.batches[0].root == Path("/srv/b")
    assert found.notices == (
        "ignored, because a file describes pairs and batches: S3_BATCH_BUCKETS_FOLDER, MAX_BATCH_SIZE_MB",
    )


def test_flags_come_before_what_a_batch_in_a_file_sets_for_itself(file: Path) -> None:
    assert run({}, Flags(config=file)).batches[0].s3.region == "ap-south-1"
    found = run({}, Flags(config=file, pair=PairFlags(region="eu-north-1")))
    assert found.batches[0].s3.region == "eu-north-1"


def test_a_file_with_a_secret_that_everybody_may_read_is_told_once(file: Path) -> None:
    file.write_text(file.read_text().replace("[syslog]", '[batch.elasticsearch]\napi_key = "hunter2"\n[syslog]'))
    file.chmod(0o644)
    assert run({}, Flags(config=file)).notices == (
        f"{file} holds a secret and every user may read it: chmod o= {file}",
    )
    file.chmod(0o640)
    assert run({}, Flags(config=file)).notices == ()
