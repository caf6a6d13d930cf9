"""Flag before environment before file before default."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from syncd.config.flags import Flags, PairFlags
from syncd.config.load import load
from syncd.config.types import S3, Config, Pair
from syncd.core.model import ConflictPolicy, HashType, Mode
from syncd.errors import ConfigError

CWD = Path("/home/me/work")
HOME = {"HOME": "/home/me"}
NO_FILE = Path("/nowhere/syncd.toml")


def run(
    environ: Mapping[str, str] | None = None, flags: Flags | None = None, *, system_file: Path = NO_FILE, **pair: object
) -> Config:
    given = flags or Flags(pair=PairFlags(**pair))  # type: ignore[arg-type]
    return load(given, {**HOME, **(environ or {})}, hostname="lt-07", cwd=CWD, system_file=system_file)


def problems(
    environ: Mapping[str, str] | None = None, flags: Flags | None = None, *, system_file: Path = NO_FILE, **pair: object
) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        run(environ, flags, system_file=system_file, **pair)
    return caught.value.problems


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "syncd.toml"
    path.write_text(
        '[s3]\nregion = "eu-west-1"\nretries = 7\n[[pair]]\nname = "logs"\nlocal = "/srv/logs"\n'
        'remote = "s3://bucket/{host}/"\ninterval = "5m"\nregion = "ap-south-1"\n'
    )
    return path


def test_a_bucket_alone_gives_the_old_tools_pair() -> None:
    found = run(bucket="bucket")
    assert found.pairs == (
        Pair(name="default", local=CWD / "logs", bucket="bucket", prefix="", s3=S3(), include=("*.gz",)),
    )
    assert found.pairs[0].mode is Mode.BIDIRECTIONAL
    assert found.pairs[0].interval == timedelta(seconds=60)
    assert found.pairs[0].hash is HashType.SHA256
    assert found.notices == ()
    assert found.source == "flags and variables"


def test_every_flag_of_a_pair_arrives() -> None:
    found = run(
        bucket="bucket",
        logs=Path("in"),
        region="eu-west-1",
        prefix="/a/b/",
        hash_type="md5",
        cleanup=True,
        upload_only=True,
        conflict="local",
        interval="2m",
        endpoint_url="http://127.0.0.1:9000",
    )
    one = found.pairs[0]
    assert (one.local, one.remote, one.mode) == (CWD / "in", "s3://bucket/a/b/", Mode.UPLOAD)
    assert (one.hash, one.cleanup, one.conflict) == (HashType.MD5, True, ConflictPolicy.LOCAL)
    assert (one.interval, one.s3.region) == (timedelta(minutes=2), "eu-west-1")
    assert one.s3.endpoint_url == "http://127.0.0.1:9000"


def test_the_variables_of_the_first_tool() -> None:
    found = run(
        {
            "S3_BUCKET": "bucket",
            "LOGS_DIR": "/srv/logs",
            "AWS_REGION": "eu-west-1",
            "HASH_TYPE": "MD5",
            "CLEANUP_LOCAL": "yes",
            "UPLOAD_ONLY": "1",
            "DOWNLOAD_ONLY": "false",
            "DEBUG": "true",
        }
    )
    one = found.pairs[0]
    assert (one.name, one.local, one.remote) == ("default", Path("/srv/logs"), "s3://bucket/")
    assert (one.mode, one.hash, one.cleanup, one.include) == (Mode.UPLOAD, HashType.MD5, True, ("*.gz",))
    assert (one.s3.region, found.daemon.log_level) == ("eu-west-1", "debug")


def test_the_variables_of_the_second_tool_are_an_upload_pair_of_all_files() -> None:
    found = run(
        {
            "SOURCE_DIR": "~/out",
            "BUCKET_NAME": "bucket",
            "S3_SUBDIRECTORY": "/deep/down",
            "S3_STORAGE_CLASS": "GLACIER_IR",
            "AWS_PROFILE": "prod",
        }
    )
    one = found.pairs[0]
    assert (one.name, one.local, one.remote) == ("default", Path("/home/me/out"), "s3://bucket/deep/down/")
    assert (one.mode, one.include) == (Mode.UPLOAD, ())
    assert (one.s3.storage_class, one.s3.profile) == ("GLACIER_IR", "prod")


def test_the_folder_of_buckets_is_an_upload_pair_in_that_layout() -> None:
    found = run({"S3_SYNC_BUCKETS_FOLDER": "/srv/buckets"})
    one = found.pairs[0]
    assert (one.name, one.local, one.remote) == ("buckets", Path("/srv/buckets"), "s3://")
    assert (one.mode, one.layout) == (Mode.UPLOAD, "buckets")


def test_the_folder_of_buckets_set_to_nothing_is_the_old_default_where_nothing_else_names_a_pair() -> None:
    assert run({"S3_SYNC_BUCKETS_FOLDER": ""}).pairs[0].local == Path("/home/me/s3_buckets/sync")
    assert run({"S3_SYNC_BUCKETS_FOLDER": "", "S3_BUCKET": "bucket"}).pairs[0].name == "default"


def test_the_variables_of_s5cmd() -> None:
    found = run(
        {
            "S5CMD_CONCURRENCY": "32",
            "S5CMD_NUM_WORKERS": "4",
            "S5CMD_PART_SIZE": "50",
            "S5CMD_RETRY_COUNT": "9",
            "S5CMD_LOG_LEVEL": "warn",
            "S5CMD_CHECKSUM_ALGORITHM": "CRC64NVME",
        },
        bucket="bucket",
    )
    assert found.s3 == S3(concurrency=32, workers=4, part_size=50 << 20, retries=9)
    assert found.daemon.log_level == "warning"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("S5CMD_CONCURRENCY", "many"),
        ("S5CMD_NUM_WORKERS", "0"),
        ("S5CMD_PART_SIZE", "1"),
        ("S5CMD_PART_SIZE", "big"),
        ("S5CMD_RETRY_COUNT", "-1"),
        ("S5CMD_LOG_LEVEL", "loud"),
        ("S5CMD_CHECKSUM_ALGORITHM", "MD5"),
        ("HASH_TYPE", "sha1"),
        ("CLEANUP_LOCAL", "maybe"),
        ("UPLOAD_ONLY", "2"),
        ("DEBUG", "verbose"),
        ("AWS_REGION", "here and there"),
        ("S3_STORAGE_CLASS", "COLD"),
        ("LOGS_DIR", "/srv/a\0b"),
        ("S3_BUCKET", "s3://bucket/x"),
        ("S3_BUCKET", "Bad_Bucket"),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str) -> None:
    found = problems({"S3_BUCKET": "bucket", name: value})
    assert len(found) == 1
    assert found[0].startswith(f"{name}: ")


def test_flags_come_before_variables() -> None:
    found = run(
        {"S3_BUCKET": "other", "LOGS_DIR": "/srv/other", "HASH_TYPE": "md5", "DOWNLOAD_ONLY": "1", "AWS_REGION": "x"},
        bucket="bucket",
        logs=Path("/srv/logs"),
        hash_type="sha256",
        upload_only=True,
        region="eu-west-1",
    )
    one = found.pairs[0]
    assert (one.bucket, one.local, one.hash, one.mode) == ("bucket", Path("/srv/logs"), HashType.SHA256, Mode.UPLOAD)
    assert one.s3.region == "eu-west-1"


def test_flags_come_before_the_second_tools_variables_too() -> None:
    found = run({"SOURCE_DIR": "/srv/out", "BUCKET_NAME": "other"}, bucket="bucket")
    assert (found.pairs[0].local, found.pairs[0].bucket, found.pairs[0].mode) == (
        Path("/srv/out"),
        "bucket",
        Mode.UPLOAD,
    )


def test_a_missing_bucket_says_what_to_do() -> None:
    for found in (problems(), problems({"LOGS_DIR": "/srv/logs"}), problems(bucket=""), problems(interval="5s")):
        assert len(found) == 1
        assert found[0].startswith("no bucket")
        assert "-b BUCKET or S3_BUCKET" in found[0]
    assert "-b BUCKET or BUCKET_NAME" in problems({"SOURCE_DIR": "/srv/out"})[0]
    assert problems({"BUCKET_NAME": "bucket"}) == ["SOURCE_DIR is not set: say which folder goes up"]


def test_region_profile_and_debug_never_choose_a_pair(file: Path) -> None:
    ambient = {"AWS_REGION": "us-west-2", "AWS_PROFILE": "prod", "DEBUG": "0"}
    assert problems(ambient)[0].startswith("no bucket: name one")
    found = run(ambient, system_file=file)
    assert found.source == str(file)
    assert (found.s3.region, found.s3.profile) == ("us-west-2", "prod")


@pytest.mark.parametrize(
    "environ",
    [
        {"S3_BUCKET": "bucket", "SOURCE_DIR": "/srv/out", "BUCKET_NAME": "bucket"},
        {"LOGS_DIR": "/srv/logs", "S3_SYNC_BUCKETS_FOLDER": "/srv/buckets", "S3_BUCKET": "bucket"},
        {"SOURCE_DIR": "/srv/out", "BUCKET_NAME": "bucket", "S3_SYNC_BUCKETS_FOLDER": "/srv/buckets"},
    ],
)
def test_two_families_that_name_pairs_are_a_problem(environ: dict[str, str]) -> None:
    found = problems(environ)
    assert len(found) == 1
    assert "name different pairs" in found[0]
    assert all(name in found[0] for name in environ)


def test_a_bucket_flag_beside_the_folder_of_buckets_is_a_problem() -> None:
    assert "another pair" in problems({"S3_SYNC_BUCKETS_FOLDER": "/srv/buckets"}, bucket="bucket")[0]


def test_both_directions_only_is_a_problem() -> None:
    found = problems({"S3_BUCKET": "bucket", "UPLOAD_ONLY": "true", "DOWNLOAD_ONLY": "true"})
    assert found == ["UPLOAD_ONLY and DOWNLOAD_ONLY are both true; keep one"]


def test_cleanup_of_a_download_is_a_problem_wherever_both_come_from() -> None:
    assert problems(bucket="bucket", cleanup=True, download_only=True)[0].startswith("--cleanup: ")
    assert problems({"CLEANUP_LOCAL": "1"}, bucket="bucket", download_only=True)[0].startswith("CLEANUP_LOCAL: ")


def test_the_first_tools_traits_do_not_reach_another_familys_pair() -> None:
    found = run({"SOURCE_DIR": "/srv/out", "BUCKET_NAME": "bucket", "CLEANUP_LOCAL": "1"})
    assert found.pairs[0].cleanup is False
    assert found.notices == ("ignored, because they belong to the pair of S3_BUCKET: CLEANUP_LOCAL",)


def test_features_that_are_not_there_yet_are_accepted_with_one_notice() -> None:
    found = run(
        {"MOCK_API_URL": "http://m", "CUSTOMER_S3_SECRET_KEY": "hush", "LIVE_RELOAD": "1"},
        bucket="bucket",
    )
    assert found.notices == ("not there yet, accepted and without effect: CUSTOMER_S3_SECRET_KEY, MOCK_API_URL",)


def test_a_file_is_read_where_it_is_asked_for(file: Path) -> None:
    found = run(flags=Flags(config=file))
    one = found.pairs[0]
    assert (one.name, one.remote, one.interval) == ("logs", "s3://bucket/lt-07/", timedelta(minutes=5))
    assert (found.s3.region, one.s3.region, one.s3.retries) == ("eu-west-1", "ap-south-1", 7)
    assert found.source == str(file)


def test_variables_come_before_the_file_and_leave_a_sections_own_key(file: Path) -> None:
    found = run({"AWS_REGION": "us-west-2", "S5CMD_RETRY_COUNT": "1"}, Flags(config=file))
    assert (found.s3.region, found.s3.retries) == ("us-west-2", 1)
    assert (found.pairs[0].s3.region, found.pairs[0].s3.retries) == ("ap-south-1", 1)


def test_flags_come_before_variables_and_file(file: Path) -> None:
    flags = Flags(
        config=file,
        state_dir=Path("state"),
        socket=Path("/run/x/control"),
        verbose=True,
        pair=PairFlags(region="eu-north-1", interval="9s", upload_only=True),
    )
    found = run({"AWS_REGION": "us-west-2", "S5CMD_LOG_LEVEL": "error"}, flags)
    assert (found.s3.region, found.pairs[0].s3.region) == ("eu-north-1", "eu-north-1")
    assert (found.pairs[0].interval, found.pairs[0].mode) == (timedelta(seconds=9), Mode.UPLOAD)
    assert (found.daemon.state_dir, found.daemon.socket) == (CWD / "state", Path("/run/x/control"))
    assert found.daemon.log_level == "debug"


def test_pair_variables_beside_a_file_are_named_in_one_notice(file: Path) -> None:
    found = run({"S3_BUCKET": "other", "BUCKET_NAME": "third", "HASH_TYPE": "md5"}, Flags(config=file))
    assert found.pairs[0].bucket == "bucket"
    assert found.pairs[0].hash is HashType.SHA256
    assert found.notices == ("ignored, because a file describes pairs and batches: S3_BUCKET, HASH_TYPE, BUCKET_NAME",)


def test_the_systems_file_is_read_where_nothing_describes_a_pair(file: Path) -> None:
    assert run(system_file=file).source == str(file)
    assert run({"S3_BUCKET": ""}, system_file=file).source == str(file)


def test_a_described_pair_leaves_the_systems_file_alone_and_says_so(file: Path) -> None:
    found = run({"S3_BUCKET": "bucket"}, system_file=file)
    assert found.source == "flags and variables"
    assert found.notices == (f"{file} is not read, because a pair is described by S3_BUCKET; --config reads it",)
    assert "--interval describe a pair, so no file was read" in problems(system_file=file, interval="5s")[0]


def test_a_file_that_is_asked_for_must_be_there(tmp_path: Path) -> None:
    assert "No such file" in problems(flags=Flags(config=tmp_path / "none.toml"))[0]


def test_a_file_with_wrong_tables_meets_flags_without_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text("s3 = 7\npair = 8\ndaemon = []\n")
    flags = Flags(config=path, state_dir=Path("/x"), pair=PairFlags(region="x", interval="5s"))
    assert len(problems({"AWS_PROFILE": "p"}, flags)) == 3


def test_problems_of_file_variables_and_places_come_together(file: Path) -> None:
    file.write_text(file.read_text() + 'interval2 = "x"\n')
    found = problems({"S5CMD_LOG_LEVEL": "loud", "DEBUG": "?"}, Flags(config=file, socket=Path("/" + "x" * 107)))
    assert len(found) == 4


def test_the_state_folder_that_would_be_found_may_not_lie_in_a_root() -> None:
    found = problems(bucket="bucket", logs=Path("/home/me"))
    assert len(found) == 1
    assert "/home/me/.local/state/syncd lies inside /home/me of --logs" in found[0]


def test_without_a_home_the_state_folder_must_be_said() -> None:
    with pytest.raises(ConfigError, match="--state-dir"):
        load(Flags(pair=PairFlags(bucket="bucket")), {}, hostname="h", cwd=CWD, system_file=NO_FILE)
    flags = Flags(state_dir=Path("/var/lib/x"), pair=PairFlags(bucket="bucket"))
    assert load(flags, {}, hostname="h", cwd=CWD, system_file=NO_FILE).daemon.state_dir == Path("/var/lib/x")
