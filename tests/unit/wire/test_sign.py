"""Our signature is botocore's, whatever is signed."""

from __future__ import annotations

import datetime
import hashlib
import random
import string
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest
from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from syncd.s3.wire.sign import EMPTY, UNSIGNED, Keys, Signer, encoded_path, encoded_query

NOW = datetime.datetime(2026, 11, 27, 23, 59, 59, tzinfo=datetime.timezone.utc)
KEYS = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
HOST = "bucket.s3.example.com:9000"


class Oracle(auth.S3SigV4Auth):
    """botocore's signer, told the body's hash."""

    def __init__(self, keys: Keys, region: str, payload: str) -> None:
        super().__init__(Credentials(keys.access_key, keys.secret_key, keys.token or None), "s3", region)
        self._payload = payload

    def payload(self, request: Any) -> str:
        return self._payload


@pytest.fixture(autouse=True)
def _same_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "get_current_datetime", lambda: NOW)


def theirs(
    keys: Keys, region: str, method: str, path: str, query: str, headers: Mapping[str, str], payload: str
) -> str:
    url = f"https://{HOST}{path}?{query}" if query else f"https://{HOST}{path}"
    request = AWSRequest(method=method, url=url, headers=dict(headers))
    Oracle(keys, region, payload).add_auth(request)
    return str(request.headers["Authorization"])


def ours(
    keys: Keys, region: str, method: str, path: str, query: str, headers: Mapping[str, str], payload: str
) -> dict[str, str]:
    lines = Signer(region).headers(keys, method, path, query, headers, payload, now=NOW.timestamp())
    assert lines.endswith(b"\r\n")
    return dict(line.split(":", 1) for line in lines.decode("ascii").removesuffix("\r\n").split("\r\n"))


PRINTABLE = string.ascii_letters + string.digits + string.punctuation
TEXTS = st.text(max_size=60)
VALUES = st.text(alphabet=PRINTABLE + "   ", max_size=80)
NAMES = st.text(alphabet=string.ascii_lowercase + string.digits + "-", min_size=1, max_size=12)
SECRETS = st.text(alphabet=PRINTABLE, min_size=1, max_size=60)


@settings(deadline=None)
@given(
    key=TEXTS,
    query=st.dictionaries(TEXTS, TEXTS, max_size=5),
    metadata=st.dictionaries(NAMES, VALUES, max_size=6),
    keys=st.builds(Keys, SECRETS, SECRETS, st.just("") | SECRETS),
    region=st.sampled_from(["us-east-1", "eu-central-1", "auto", "x"]),
    method=st.sampled_from(["PUT", "GET", "POST", "HEAD", "DELETE"]),
    payload=st.sampled_from([UNSIGNED, EMPTY]),
)
def test_a_signature_is_botocores(
    key: str,
    query: dict[str, str],
    metadata: dict[str, str],
    keys: Keys,
    region: str,
    method: str,
    payload: str,
) -> None:
    path, text = f"/bucket/{encoded_path(key)}", encoded_query(query)
    headers = {"host": HOST, "if-match": '"e"', **{f"x-amz-meta-{name}": value for name, value in metadata.items()}}
    given = (keys, region, method, path, text, headers, payload)
    assert ours(*given)["authorization"] == theirs(*given)


def test_thousands_of_seeded_requests_are_signed_as_botocore_signs_them() -> None:
    rng = random.Random(5)
    signer = Signer("eu-west-1")
    alphabet = PRINTABLE + " äß日本😀\x7f"
    for number in range(3000):
        key = "".join(rng.choices(alphabet, k=rng.randrange(1, 200))) + rng.choice(["", "/", "//", "/./", "/../x"])
        query = {"uploadId": "".join(rng.choices(PRINTABLE, k=40)), "partNumber": str(number)} if number % 2 else {}
        headers = {
            "host": HOST,
            "content-md5": "".join(rng.choices(PRINTABLE, k=24)),
            "range": f"bytes={number}-{number * 2}",
            **{f"x-amz-meta-{n}": " ".join(rng.choices(PRINTABLE, k=rng.randrange(20))) for n in range(number % 9)},
        }
        keys = KEYS if number % 3 else Keys("A", "B", "token" * 300)
        payload = hashlib.sha256(key.encode()).hexdigest()
        path, text = f"/{encoded_path(key)}", encoded_query(query)
        lines = signer.headers(keys, "PUT", path, text, headers, payload, now=NOW.timestamp()).decode()
        wanted = theirs(keys, "eu-west-1", "PUT", path, text, headers, payload)
        assert f"authorization:{wanted}\r\n" in lines, (key, headers)


@settings(deadline=None)
@given(TEXTS)
def test_a_key_is_spelt_in_a_path_as_botocore_spells_it(key: str) -> None:
    assert encoded_path(key) == quote(key, safe="/~")


@pytest.mark.parametrize("key", ["a//b", "a/./b", "a/../b", "~", "a?b#c", "../..", " "])
def test_nothing_of_a_key_is_normalised(key: str) -> None:
    path = encoded_path(key)
    assert path.count("/") == key.count("/")
    assert not set(path) & set("?# ")


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "tab\there", "ümlaut", "nul\0", "del\x7f"])
def test_a_value_that_http_cannot_hold_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="x-amz-meta-a"):
        Signer("r").headers(KEYS, "PUT", "/k", "", {"host": HOST, "x-amz-meta-a": value}, EMPTY, now=0)


@pytest.mark.parametrize("name", ["AKID\r\nX-Evil: 1", "AKID\n", "\r\n", "schlüssel", "AKID\0"])
def test_an_access_key_that_http_cannot_hold_is_refused_each_time(name: str) -> None:
    signer, keys = Signer("r"), Keys(name, "secret")
    for _ in range(2):
        with pytest.raises(ValueError, match="access key"):
            signer.headers(keys, "PUT", "/k", "", {"host": HOST}, EMPTY, now=0)


def test_a_value_over_two_kilobytes_goes_whole() -> None:
    said = ours(KEYS, "r", "PUT", "/k", "", {"host": HOST, "x-amz-meta-a": "x" * 5000}, EMPTY)
    assert said["x-amz-meta-a"] == "x" * 5000


def test_every_header_that_is_given_is_signed_and_sent() -> None:
    said = ours(Keys("A", "B", "C"), "r", "GET", "/k", "", {"host": HOST, "range": "bytes=0-1"}, UNSIGNED)
    names = "host;range;x-amz-content-sha256;x-amz-date;x-amz-security-token"
    assert f"SignedHeaders={names}," in said["authorization"]
    assert {name: said[name] for name in names.split(";")} == {
        "host": HOST,
        "range": "bytes=0-1",
        "x-amz-content-sha256": UNSIGNED,
        "x-amz-date": "20261127T235959Z",
        "x-amz-security-token": "C",
    }


def test_a_signer_keeps_up_with_the_day_and_with_new_keys() -> None:
    signer = Signer("r")
    headers = {"host": HOST}
    for keys, now in [(KEYS, 0.0), (KEYS, 86_399.9), (KEYS, 86_400.0), (Keys("B", "c"), 86_400.0), (KEYS, 0.0)]:
        fresh = Signer("r").headers(keys, "GET", "/", "", headers, EMPTY, now=now)
        assert signer.headers(keys, "GET", "/", "", headers, EMPTY, now=now) == fresh


def test_secrets_are_not_shown() -> None:
    assert repr(Keys("A", "the secret", "the token")) == "Keys(access_key='A')"


@pytest.mark.parametrize("value", [" a", "a ", "a  b", "  a   b  c ", "", " "])
def test_spaces_of_a_value_are_signed_as_botocore_signs_them_and_sent_as_they_stand(value: str) -> None:
    given = (KEYS, "r", "PUT", "/k", "", {"host": HOST, "x-amz-meta-a": value}, EMPTY)
    said = ours(*given)
    assert said["authorization"] == theirs(*given)
    assert said["x-amz-meta-a"] == value
