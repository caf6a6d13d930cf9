"""OpenSearch by opensearch-py. Checked by a stub only: no OpenSearch server was ever asked."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from opensearchpy import OpenSearch, OpenSearchWarning
from opensearchpy.exceptions import ConnectionError as NoConnection
from opensearchpy.exceptions import ConnectionTimeout, NotFoundError, SerializationError, SSLError, TransportError

from syncd import checkpoint
from syncd.config.types import Index
from syncd.index.address import check_ca_file, credentials, parse_address
from syncd.index.bound import Bound
from syncd.index.failure import Place
from syncd.index.remote import CONNECTIONS, RemoteIndex


class OpenSearchIndex(RemoteIndex):
    """`ports.ArchiveIndex` on OpenSearch."""

    def __init__(self, client: OpenSearch, *, index: str, place: Place, bound: Bound) -> None:
        super().__init__(index=index, place=place)
        self._client = client
        self._bound = bound

    def close(self) -> None:
        """Close the connections; a request under way fails."""
        self._bound.cut()
        self._client.close()

    def _template(self) -> object:
        with self._translated():
            try:
                return self._client.indices.get_index_template(name=self._index)
            except NotFoundError:
                return None

    def _put_template(self, body: Mapping[str, Any]) -> None:
        with self._translated(), checkpoint.INDEX_TEMPLATE:
            self._client.indices.put_index_template(name=self._index, body=dict(body))

    def _exists(self) -> bool:
        with self._translated():
            return bool(self._client.indices.exists(index=self._index))

    def _bulk(self, body: bytes) -> object:
        with self._translated(), checkpoint.INDEX_BULK:
            return self._client.bulk(body=body)

    def _search(self, body: Mapping[str, Any]) -> object:
        options = {"ignore_unavailable": "true", "allow_partial_search_results": "false"}
        with self._translated():
            return self._client.search(index=self._index, body=dict(body), params=options)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        place = self._place
        try:
            with self._bound.request(), place.senseless():
                yield
        except ConnectionTimeout as error:
            raise place.late() from error
        except SSLError as error:
            raise place.untrusted(str(error.error)) from error
        except NoConnection as error:
            if isinstance(error.info, UnicodeError):  # the client decodes before it looks
                raise place.unreadable() from error
            raise place.unconnected(str(error.error)) from error
        except TransportError as error:
            status = error.status_code
            said = error.info if isinstance(error.info, Mapping) else error.error
            raise place.refused(status if isinstance(status, int) else 0, said) from error
        except SerializationError as error:
            raise place.unreadable() from error


def connect(settings: Index) -> OpenSearchIndex:
    """An index by these settings. Sends nothing. ConfigError: a URL, credentials or a ca_file that cannot be."""
    address = parse_address(settings.url)
    identity = credentials(settings, address)
    ca_file = check_ca_file(settings)
    _be_quiet()
    options: dict[str, Any] = {"ca_certs": ca_file} if ca_file and address.scheme == "https" else {}
    client = OpenSearch(
        [{"host": address.host, "port": address.port, "url_prefix": address.prefix}],
        use_ssl=address.scheme == "https",
        headers={"authorization": identity.header} if identity.header else {},
        timeout=settings.timeout.total_seconds(),
        max_retries=0,
        retry_on_status=(),
        retry_on_timeout=False,
        pool_maxsize=CONNECTIONS,
        **options,
    )
    place = Place(name=f"OpenSearch at {address}", secrets=identity.secrets)
    node: Any = client.transport.get_connection()
    bound = Bound(node.pool, place=place, timeout_s=settings.timeout.total_seconds())
    return OpenSearchIndex(client, index=settings.index, place=place, bound=bound)


def _be_quiet() -> None:
    """What fails is raised, and said once by who handles it; what the server only remarks is its admin's business."""
    logging.getLogger("opensearch").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", category=OpenSearchWarning)
