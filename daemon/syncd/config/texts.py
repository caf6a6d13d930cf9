"""Lines of text that one key each takes: names, regions, classes, hosts and the like."""

from __future__ import annotations

import re

from syncd.config.addresses import check_endpoint, check_host, check_index_url
from syncd.config.kinds import Secret, Text
from syncd.config.quantities import Unreadable, quote
from syncd.config.remotes import REMOTE

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_NOT_IN_AN_INDEX = frozenset('\\/*?"<>| ,#:')
_CLASS = re.compile(r"auto|[A-Za-z0-9_-]{1,64}", re.ASCII)


def check_name(name: str) -> None:
    """Raise Unreadable where this cannot name a section: it becomes a file name and a word on a command line."""
    if not _NAME.fullmatch(name):
        raise Unreadable(
            f"{quote(name)} is no name: 1 to 64 letters, digits, dots, hyphens and underscores, a letter or digit first"
        )


def check_class(name: str) -> None:
    """Raise Unreadable where this cannot be a storage class on any store."""
    if not _CLASS.fullmatch(name):
        raise Unreadable(f'{quote(name)} is not "auto" or the name of a storage class such as STANDARD_IA')


def check_token(text: str) -> None:
    """Raise Unreadable where spaces stand in what is one word."""
    if any(char.isspace() for char in text):
        raise Unreadable(f"{quote(text)} holds a space")


def check_region(text: str) -> None:
    """Raise Unreadable where this cannot be a region."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text, re.ASCII):
        raise Unreadable(f"{quote(text)} is no region; write one such as us-east-1")


def check_index_name(name: str) -> None:
    """Raise Unreadable where Elasticsearch would not take this as the name of an index."""
    wrong = not 1 <= len(name.encode()) <= 255 or name[0] in "-_+." or name != name.lower()
    if wrong or any(char in _NOT_IN_AN_INDEX or not char.isprintable() for char in name):
        raise Unreadable(f"{quote(name)} is no name of an index; write one in lower case such as syncd-archives")


def check_account(name: str) -> None:
    """Raise Unreadable where this cannot be a name in basic authentication."""
    if ":" in name:
        raise Unreadable("holds a colon, which no user name may; the password has a key of its own")


NAME = Text("a name in quotes", check_name)
REMOTE_TEXT = Text(REMOTE)
ENDPOINT = Text("an URL in quotes", check_endpoint)
REGION = Text("a region in quotes", check_region)
TOKEN = Text("a word in quotes", check_token)
STORAGE_CLASS = Text('"auto" or a storage class in quotes', check_class)
BUCKET = Text("a bucket's name in quotes")
HOST = Text("a host in quotes", check_host)
INDEX_URL = Text("an URL in quotes", check_index_url)
INDEX_NAME = Text("an index's name in quotes", check_index_name)
ACCOUNT = Text("a user's name in quotes", check_account)
PASSWORD = Secret()
API_KEY = Secret(one_word=True)
