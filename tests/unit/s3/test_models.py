"""What botocore reads of its data where only some services are asked."""

from __future__ import annotations

from pathlib import Path

import botocore.session
import pytest
from botocore.exceptions import DataNotFoundError, UnknownServiceError

from syncd.s3.models import ASKED, read_only_asked

PARTITIONS = ["aws", "aws-cn", "aws-us-gov"]


def lean() -> botocore.session.Session:
    session = botocore.session.Session()
    read_only_asked(session)
    return session


@pytest.mark.parametrize("partition", PARTITIONS)
def test_the_services_that_are_asked_are_where_botocore_has_them(partition: str) -> None:
    whole, ours = botocore.session.Session(), lean()
    for service in ("s3", "sts", "sso", "portal.sso", "oidc"):
        assert ours.get_available_regions(service, partition) == whole.get_available_regions(service, partition)
    assert whole.get_available_regions("ec2", partition)
    assert not ours.get_available_regions("ec2", partition)


def test_no_partition_is_lost() -> None:
    assert lean().get_available_partitions() == botocore.session.Session().get_available_partitions()


@pytest.mark.parametrize("service", ASKED)
def test_the_models_of_what_is_asked_are_read_as_ever(service: str) -> None:
    whole = botocore.session.Session()
    if service not in whole.get_available_services():  # an older botocore
        with pytest.raises(DataNotFoundError):
            lean().get_service_model(service)
        return
    assert lean().get_service_data(service) == whole.get_service_data(service)


def test_no_other_service_is_looked_for() -> None:
    with pytest.raises(UnknownServiceError):
        lean().create_client("ec2", region_name="us-east-1")


def test_models_of_the_users_own_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "endpoints.json").write_text('{"version": 3}')
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    data, path = lean().get_component("data_loader").load_data_with_path("endpoints")
    assert (data, Path(path).parent) == ({"version": 3}, tmp_path)
