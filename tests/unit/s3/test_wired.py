"""What the lean client does where a store says no, or nothing: again, elsewhere, with other keys, or not at all."""

from __future__ import annotations

import hashlib
import io
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from support.scripted import Asked, Said, Scripted, refusal
from syncd.config.types import S3
from syncd.core.model import ETag
from syncd.errors import Raced, RemoteError, RemoteKind, Stale
from syncd.ports import Absent, Capabilities, Checksums, Matches, ObjectHeaders, Unchecked
from syncd.s3 import renewing
from syncd.s3.attempts import pause_s
from syncd.s3.counts import RequestCounts, Requests
from syncd.s3.planes import Planes
from syncd.s3.wired import Surroundings

OK = Said(headers={"ETag": '"e"'})
EMPTY_PAGE = Said(body=b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
BUSY = Said(503, body=refusal("SlowDown"), headers={"x-amz-request-id": "r-1", "x-amz-id-2": "h-1"})
TAG = ETag("e")


class Limits:
    """A limiter that only listens."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def before(self) -> None:
        self.heard.append("before")

    def succeeded(self) -> None:
        self.heard.append("succeeded")

    def throttled(self) -> None:
        self.heard.append("throttled")


class World:
    """A store over the lean client on a scripted server; waits are kept and take no time."""

    def __init__(self, server: Scripted, retries: int, **settings: Any) -> None:
        self.waits: list[float] = []
        self.limits = Limits()
        self.stopping = False
        self.counts = RequestCounts()
        around = Surroundings(counts=self.counts, limiter=self.limits, rest=self._rest)
        planes = Planes.to(S3(endpoint_url=server.endpoint, retries=retries, **settings), around)
        self.store: Any = planes.store("bucket", Capabilities(stores_checksum=True))

    def _rest(self, seconds: float) -> bool:
        self.waits.append(seconds)
        return self.stopping

    def put(self, body: bytes = b"content", *, expect: Any = None, **more: Any) -> Any:
        given = {"headers": ObjectHeaders(), "sums": Checksums(), **more}
        return self.store.put("k", io.BytesIO(body), len(body), expect=expect or Unchecked(), **given)


MakeWorld = Callable[..., tuple[World, Scripted]]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[MakeWorld]:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    write_keys(tmp_path, "first")
    servers: list[Scripted] = []

    def make(*answers: Said | Callable[[Asked], Said], retries: int = 3, **settings: Any) -> tuple[World, Scripted]:
        server = Scripted(*answers).__enter__()
        servers.append(server)
        return World(server, retries, **settings), server

    yield make
    for server in servers:
        server.__exit__(None, None, None)


def write_keys(folder: Path, name: str) -> None:
    text = f"[default]\naws_access_key_id = {name}\naws_secret_access_key = s\naws_session_token = token-{name}\n"
    (folder / "credentials").write_text(text)


def signed_by(asked: Asked) -> str:
    return asked.headers["authorization"].partition("Credential=")[2].partition("/")[0]


def scope(asked: Asked) -> str:
    return asked.headers["authorization"].partition("Credential=")[2].split("/")[2]


# --- again ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        BUSY,
        Said(500, body=refusal("InternalError")),
        Said(429),
        Said(408),
        Said(400, body=refusal("RequestTimeout")),
        Said(hang_up=True),
    ],
    ids=["503", "500", "429", "408", "time-out", "no answer"],
)
def test_what_may_pass_is_tried_again_with_the_whole_body(world: MakeWorld, bad: Said) -> None:
    here, server = world(bad, bad, OK)
    assert here.put(b"x" * 100_000).etag == TAG
    assert [asked.body for asked in server.asked] == [b"x" * 100_000] * 3
    assert len(here.waits) == 2


def test_retries_end_and_the_error_names_both_ids(world: MakeWorld) -> None:
    here, server = world(BUSY, retries=2)
    with pytest.raises(RemoteError) as refused:
        here.put()
    assert (refused.value.kind, refused.value.code) == (RemoteKind.THROTTLED, "SlowDown")
    assert refused.value.ids == ("r-1", "h-1")
    assert len(server.asked) == 3
    assert here.counts.snapshot() == Requests(put=3, throttled=3, retried=2)
    assert here.limits.heard == ["before", "throttled"] * 3


def test_what_will_not_pass_is_not_tried_again(world: MakeWorld) -> None:
    here, server = world(Said(403, body=refusal("AccessDenied")))
    with pytest.raises(RemoteError) as denied:
        here.put()
    assert denied.value.kind is RemoteKind.DENIED
    assert len(server.asked) == 1
    assert here.limits.heard == ["before", "succeeded"], "a no is no word to go slower"


def test_a_stop_ends_the_wait_for_a_retry(world: MakeWorld) -> None:
    here, server = world(BUSY)
    here.stopping = True
    with pytest.raises(RemoteError):
        here.put()
    assert len(server.asked) == 1


def test_pauses_grow_and_have_a_bound() -> None:
    assert [pause_s(tried, lambda: 1.0) for tried in (1, 2, 3, 4, 9, 60)] == [1, 2, 4, 8, 20, 20]
    assert pause_s(3, lambda: 0.0) == 0


def test_a_refused_precondition_after_a_lost_answer_is_stale(world: MakeWorld) -> None:
    """The engine then looks whose write it was: it may be our own."""
    here, server = world(Said(hang_up=True), Said(412, body=refusal("PreconditionFailed")))
    with pytest.raises(Stale):
        here.put(expect=Absent())
    assert [asked.headers["if-none-match"] for asked in server.asked] == ["*", "*"]


def test_a_lost_race_is_no_word_about_the_precondition(world: MakeWorld) -> None:
    here, _ = world(Said(409, body=refusal("ConditionalRequestConflict")))
    with pytest.raises(Raced):
        here.put(expect=Matches(TAG))


# --- the clock --------------------------------------------------------------------------------------------


def test_a_clock_that_is_refused_is_corrected_by_the_servers_once(world: MakeWorld) -> None:
    ahead = formatdate(time.time() + 7200, usegmt=True)
    skewed = Said(403, body=refusal("RequestTimeTooSkewed"), headers={"Date": ahead})
    here, server = world(skewed, OK, retries=0)
    here.put()
    first, second = (asked.headers["x-amz-date"] for asked in server.asked)
    told = time.strftime("%Y%m%dT%H", time.gmtime(time.time() + 7200))
    assert not first.startswith(told)
    assert second[:11] in {told, time.strftime("%Y%m%dT%H", time.gmtime(time.time() + 7140))}
    here.put()
    assert server.asked[-1].headers["x-amz-date"][:11] == second[:11]


def test_a_clock_that_is_refused_twice_is_told(world: MakeWorld) -> None:
    here, server = world(Said(403, body=refusal("RequestTimeTooSkewed")), retries=0)
    with pytest.raises(RemoteError, match="the request's time is not the server's"):
        here.put()
    assert len(server.asked) == 2


# --- credentials ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["ExpiredToken", "InvalidToken", "InvalidAccessKeyId"])
def test_expired_credentials_are_looked_up_anew_once_outside_the_retries(
    world: MakeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.setattr(renewing, "REST_S", 0.0)
    here, server = world(Said(400, body=refusal(code)), OK, retries=0)
    write_keys(tmp_path, "second")
    here.put()
    assert [signed_by(asked) for asked in server.asked] == ["first", "second"]
    assert [asked.headers["x-amz-security-token"] for asked in server.asked] == ["token-first", "token-second"]


def test_credentials_that_stay_expired_are_told(world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewing, "REST_S", 0.0)
    here, server = world(Said(400, body=refusal("ExpiredToken")), retries=0)
    with pytest.raises(RemoteError) as expired:
        here.put()
    assert expired.value.kind is RemoteKind.EXPIRED
    assert len(server.asked) == 1


# --- another region ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "elsewhere",
    [
        Said(301, body=refusal("PermanentRedirect"), headers={"x-amz-bucket-region": "eu-west-3"}),
        Said(307, body=refusal("TemporaryRedirect"), headers={"x-amz-bucket-region": "eu-west-3"}),
        Said(400, body=refusal("AuthorizationHeaderMalformed", Region="eu-west-3")),
        Said(400, body=refusal("IllegalLocationConstraintException"), headers={"x-amz-bucket-region": "eu-west-3"}),
    ],
)
def test_a_region_that_is_named_is_learnt_once_for_the_bucket(world: MakeWorld, elsewhere: Said) -> None:
    here, server = world(elsewhere, OK, retries=0)
    here.put()
    here.put()
    assert [scope(asked) for asked in server.asked] == ["us-east-1", "eu-west-3", "eu-west-3"]


@pytest.mark.parametrize("region", ["", "evil.example.com/", "x\r\ny"])
def test_no_location_is_ever_followed(world: MakeWorld, region: str) -> None:
    with Scripted(OK) as trap:
        moved = Said(
            307,
            headers={"Location": f"{trap.endpoint}/bucket/k"},
            body=refusal("TemporaryRedirect", Region=region, Endpoint=trap.endpoint),
        )
        here, server = world(moved, retries=0)
        with pytest.raises(RemoteError):
            here.put()
        assert len(server.asked) == 1
        assert trap.asked == []


def test_a_region_that_is_named_in_vain_is_told(world: MakeWorld) -> None:
    answers = [Said(400, body=refusal("AuthorizationHeaderMalformed", Region=f"eu-west-{n}")) for n in (1, 2, 3)]
    here, server = world(*answers, retries=0)
    with pytest.raises(RemoteError, match="signed for another region"):
        here.put()
    assert len(server.asked) == 2


# --- what is sent -----------------------------------------------------------------------------------------

CONTENT = b"content"
SHA256 = hashlib.sha256(CONTENT)


@pytest.mark.parametrize(
    ("sums", "checksum", "payload", "answered"),
    [
        (Checksums(sha256=SHA256.digest()), "none", SHA256.hexdigest(), SHA256.hexdigest()),
        (Checksums(crc64nvme=5), "crc64nvme", "UNSIGNED-PAYLOAD", ""),
        (Checksums(), "none", SHA256.hexdigest(), SHA256.hexdigest()),
    ],
    ids=["known", "a checksum stands for it", "unknown"],
)
def test_a_body_is_signed_with_its_hash_or_its_checksum_stands_for_it(
    world: MakeWorld, sums: Checksums, checksum: str, payload: str, answered: str
) -> None:
    here, server = world(OK, checksum=checksum)
    answer = here.put(CONTENT, sums=sums)
    assert server.asked[0].headers["x-amz-content-sha256"] == payload
    assert answer.payload == answered
    if checksum == "crc64nvme":
        assert server.asked[0].headers["x-amz-checksum-crc64nvme"] == "AAAAAAAAAAU="
        assert "x-amz-checksum-crc64nvme" in server.asked[0].headers["authorization"]


def test_metadata_that_is_too_large_is_sent_again_without_what_decides_nothing(world: MakeWorld) -> None:
    here, server = world(Said(400, body=refusal("MetadataTooLarge")), OK)
    here.put(headers=ObjectHeaders(metadata={"original-filename": "n", "file-size": "3"}))
    assert "x-amz-meta-original-filename" in server.asked[0].headers
    assert "x-amz-meta-original-filename" not in server.asked[1].headers
    assert server.asked[1].headers["x-amz-meta-file-size"] == "3"


def test_an_error_in_the_body_of_a_200_is_an_error(world: MakeWorld) -> None:
    here, _ = world(Said(200, body=refusal("AccessDenied"), headers={"ETag": '"e"'}))
    with pytest.raises(RemoteError) as failed:
        here.put()
    assert failed.value.code == "AccessDenied"


def test_an_answer_without_an_etag_is_no_success(world: MakeWorld) -> None:
    here, _ = world(Said(200, body=b"<html>hello</html>"))
    with pytest.raises(RemoteError, match="without an ETag"):
        here.put()


class Span(io.BytesIO):
    """A body that says where its bytes lie in an open file."""

    def __init__(self, fd: int, offset: int, size: int) -> None:
        super().__init__()
        self._span = fd, offset, size

    def fileno_span(self) -> tuple[int, int, int]:
        return self._span


def test_a_body_that_lies_in_a_file_is_sent_from_there_each_time(world: MakeWorld, tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000
    (tmp_path / "f").write_bytes(b"before" + content + b"after")
    here, server = world(BUSY, OK)
    with (tmp_path / "f").open("rb") as file:
        body = Span(file.fileno(), 6, len(content))
        here.store.put("k", body, len(content), expect=Unchecked(), headers=ObjectHeaders(), sums=Checksums())
    assert [asked.body for asked in server.asked] == [content, content]


# --- what is read -----------------------------------------------------------------------------------------


def read(here: World, **more: Any) -> bytes:
    with here.store.get("k", expect=TAG, **more) as body:
        return b"".join(body)


def test_a_read_names_its_etag_and_takes_the_bytes_as_they_are(world: MakeWorld) -> None:
    here, server = world(Said(body=b"abc", headers={"ETag": '"e"'}))
    assert read(here) == b"abc"
    asked = server.asked[0].headers
    assert (asked["if-match"], asked["accept-encoding"], "range" in asked) == ('"e"', "identity", False)


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, {"Content-Length": "10"}),
        (206, {"Content-Length": "3", "Content-Range": "bytes 0-2/10"}),
        (206, {"Content-Length": "2", "Content-Range": "bytes 4-5/10"}),
        (206, {"Content-Length": "3", "Content-Range": "nonsense"}),
    ],
)
def test_another_range_than_the_one_asked_for_is_corrupt(
    world: MakeWorld, status: int, headers: dict[str, str]
) -> None:
    here, _ = world(Said(status, {"ETag": '"e"', **headers}, b"x" * int(headers["Content-Length"])))
    with pytest.raises(RemoteError) as wrong:
        read(here, start=4, length=3)
    assert wrong.value.kind is RemoteKind.CORRUPT


def test_a_store_that_ignores_if_match_is_found_out(world: MakeWorld) -> None:
    here, _ = world(Said(body=b"x", headers={"ETag": '"other"'}))
    with pytest.raises(Stale):
        read(here)


def test_a_body_that_is_cut_is_an_error_that_can_be_tried_again(world: MakeWorld) -> None:
    here, _ = world(Said(body=b"only", headers={"ETag": '"e"', "Content-Length": "10", "Connection": "close"}))
    with pytest.raises(RemoteError) as cut:
        read(here)
    assert (cut.value.kind, cut.value.retryable) == (RemoteKind.UNAVAILABLE, True)


@pytest.mark.parametrize("page", [b"<html>hello</html>", b"hello <br>", b"", b"<Error><Code>x</Code></Error>"])
def test_another_server_is_never_taken_for_an_empty_bucket(world: MakeWorld, page: bytes) -> None:
    here, server = world(Said(body=page))
    with pytest.raises(RemoteError) as strange:
        list(here.store.list(""))
    assert strange.value.retryable
    assert len(server.asked) == 1


def test_the_servers_clock_goes_on_from_its_last_answer(world: MakeWorld) -> None:
    here, _ = world(EMPTY_PAGE)
    list(here.store.list(""))
    assert 0 <= here.store.server_now() - 1795741323 < 60


def test_a_bucket_that_was_listed_is_not_looked_for_again(world: MakeWorld) -> None:
    here, server = world(EMPTY_PAGE, Said(404))
    list(here.store.list(""))
    assert here.store.head("k") is None
    assert [asked.method for asked in server.asked] == ["GET", "HEAD"]
