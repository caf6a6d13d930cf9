"""The index template: which fields the documents have, so that Kibana can filter, sort and chart by them."""

from __future__ import annotations

from typing import Any

VERSION = 1
"""Of the mapping below. A template of the same or a newer version is left alone: an admin may have changed it."""

PRIORITY = 500
"""Above the templates that come with the server or its agents (100 and 200), two of one priority are refused."""

_KEYWORD: dict[str, Any] = {"type": "keyword"}

FIELDS: dict[str, dict[str, Any]] = {
    "bucket": _KEYWORD,
    "key": _KEYWORD,
    "name": {"type": "text", "fields": {"keyword": _KEYWORD}},  # words of a name are found, and whole names by wildcard
    "folder": _KEYWORD,
    "archive_key": _KEYWORD,
    "archive_url": _KEYWORD,  # Kibana makes it a link by the URL format of its data view
    "uuid": _KEYWORD,
    "offset": {"type": "long"},
    "size": {"type": "long"},
    "sha256": _KEYWORD,
    "mtime": {"type": "date"},
    "archived_at": {"type": "date"},
    "host": _KEYWORD,
    "schema_version": {"type": "integer"},
}


def index_template(index: str) -> dict[str, Any]:
    """The body of PUT _index_template for that index, and for those that a rollover names after it."""
    return {
        "index_patterns": [index, f"{index}-*"],
        "priority": PRIORITY,
        "version": VERSION,
        "template": {"mappings": {"dynamic": False, "properties": FIELDS}},
        "_meta": {"managed_by": "syncd"},
    }


def is_current(answer: object) -> bool:
    """Whether the answer to GET _index_template holds a template that is not to be replaced."""
    match answer:
        case {"index_templates": [{"index_template": {"version": int(version)}}, *_]}:
            return version >= VERSION
        case {"index_templates": [{"index_template": dict()}, *_]}:
            return True  # one without a version is somebody's own
        case _:
            return False
