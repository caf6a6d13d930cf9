"""From `[s3]` to a client as boto3 makes it: by botocore, which is imported here and not before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from syncd import __version__
from syncd.config.types import S3
from syncd.errors import ConfigError, Stale, SyncdError
from syncd.s3.models import read_only_asked
from syncd.s3.signing import sign_known_payloads
from syncd.s3.translate import Place, no_credentials

if TYPE_CHECKING:
    import botocore.session
    from mypy_boto3_s3 import S3Client

    from syncd.s3.renewing import RenewingCredentials

CONNECT_TIMEOUT_S = 10
READ_TIMEOUT_S = 60
AUTO_CONNECTIONS = 128
"""The most connections kept where concurrency is auto: a bound, they are opened as needed."""
SPARE_CONNECTIONS = 8
"""For the listings and looks beside the transfers."""

FALLBACK_REGION = "us-east-1"
"""What stores other than AWS sign with where nothing is said."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A client, the credentials that it signs with, and the file or folder of the authorities that it trusts."""

    client: S3Client
    credentials: RenewingCredentials
    authorities: str
    place: Place


def connect(settings: S3) -> S3Client:
    """The client of `connected` alone."""
    return connected(settings).client


def connected(settings: S3) -> Connection:
    """A client for that endpoint. Sends nothing, though credentials may be fetched (instance metadata, SSO).

    ConfigError: an unknown profile, no region, an endpoint or addressing that cannot be. RemoteError: no credentials.
    """
    _check_endpoint(settings.endpoint_url)
    place = Place(settings.endpoint_url or "AWS")
    with place.translated(), _configuration_errors(settings):
        session = _session(settings)
        named = settings.region or session.get_config_variable("region")
        region = named or (FALLBACK_REGION if settings.endpoint_url else "")
        if not region:
            raise ConfigError(["s3.region: no region"], hint="set region in [s3] or AWS_REGION")
        credentials = _renewing(session, settings)
        if credentials is None:
            raise no_credentials(place)
        # not by a session of boto3, which adds upload_file and its threads: 0.1 s and 6 MB for what we never call
        made = session.create_client(
            "s3", endpoint_url=settings.endpoint_url or None, region_name=region, config=_options(settings)
        )
    client = cast("S3Client", made)
    credentials.watch(client)
    sign_known_payloads(client)
    client.meta.events.register_first("needs-retry.s3", _give_up_on_our_own_errors, unique_id="syncd-own-errors")
    return Connection(client, credentials, _authorities(session), place)


def is_aws(endpoint_url: str) -> bool:
    """Whether that endpoint (empty: the default one) is AWS itself."""
    host = urlsplit(endpoint_url).hostname or ""
    return not endpoint_url or host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))


def _renewing(session: botocore.session.Session, settings: S3) -> RenewingCredentials | None:
    """The credentials that this session finds, put into it so that they are looked up anew after a refusal."""
    from botocore import exceptions as boto

    from syncd.s3.renewing import RenewingCredentials, TheseCredentials

    def lookup() -> Any:
        try:
            return _found(_session(settings))
        except boto.BotoCoreError:  # a file or a program that is just being changed
            return None

    found = _found(session)
    if found is None:
        return None
    renewing = RenewingCredentials(found, lookup)
    session.register_component("credential_provider", TheseCredentials(renewing))
    return renewing


def _authorities(session: botocore.session.Session) -> str:
    """As botocore finds them: ca_bundle of the profile or AWS_CA_BUNDLE, what `requests` heeds, its own."""
    from botocore.httpsession import get_cert_path

    named = session.get_config_variable("ca_bundle")
    if named is None:
        named = os.environ.get("REQUESTS_CA_BUNDLE", os.environ.get("CURL_CA_BUNDLE", True))
    return str(get_cert_path(named))


def _session(settings: S3) -> botocore.session.Session:
    import botocore.session

    session = botocore.session.Session(profile=settings.profile or None)
    read_only_asked(session)
    return session


def _found(session: botocore.session.Session) -> Any:
    """What the SDK's own chain finds: environment, files, programs, roles, the instance. None: nothing."""
    return session.get_component("credential_provider").load_credentials()


def _options(settings: S3) -> Any:
    from botocore.config import Config

    options: dict[str, Any] = {
        "s3": {"addressing_style": settings.addressing},
        "retries": {"mode": "standard", "total_max_attempts": settings.retries + 1},
        "max_pool_connections": (settings.concurrency or AUTO_CONNECTIONS) + SPARE_CONNECTIONS,
        "connect_timeout": CONNECT_TIMEOUT_S,
        "read_timeout": READ_TIMEOUT_S,
        "tcp_keepalive": True,
        "user_agent_extra": f"syncd/{__version__}",
    }
    if settings.checksum == "none" or not is_aws(settings.endpoint_url):
        options["request_checksum_calculation"] = "when_required"
    if not is_aws(settings.endpoint_url):
        options["response_checksum_validation"] = "when_required"
    return Config(**options)


def _check_endpoint(url: str) -> None:
    if not url:
        return
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, half an IPv6 address
        usable = False
    if not usable:
        raise ConfigError(
            [f"s3.endpoint_url: {url!r} is no URL of an endpoint"],
            hint='write it as "https://host" or "http://host:port"',
        )


@contextmanager
def _configuration_errors(settings: S3) -> Iterator[None]:
    """What only the configuration can mend."""
    from botocore import exceptions as boto

    try:
        yield
    except boto.ProfileNotFound as error:
        named = settings.profile or "named by AWS_PROFILE"
        raise ConfigError(
            [f"s3.profile: the profile {named} is not in the AWS configuration"],
            hint="check profile in [s3], AWS_PROFILE, ~/.aws/config and ~/.aws/credentials of the daemon's user",
        ) from error
    except boto.NoRegionError as error:
        raise ConfigError(["s3.region: no region"], hint="set region in [s3] or AWS_REGION") from error
    except (boto.InvalidRegionError, boto.InvalidS3AddressingStyleError, boto.ConfigParseError) as error:
        raise ConfigError([f"s3: {error}"]) from error
    except ValueError as error:  # botocore's own look at the URL
        raise ConfigError([f"s3.endpoint_url: {error}"]) from error


def _give_up_on_our_own_errors(*, caught_exception: Any, **_: object) -> Any:
    """No retry where reading the local file failed: it would fail again, after a wait."""
    inner = getattr(caught_exception, "kwargs", {}).get("error")
    return False if isinstance(inner, (Stale, SyncdError)) else None
