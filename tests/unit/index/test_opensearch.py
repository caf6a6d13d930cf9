"""What is OpenSearch's alone. The rest is tested with both flavors."""

from __future__ import annotations

import pytest

from support.elastic_stub import ElasticStub
from support.indexed import index_on, some
from syncd.errors import RemoteError
from syncd.ports import Taken


def test_it_speaks_to_a_server_that_is_no_elasticsearch() -> None:
    with ElasticStub(product="") as stub, index_on(stub, "opensearch") as index:
        index.prepare()
        assert index.add(some(1))[0].taken is Taken.DONE
        assert not [seen for seen in stub.seen if "elasticsearch" in seen.headers["content-type"]]


def test_its_failures_name_it() -> None:
    with ElasticStub(product="") as stub, index_on(stub, "opensearch") as index:
        stub.refuse()
        with pytest.raises(RemoteError, match=f"^OpenSearch at {stub.url}: "):
            index.add(some(1))
