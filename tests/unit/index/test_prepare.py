"""The index template: put once, by who may, and never over somebody's own. Both flavors."""

from __future__ import annotations

import pytest

from support.elastic_stub import ElasticStub, RequestFault
from support.indexed import some
from syncd.errors import RemoteError, RemoteKind
from syncd.index.template import FIELDS, index_template
from syncd.ports import ArchiveIndex

NAME = "syncd-archives"


def puts(stub: ElasticStub) -> int:
    return sum(seen.method == "PUT" and "_index_template" in seen.path for seen in stub.seen)


def test_the_template_is_put_where_there_is_none(index: ArchiveIndex, stub: ElasticStub) -> None:
    index.prepare()
    index.prepare()
    assert stub.templates == {NAME: index_template(NAME)}
    assert puts(stub) == 1


def test_every_field_of_a_document_is_mapped_and_no_other() -> None:
    (document,) = some(1)
    assert FIELDS.keys() == document.source.keys()


def test_it_covers_the_index_and_what_a_rollover_makes_of_it_and_learns_no_fields() -> None:
    template = index_template("files")
    assert template["index_patterns"] == ["files", "files-*"]
    assert template["template"]["mappings"]["dynamic"] is False


@pytest.mark.parametrize("version", [{}, {"version": 1}, {"version": 7}])
def test_a_template_that_somebody_changed_or_made_is_left_alone(
    index: ArchiveIndex, stub: ElasticStub, version: dict[str, int]
) -> None:
    own = {"index_patterns": [NAME], "template": {"settings": {"number_of_replicas": 0}}, **version}
    stub.templates[NAME] = own
    index.prepare()
    assert stub.templates == {NAME: own}


def test_an_older_one_is_replaced(index: ArchiveIndex, stub: ElasticStub) -> None:
    stub.templates[NAME] = {"version": 0}
    index.prepare()
    assert stub.templates == {NAME: index_template(NAME)}


def test_a_user_who_may_not_is_enough_where_the_index_is_there(index: ArchiveIndex, stub: ElasticStub) -> None:
    index.add(some(1))
    stub.may = lambda method, path: "_index_template" not in path
    index.prepare()
    assert stub.templates == {}


def test_a_user_who_may_not_is_told_so_where_it_is_not(index: ArchiveIndex, stub: ElasticStub) -> None:
    stub.may = lambda method, path: "_index_template" not in path
    with pytest.raises(RemoteError, match="access is denied") as caught:
        index.prepare()
    assert caught.value.kind is RemoteKind.DENIED


def test_a_server_that_is_busy_is_no_reason_to_go_without(index: ArchiveIndex, stub: ElasticStub) -> None:
    stub.fail(RequestFault(method="PUT", answer=(503, {"error": "no master"}), times=1))
    with pytest.raises(RemoteError) as caught:
        index.prepare()
    assert caught.value.kind is RemoteKind.UNAVAILABLE
    index.prepare()
    assert stub.templates == {NAME: index_template(NAME)}
