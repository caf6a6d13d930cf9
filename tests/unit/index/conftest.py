"""A stub of the index, alone or with a client of either flavor on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.elastic_stub import ElasticStub
from support.indexed import PRODUCT, index_on
from syncd.ports import ArchiveIndex


@pytest.fixture(params=PRODUCT)
def flavor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def stub(flavor: str) -> Iterator[ElasticStub]:
    with ElasticStub(product=PRODUCT[flavor]) as stub:
        yield stub


@pytest.fixture
def index(stub: ElasticStub, flavor: str) -> Iterator[ArchiveIndex]:
    with index_on(stub, flavor) as index:
        yield index
