"""Moments in which a version could slip through: each is brought about on purpose, and the version is still there."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from support.daemon_process import Answer, Host
from support.moto import MotoServer
from support.processes import eventually
from support.proxy import Fault, Proxy

HostMaker = Callable[..., Host]
AT_ONCE = 'settle = "0s"\n'


def everything(host: Host) -> list[bytes]:
    """The content of every file that a person can find below the root, trash included."""
    ours = host.root / ".syncd"
    return [path.read_bytes() for path in host.root.rglob("*") if path.is_file() and ours / "tmp" not in path.parents]


def good(answer: Answer) -> None:
    assert answer.code == 0, answer.said


def test_what_is_written_to_a_file_opened_while_its_successor_comes_down_is_kept(
    s3: MotoServer, bucket: str, proxy: Proxy, make_host: HostMaker
) -> None:
    host = make_host(proxy.endpoint, mode="bidirectional", pair=AT_ONCE)
    file = host.write("a.log", b"first\n")
    good(host.once())
    s3.client().put_object(Bucket=bucket, Key="p/a.log", Body=b"another host's\n")
    proxy.add(Fault(method="GET", target=r"/a\.log", delay_s=1.0))
    with ThreadPoolExecutor(1) as thread:
        cycle = thread.submit(host.once)
        eventually(lambda: proxy.count("GET", r"/a\.log"), within=20, what="no download")
        with file.open("ab") as writer:
            cycle.result(timeout=60)
            writer.write(b"and a line more\n")
    assert any(b"and a line more\n" in content for content in everything(host))


def test_what_an_ordinary_edit_elsewhere_supersedes_is_not_kept(
    s3: MotoServer, bucket: str, make_host: HostMaker
) -> None:
    host = make_host(s3.endpoint, mode="bidirectional", pair=AT_ONCE)
    host.write("a.log", b"first\n")
    good(host.once())
    s3.client().put_object(Bucket=bucket, Key="p/a.log", Body=b"another host's\n")
    good(host.once())
    assert (host.root / "a.log").read_bytes() == b"another host's\n"
    assert list((host.root / ".syncd" / "trash").iterdir()) == []


def test_an_object_is_kept_also_after_somebody_suspended_the_versions_of_its_bucket(
    s3: MotoServer, make_host: HostMaker
) -> None:
    client, bucket = s3.client(), s3.new_bucket("suspended-later", versioned=True)
    host = make_host(s3.endpoint, remote=f"s3://{bucket}/p/", pair=f'{AT_ONCE}keep_versions = "all"\n')
    host.write("a.log", b"first\n", age_s=90)
    good(host.once())
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    host.write("a.log", b"second\n", age_s=60)
    good(host.once())
    host.write("a.log", b"third\n", age_s=30)
    good(host.once())
    # "first" has a version id, which S3 keeps and moto forgets here
    rows = client.list_object_versions(Bucket=bucket, Prefix="p/")["Versions"]
    found = {
        client.get_object(Bucket=bucket, Key=row["Key"], VersionId=row["VersionId"])["Body"].read() for row in rows
    }
    assert {b"second\n", b"third\n"} <= found


def test_a_file_that_gets_its_name_while_it_goes_up_leaves_no_object_behind(
    s3: MotoServer, bucket: str, proxy: Proxy, make_host: HostMaker
) -> None:
    host = make_host(proxy.endpoint, mode="bidirectional", pair=f'{AT_ONCE}deletes = "propagate"\n')
    file = host.write("a.log.part", b"x" * 100_000)
    gate = proxy.add(Fault(method="PUT", target=r"/a\.log\.part", hold_up_at=1000))
    with ThreadPoolExecutor(1) as thread:
        cycle = thread.submit(host.once)
        gate.wait_reached()
        os.rename(file, host.root / "a.log")
        gate.open()
        good(cycle.result(timeout=60))
    good(host.once())
    assert {key for key in s3.contents(bucket, "p/") if ".syncd" not in key} == {"p/a.log"}
