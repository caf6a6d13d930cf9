"""Elasticsearch 8 and newer by its official client."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from elastic_transport import ConnectionTimeout, TlsError, TransportError
from elastic_transport import SerializationError as BadBody
from elasticsearch import ApiError, Elasticsearch, ElasticsearchWarning, UnsupportedProductError

from syncd import checkpoint
from syncd.config.types import Index
from syncd.errors import RemoteError, RemoteKind
from syncd.index.address import check_ca_file, credentials, parse_address
from syncd.index.bound import Bound
from syncd.index.failure import Place
from syncd.index.remote import CONNECTIONS, RemoteIndex


class ElasticIndex(RemoteIndex):
    """`ports.ArchiveIndex` on Elasticsearch."""

    def __init__(self, client: Elasticsearch, *, index: str, place: Place, bound: Bound) -> None:
        super().__init__(index=index, place=place)
        self._client = client
        self._bound = bound

    def close(self) -> None:
        """Close the connections; a request under way fails."""
        self._bound.cut()
        self._client.close()

    def _template(self) -> object:
        with self._translated():
            return self._client.options(ignore_status=404).indices.get_index_template(name=self._index).body

    def _put_template(self, body: Mapping[str, Any]) -> None:
        parameters = {name.removeprefix("_"): value for name, value in body.items()}  # the client writes meta as _meta
        with self._translated(), checkpoint.INDEX_TEMPLATE:
            self._client.indices.put_index_template(name=self._index, **parameters)

    def _exists(self) -> bool:
        with self._translated():
            return bool(self._client.indices.exists(index=self._index))

    def _bulk(self, body: bytes) -> object:
        operations: Any = body  # its signature speaks of mappings; bytes pass it as they are
        with self._translated(), checkpoint.INDEX_BULK:
            return self._client.bulk(operations=operations).body

    def _search(self, body: Mapping[str, Any]) -> object:
        options: dict[str, Any] = {"ignore_unavailable": True, "allow_partial_search_results": False}
        with self._translated():
            return self._client.search(index=self._index, **options, **body).body

    @contextmanager
    def _translated(self) -> Iterator[None]:
        place = self._place
        try:
            with self._bound.request(), place.senseless():
                yield
        except UnsupportedProductError as error:
            hint = 'for OpenSearch say flavor = "opensearch" in [batch.elasticsearch]'
            raise RemoteError(RemoteKind.REJECTED, f"{place}: it is no Elasticsearch", hint=hint) from error
        except ApiError as error:
            raise place.refused(error.meta.status, error.body) from error
        except ConnectionTimeout as error:
            raise place.late() from error
        except TlsError as error:
            raise place.untrusted(str(error.message)) from error
        except BadBody as error:
            raise place.unreadable() from error
        except TransportError as error:
            raise place.unconnected(str(error.message)) from error


def connect(settings: Index) -> ElasticIndex:
    """An index by these settings. Sends nothing. ConfigError: a URL, credentials or a ca_file that cannot be."""
    address = parse_address(settings.url)
    identity = credentials(settings, address)
    ca_file = check_ca_file(settings)
    _be_quiet()
    options: dict[str, Any] = {"ca_certs": ca_file} if ca_file and address.scheme == "https" else {}
    client = Elasticsearch(
        [str(address)],
        headers={"authorization": identity.header} if identity.header else {},
        request_timeout=settings.timeout.total_seconds(),
        max_retries=0,
        retry_on_status=(),
        retry_on_timeout=False,
        connections_per_node=CONNECTIONS,
        **options,
    )
    place = Place(name=f"Elasticsearch at {address}", secrets=identity.secrets)
    node: Any = client.transport.node_pool.all()[0]
    bound = Bound(node.pool, place=place, timeout_s=settings.timeout.total_seconds())
    return ElasticIndex(client, index=settings.index, place=place, bound=bound)


def _be_quiet() -> None:
    """What fails is raised, and said once by who handles it; what the server only remarks is its admin's business."""
    logging.getLogger("elastic_transport").setLevel(logging.CRITICAL)
    logging.getLogger("elasticsearch").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", category=ElasticsearchWarning)
