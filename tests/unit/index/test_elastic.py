"""What is Elasticsearch's alone: its product check and its media types. The rest is tested with both flavors."""

from __future__ import annotations

import pytest

from support.elastic_stub import ElasticStub
from support.indexed import index_on, some
from syncd.errors import RemoteError, RemoteKind


def test_a_server_that_is_another_product_is_refused_with_what_to_configure() -> None:
    with ElasticStub(product="") as stub, index_on(stub) as index:
        with pytest.raises(RemoteError, match="it is no Elasticsearch") as caught:
            index.add(some(1))
        assert caught.value.kind is RemoteKind.REJECTED
        assert 'flavor = "opensearch"' in caught.value.hint


def test_it_speaks_to_servers_of_8_and_newer() -> None:
    with ElasticStub() as stub, index_on(stub) as index:
        index.add(some(1))
        index.prepare()
        for seen in stub.seen:
            assert seen.headers["accept"] == "application/vnd.elasticsearch+json; compatible-with=8"
        assert stub.seen[0].headers["content-type"] == "application/vnd.elasticsearch+x-ndjson; compatible-with=8"


def test_its_failures_name_it() -> None:
    with ElasticStub() as stub, index_on(stub) as index:
        stub.refuse()
        with pytest.raises(RemoteError, match=f"^Elasticsearch at {stub.url}: "):
            index.add(some(1))
