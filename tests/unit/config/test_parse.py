"""dict -> Config: what is right, and every problem at once where something is wrong."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from syncd.config.document import parse_document
from syncd.config.parse import parse
from syncd.config.types import Config, MaxDelete
from syncd.core.model import ConflictPolicy, Deletes, HashType, KeepVersions, Mode
from syncd.errors import ConfigError

LOGS = '[[pair]]\nname = "logs"\nlocal = "/srv/logs"\nremote = "s3://bucket/logs/"\n'


def read(text: str, **options: Any) -> Config:
    return parse(parse_document(text.encode(), "test"), hostname="lt-07", resolve=lambda path: path, **options)


def problems(text: str, **options: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text, **options)
    return caught.value.problems


def pair(name: str, local: str, remote: str, rest: str = "") -> str:
    return f'[[pair]]\nname = "{name}"\nlocal = "{local}"\nremote = "{remote}"\n{rest}\n'


def test_a_pair_with_all_its_keys() -> None:
    found = read(
        '[daemon]\nstate_dir = "/var/lib/syncd"\nlog_level = "debug"\n'
        '[s3]\nregion = "eu-west-1"\nconcurrency = 8\npart_size = "64MiB"\n'
        + pair(
            "logs",
            "/srv//logs/./",
            "s3://bucket/{host}/x",
            'mode = "upload"\ninclude = ["*.gz"]\nexclude = ["tmp/"]\ninterval = 30\nsettle = "500ms"\n'
            'settle_max = "1m"\nhash = "md5"\ncleanup = true\nconflict = "keep-both"\ndeletes = "leave"\n'
            'keep_versions = "all"\nmax_delete = "10%, 500/h"\nwatch = false\nretries = 9\nregion = "us-west-2"\n'
            'endpoint_url = "http://127.0.0.1:9000"\nstorage_class = "HOT"\ncleanup_blind_age = "1m"',
        )
    )
    assert found.daemon.state_dir == Path("/var/lib/syncd")
    assert found.s3.region == "eu-west-1"
    one = found.pairs[0]
    assert (one.name, one.local, one.bucket, one.prefix) == ("logs", Path("/srv/logs"), "bucket", "lt-07/x/")
    assert (one.mode, one.hash, one.conflict) == (Mode.UPLOAD, HashType.MD5, ConflictPolicy.KEEP_BOTH)
    assert (one.deletes, one.keep_versions) == (Deletes.LEAVE, KeepVersions.ALL)
    assert (one.include, one.exclude) == (("*.gz",), ("tmp/",))
    assert (one.interval, one.settle, one.settle_max) == (
        timedelta(seconds=30),
        timedelta(milliseconds=500),
        timedelta(minutes=1),
    )
    assert one.max_delete == MaxDelete(share=0.1, per_hour=500)
    assert (one.cleanup, one.watch) == (True, False)
    assert (one.s3.region, one.s3.retries, one.s3.concurrency, one.s3.part_size) == ("us-west-2", 9, 8, 64 << 20)
    assert (one.s3.endpoint_url, one.s3.storage_class) == ("http://127.0.0.1:9000", "HOT")


ONE_PROBLEM = [
    # what stands in the pair, what the problem must say
    ('intervall = "60s"', ['pair[0].intervall (pair "logs")', 'did you mean "interval"']),
    ('settle-max = "60s"', ["pair[0].settle-max", 'did you mean "settle_max"']),
    ('log_level = "info"', ["pair[0].log_level", "belongs in [daemon]"]),
    ('interval = "6 parsecs"', ["pair[0].interval", '"6 parsecs"', '"1h30m"']),
    ("interval = 0", ["pair[0].interval", "over 0"]),
    ('interval = "-5s"', ["pair[0].interval"]),
    ("interval = true", ["pair[0].interval"]),
    ("interval = nan", ["pair[0].interval"]),
    ("interval = 1979-05-27", ["pair[0].interval"]),
    ('settle = "1h"', ["pair[0].settle", "settle_max"]),
    ('trash_keep = "0s"', ["pair[0].trash_keep", "over 0", '"off"']),
    ('trash_keep = "a month"', ["pair[0].trash_keep", '"a month"', '"1h30m"', '"off"']),
    ('trash_max = "10G"', ["pair[0].trash_max", "10GiB", '"off"']),
    ('cleanup = true\ncleanup_pressure = "100%"', ["pair[0].cleanup_pressure", '"99%"', '"off"']),
    ("cleanup = true\ncleanup_keep_newest = -1", ["pair[0].cleanup_keep_newest", "from 0"]),
    ('cleanup_after = "1h"', ["pair[0].cleanup_after", "cleanup = true"]),
    ("cleanup_keep_newest = 5", ["pair[0].cleanup_keep_newest", "cleanup = true"]),
    ('cleanup_pressure = "85%"', ["pair[0].cleanup_pressure", "cleanup = true"]),
    ('mode = "uplaod"', ["pair[0].mode", "bidirectional upload download", 'did you mean "upload"']),
    ("mode = 7", ["pair[0].mode", "bidirectional upload download"]),
    ('conflict = "keep_both"', ["pair[0].conflict", 'did you mean "keep-both"']),
    ('deletes = "Propagate"', ["pair[0].deletes", 'did you mean "propagate"']),
    ('keep_versions = "none"', ["pair[0].keep_versions", "conflicts all"]),
    ('hash = "sha1"', ["pair[0].hash", "sha256 md5"]),
    ('checksum = "crc32"', ["pair[0].checksum", "crc64nvme sha256 none"]),
    ('cleanup = "true"', ["pair[0].cleanup", "without quotes"]),
    ("cleanup = 1", ["pair[0].cleanup", "true or false"]),
    ('mode = "download"\ncleanup = true', ["pair[0].cleanup", "mode download"]),
    ('include = "*.gz"', ["pair[0].include", "a list"]),
    ("include = [1]", ["pair[0].include", "a list"]),
    ('exclude = ["a[", "b//c"]', ["pair[0].exclude", '"a["', '"b//c"']),
    ('max_delete = "lots"', ["pair[0].max_delete", '"10%"', '"off"']),
    ('part_size = "1MiB"', ["pair[0].part_size", "5MiB"]),
    ('part_size = "64 parsecs"', ["pair[0].part_size"]),
    ("concurrency = 0", ["pair[0].concurrency", '"auto"']),
    ("retries = -1", ["pair[0].retries", "0 to 100"]),
    ('bandwidth = "08:00"', ["pair[0].bandwidth", '"08:00 20MB/s, 19:00 off"']),
    ('bandwidth = "24:30 1MB/s"', ["pair[0].bandwidth", "24:30", "no time of a day"]),
    ('bandwidth = "08:00 1MB/s, 8:00 off"', ["pair[0].bandwidth", "8:00 twice"]),
    ('bandwidth = "1MB/s, 08:00 off"', ["pair[0].bandwidth", "without a time of day"]),
    ('bandwidth = "up 1MB/s up 2MB/s"', ["pair[0].bandwidth", "same limit twice"]),
    ('bandwidth = "up"', ["pair[0].bandwidth", '"up 20MB/s, down off"']),
    ('bandwidth = "0MB/s"', ["pair[0].bandwidth", "let nothing through"]),
    ('ionice = "idle"', ["pair[0].ionice", "[daemon]"]),
    ('bandwidth = "warp"', ["pair[0].bandwidth", '"50MB/s"']),
    ('storage_class = "STANDARD_AI"', ["pair[0].storage_class", 'did you mean "STANDARD_IA"']),
    ('acl = "bucket-owner-full"', ["pair[0].acl", "bucket-owner-full-control"]),
    ('addressing = "dns"', ["pair[0].addressing", "auto path virtual"]),
    ('endpoint_url = "minio:9000"', ["pair[0].endpoint_url", "http://127.0.0.1:9000"]),
    ('endpoint_url = "http://u:secret@h/"', ["pair[0].endpoint_url", "credentials"]),
    ('endpoint_url = "http://h:99999"', ["pair[0].endpoint_url"]),
    ('region = ""', ["pair[0].region", "us-east-1"]),
    ('profile = "a b"', ["pair[0].profile", "space"]),
    ('layout = "buckets"\nmode = "upload"', ["pair[0].remote", '"s3://"']),
    ('layout = "folders"', ["pair[0].layout", "prefix buckets"]),
    ('[pair.s3]\nregion = "x"', ["pair[0].s3", "no such key"]),
]


@pytest.mark.parametrize(("rest", "said"), ONE_PROBLEM, ids=[row[0] for row in ONE_PROBLEM])
def test_a_wrong_key_is_one_problem_that_says_where_what_and_what_is_allowed(rest: str, said: list[str]) -> None:
    found = problems(LOGS + rest)
    assert len(found) == 1
    for text in said:
        assert text in found[0]


REMOTES = [
    "bucket/x",
    "s3:/bucket",
    "s3:///x",
    "s3://B_d/x",
    "s3://ab/x",
    "s3://a..b/x",
    "s3://10.0.0.1/x",
    "s3://-ab/x",
    "s3://{host}/x",
    "s3://bucket/a//b",
    "s3://bucket//",
    "s3://bucket/../x",
    "s3://bucket/.syncd/x",
    "s3://bucket/{hostname}/",
    "s3://bucket/{host",
    "s3://",
    "s3://bucket/" + "x/" * 600,
]


@pytest.mark.parametrize("remote", REMOTES)
def test_a_wrong_remote_is_a_problem(remote: str) -> None:
    found = problems(pair("logs", "/srv/logs", remote))
    assert len(found) == 1
    assert found[0].startswith('pair[0].remote (pair "logs"): ')


def test_the_bucket_names_of_other_stores_are_freer() -> None:
    found = read(pair("logs", "/srv/logs", "s3://My_Bucket", 'endpoint_url = "http://h:9000"'))
    assert found.pairs[0].remote == "s3://My_Bucket/"


@pytest.mark.parametrize("local", ["logs", "./logs", "~/logs", "", "../x"])
def test_a_local_root_in_a_file_is_absolute(local: str) -> None:
    found = problems(pair("logs", local, "s3://bucket/x/"))
    assert len(found) == 1
    assert "absolute path" in found[0]


@pytest.mark.parametrize("name", ["", "a b", "a/b", "-a", ".a", "x" * 65, "ä", "a\\u0000"])
def test_a_name_has_a_grammar(name: str) -> None:
    assert ".name" in problems(pair(name, "/srv/logs", "s3://bucket/x/"))[0]


def test_a_host_name_that_cannot_be_filled_in_is_a_problem_only_where_it_is_used() -> None:
    raw = parse_document(pair("logs", "/srv/logs", "s3://bucket/{host}/").encode(), "test")
    with pytest.raises(ConfigError, match=r"\{host\}"):
        parse(raw, hostname="")
    assert parse(parse_document(LOGS.encode(), "test"), hostname="").pairs


def test_what_is_missing_is_named() -> None:
    found = problems("[[pair]]\n")
    assert [text.partition(":")[0] for text in found] == ["pair[0].name", "pair[0].local", "pair[0].remote"]
    assert all("is missing" in text for text in found)


def test_two_pairs_share_no_name() -> None:
    found = problems(LOGS + pair("logs", "/srv/b", "s3://bucket/b/"))
    assert found == ['pair[1].name (pair "logs"): "logs" is taken by pair[0]; choose another']


@pytest.mark.parametrize(
    ("one", "two", "meet"),
    [
        ("/srv/a", "/srv/a", True),
        ("/srv/a", "/srv/a/b", True),
        ("/srv/a/b/c", "/srv/a", True),
        ("/", "/srv", True),
        ("/srv/a", "/srv/ab", False),
        ("/srv/a", "/srv/a-b", False),
    ],
)
def test_local_roots_are_apart(one: str, two: str, meet: bool) -> None:
    text = pair("one", one, "s3://bucket/1/") + pair("two", two, "s3://bucket/2/")
    if not meet:
        assert len(read(text).pairs) == 2
        return
    found = problems(text)
    assert len(found) == 1
    assert "local roots must be apart" in found[0]


def test_roots_that_meet_through_a_symlink_are_found(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    text = pair("one", f"{tmp_path}/real", "s3://bucket/1/") + pair("two", f"{tmp_path}/link/x", "s3://bucket/2/")
    with pytest.raises(ConfigError, match="lies inside"):
        parse(parse_document(text.encode(), "test"), hostname="h")


ENDPOINT = 'endpoint_url = "http://h:9000"'
TERRITORIES = [
    ("s3://bucket/a/", "", "s3://bucket/a", "", True),
    ("s3://bucket/a/", "", "s3://bucket/a/b/", "", True),
    ("s3://bucket", "", "s3://bucket/a/b/", "", True),
    ("s3://bucket/a/", "", "s3://bucket/ab/", "", False),
    ("s3://bucket/a/", "", "s3://other/a/", "", False),
    ("s3://bucket/a/", "", "s3://bucket/a/", 'mode = "download"', False),
    ("s3://bucket/a/", 'mode = "download"', "s3://bucket/a/", 'mode = "download"', False),
    ("s3://bucket/a/", ENDPOINT, "s3://bucket/a/", "", False),
    ("s3://bucket/a/", ENDPOINT, "s3://bucket/a/", 'endpoint_url = "http://H:9000/"', True),
    ("s3://bucket/a/", 'endpoint_url = "https://s3.eu-west-1.amazonaws.com"', "s3://bucket/a/", "", True),
    ("s3://bucket/a/", "", "s3://", 'layout = "buckets"\nmode = "upload"', True),
    ("s3://bucket/a/", ENDPOINT, "s3://", 'layout = "buckets"\nmode = "upload"', False),
]


@pytest.mark.parametrize(("one", "one_rest", "two", "two_rest", "meet"), TERRITORIES)
def test_writable_prefixes_are_apart(one: str, one_rest: str, two: str, two_rest: str, meet: bool) -> None:
    text = pair("one", "/srv/one", one, one_rest) + pair("two", "/srv/two", two, two_rest)
    if not meet:
        assert len(read(text).pairs) == 2
        return
    found = problems(text)
    assert len(found) == 1
    assert "writable prefixes must be apart" in found[0]


@pytest.mark.parametrize("state", ["/srv/logs", "/srv/logs/state", "/srv", "/"])
def test_the_state_folder_and_a_root_are_apart(state: str) -> None:
    for found in (problems(f'[daemon]\nstate_dir = "{state}"\n{LOGS}'), problems(LOGS, state_dir=Path(state))):
        assert len(found) == 1
        assert "keep the state folder out of local roots" in found[0]
    assert read(LOGS, state_dir=Path("/srv/state")).pairs


@pytest.mark.parametrize("section", ["mirror", "copy"])
def test_a_section_of_a_later_version_is_refused_by_name(section: str) -> None:
    assert problems(f'[[{section}]]\nname = "x"\n') == [
        f"{section}: [[{section}]] arrives in a later version; remove it"
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[S3]\n", 'did you mean "s3"'),
        ("[[pairs]]\n", 'did you mean "pair"'),
        ('region = "x"\n', "it belongs in [s3]"),
        ('interval = "60s"\n', "it belongs in [batch] or [pair]"),
        ("max_delete = 7\n", "it belongs in [pair]"),
        ("[zebra]\n", "allowed: [daemon] [syslog] [s3] [[pair]] [[batch]]"),
        ("[batches]\n", 'did you mean "batch"'),
        ("[elasticsearch]\nurl = 1\n", "it belongs in [batch]"),
        ("[[syslog]]\n", "write it once, as [syslog]"),
        ("batch = 7\n", "write [[batch]]"),
        ("[[s3]]\n", "write it once, as [s3]"),
        ("s3 = 7\n", "write it once, as [s3]"),
        ("pair = 7\n", "write [[pair]]"),
        ("pair = [7]\n", "write [[pair]]"),
    ],
)
def test_a_wrong_section_is_a_problem(text: str, said: str) -> None:
    found = problems(text)
    assert len(found) == 1
    assert said in found[0]


def test_one_pair_in_single_brackets_is_still_read_for_its_problems() -> None:
    found = problems('[pair]\nname = "a"\nlocal = "/srv/a"\nremote = "s3://bucket/"\nintervall = 1\n')
    assert len(found) == 2
    assert "two brackets" in found[0]
    assert "interval" in found[1]


@pytest.mark.parametrize("text", ["", "# nothing\n", '[daemon]\nlog_level = "info"\n', "[s3]\n", "pair = []\n"])
def test_nothing_configured_says_what_to_do(text: str) -> None:
    assert problems(text) == [
        "nothing is configured: add a [[pair]] with name, local and remote, or a [[batch]] with name and root "
        "(etc/syncd.toml shows every key)"
    ]


def test_every_problem_comes_at_once() -> None:
    found = problems(
        '[daemon]\nlog_level = "loud"\n[s3]\nretries = "many"\n[[mirror]]\n'
        + pair("a", "/srv/a", "s3://bucket/a/", 'mode = "sideways"\ninterval = 0\nzebra = 1')
        + pair("a", "/srv/a/b", "s3://bucket/a/b/", 'include = [""]')
        + pair("c", "relative", "nowhere")
    )
    keys = [text.partition(":")[0].partition(" ")[0] for text in found]
    assert sorted(keys) == sorted(
        [
            "daemon.log_level",
            "s3.retries",
            "mirror",
            "pair[0].mode",
            "pair[0].interval",
            "pair[0].zebra",
            "pair[1].name",
            "pair[1].local",
            "pair[1].include",
            "pair[2].local",
            "pair[2].remote",
        ]
    )


def test_a_wrong_value_of_s3_is_told_once_however_many_pairs_there_are() -> None:
    found = problems('[s3]\nstorage_class = "COLD"\n' + LOGS + pair("b", "/srv/b", "s3://bucket/b/"))
    assert len(found) == 1
    assert found[0].startswith("s3.storage_class: ")


def test_a_label_names_the_flag_or_variable() -> None:
    found = problems(LOGS + "interval = 0\n", labels={"pair[0].interval": "--interval"})
    assert found == ["--interval: 0 is too short; it must be over 0"]


def test_a_problem_stays_on_one_line_whatever_was_written() -> None:
    for problem in problems(LOGS + '"a\\nb" = 1\nmode = "up\\u001b[31m\\nload"\n'):
        assert problem.isprintable()


def test_thousands_of_pairs_are_checked_in_a_moment() -> None:
    text = "".join(pair(f"p{n}", f"/srv/{n}", f"s3://bucket/{n}/") for n in range(3000))
    assert len(read(text).pairs) == 3000


@pytest.mark.parametrize(
    ("written", "period"), [('"off"', None), ('"30d"', timedelta(days=30)), ("3600", timedelta(hours=1))]
)
def test_an_audit_is_off_or_has_its_period(written: str, period: timedelta | None) -> None:
    assert read(LOGS + f"audit = {written}\n").pairs[0].audit == period
    assert read(LOGS).pairs[0].audit is None


def test_an_audit_in_no_time_is_refused() -> None:
    assert problems(LOGS + 'audit = "0s"\n') == ['pair[0].audit (pair "logs"): "0s" is too short; it must be over 0']


def test_how_long_the_trash_and_proven_files_stay() -> None:
    pair_keys = (
        'mode = "upload"\ntrash_keep = "7d"\ntrash_max = "10GiB"\ncleanup = true\ncleanup_after = "24h"\n'
        'cleanup_keep_newest = 100\ncleanup_pressure = "85%"'
    )
    one = read(pair("logs", "/srv/logs", "s3://bucket/", pair_keys)).pairs[0]
    assert (one.trash_keep, one.trash_max) == (timedelta(days=7), 10 << 30)
    assert (one.cleanup_after, one.cleanup_keep_newest, one.cleanup_pressure) == (timedelta(days=1), 100, 0.85)
    off = read(pair("logs", "/srv/logs", "s3://bucket/", 'trash_keep = "off"\ntrash_max = "off"')).pairs[0]
    assert (off.trash_keep, off.trash_max) == (None, None)
    batch = read('[[batch]]\nname = "small"\nroot = "/srv/small"\ntrash_keep = "1d"\ntrash_max = "1MiB"').batches[0]
    assert (batch.trash_keep, batch.trash_max) == (timedelta(days=1), 1 << 20)
