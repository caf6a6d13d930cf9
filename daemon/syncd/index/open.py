"""From `[batch.elasticsearch]` to an index; its client is imported here and not before."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from syncd.config.types import Index
from syncd.errors import ConfigError

if TYPE_CHECKING:
    from syncd.ports import ArchiveIndex

OPENSEARCH = "opensearch"
PACKAGES = {"elasticsearch": "elasticsearch", OPENSEARCH: "opensearchpy"}
"""What each flavor imports; it is also the name of the extra that brings it."""

ELASTICSEARCH_MAJOR = 8
"""A client of 9 asks servers for version 9, which those of 8 refuse."""


def open_index(settings: Index) -> ArchiveIndex | None:
    """The index that is configured, None where none is. Sends nothing.

    ConfigError: the client's package is missing, or the URL, the credentials or the ca_file cannot be.
    """
    if not settings.url:
        return None
    _check_package(settings.flavor)
    if settings.flavor == OPENSEARCH:
        from syncd.index import opensearch

        return opensearch.connect(settings)
    from syncd.index import elastic

    return elastic.connect(settings)


def _check_package(flavor: str) -> None:
    """Raise ConfigError with what to type where the client cannot be used."""
    package = PACKAGES[flavor]
    install = f"pip install 'syncd[{flavor}]'"
    try:
        client = importlib.import_module(package)
    except ImportError as error:
        raise ConfigError(
            [f"elasticsearch.url: the Python package {package} is missing ({error})"], hint=install
        ) from error
    if flavor != OPENSEARCH and client.__version__[0] != ELASTICSEARCH_MAJOR:
        version = ".".join(str(part) for part in client.__version__)
        raise ConfigError([f"elasticsearch.url: the Python package {package} is {version}, not 8"], hint=install)
