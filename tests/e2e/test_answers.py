"""What synctl tells is about what was asked: a pass that never ran, a path that is gone, a guard that halted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from support.daemon_process import Host
from support.moto import MotoServer
from support.proxy import Proxy

MakeHost = Callable[..., Host]


def test_a_forced_sync_that_could_not_run_does_not_tell_of_an_earlier_pass(proxy: Proxy, make_host: MakeHost) -> None:
    host = make_host(proxy.endpoint)
    host.write("a.gz", b"a")
    host.start()
    first = json.loads(host.ctl("force-sync", "--wait", "--timeout", "30", "--json").out)
    assert [cycle["pair"] for cycle in first["cycles"]] == ["logs"]
    proxy.refuse()
    second = host.ctl("force-sync", "--wait", "--timeout", "1", "--json")
    assert second.code == 10
    assert json.loads(second.out)["cycles"] == []


def test_a_path_that_is_gone_from_both_sides_has_its_history(
    s3: MotoServer, bucket: str, make_host: MakeHost, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    more = f'[[pair]]\nname = "other"\nlocal = "{other}"\nremote = "s3://{bucket}/other/"'
    host = make_host(s3.endpoint, mode="bidirectional", pair='deletes = "propagate"', more=more)
    host.write("a.gz", b"a")
    host.start()
    assert host.ctl("force-sync", "--wait", "--timeout", "30").code == 0
    (host.root / "a.gz").unlink()
    assert host.ctl("force-sync", "--wait", "--timeout", "30").code == 0
    rows = json.loads(host.ctl("history", "a.gz", "--json").out)["rows"]
    assert [(row["pair"], row["operation"]) for row in rows] == [("logs", "delete"), ("logs", "upload")]


def test_a_forced_sync_that_halts_says_so(s3: MotoServer, bucket: str, make_host: MakeHost) -> None:
    host = make_host(s3.endpoint, mode="bidirectional", pair='deletes = "propagate"\nmax_delete = 0')
    host.write("a.gz", b"a")
    host.start()
    assert host.ctl("force-sync", "--wait", "--timeout", "30").code == 0
    (host.root / "a.gz").unlink()
    halted = host.ctl("force-sync", "--wait", "--timeout", "30")
    assert halted.code == 7
    assert "a person must decide" in halted.out
