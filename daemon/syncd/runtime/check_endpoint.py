"""How a pair gets to its endpoint: with whose credentials, and whether somebody listens there."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from syncd.config.types import Pair
from syncd.core.paths import OURS
from syncd.errors import RemoteError
from syncd.runtime.assembly import Link
from syncd.runtime.check_bucket import BucketCheck, Surroundings, sign_in
from syncd.runtime.finding import CREDENTIALS, FAIL, S3, Finding, looked
from syncd.s3.counts import RequestCounts
from syncd.s3.translate import Place

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

CONNECT_S = 5.0
BUCKETS = 3
"""So many of a pair's buckets are looked at in the buckets layout."""


def endpoint_findings(
    pair: Pair,
    around: Surroundings,
    *,
    first: bool,
    buckets: Callable[[Link], Iterator[Finding]] | None = None,
) -> Iterator[Finding]:
    """Every check of one pair's endpoint and bucket. `first`: no other pair of this endpoint was looked at before.

    `buckets` looks at the buckets, where they are not the pair's own.
    """
    link: list[Link] = []
    found = list(looked(f"{pair.name} credentials", CREDENTIALS, lambda: _credentials(pair, around, link)))
    if first or not link:
        yield from found
    reached = list(looked(f"{pair.name} endpoint", S3, lambda: _connection(pair, around, link)))
    if first or any(finding.level == FAIL for finding in reached):
        yield from reached
    lost = [finding for finding in (*found, *reached) if finding.level == FAIL]
    if lost or not link:
        yield Finding(
            check=f"{pair.name} bucket",
            kind=S3,
            level=FAIL,
            message=f"{pair.remote} was not looked at: no way to it" + (f", see {lost[0].check}" if lost else ""),
        )
        return
    if buckets is not None:
        yield from buckets(link[0])
        return
    for each in _each_bucket(pair):
        yield from BucketCheck(pair, replace(link[0], pair=each), around).findings()


# --- the way there ---


def _credentials(pair: Pair, around: Surroundings, link: list[Link]) -> Iterator[Finding]:
    """Make the client, which finds the credentials, and say whose they are. Leaves the link in `link`."""
    check = f"{pair.name} credentials"
    try:
        made = Link.to(replace(pair, s3=replace(pair.s3, retries=0)), RequestCounts(), lambda bucket, error: None)
        key = _access_key(made.client)
    except RemoteError as error:
        remedy = sign_in(pair, error)
        yield Finding(check=check, kind=CREDENTIALS, level=FAIL, message=error.message, remedy=remedy)
        return
    link.append(made)
    if pair.s3.profile:
        source = f"profile {pair.s3.profile}"
    elif around.environ.get("AWS_ACCESS_KEY_ID"):
        source = "AWS_ACCESS_KEY_ID"
    elif around.environ.get("AWS_PROFILE"):
        source = f"AWS_PROFILE={around.environ['AWS_PROFILE']}"
    else:
        source = "the SDK's usual places"
    shown = key if len(key) < 8 else f"{key[:4]}…{key[-4:]}"
    yield Finding(check=check, kind=CREDENTIALS, message=f"access key {shown}, from {source}")


def _access_key(client: S3Client) -> str:
    """The access key that requests are signed with: it stands in a URL signed for nobody, which is not sent."""
    with Place(client.meta.endpoint_url).translated():
        url = client.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "key"}, ExpiresIn=1)
    query = parse_qs(urlsplit(url).query)
    found = query.get("X-Amz-Credential", query.get("AWSAccessKeyId", ["unknown"]))[0]
    return found.partition("/")[0]


def _connection(pair: Pair, around: Surroundings, link: list[Link]) -> Iterator[Finding]:
    """Whether the host name is known and somebody listens there."""
    check, url = f"{pair.name} endpoint", link[0].client.meta.endpoint_url if link else pair.s3.endpoint_url
    parts = urlsplit(url)
    if not parts.hostname:
        return
    proxy = around.environ.get(f"{parts.scheme}_proxy") or around.environ.get(f"{parts.scheme.upper()}_PROXY")
    if proxy:
        yield Finding(check=check, kind=S3, message=f"{url} by the proxy {urlsplit(proxy).hostname or proxy}")
        return
    port = parts.port or (443 if parts.scheme == "https" else 80)
    problem, remedy = _tried(parts.hostname, port)
    if problem:
        message = f"{url}: {problem}"
        yield Finding(check=check, kind=S3, level=FAIL, message=message, remedy=remedy)
    else:
        yield Finding(check=check, kind=S3, message=f"{url} takes connections")


def _tried(host: str, port: int) -> tuple[str, str]:
    """What is wrong with a connection to that place, and a command that shows it."""
    name = shlex.quote(host)
    try:
        socket.create_connection((host, port), timeout=CONNECT_S).close()
    except (socket.gaierror, UnicodeError):  # the latter: a label that is empty or too long
        return "the host name is not known", f"getent hosts {name}   # else correct endpoint_url in [s3]"
    except ConnectionRefusedError:
        return "nobody listens there", f"nc -vz {name} {port}   # else correct endpoint_url in [s3]"
    except TimeoutError:
        return f"no answer within {CONNECT_S:g} s", f"nc -vz -w 5 {name} {port}   # a firewall?"
    except OSError as error:
        return error.strerror or str(error), f"ip route get {name}"
    return "", ""


def _each_bucket(pair: Pair) -> list[Pair]:
    """The pair for each bucket that is looked at: itself, or some of its folders in the buckets layout."""
    if pair.layout != "buckets":
        return [pair]
    names = sorted(f.name for f in pair.local.iterdir() if f.is_dir() and not f.name.startswith(".") and f.name != OURS)
    return [replace(pair, layout="prefix", bucket=name, prefix="") for name in names[:BUCKETS]]
