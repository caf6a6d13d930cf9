"""[[batch]], [batch.elasticsearch] and [syslog]: what is right, and every problem at once where something is wrong."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from syncd.config.document import parse_document
from syncd.config.parse import parse
from syncd.config.types import S3, Batch, Config, Index, Syslog
from syncd.errors import ConfigError

SMALL = '[[batch]]\nname = "small"\nroot = "/srv/small"\n'
INDEX = "[batch.elasticsearch]\n"


def read(text: str, **options: Any) -> Config:
    return parse(parse_document(text.encode(), "test"), hostname="lt-07", resolve=lambda path: path, **options)


def problems(text: str, **options: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(text, **options)
    return caught.value.problems


def batch(name: str, root: str, rest: str = "") -> str:
    return f'[[batch]]\nname = "{name}"\nroot = "{root}"\n{rest}\n'


def pair(name: str, local: str, rest: str = "") -> str:
    return f'[[pair]]\nname = "{name}"\nlocal = "{local}"\nremote = "s3://bucket/{name}/"\n{rest}\n'


def test_a_batch_with_all_its_keys() -> None:
    found = read(
        '[syslog]\nhost = "logs.example.com"\nport = 6514\nprotocol = "udp"\n'
        '[s3]\nregion = "eu-west-1"\nretries = 9\n'
        + batch(
            "small",
            "/srv//small/./",
            'include = ["*.json"]\nexclude = [".*"]\nmax_size = "10MB"\nmax_files = 500\nmin_files = 5\n'
            'max_age = "2h"\nmin_age = 0\nsettle = "1s"\ninterval = "1m"\nspool = "/var/spool/syncd"\n'
            'spool_max = "20MB"\nstreaming = true\nmanifest = "fallback"\nmanifest_bucket = "manifests"\n'
            'endpoint_url = "http://127.0.0.1:9000"\nstorage_class = "HOT"\nretries = 1\n'
            '[batch.elasticsearch]\nurl = "https://search:9200"\nindex = "mine"\nflavor = "opensearch"\n'
            'username = "me"\npassword = "hush"\nca_file = "/etc/ca.pem"\ntimeout = "5s"',
        )
    )
    assert found.syslog == Syslog(host="logs.example.com", port=6514, protocol="udp")
    assert found.batches == (
        Batch(
            name="small",
            root=Path("/srv/small"),
            s3=S3(region="eu-west-1", endpoint_url="http://127.0.0.1:9000", storage_class="HOT", retries=1),
            include=("*.json",),
            exclude=(".*",),
            max_size=10_000_000,
            max_files=500,
            min_files=5,
            max_age=timedelta(hours=2),
            min_age=timedelta(0),
            settle=timedelta(seconds=1),
            interval=timedelta(minutes=1),
            spool=Path("/var/spool/syncd"),
            spool_max=20_000_000,
            streaming=True,
            manifest="fallback",
            manifest_bucket="manifests",
            index=Index(
                url="https://search:9200",
                index="mine",
                flavor="opensearch",
                username="me",
                password="hush",
                ca_file=Path("/etc/ca.pem"),
                timeout=timedelta(seconds=5),
            ),
        ),
    )


def test_batches_without_a_pair_are_a_configuration() -> None:
    found = read(SMALL + batch("other", "/srv/other"))
    assert [one.name for one in found.batches] == ["small", "other"]
    assert found.pairs == ()


ONE_PROBLEM = [
    # what stands in the batch, what the problem must say
    ('intervall = "60s"', ['batch[0].intervall (batch "small")', 'did you mean "interval"']),
    ('min-files = "60s"', ["batch[0].min-files", 'did you mean "min_files"']),
    ("retrys = 3", ["batch[0].retrys", 'did you mean "retries"']),
    ('local = "/srv/x"', ["batch[0].local", "belongs in [pair]"]),
    ('url = "http://x"', ["batch[0].url", "belongs in [batch.elasticsearch]"]),
    ('host = "x"', ["batch[0].host", "belongs in [syslog]"]),
    ("[batch.elasticsaerch]", ["batch[0].elasticsaerch", 'did you mean "elasticsearch"']),
    ("[[batch.elasticsearch]]", ["batch[0].elasticsearch", "write it once, as [batch.elasticsearch]"]),
    ('elasticsearch = "http://x"', ["batch[0].elasticsearch", "write it once, as [batch.elasticsearch]"]),
    ('include = ["a["]', ["batch[0].include", '"a["']),
    ("max_size = 0", ["batch[0].max_size", "1B"]),
    ('max_size = "5TiB"', ["batch[0].max_size", "4TiB"]),
    ('max_size = "1 parsec"', ["batch[0].max_size", '"64MiB"']),
    ('max_size = "5GiB"', ["batch[0].spool_max", "4GiB", "max_size (5GiB)", "streaming"]),
    ('spool_max = "1MiB"', ["batch[0].spool_max", "1MiB", "max_size (1GiB)"]),
    ("max_files = 0", ["batch[0].max_files", "1 to 1000000"]),
    ("min_files = 50\nmax_files = 49", ["batch[0].min_files", "50", "max_files (49)"]),
    ("max_files = 19", ["batch[0].min_files", "20", "max_files (19)"]),
    ('max_age = "-1h"', ["batch[0].max_age"]),
    ("interval = 0", ["batch[0].interval", "over 0"]),
    ('spool = "spool"', ["batch[0].spool", "absolute"]),
    ("streaming = 1", ["batch[0].streaming", "true or false"]),
    ('manifest = "allways"', ["batch[0].manifest", 'did you mean "always"']),
    ('manifest_bucket = "No_Bucket"', ["batch[0].manifest_bucket", "no bucket name"]),
    ('manifest_bucket = "s3://bucket"', ["batch[0].manifest_bucket", "no bucket name"]),
    ('endpoint_url = "http://h:1"\nmanifest_bucket = "a/b"', ["batch[0].manifest_bucket", "no bucket name"]),
    ('storage_class = "STANDARD_AI"', ["batch[0].storage_class", 'did you mean "STANDARD_IA"']),
    (INDEX + 'url = "search:9200"', ["batch[0].elasticsearch.url", "https://search.example.com:9200"]),
    (INDEX + 'url = "http://h/?q=1"', ["batch[0].elasticsearch.url", "query"]),
    (INDEX + 'index = "Mine"', ["batch[0].elasticsearch.index", "lower case"]),
    (INDEX + 'index = "_mine"', ["batch[0].elasticsearch.index", "syncd-archives"]),
    (INDEX + 'index = ""', ["batch[0].elasticsearch.index", "syncd-archives"]),
    (INDEX + 'index = "a,b"', ["batch[0].elasticsearch.index", "syncd-archives"]),
    (INDEX + 'flavor = "opensaerch"', ["batch[0].elasticsearch.flavor", 'did you mean "opensearch"']),
    (INDEX + 'username = "me"', ["batch[0].elasticsearch.username", "no password"]),
    (INDEX + 'ca_file = "ca.pem"', ["batch[0].elasticsearch.ca_file", "absolute"]),
    (INDEX + "timeout = 0", ["batch[0].elasticsearch.timeout", "over 0"]),
    (INDEX + 'apikey = "x"', ["batch[0].elasticsearch.apikey", 'did you mean "api_key"']),
    (INDEX + 'region = "x"', ["batch[0].elasticsearch.region", "belongs in [s3]"]),
]


@pytest.mark.parametrize(("rest", "said"), ONE_PROBLEM, ids=[row[0] for row in ONE_PROBLEM])
def test_a_wrong_key_is_one_problem_that_says_where_what_and_what_is_allowed(rest: str, said: list[str]) -> None:
    found = problems(SMALL + rest)
    assert len(found) == 1
    for text in said:
        assert text in found[0]


@pytest.mark.parametrize(
    "rest",
    [
        'url = "https://me:hunter2@search:9200"',
        'url = "https://me:hunter2@search:99999 /"',
        'url = "https://me:hunter2@search\\n:9200"',
        'api_key = "hunter2 hunter2"',
        'api_key = "hunter2\\u0000"',
        'api_key = ["hunter2"]',
        'username = "me"\npassword = "hunter2\\n"',
        'username = "me:hunter2"\npassword = "x"',
        'password = "hunter2"',
        'username = "me"\npassword = "hunter2"\napi_key = "hunter2"',
        'api_kee = "hunter2"',
    ],
)
def test_a_secret_is_never_repeated_in_a_problem(rest: str) -> None:
    found = problems(SMALL + INDEX + rest)
    assert len(found) == 1
    assert "hunter2" not in found[0]
    assert found[0].isprintable()


def test_a_secret_in_an_endpoint_is_never_repeated_in_a_problem() -> None:
    found = problems(SMALL + 'endpoint_url = "http://u:hunter2@h\\t/"')
    assert len(found) == 1
    assert "hunter2" not in found[0]


def test_a_password_may_be_empty_or_have_blanks() -> None:
    for password in ("", "a b ü"):
        (one,) = read(SMALL + INDEX + f'username = "me"\npassword = "{password}"').batches
        assert one.index.password == password


def test_streaming_needs_no_room_in_the_spool() -> None:
    (one,) = read(SMALL + 'max_size = "1TiB"\nstreaming = true').batches
    assert one.spool_max < one.max_size


def test_what_is_missing_is_named() -> None:
    found = problems("[[batch]]\n")
    assert [text.partition(":")[0] for text in found] == ["batch[0].name", "batch[0].root"]
    assert all("is missing" in text for text in found)


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ('host = "logs:514"', ["syslog.host", "the port has a key"]),
        ('host = "tcp://logs"', ["syslog.host", "the protocol has a key"]),
        ('host = "a b"', ["syslog.host"]),
        ('host = "[::1]"', ["syslog.host", "2001:db8::7"]),
        ('host = "logs/x"', ["syslog.host"]),
        ("port = 0", ["syslog.port", "1 to 65535"]),
        ('port = "514"', ["syslog.port", "1 to 65535"]),
        ('protocol = "tls"', ["syslog.protocol", "tcp udp"]),
        ("level = 7", ["syslog.level", "no such key"]),
        ('hosts = "a"', ["syslog.hosts", 'did you mean "host"']),
    ],
)
def test_a_wrong_key_of_syslog_is_one_problem(rest: str, said: list[str]) -> None:
    found = problems(f"[syslog]\n{rest}\n{SMALL}")
    assert len(found) == 1
    for text in said:
        assert text in found[0]


@pytest.mark.parametrize(
    "host", ["logs", "logs.example.com.", "192.0.2.7", "::1", "2001:db8::7", "fe80::1%eth0", "a_b"]
)
def test_a_host_is_a_name_or_an_address(host: str) -> None:
    assert read(f'[syslog]\nhost = "{host}"\n{SMALL}').syslog.host == host


def test_no_two_sections_share_a_name() -> None:
    found = problems(pair("small", "/srv/pair") + SMALL + batch("small", "/srv/other"))
    assert found == [
        'batch[0].name (batch "small"): "small" is taken by pair[0]; choose another',
        'batch[1].name (batch "small"): "small" is taken by pair[0]; choose another',
    ]


@pytest.mark.parametrize("other", [pair("other", "{}"), batch("other", "{}")], ids=["pair", "batch"])
@pytest.mark.parametrize(
    ("root", "meet"),
    [
        ("/srv/small", True),
        ("/srv/small/bucket", True),
        ("/srv", True),
        ("/", True),
        ("/srv/small2", False),
        ("/srv/smal", False),
    ],
)
def test_the_roots_of_all_sections_are_apart(other: str, root: str, meet: bool) -> None:
    text = SMALL + other.replace("{}", root)
    if not meet:
        assert len(read(text).batches) + len(read(text).pairs) == 2
        return
    found = problems(text)
    assert len(found) == 1
    assert "local roots must be apart" in found[0]


@pytest.mark.parametrize("spool", ["/srv/small", "/srv/small/bucket/.spool", "/srv", "/srv/pair/x"])
def test_a_spool_and_a_root_are_apart(spool: str) -> None:
    found = problems(batch("small", "/srv/small", f'spool = "{spool}"') + pair("pair", "/srv/pair"))
    assert found
    assert all("keep spools out of local roots" in text for text in found)


def test_each_batch_has_a_spool_of_its_own() -> None:
    for one, two in (("/spool", "/spool"), ("/spool/a", "/spool"), ("/spool", "/spool/b")):
        found = problems(batch("a", "/srv/a", f'spool = "{one}"') + batch("b", "/srv/b", f'spool = "{two}"'))
        assert len(found) == 1
        assert "each batch has a spool of its own" in found[0]
    assert (
        len(read(batch("a", "/srv/a", 'spool = "/spool/a"') + batch("b", "/srv/b", 'spool = "/spool/b"')).batches) == 2
    )


def test_a_spool_is_not_the_one_that_another_batch_has_in_the_state_folder() -> None:
    text = batch("a", "/srv/a", 'spool = "/state/spool/b"') + batch("b", "/srv/b")
    found = problems(text, state_dir=Path("/state"))
    assert found == [
        'batch[1].spool (batch "b"): /state/spool/b is the same folder as /state/spool/b of '
        'batch[0].spool (batch "a"); each batch has a spool of its own'
    ]
    assert len(read(text, state_dir=Path("/elsewhere")).batches) == 2


@pytest.mark.parametrize("spool", ["/state", "/", "/var"])
def test_a_spool_does_not_hold_the_state_folder(spool: str) -> None:
    state = "/state" if spool == "/state" else "/var/state"
    found = problems(batch("a", "/", f'spool = "{spool}"'), state_dir=Path(state))
    assert any("keep the state folder out of spools" in text for text in found)


def test_a_spool_may_lie_in_the_state_folder() -> None:
    assert read(batch("a", "/srv/a", 'spool = "/state/mine"'), state_dir=Path("/state")).batches


@pytest.mark.parametrize("state", ["/srv/small", "/srv/small/state", "/srv", "/"])
def test_the_state_folder_and_a_batchs_root_are_apart(state: str) -> None:
    for found in (problems(f'[daemon]\nstate_dir = "{state}"\n{SMALL}'), problems(SMALL, state_dir=Path(state))):
        assert len(found) == 1
        assert "keep the state folder out of local roots" in found[0]


def test_folders_that_meet_through_a_symlink_are_found(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    text = batch("a", f"{tmp_path}/real") + batch("b", f"{tmp_path}/other", f'spool = "{tmp_path}/link/x"')
    with pytest.raises(ConfigError, match="keep spools out"):
        parse(parse_document(text.encode(), "test"), hostname="h")


def test_a_pair_may_write_where_a_batch_may_write_too() -> None:
    found = read(pair("all", "/srv/pair", 'mode = "upload"') + SMALL)
    assert len(found.pairs) == len(found.batches) == 1


def test_every_problem_comes_at_once() -> None:
    found = problems(
        '[syslog]\nport = 0\n[s3]\nretries = "many"\n[[mirror]]\n'
        + batch("a", "/srv/a", 'manifest = "never"\ninterval = 0\nzebra = 1\n[batch.elasticsearch]\nurl = 7\nx = 1')
        + batch("a", "/srv/a/b", 'include = [""]')
        + pair("c", "/srv/a/c", "interval = 0")
        + batch("d", "relative")
    )
    keys = [text.partition(":")[0].partition(" ")[0] for text in found]
    assert sorted(keys) == sorted(
        [
            "syslog.port",
            "s3.retries",
            "mirror",
            "batch[0].manifest",
            "batch[0].interval",
            "batch[0].zebra",
            "batch[0].elasticsearch.url",
            "batch[0].elasticsearch.x",
            "batch[1].name",
            "batch[1].root",
            "batch[1].include",
            "pair[0].interval",
            "pair[0].local",
            "batch[2].root",
        ]
    )


def test_thousands_of_batches_are_checked_in_a_moment() -> None:
    text = "".join(batch(f"b{n}", f"/srv/{n}", f'spool = "/spool/{n}"') for n in range(2000))
    assert len(read(text, state_dir=Path("/state")).batches) == 2000
