"""The doctor's findings on real files, real limits and a real S3 server."""

from __future__ import annotations

import json
import os
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support.anybody import said_by_anybody
from support.fake_store import EVERYTHING
from support.moto import CREDENTIALS, MotoServer
from syncd.config.locate import Places
from syncd.config.types import S3, Config, Pair
from syncd.control.port import Row
from syncd.core.model import Deletes, Mode
from syncd.lifecycle.clock import SystemClock
from syncd.ports import Capabilities
from syncd.runtime.check_bucket import capability_findings, skew_finding
from syncd.runtime.check_canary import canary_findings, proof_finding
from syncd.runtime.check_host import inotify_findings, nearest
from syncd.runtime.check_root import survey
from syncd.runtime.doctor import examine, exit_code, render
from syncd.runtime.finding import Finding, looked
from syncd.runtime.lock import StateLock
from syncd.store.database import Database

CLOCK = SystemClock()


class ShiftedClock(SystemClock):
    """This host's clock, wrong by so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def now(self) -> float:
        return super().now() + self._seconds


@pytest.fixture(scope="module")
def server() -> Iterator[MotoServer]:
    with MotoServer() as running:
        yield running


@pytest.fixture
def places(tmp_path: Path) -> Places:
    (tmp_path / "state").mkdir()
    return Places(state_dir=tmp_path / "state", socket=tmp_path / "state" / "control")


@pytest.fixture
def pair(server: MotoServer, tmp_path: Path) -> Pair:
    """An upload pair whose root and bucket are there."""
    root = tmp_path / "root"
    (root / "deep" / "er").mkdir(parents=True)
    (root / "deep" / "a.gz").write_bytes(b"content")
    return Pair(
        name="logs",
        local=root,
        bucket=server.new_bucket(f"doctor-{uuid.uuid4().hex[:12]}"),
        prefix="here/",
        s3=S3(endpoint_url=server.endpoint),
        mode=Mode.UPLOAD,
    )


@pytest.fixture
def checks(places: Places) -> Callable[..., dict[str, list[Row]]]:
    """Run the doctor; its rows by check."""

    def run(*pairs: Pair, **more: Any) -> dict[str, list[Row]]:
        found: dict[str, list[Row]] = {}
        given = {"environ": CREDENTIALS, "clock": CLOCK, "hostname": "here", "database": None, **more}
        for row in examine(Config(pairs=pairs), given.pop("places", places), **given):
            assert set(row) == {"check", "class", "level", "message", "remedy"}
            assert row["class"] in {"install", "credentials", "s3"}
            assert row["level"] in {"ok", "warn", "fail"}
            assert row["message"]
            found.setdefault(row["check"], []).append(row)
        return found

    return run


def worst(rows: list[Row]) -> str:
    return max((row["level"] for row in rows), key=["ok", "warn", "fail"].index)


def bad(found: dict[str, list[Row]]) -> list[Row]:
    return [row for rows in found.values() for row in rows if row["level"] != "ok"]


# --- all is well -----------------------------------------------------------------------------------------


def test_a_sound_host_and_pair_have_nothing_but_ok(
    checks: Callable[..., dict[str, list[Row]]], pair: Pair, server: MotoServer
) -> None:
    found = checks(pair)
    assert bad(found) == []
    assert exit_code([row for rows in found.values() for row in rows]) == 0
    assert {"python", "libraries", "state folder", "database", "lock", "socket", "inotify"} <= set(found)
    assert {f"logs {what}" for what in ("root", "open files", "credentials", "endpoint", "bucket", "clock")} <= set(
        found
    )
    assert "boto3" in found["libraries"][0]["message"]
    assert "leases work" in found["logs open files"][0]["message"]
    assert "AWS_ACCESS_KEY_ID" in found["logs credentials"][0]["message"]
    assert server.client().list_objects_v2(Bucket=pair.bucket)["KeyCount"] == 0, "a probe leaves nothing behind"
    assert sorted(path.name for path in pair.local.iterdir()) == ["deep"], "an upload root is only looked at"


def test_a_pair_that_writes_locally_is_tried_where_it_writes(
    checks: Callable[..., dict[str, list[Row]]], pair: Pair
) -> None:
    found = checks(replace(pair, mode=Mode.BIDIRECTIONAL))
    assert bad(found) == []
    assert "one step" in found["logs file system"][0]["message"]
    assert [path for path in (pair.local / ".syncd").rglob("*") if path.is_file()] == []


def test_the_state_folder_is_left_as_it_was(
    checks: Callable[..., dict[str, list[Row]]], pair: Pair, places: Places
) -> None:
    checks(pair)
    assert list(places.state_dir.iterdir()) == []


def test_it_may_be_asked_from_another_thread(checks: Callable[..., dict[str, list[Row]]], pair: Pair) -> None:
    answers: list[dict[str, list[Row]]] = []
    asking = threading.Thread(target=lambda: answers.append(checks(pair)))
    asking.start()
    asking.join(60)
    assert bad(answers[0]) == []


# --- the host --------------------------------------------------------------------------------------------


def test_who_holds_the_state_folder_is_told(
    checks: Callable[..., dict[str, list[Row]]], pair: Pair, places: Places
) -> None:
    assert "no daemon runs" in checks()["lock"][0]["message"]
    with StateLock(places.state_dir):
        (row,) = checks()["lock"]
    assert row["level"] == "ok"
    assert str(os.getpid()) in row["message"]


def test_a_state_folder_that_is_not_there_yet_is_made_later(
    checks: Callable[..., dict[str, list[Row]]], tmp_path: Path
) -> None:
    folder = tmp_path / "not" / "yet"
    found = checks(places=Places(state_dir=folder, socket=folder / "control"))
    assert bad(found) == []
    assert "first start" in found["state folder"][0]["message"]
    assert not folder.exists()
    assert nearest(folder) == tmp_path


def test_a_file_in_the_sockets_place_fails_and_the_rest_is_still_looked_at(
    checks: Callable[..., dict[str, list[Row]]], pair: Pair, places: Places
) -> None:
    places.socket.write_text("no socket")
    found = checks(pair)
    assert [row["check"] for row in bad(found)] == ["socket"]
    assert found["socket"][0]["remedy"] == f"mv {places.socket} {places.socket}.aside"
    assert worst(found["logs bucket"]) == "ok"


def test_a_socket_that_is_open_to_everybody_is_a_warning(
    checks: Callable[..., dict[str, list[Row]]], places: Places
) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(places.socket))
        places.socket.chmod(0o666)
        assert checks()["socket"][0]["level"] == "warn"
        places.socket.chmod(0o660)
        assert checks()["socket"][0]["level"] == "ok"


def test_too_few_watches_come_with_the_line_to_run(tmp_path: Path) -> None:
    def told(folders: int, pairs: int, watches: int, instances: int) -> Finding:
        (tmp_path / "max_user_watches").write_text(f"{watches}\n")
        (tmp_path / "max_user_instances").write_text(f"{instances}\n")
        (finding,) = inotify_findings(folders, pairs, whole=True, sysctl=tmp_path)
        return finding

    assert told(1_000, 1, 8_192, 128).level == "ok"
    few = told(9_000, 1, 8_192, 128)
    assert (few.level, few.remedy) == ("warn", "sudo sysctl -w fs.inotify.max_user_watches=524288")
    assert told(400_000, 1, 8_192, 128).remedy.endswith("=800000")
    assert told(10, 200, 8_192, 128).remedy == "sudo sysctl -w fs.inotify.max_user_instances=1024"
    (none,) = inotify_findings(1, 1, whole=True, sysctl=tmp_path / "none")
    assert none.level == "warn"
    assert list(inotify_findings(5, 0, whole=True)) == []


# --- the root --------------------------------------------------------------------------------------------


def test_a_missing_root_fails_where_it_is_only_read_and_is_made_where_it_is_written(
    checks: Callable[..., dict[str, list[Row]]], pair: Pair, tmp_path: Path
) -> None:
    gone = replace(pair, local=tmp_path / "gone")
    found = checks(gone)
    assert [row["check"] for row in bad(found)] == ["logs root"]
    assert found["logs root"][0]["remedy"].startswith("sudo install -d ")
    assert worst(found["logs bucket"]) == "ok", "the endpoint is looked at all the same"
    assert bad(checks(replace(gone, mode=Mode.DOWNLOAD))) == []
    assert not gone.local.exists()


def test_a_root_that_is_a_file_fails(checks: Callable[..., dict[str, list[Row]]], pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = checks(replace(pair, local=tmp_path / "file"))
    assert [(row["check"], row["level"]) for row in bad(found)] == [("logs root", "fail")]
    assert "not a folder" in found["logs root"][0]["message"]


@pytest.mark.parametrize(
    ("mode", "cleanup", "level"), [("upload", False, "warn"), ("upload", True, "fail"), ("download", False, "fail")]
)
def test_a_root_that_may_not_be_written(tmp_path: Path, mode: str, cleanup: bool, level: str) -> None:
    tmp_path.chmod(0o555)
    assert said_by_anybody(LOOK_AT_ROOT, tmp_path, mode, "cleanup" if cleanup else "").split() == [level]


LOOK_AT_ROOT = """
import sys
from pathlib import Path
from syncd.config.types import S3, Pair
from syncd.core.model import Mode
from syncd.runtime.check_root import Survey, root_findings
root, mode, cleanup = Path(sys.argv[1]), Mode(sys.argv[2]), bool(sys.argv[3])
pair = Pair(name="logs", local=root, bucket="logs", prefix="", s3=S3(), mode=mode, cleanup=cleanup)
print(*(found.level for found in root_findings(pair, Survey()) if found.check == "logs root"))
"""


@pytest.mark.root
def test_files_of_each_owner_are_tried(checks: Callable[..., dict[str, list[Row]]], pair: Pair) -> None:
    os.chown(pair.local / "deep" / "a.gz", 12_345, 12_345)
    (pair.local / "b.gz").write_bytes(b"mine")
    (row,) = checks(pair)["logs open files"]
    assert row["level"] == "ok"
    assert "12345" in row["message"]
    assert "root" in row["message"]


def test_a_survey_counts_folders_and_takes_one_file_of_each_owner(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"folder-{number}" / "below").mkdir(parents=True)
        (tmp_path / f"folder-{number}" / "file").write_text("")
    (tmp_path / ".syncd" / "trash").mkdir(parents=True)
    (tmp_path / "link").symlink_to("/")
    seen = survey(tmp_path, CLOCK)
    assert (seen.folders, seen.whole, len(seen.samples)) == (11, True, 1)


def test_a_survey_ends_when_its_time_is_over(tmp_path: Path) -> None:
    class Racing(SystemClock):
        def __init__(self) -> None:
            self._at = 0.0

        def monotonic(self) -> float:
            self._at += 2
            return self._at

    for number in range(50):
        (tmp_path / str(number)).mkdir()
    seen = survey(tmp_path, Racing())
    assert not seen.whole
    assert seen.folders < 51


# --- the endpoint ----------------------------------------------------------------------------------------


def test_a_bucket_that_is_not_there_comes_with_the_command_that_makes_it(
    checks: Callable[..., dict[str, list[Row]]], pair: Pair, server: MotoServer
) -> None:
    found = checks(replace(pair, bucket="nobodys"))
    assert [row["check"] for row in bad(found)] == ["logs bucket"]
    (row,) = found["logs bucket"]
    assert (row["class"], row["level"]) == ("s3", "fail")
    assert row["remedy"] == f"aws s3api create-bucket --bucket nobodys --endpoint-url {server.endpoint}"
    assert worst(found["logs clock"]) == "ok", "an answer is an answer"


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def test_an_endpoint_where_nobody_listens_fails_at_once(
    checks: Callable[..., dict[str, list[Row]]], pair: Pair
) -> None:
    found = checks(replace(pair, s3=S3(endpoint_url=f"http://127.0.0.1:{free_port()}")))
    assert [row["check"] for row in bad(found)] == ["logs endpoint", "logs bucket"]
    assert "nobody listens" in found["logs endpoint"][0]["message"]
    assert "logs clock" not in found
    assert exit_code(bad(found)) == 1


def test_a_host_name_that_nobody_knows_is_named(checks: Callable[..., dict[str, list[Row]]], pair: Pair) -> None:
    found = checks(replace(pair, s3=S3(endpoint_url="http://no-such-host.invalid:9000")))
    assert found["logs endpoint"][0]["level"] == "fail"
    assert found["logs endpoint"][0]["remedy"].startswith("getent hosts no-such-host.invalid")


@pytest.mark.parametrize("host", ["a..b", "x" * 64])
def test_a_host_name_that_can_be_none_is_a_finding(
    checks: Callable[..., dict[str, list[Row]]], pair: Pair, host: str
) -> None:
    found = checks(replace(pair, s3=S3(endpoint_url=f"http://{host}:9000")))
    assert {row["check"] for row in bad(found)} & {"logs endpoint", "logs credentials"}


def test_an_unknown_profile_is_a_matter_of_credentials(checks: Callable[..., dict[str, list[Row]]], pair: Pair) -> None:
    found = checks(replace(pair, s3=replace(pair.s3, profile="nobody")))
    assert [(row["check"], row["class"]) for row in bad(found)] == [
        ("logs credentials", "credentials"),
        ("logs bucket", "s3"),
    ]
    assert "nobody" in found["logs credentials"][0]["message"]


def test_no_credentials_at_all(
    checks: Callable[..., dict[str, list[Row]]], pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in CREDENTIALS:
        monkeypatch.delenv(name)
    found = checks(pair, environ={})
    assert found["logs credentials"][0]["level"] == "fail"
    assert "no credentials" in found["logs credentials"][0]["message"]
    assert found["logs credentials"][0]["remedy"] == "aws configure"
    profiled = checks(replace(pair, s3=replace(pair.s3, profile="nobody")), environ={})
    assert "profile" in profiled["logs credentials"][0]["remedy"]


@pytest.mark.parametrize(("seconds", "level"), [(0, "ok"), (120, "warn"), (-120, "warn"), (86_400, "fail")])
def test_a_clock_that_is_off_is_seen_by_the_servers_date(
    checks: Callable[..., dict[str, list[Row]]], pair: Pair, seconds: float, level: str
) -> None:
    (row,) = checks(pair, clock=ShiftedClock(seconds))["logs clock"]
    assert row["level"] == level
    assert ("timedatectl" in row["remedy"]) == (level != "ok")


def test_the_side_that_is_ahead_is_named() -> None:
    assert "100 s ahead of" in skew_finding("clock", 100.0).message
    assert "1,000 s behind" in skew_finding("clock", -1000.0).message


def test_what_a_daemon_remembers_of_the_endpoint_is_not_probed_again(
    checks: Callable[..., dict[str, list[Row]]], pair: Pair, server: MotoServer, places: Places
) -> None:
    with Database.open(places.state_dir / "syncd.db", clock=CLOCK) as database:
        first = checks(pair, database=database)
        assert "probed now" in first["logs capabilities"][0]["message"]
        mark = server.mark()
        second = checks(pair, database=database)
        assert "probed 0 h ago" in second["logs capabilities"][0]["message"]
        assert set(server.requests(mark)) == {"LIST"}
        assert "database" not in second


def test_a_download_pair_writes_nothing_to_the_bucket(
    checks: Callable[..., dict[str, list[Row]]], pair: Pair, server: MotoServer
) -> None:
    mark = server.mark()
    found = checks(replace(pair, mode=Mode.DOWNLOAD))
    assert bad(found) == []
    assert set(server.requests(mark)) == {"LIST"}


def test_what_an_endpoint_does_not_honour_is_told_with_what_helps(pair: Pair) -> None:
    propagating = replace(pair, deletes=Deletes.PROPAGATE)
    told = list(capability_findings(propagating, Capabilities(probed_at=1.0), when="now"))
    assert [finding.level for finding in told] == ["ok", "warn", "warn"]
    assert told[1].remedy.startswith('keep_versions = "all"')
    assert told[2].remedy.startswith(f"aws s3api put-bucket-versioning --bucket {pair.bucket} ")
    kept = Capabilities(put_if_none_match=True, put_if_match=True, versioned=True, probed_at=1.0)
    assert [finding.level for finding in capability_findings(propagating, kept, when="now")] == ["ok"]


def test_every_permission_that_was_tried_and_what_is_refused_has_a_line(
    checks: Callable[..., dict[str, list[Row]]], pair: Pair
) -> None:
    found = checks(pair)
    assert [row["message"].split()[0] for row in found["logs permissions"]] == [
        "s3:ListBucket",
        "s3:PutObject",
        "s3:GetObject",
        "s3:DeleteObject",
        "s3:AbortMultipartUpload",
        "s3:GetBucketVersioning",
    ]
    assert "refuses no wrong checksum" in found["logs checksums"][0]["message"], "moto believes any"
    assert "proven 0 h ago" in found["logs proof"][0]["message"]


NOW = 1_000_000.0
FOUND = replace(EVERYTHING, probed_at=NOW - 3600)


@pytest.mark.parametrize(
    ("action", "level", "resource"),
    [
        ("s3:GetObject", "fail", "/here/*"),
        ("s3:DeleteObject", "warn", "/here/*"),
        ("s3:AbortMultipartUpload", "warn", "/here/*"),
        ("s3:GetBucketVersioning", "warn", ""),
    ],
)
def test_a_right_that_is_missing_comes_with_the_statement_that_grants_it(
    pair: Pair, action: str, level: str, resource: str
) -> None:
    told = canary_findings(pair, replace(FOUND, denied=frozenset({action})), NOW)
    (missing,) = [finding for finding in told if finding.check == "logs permissions" and finding.level != "ok"]
    assert missing.level == level
    statement = json.loads(missing.remedy.partition("   #")[0])
    granted = {"Effect": "Allow", "Action": action, "Resource": f"arn:aws:s3:::{pair.bucket}{resource}"}
    assert statement == granted


def test_what_an_endpoint_refuses_when_it_is_wrong_is_told(pair: Pair) -> None:
    (finding,) = [each for each in canary_findings(pair, FOUND, NOW) if each.check == "logs checksums"]
    assert "CRC64NVME, SHA256, signed payload hash" in finding.message


@pytest.mark.parametrize(
    ("seen", "level", "words"),
    [
        (FOUND, "ok", "proven 1 h ago"),
        (replace(FOUND, probed_at=NOW - 49 * 3600), "warn", "last proven 49 h ago"),
        (replace(FOUND, distrusted="other bytes came back"), "fail", "other bytes came back"),
        (replace(FOUND, denied=frozenset({"s3:GetObject"})), "warn", "s3:GetObject"),
    ],
)
def test_a_proof_that_does_not_count_says_why_and_what_to_do(
    pair: Pair, seen: Capabilities, level: str, words: str
) -> None:
    finding = proof_finding(pair, seen, NOW)
    assert (finding.level, words in finding.message) == (level, True)
    assert bool(finding.remedy) == (level != "ok")


def test_a_proof_of_long_ago_is_made_anew(
    checks: Callable[..., dict[str, list[Row]]], pair: Pair, places: Places
) -> None:
    with Database.open(places.state_dir / "syncd.db", clock=CLOCK) as database:
        database.capabilities.put(pair.s3.endpoint_url, pair.bucket, replace(EVERYTHING, probed_at=5.0))
        found = checks(pair, database=database)
        assert "probed now" in found["logs capabilities"][0]["message"]
        assert bad(found) == []
        seen = database.capabilities.get(pair.s3.endpoint_url, pair.bucket)
        assert seen is not None
        assert CLOCK.now() - seen.probed_at < 60


def test_another_host_that_uploads_to_the_same_prefix_is_a_warning(
    checks: Callable[..., dict[str, list[Row]]], pair: Pair, server: MotoServer
) -> None:
    shared = replace(pair, prefix="shared/")
    client = server.client()
    for number in range(5):
        client.put_object(Bucket=pair.bucket, Key=f"shared/plain-{number}", Body=b"of another tool")
    assert worst(checks(shared)["logs prefix"]) == "ok"
    client.put_object(Bucket=pair.bucket, Key="shared/new", Body=b"x", Metadata={"source-host-id": "f" * 32})
    for number in range(5):  # LastModified has steps of a second: the object is among the newest of its page
        client.delete_object(Bucket=pair.bucket, Key=f"shared/plain-{number}")
    mark = server.mark()
    (row,) = checks(shared)["logs prefix"]
    assert row["level"] == "warn"
    assert row["remedy"].startswith(f'remote = "s3://{pair.bucket}/shared/{{host}}/"')
    assert server.requests(mark)["LIST"] == 2, "one of the prefix, one of the canary"
    client.copy_object(Bucket=pair.bucket, Key="here/new", CopySource={"Bucket": pair.bucket, "Key": "shared/new"})
    assert "logs prefix" not in checks(pair), "a prefix of this host's name is its own"


def test_our_own_objects_are_not_taken_for_another_hosts(
    checks: Callable[..., dict[str, list[Row]]], pair: Pair, server: MotoServer
) -> None:
    import hashlib

    (pair.local / ".syncd").mkdir()
    (pair.local / ".syncd" / "root.json").write_text('{"uuid": "abc", "generation": 0}')
    own = hashlib.sha256(b"machine:abc").hexdigest()[:32]
    server.client().put_object(Bucket=pair.bucket, Key="shared/k", Body=b"x", Metadata={"source-host-id": own})
    shared = replace(pair, prefix="shared/")
    assert worst(checks(shared, machine_id="machine")["logs prefix"]) == "ok"
    assert worst(checks(shared, machine_id="another")["logs prefix"]) == "warn"


def test_each_bucket_of_the_buckets_layout_is_looked_at(
    checks: Callable[..., dict[str, list[Row]]], pair: Pair, server: MotoServer, tmp_path: Path
) -> None:
    root = tmp_path / "buckets"
    (root / pair.bucket).mkdir(parents=True)
    (root / "missing-bucket").mkdir()
    found = checks(replace(pair, local=root, layout="buckets", bucket="", prefix=""))
    assert [row["level"] for row in found["logs bucket"]] == (["ok", "fail"])
    assert "missing-bucket" in found["logs bucket"][1]["message"]


def test_pairs_of_one_endpoint_connect_once(
    checks: Callable[..., dict[str, list[Row]]], pair: Pair, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    found = checks(pair, replace(pair, name="other", local=tmp_path / "other", prefix="other-here/"))
    assert "logs endpoint" in found
    assert "other endpoint" not in found
    assert worst(found["other bucket"]) == "ok"


# --- telling it ------------------------------------------------------------------------------------------


def rows(*levels: str, message: str = "as it should be", remedy: str = "make it so") -> list[Row]:
    return [
        {"check": "root", "class": "install", "level": level, "message": message, "remedy": remedy} for level in levels
    ]


@pytest.mark.parametrize(
    ("levels", "code"), [((), 0), (("ok", "ok"), 0), (("ok", "warn"), 6), (("warn", "fail", "ok"), 1), (("odd",), 1)]
)
def test_the_exit_code_is_that_of_the_worst(levels: tuple[str, ...], code: int) -> None:
    assert exit_code(rows(*levels)) == code


def test_the_text_is_aligned_and_eighty_columns_wide_but_a_remedy_is_whole() -> None:
    long = "word " * 40 + "x" * 200
    text = render(rows("ok", "warn", "fail", message=long, remedy="run " + "--flag " * 30), colour=False).split("\n")
    assert all(len(line) <= 80 for line in text if "→" not in line)
    assert [line[:19] for line in text if line[:1] not in {" ", ""}][:3] == [
        "OK    install      ",
        "WARN  install      ",
        "FAIL  install      ",
    ]
    assert sum("→ run " + "--flag " * 30 in line for line in text) == 2, "what is ok needs no remedy"
    assert text[-1] == "3 checks: 1 ok, 1 to look at, 1 failed"
    assert not any("\x1b" in line for line in text)


def test_colour_changes_no_letter_and_control_characters_reach_no_terminal() -> None:
    told = rows("ok", "warn", "fail", message="a name with \x1b[2J in it")
    coloured = render(told, colour=True)
    for code in ("\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"):
        coloured = coloured.replace(code, "")
    assert coloured == render(told, colour=False)
    assert "\x1b" not in coloured


def test_a_look_that_fails_half_way_keeps_what_it_saw() -> None:
    def look() -> Iterator[Finding]:
        yield Finding(check="a", kind="install", message="seen")
        raise PermissionError(13, "Permission denied", "the/file")

    first, second = looked("a", "install", look)
    assert (first.message, second.level, second.message) == ("seen", "fail", "the/file: Permission denied")


def test_closing_it_early_is_no_finding(pair: Pair, places: Places) -> None:
    with ExitStack() as stack:
        found = examine(Config(pairs=(pair,)), places, environ=CREDENTIALS, clock=CLOCK, hostname="here", database=None)
        stack.callback(found.close)  # type: ignore[attr-defined]
        assert next(found)["check"] == "python"
