"""What a person sees of the daemon: whole pictures."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import Any

import pytest

from support.stub_daemon import batch_row, pair_row, status_row
from synctl.render_status import render_status
from synctl.screen import Look
from synctl.words import columns

NOW = datetime(2026, 11, 20, 13, 0, 40, tzinfo=timezone.utc)


def transfer(**changed: Any) -> dict[str, Any]:
    row = {"pair": "logs", "path": "latency-2026-11-20T13.jsonl.gz", "direction": "up", "done_bytes": 61}
    return {**row, "total_bytes": 100, "bytes_per_second": 18_000_000, "eta_seconds": 2, **changed}


BUSY = status_row(
    pairs=[
        pair_row(
            state="transferring",
            pending_files=3,
            pending_bytes=41_200_000,
            last_full_pass_at="2026-11-20T13:00:00Z",
            next_full_pass_at="2026-11-20T13:01:00Z",
        )
    ],
    transfers=[transfer()],
)
BUSY["s3"].update(cost_usd=0.21, since="2026-11-20T00:00:00Z", proven_at="2026-11-20T07:00:00Z")

HALTED = status_row(
    health="failing",
    health_reasons=[
        "logs is halted: 300 of 1,000 files would be deleted, over max_delete = 10%",
        "archive: no success for 15 minutes because the credentials ran out some time ago",
    ],
    pairs=[
        pair_row(state="halted", halted_plan_id="p-7f3a", last_success_at=None),
        pair_row(
            name="archive-of-everything-há-日本語",
            mode="bidirectional",
            state="auth-expired",
            pending_files=12345,
            pending_bytes=41_200_000,
            watch="polling",
            last_error="ExpiredToken: \x1b[31m the token\nran out",
            oldest_unprotected_seconds=900,
            counts={"conflicts": 2, "held": 1, "diverged": 0},
        ),
    ],
    transfers=[transfer(path="deep/" * 30 + f"x{index}.gz", direction="down") for index in range(7)],
)

ARCHIVING = status_row(
    health="degraded",
    health_reasons=["small: the bucket nonesuch does not exist on https://s3.example.org (create it)"],
    batches=[
        batch_row(
            state="transferring",
            unlinking=600,
            index={"state": "down", "queued": 3, "dead": 1, "error": "no answer"},
            folders=[
                {"bucket": "lab", "state": "transferring", "reason": None},
                {
                    "bucket": "nonesuch",
                    "state": "waiting",
                    "reason": "the bucket nonesuch does not exist on https://s3.example.org (create it)",
                },
                {"bucket": "No_Bucket", "state": "waiting", "reason": "No_Bucket is no name of a bucket"},
            ],
            last_error="the bucket nonesuch does not exist on https://s3.example.org (create it)",
        ),
        batch_row(name="quiet", waiting_files=1, archived_files=0, archives=0, index={"state": "off"}),
    ],
    transfers=[transfer(pair="small/lab", path="runs/0198a6e2-7b0c-7d3e-9c1a-1f5d2e4b6a70.tar")],
)

PICTURES: dict[str, tuple[dict[str, Any], Look, str]] = {
    "busy": (
        BUSY,
        Look(),
        """\
syncd 0.3.0 on lt-07   pid 812   up 3 d 4 h   health ok
oldest unprotected file 14 s   last full pass 40 s ago, next in 20 s

PAIR   MODE     STATE          PENDING       RATE      LAST OK   ERRORS
logs   upload   transferring   3 · 41.2 MB   18 MB/s   1 s       0
  ↑ latency-2026-11-20T13.jsonl.gz     ████████▌       61 %   2 s left

S3 in 13 h   41,230 PUT   980 LIST   12 HEAD   ≈ $0.21   endpoint proven 6 h ago
""",
    ),
    "halted": (
        HALTED,
        Look(),
        """\
FAILING   logs is halted: 300 of 1,000 files would be deleted, over max_delete =
          10%
          archive: no success for 15 minutes because the credentials ran out
          some time ago
        → logs is halted: `synctl plan logs` shows what it would do,
          `synctl resume logs --accept p-7f3a` allows exactly that.
        → archive-of-everything-há-日本語: the credentials ran out. Renew them;
          it goes on by itself then.

syncd 0.3.0 on lt-07   pid 812   up 3 d 4 h   health failing
oldest unprotected file 15 m

PAIR         MODE          STATE        PENDING          RATE     LAST OK ERRORS
logs         upload        halted       0                126 MB/s never   0
  ↓ deep/deep/dee…ep/deep/deep/deep/deep/x0.gz   ████████▌       61 %   2 s left
  ↓ deep/deep/dee…ep/deep/deep/deep/deep/x1.gz   ████████▌       61 %   2 s left
  ↓ deep/deep/dee…ep/deep/deep/deep/deep/x2.gz   ████████▌       61 %   2 s left
  ↓ deep/deep/dee…ep/deep/deep/deep/deep/x3.gz   ████████▌       61 %   2 s left
    … and 3 more
arc…á-日本語 bidirectional auth-expired 12,345 · 41.2 MB -        1 s     0
    2 conflicts · 1 held · watched by polling
    last error: ExpiredToken: \\x1b[31m the token\\nran out

S3 since the start   41,230 PUT   980 LIST   12 HEAD
""",
    ),
    "nothing configured": (
        status_row(pairs=[]),
        Look(),
        """\
syncd 0.3.0 on lt-07   pid 812   up 3 d 4 h   health ok

Nothing is configured: add a [[pair]] to /etc/syncd/syncd.toml, then
`synctl reload` (or start `syncd -b BUCKET -l FOLDER`).
""",
    ),
    "all paused": (
        status_row(
            pairs=[
                pair_row(
                    state="paused",
                    last_full_pass_at="2026-11-20T13:00:00Z",
                    next_full_pass_at="2026-11-20T13:01:00Z",
                )
            ]
        ),
        Look(width=60),
        """\
        → Everything is paused: no file moves until
          `synctl resume`.

syncd 0.3.0 on lt-07   pid 812   up 3 d 4 h   health ok
oldest unprotected file 14 s   last full pass 40 s ago

PAIR   MODE     STATE    PENDING   RATE   LAST OK   ERRORS
logs   upload   paused   0         -      1 s       0

S3 since the start   41,230 PUT   980 LIST   12 HEAD
""",
    ),
    "one of two paused": (
        status_row(
            pairs=[
                pair_row(last_full_pass_at="2026-11-20T13:00:00Z", next_full_pass_at="2026-11-20T13:01:00Z"),
                pair_row(
                    name="b",
                    state="paused",
                    paused_until="2026-11-20T15:00:00Z",
                    last_full_pass_at="2026-11-20T12:59:40Z",
                    next_full_pass_at="2026-11-20T13:00:41Z",
                ),
            ]
        ),
        Look(),
        """\
        → b is paused until 2026-11-20T15:00:00Z: `synctl resume b` goes on.

syncd 0.3.0 on lt-07   pid 812   up 3 d 4 h   health ok
oldest unprotected file 14 s   last full pass 1 m ago, next in 20 s

PAIR   MODE     STATE    PENDING   RATE   LAST OK   ERRORS
logs   upload   idle     0         -      1 s       0
b      upload   paused   0         -      1 s       0

S3 since the start   41,230 PUT   980 LIST   12 HEAD
""",
    ),
    "narrow, no blocks": (
        BUSY,
        Look(width=50, blocks=False),
        """\
syncd 0.3.0 on lt-07   pid 812   up 3 d 4 h
  health ok
oldest unprotected file 14 s
  last full pass 40 s ago, next in 20 s

PAIR  STATE         PENDING      LAST OK  ERRORS
logs  transferring  3 / 41.2 MB  1 s      0
  ^ latency-2026-11-20T13.jsonl.gz   ####...  61 %

S3 in 13 h   41,230 PUT   980 LIST   12 HEAD
  ~ $0.21   endpoint proven 6 h ago
""",
    ),
    "unreachable": (
        status_row(
            health="degraded",
            health_reasons=["logs: the endpoint does not answer since 4 m"],
            pairs=[pair_row(state="unreachable")],
        ),
        Look(),
        """\
DEGRADED  logs: the endpoint does not answer since 4 m
        → logs: nothing moves until what is named above is mended. Nothing is
          lost, it goes on by itself.

syncd 0.3.0 on lt-07   pid 812   up 3 d 4 h   health degraded
oldest unprotected file 14 s

PAIR   MODE     STATE         PENDING   RATE   LAST OK   ERRORS
logs   upload   unreachable   0         -      1 s       0

S3 since the start   41,230 PUT   980 LIST   12 HEAD
""",
    ),
    "archiving": (
        ARCHIVING,
        Look(),
        """\
DEGRADED  small: the bucket nonesuch does not exist on https://s3.example.org
          (create it)
        → `synctl doctor` checks every precondition and says what to do.

syncd 0.3.0 on lt-07   pid 812   up 3 d 4 h   health degraded
oldest unprotected file 40 s

PAIR   MODE     STATE   PENDING   RATE   LAST OK   ERRORS
logs   upload   idle    0         -      1 s       0

BATCH   STATE          WAITING     ARCHIVED     INDEX   LAST OK   ERRORS
small   transferring   812 files   1,204 in 9   down    4 m       0
  ↑ runs/0198a6e2…c-7d3e-9c1a-1f5d2e4b6a70.tar   ████████▌       61 %   2 s left
    600 originals to be removed · 3 archives wait for the index · 1 document
    refused by it
    No_Bucket waits: No_Bucket is no name of a bucket
quiet   idle           1 file      0 in 0       off     4 m       0

S3 since the start   41,230 PUT   980 LIST   12 HEAD
""",
    ),
    "batches alone": (
        status_row(pairs=[], batches=[batch_row()]),
        Look(),
        """\
syncd 0.3.0 on lt-07   pid 812   up 3 d 4 h   health ok
oldest unprotected file 40 s

BATCH   STATE   WAITING     ARCHIVED     INDEX   LAST OK   ERRORS
small   idle    812 files   1,204 in 9   ok      4 m       0

S3 since the start   41,230 PUT   980 LIST   12 HEAD
""",
    ),
    "a paused batch beside a pair": (
        status_row(pairs=[pair_row(oldest_unprotected_seconds=None)], batches=[batch_row(state="paused")]),
        Look(),
        """\
        → small is paused: `synctl resume small` goes on.

syncd 0.3.0 on lt-07   pid 812   up 3 d 4 h   health ok
oldest unprotected file 40 s

PAIR   MODE     STATE   PENDING   RATE   LAST OK   ERRORS
logs   upload   idle    0         -      1 s       0

BATCH   STATE    WAITING     ARCHIVED     INDEX   LAST OK   ERRORS
small   paused   812 files   1,204 in 9   ok      4 m       0

S3 since the start   41,230 PUT   980 LIST   12 HEAD
""",
    ),
    "degraded without a reason": (
        status_row(health="degraded"),
        Look(),
        """\
DEGRADED  the daemon gives no reason
        → `synctl doctor` checks every precondition and says what to do.

syncd 0.3.0 on lt-07   pid 812   up 3 d 4 h   health degraded
oldest unprotected file 14 s

PAIR   MODE     STATE   PENDING   RATE   LAST OK   ERRORS
logs   upload   idle    0         -      1 s       0

S3 since the start   41,230 PUT   980 LIST   12 HEAD
""",
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_the_picture_is_this(name: str) -> None:
    status, look, picture = PICTURES[name]
    assert render_status(status, NOW, look) == picture


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
@pytest.mark.parametrize(
    "status", [BUSY, HALTED, status_row(), status_row(pairs=[])], ids=["busy", "halted", "quiet", "none"]
)
def test_nothing_is_wider_than_the_terminal(status: dict[str, Any], width: int) -> None:
    lines = render_status(status, NOW, Look(width=width)).splitlines()
    assert [line for line in lines if columns(line) > width] == []


def test_colour_marks_only_what_is_wrong() -> None:
    assert "\x1b" not in render_status(status_row(), NOW, Look(colour=True))
    painted = re.findall("\x1b\\[31m(.*?)\x1b\\[0m", render_status(HALTED, NOW, Look(colour=True)))
    assert painted == ["FAILING", "failing", "halted", "auth-expired"]


def test_colour_changes_nothing_else() -> None:
    coloured = render_status(HALTED, NOW, Look(colour=True))
    assert re.sub("\x1b\\[[0-9]+m", "", coloured) == render_status(HALTED, NOW, Look())


def test_an_answer_with_nothing_in_it_is_still_drawn() -> None:
    assert "Nothing is configured" in render_status({}, NOW, Look())


AWAY = {"server": "tcp logs:514", "connected": False, "queued": 1200, "sent": 7, "dropped": 1, "last_error": "refused"}


def test_remote_syslog_is_shown_where_it_is_away_or_has_missed_lines() -> None:
    away = render_status(status_row(syslog=AWAY), NOW, Look()).splitlines()
    assert away[-1] == "syslog tcp logs:514   away: refused   1,200 lines waiting   1 line dropped"
    back = render_status(status_row(syslog={**AWAY, "connected": True, "last_error": None}), NOW, Look()).splitlines()
    assert back[-1] == "syslog tcp logs:514   1 line dropped"
    for quiet in (None, {**AWAY, "dropped": 0, "last_error": None}):
        assert "syslog" not in render_status(status_row(syslog=quiet), NOW, Look())


@pytest.mark.parametrize(
    ("audit", "line"),
    [
        ({"oldest_seconds": None, "done_share": 0.123}, "    first audit, 12 % of this round"),
        (
            {"oldest_seconds": 12 * 86400.0, "done_share": 0.619, "differences": 2},
            "    audit 12 d old, 61 % of this round · audit found 2 differences",
        ),
    ],
)
def test_how_old_the_audit_is_and_what_it_found(audit: dict[str, Any], line: str) -> None:
    pair = pair_row(audit={"enabled": True, "period_seconds": 2_592_000.0, "differences": 0, **audit})
    assert line in render_status(status_row(pairs=[pair]), NOW, Look()).splitlines()


def test_a_pair_without_an_audit_does_not_speak_of_it() -> None:
    assert "audit" not in render_status(status_row(), NOW, Look())


def test_a_pair_or_a_batch_that_goes_by_boto3_says_why_and_any_other_is_silent() -> None:
    detour = {"plane": "boto3", "plane_reason": "https goes by a proxy"}
    status = status_row(pairs=[pair_row(**detour)], batches=[batch_row(**detour)])
    assert render_status(status, NOW, Look(width=120)).count("by boto3: https goes by a proxy") == 2
    lean = status_row(pairs=[pair_row(plane="lean", plane_reason=None)], batches=[batch_row(plane=None)])
    assert "boto3" not in render_status(lean, NOW, Look(width=120))
