"""Where the index is and who we are there: parsed once, and told without what is secret in it."""

from __future__ import annotations

import base64
import ssl
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from syncd.config.types import Index
from syncd.errors import ConfigError

DEFAULT_PORTS = {"http": 9200, "https": 443}
"""As the official client has it: a bare host speaks HTTP on Elasticsearch's own port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One endpoint. `prefix` is "" or begins with "/"; the credentials are of the URL, "" where it has none."""

    scheme: str
    host: str  # without the brackets of an IPv6 address
    port: int
    prefix: str = ""
    username: str = ""
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.prefix}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The value of the Authorization header ("" for none), and every form of what must never be told."""

    header: str = field(default="", repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


def parse_address(url: str) -> Address:
    """`http://host:9200`, `https://user:password@host/prefix`, or bare `host:9200`, which is HTTP. ConfigError."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
        if parts.scheme not in DEFAULT_PORTS or not parts.hostname or port == 0 or parts.query or parts.fragment:
            raise ValueError
        parts.hostname.encode("idna")
    except ValueError:  # also of urlsplit: a port that is none, half an IPv6 address; and of names that DNS cannot have
        raise ConfigError(
            [f"elasticsearch.url: {_without_userinfo(url)!r} is no URL of an index"],
            hint='write it as "http://host:9200" or "https://host:9200"',
        ) from None
    return Address(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port or DEFAULT_PORTS[parts.scheme],
        prefix=parts.path.rstrip("/"),
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


def credentials(settings: Index, address: Address) -> Credentials:
    """The API key, else name and password, else those of the URL. ConfigError where they cannot be sent."""
    key = settings.api_key
    if key:
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise ConfigError(
                ["elasticsearch.api_key: it has characters that no API key has"],
                hint="give the `encoded` value of the key, or `id:key`, without blanks and line ends",
            )
        encoded = _base64(key) if ":" in key else key
        return Credentials(header=f"ApiKey {encoded}", secrets=(encoded, key, key.partition(":")[2]))
    name, password = settings.username, settings.password
    if not name:
        name, password = address.username, settings.password or address.password
    if not name:
        return Credentials()
    if ":" in name:
        raise ConfigError(["elasticsearch.username: a name with a colon cannot be sent"], hint="use an api_key")
    encoded = _base64(f"{name}:{password}")
    return Credentials(header=f"Basic {encoded}", secrets=(encoded, password))


def check_ca_file(settings: Index) -> str | None:
    """The file of certificates to trust instead of the usual ones; None for those. ConfigError where it is none."""
    if settings.ca_file is None:
        return None
    try:
        ssl.create_default_context(cafile=str(settings.ca_file))
    except ssl.SSLError as error:
        raise ConfigError(
            [f"elasticsearch.ca_file: {settings.ca_file} holds no certificate"], hint="it must be PEM"
        ) from error
    except OSError as error:
        raise ConfigError(
            [f"elasticsearch.ca_file: {settings.ca_file} cannot be read: {error.strerror}"],
            hint="the daemon's user must be able to read it",
        ) from error
    return str(settings.ca_file)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode("utf-8")).decode("ascii")


def _without_userinfo(url: str) -> str:
    """What may be shown of a URL that could not be parsed."""
    scheme, separator, rest = url.rpartition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}"
