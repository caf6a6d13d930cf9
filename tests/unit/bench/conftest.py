"""The sink, in a process of its own, and a plain client of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import boto3
import pytest

from bench.servers import ACCESS_KEY, REGION, SECRET_KEY, Sink


def client_of(sink: Sink) -> Any:
    """boto3 as it comes."""
    return boto3.client(
        "s3",
        endpoint_url=sink.url,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        verify=str(sink.ca_file) if sink.ca_file else None,
    )


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Sink]]:
    """Starts sinks, and ends them."""
    with ExitStack() as cleaning:

        def started(**options: Any) -> Sink:
            folder: Path = tmp_path_factory.mktemp("sink")
            sink = Sink(folder, **options)
            cleaning.callback(sink.close)
            return sink

        yield started


@pytest.fixture(scope="module")
def sink(start: Callable[..., Sink]) -> Sink:
    return start()


@pytest.fixture(scope="module")
def client(sink: Sink) -> Any:
    return client_of(sink)
