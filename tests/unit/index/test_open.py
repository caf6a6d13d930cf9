"""From settings to a client: addresses, credentials that are sent and never told, certificates, missing packages."""

from __future__ import annotations

import base64
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.elastic_stub import ElasticStub
from support.indexed import PRODUCT, certified, index_on, some
from syncd.config.types import Index
from syncd.errors import ConfigError, RemoteError, RemoteKind
from syncd.index.address import parse_address
from syncd.index.open import open_index
from syncd.ports import Taken

FLAVORS = list(PRODUCT)


def basic(name: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


def test_importing_the_room_imports_no_client() -> None:
    code = "import sys, syncd.index.open; sys.exit('elasticsearch' in sys.modules or 'opensearchpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_no_url_is_no_index() -> None:
    assert open_index(Index()) is None


@pytest.mark.parametrize("flavor", FLAVORS)
def test_a_missing_package_is_said_with_what_to_type(flavor: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, {"elasticsearch": "elasticsearch", "opensearch": "opensearchpy"}[flavor], None)
    with pytest.raises(ConfigError) as caught:
        open_index(Index(url="es:9200", flavor=flavor))
    assert f"pip install 'syncd[{flavor}]'" in str(caught.value)


def test_a_client_of_another_version_is_said_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elasticsearch.__version__", (9, 1, 0))
    with pytest.raises(ConfigError, match=r"is 9.1.0, not 8 .*pip install 'syncd\[elasticsearch\]'"):
        open_index(Index(url="es:9200"))


# --- addresses --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("es:9201", "http://es:9201"),
        ("es", "http://es:9200"),
        ("10.0.0.7:9200", "http://10.0.0.7:9200"),
        ("http://es", "http://es:9200"),
        ("https://es.example.org", "https://es.example.org:443"),
        ("https://es.example.org:9243/proxy/es/", "https://es.example.org:9243/proxy/es"),
        ("[::1]:9200", "http://[::1]:9200"),
        ("https://someone:secret@es:9200", "https://es:9200"),
    ],
)
def test_a_url_may_be_short(url: str, expected: str) -> None:
    assert str(parse_address(url)) == expected


@pytest.mark.parametrize("flavor", FLAVORS)
@pytest.mark.parametrize(
    "url",
    [
        *("ftp://es", "http://", "es:port", "es:0", "http://[::1", "http://es:9200/?q=1", "http://u:sesame@es:99999"),
        f"http://{'x' * 64}:9200",
    ],
)
def test_a_url_that_is_none_is_a_matter_of_configuration(url: str, flavor: str) -> None:
    with pytest.raises(ConfigError, match=r"elasticsearch.url: .* is no URL of an index") as caught:
        open_index(Index(url=url, flavor=flavor))
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("flavor", FLAVORS)
def test_a_prefix_is_kept(flavor: str) -> None:
    with ElasticStub(product=PRODUCT[flavor]) as stub:
        stub.may = lambda method, path: path.startswith("/proxy/es/")
        with index_on(stub, flavor, url=f"{stub.url}/proxy/es") as index, pytest.raises(RemoteError) as caught:
            index.add(some(1))
        assert stub.seen[0].path == "/proxy/es/_bulk"
        assert caught.value.kind is RemoteKind.REJECTED


# --- credentials ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flavor", FLAVORS)
@pytest.mark.parametrize(
    ("settings", "header"),
    [
        ({"api_key": "aWQ6c2VzYW1l"}, "ApiKey aWQ6c2VzYW1l"),
        ({"api_key": "id:sesame"}, "ApiKey aWQ6c2VzYW1l"),
        ({"username": "elastic", "password": "sésame:x"}, basic("elastic", "sésame:x")),
        ({"userinfo": "elastic:ses%40me"}, basic("elastic", "ses@me")),
        ({"userinfo": "elastic:wrong", "username": "syncd", "password": "sesame"}, basic("syncd", "sesame")),
        ({"api_key": "aWQ6c2VzYW1l", "username": "elastic", "password": "x"}, "ApiKey aWQ6c2VzYW1l"),
    ],
)
def test_credentials_are_sent(flavor: str, settings: dict[str, Any], header: str) -> None:
    with ElasticStub(product=PRODUCT[flavor]) as stub:
        stub.authorization = header
        given = {"userinfo": "", **settings}
        url = stub.url.replace("://", f"://{given.pop('userinfo')}@").replace("//@", "//")
        with index_on(stub, flavor, url=url, **given) as index:
            assert index.add(some(1))[0].taken is Taken.DONE


@pytest.mark.parametrize("flavor", FLAVORS)
@pytest.mark.parametrize(
    "settings",
    [{"api_key": "aWQ6c2VzYW1l"}, {"api_key": "id:sesame"}, {"username": "elastic", "password": "sesame"}],
)
def test_a_refusal_never_tells_them_though_the_server_does(flavor: str, settings: dict[str, Any]) -> None:
    with ElasticStub(product=PRODUCT[flavor]) as stub:
        stub.authorization = "Basic somebody-else"
        with index_on(stub, flavor, **settings) as index, pytest.raises(RemoteError) as caught:
            index.add(some(1))
        sent = stub.seen[0].headers["authorization"].split()[1]
    assert caught.value.kind is RemoteKind.DENIED
    assert "unable to authenticate" in str(caught.value)
    assert sent not in str(caught.value)
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("flavor", FLAVORS)
@pytest.mark.parametrize("settings", [{"api_key": "ses\name"}, {"api_key": "ses ame"}, {"api_key": "sesamé"}])
def test_a_key_that_cannot_be_sent_is_refused_and_not_told(flavor: str, settings: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        open_index(Index(url="es:9200", flavor=flavor, **settings))
    assert "ses" not in str(caught.value)


def test_a_name_with_a_colon_is_refused() -> None:
    with pytest.raises(ConfigError, match="colon"):
        open_index(Index(url="es:9200", username="a:b", password="x"))


# --- TLS --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flavor", FLAVORS)
def test_a_certificate_is_trusted_by_the_ca_file_alone(flavor: str, tmp_path: Path) -> None:
    context, ca_file = certified(tmp_path)
    with ElasticStub(product=PRODUCT[flavor], tls=context) as stub:
        with index_on(stub, flavor, ca_file=ca_file) as index:
            assert index.add(some(1))[0].taken is Taken.DONE
        with index_on(stub, flavor) as index, pytest.raises(RemoteError) as caught:
            index.add(some(1))
    assert caught.value.kind is RemoteKind.UNAVAILABLE
    assert "TLS failed" in caught.value.message
    assert "ca_file" in caught.value.hint


@pytest.mark.parametrize("flavor", FLAVORS)
def test_a_ca_file_that_cannot_be_used_is_a_matter_of_configuration(flavor: str, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("no certificate")
    for name, said in (("absent.pem", "cannot be read"), ("empty.pem", "holds no certificate")):
        with pytest.raises(ConfigError, match=said):
            open_index(Index(url="https://es", flavor=flavor, ca_file=tmp_path / name))
