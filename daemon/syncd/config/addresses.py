"""Addresses of servers: URLs, and hosts by name or number. What is wrong is said without the secrets in it."""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

from syncd.config.quantities import Unreadable, quote

_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?", re.ASCII)

ENDPOINT_URL = "an URL such as https://s3.example.com or http://127.0.0.1:9000"
ENDPOINT_SECRETS = "use a profile, or AWS_ACCESS_KEY_ID in the environment"
INDEX_URL = "an URL such as https://search.example.com:9200"
INDEX_SECRETS = "write api_key, or username and password"


def check_endpoint(url: str) -> None:
    """Raise Unreadable where this is no endpoint URL; "" means AWS."""
    _check_url(url, ENDPOINT_URL, ENDPOINT_SECRETS)


def check_index_url(url: str) -> None:
    """Raise Unreadable where this is no URL of a search server; "" means none."""
    _check_url(url, INDEX_URL, INDEX_SECRETS)


def _check_url(url: str, allowed: str, secrets: str) -> None:
    if not url:
        return
    if "@" in url:  # before anything that repeats the URL
        raise Unreadable(f"credentials do not belong in the URL; {secrets}")
    if any(char.isspace() or not char.isprintable() for char in url):
        raise Unreadable(f"{quote(url)} is not {allowed}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Unreadable(f"{quote(url)} is not {allowed} ({error})") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0:
        raise Unreadable(f"{quote(url)} is not {allowed}")
    if parts.query or parts.fragment:
        raise Unreadable(f"{quote(url)} has a query or fragment; write only scheme, host and port")


def check_host(host: str) -> None:
    """Raise Unreadable where this names no host; "" means none. IPv6 addresses stand without brackets."""
    if not host:
        return
    allowed = "a host's name or address alone, such as logs.example.com, 192.0.2.7 or 2001:db8::7"
    if "://" in host or "@" in host:
        raise Unreadable(f"write {allowed}; the protocol has a key of its own")
    if ":" in host:
        try:
            ip_address(host.partition("%")[0])
        except ValueError:
            raise Unreadable(f"{quote(host)} is not {allowed}; the port has a key of its own") from None
    elif not _HOST.fullmatch(host):
        raise Unreadable(f"{quote(host)} is not {allowed}")
